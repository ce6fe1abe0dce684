"""Gossip streams: dialled with grpcio's client, or accepted by grpcio's server."""

import queue
import ssl
import threading
import time

import grpc
from fabric_protos.gossip import message_pb2 as gossip

STREAM = "/gossip.Gossip/GossipStream"
PING = "/gossip.Gossip/Ping"
# how long anything may take that should happen; nothing that passes needs nearly as long
PATIENCE = 15.0
OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # connections must not be shared between streams
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


class Failure(Exception):
    """Something is not as it must be."""


class Received:
    """An envelope that arrived, as bytes and decoded."""

    def __init__(self, raw):
        self.raw = raw
        self.envelope = gossip.Envelope.FromString(raw)
        self.message = gossip.GossipMessage.FromString(self.envelope.payload)
        self.kind = self.message.WhichOneof("content")

    @property
    def content(self):
        """The message's content."""
        return getattr(self.message, self.kind)


def marshalled(item):
    """Bytes go as they are: what is malformed must be sendable, too."""
    return item if isinstance(item, bytes) else item.SerializeToString()


class Stream:
    """One gossip stream; what arrives is collected until somebody asks for it."""

    def __init__(self):
        self.outgoing = queue.Queue()
        self.changed = threading.Condition()
        self.inbox = []
        self.end = None

    def send(self, *items):
        """Sends envelopes, or bytes in their place."""
        for item in items:
            self.outgoing.put(item)

    def requests(self):
        """What grpcio is to send."""
        while (item := self.outgoing.get()) is not None:
            yield item

    def take(self, raw):
        """Something arrived."""
        with self.changed:
            self.inbox.append(Received(raw))
            self.changed.notify_all()

    def over(self, code, text):
        """The stream has ended."""
        with self.changed:
            self.end = (code, text)
            self.changed.notify_all()

    def expect(self, kind, where=lambda received: True, patience=PATIENCE):
        """Waits for a message of a kind, takes it out and gives it; others stay."""
        until = time.monotonic() + patience
        with self.changed:
            while True:
                for index, received in enumerate(self.inbox):
                    if received.kind == kind and where(received):
                        return self.inbox.pop(index)
                left = until - time.monotonic()
                if self.end is not None or left <= 0:
                    seen = ", ".join(received.kind or "nothing" for received in self.inbox) or "nothing"
                    state = "still open" if self.end is None else f"ended with {self.end}"
                    raise Failure(f"no {kind} came, but {seen}; the stream is {state}")
                self.changed.wait(left)

    def poll(self, kind, where=lambda received: True):
        """Takes out what has come already, or gives None."""
        with self.changed:
            for index, received in enumerate(self.inbox):
                if received.kind == kind and where(received):
                    return self.inbox.pop(index)
        return None

    def forget(self, kind):
        """Drops what has come of a kind."""
        while self.poll(kind) is not None:
            pass

    def ended(self, patience=PATIENCE):
        """Waits for the end; gives gRPC code and text."""
        until = time.monotonic() + patience
        with self.changed:
            while self.end is None:
                left = until - time.monotonic()
                if left <= 0:
                    raise Failure("the stream did not end")
                self.changed.wait(left)
            return self.end

    @property
    def is_open(self):
        """Whether it has not ended."""
        return self.end is None


class Connection:
    """A TLS connection to a peer, with the certificate of `identity` or none."""

    def __init__(self, address, identity, root=None):
        self.address = address
        certificate, key = (identity.tls_certificate, identity.tls_key) if identity else (None, None)
        root = root or identity.tls_root
        self.channel = grpc.secure_channel(
            address, grpc.ssl_channel_credentials(root, key, certificate), options=OPTIONS
        )

    def ping(self, message=b""):
        """Calls Ping; gives the bytes of the answer."""
        return self.channel.unary_unary(PING)(message, timeout=PATIENCE)

    def open(self, reads=True, **options):
        """Opens a gossip stream; `reads` is False for one that never reads what arrives."""
        stream = DialledStream(self, options)
        if reads:
            threading.Thread(target=stream.read, daemon=True).start()
        return stream

    def close(self):
        """Ends all of it."""
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class DialledStream(Stream):
    """A stream that was opened here."""

    def __init__(self, connection, options):
        super().__init__()
        self.connection = connection
        method = connection.channel.stream_stream(STREAM, request_serializer=marshalled)
        self.call = method(self.requests(), **options)

    def read(self):
        """Reads until the end."""
        try:
            for raw in self.call:
                self.take(raw)
            self.over(self.call.code(), self.call.details())
        except grpc.RpcError as error:
            self.over(error.code(), error.details())
        except Exception as error:  # pylint: disable=broad-except
            self.over(None, f"cannot be read: {error!r}")

    def close(self):
        """Ends stream and connection."""
        self.outgoing.put(None)
        self.call.cancel()
        self.connection.close()


class AcceptedStream(Stream):
    """A stream that the other side opened."""

    def __init__(self, context):
        super().__init__()
        self.context = context

    def read(self, requests):
        """Reads until the end."""
        try:
            for raw in requests:
                self.take(raw)
            self.over(grpc.StatusCode.OK, "")
        except Exception as error:  # pylint: disable=broad-except
            self.over(grpc.StatusCode.CANCELLED, str(error))
        self.outgoing.put(None)

    def close(self):
        """Ends the stream."""
        self.outgoing.put(None)
        self.context.cancel()


def tls_session(address, identity, version, protocols=("h2",)):
    """A TLS session without gRPC: Python's own `ssl` module. The caller closes it."""
    import socket

    host, port = address.rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(list(protocols))
    if identity:
        with_files(context, identity)
    plain = socket.create_connection((host, int(port)), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname=host)


def with_files(context, identity):
    """The `ssl` module takes certificates from files only."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(identity.tls_certificate + identity.tls_key)
        file.flush()
        context.load_cert_chain(file.name)
