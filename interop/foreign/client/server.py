"""The accepting side: a gossip server on grpcio, to be dialled by the node."""

import concurrent.futures
import queue
import threading

import grpc

from . import messages
from .identity import certificate_hash
from .stream import OPTIONS, AcceptedStream, marshalled


class Server:
    """Serves `gossip.Gossip` over mutual TLS; every stream that is opened ends up in `streams`."""

    def __init__(self, identity, roots, address="127.0.0.1:0"):
        self.identity = identity
        self.pings = queue.Queue()
        self.streams = queue.Queue()
        pool = concurrent.futures.ThreadPoolExecutor(max_workers=32)
        self.server = grpc.server(pool, options=OPTIONS)
        self.server.add_generic_rpc_handlers([self._handlers()])
        credentials = grpc.ssl_server_credentials(
            [(identity.tls_key, identity.tls_certificate)], roots, require_client_auth=True
        )
        port = self.server.add_secure_port(address, credentials)
        self.address = f"127.0.0.1:{port}"
        self.server.start()

    def _handlers(self):
        methods = {
            "Ping": grpc.unary_unary_rpc_method_handler(self._ping),
            "GossipStream": grpc.stream_stream_rpc_method_handler(
                self._stream, response_serializer=marshalled
            ),
        }
        return grpc.method_handlers_generic_handler("gossip.Gossip", methods)

    def _ping(self, request, _context):
        self.pings.put(request)
        return b""

    def _stream(self, requests, context):
        stream = AcceptedStream(context)
        # both sides send their handshake without waiting
        stream.send(self.identity.seal(messages.establish(self.identity)))
        stream.peer_hash = certificate_hash(context.auth_context()["x509_pem_cert"][0])
        threading.Thread(target=stream.read, args=[requests], daemon=True).start()
        self.streams.put(stream)
        yield from stream.requests()

    def accept(self, patience):
        """The next stream that was opened, with the node's handshake as `stream.theirs`."""
        stream = self.streams.get(timeout=patience)
        stream.theirs = stream.expect("conn")
        return stream

    def stop(self):
        """Ends everything."""
        self.server.stop(None)
