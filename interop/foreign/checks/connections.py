"""What arrives before or beside gossip: bytes that are not TLS, not HTTP/2, not gRPC; connections that do nothing."""

import contextlib
import socket
import ssl

import grpc
from client import messages
from client.node import split
from client.stream import PATIENCE, PING, tls_session
from client.world import require, same

from . import attacks

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def run(world):
    """All of it."""
    harmless(world)
    check, me = world.report.check, world.cast.attacker
    with check("a client without certificate does not get in"):
        refused(world, None)
    with check("nor does one with a certificate of an organisation outside the channel"):
        refused(world, world.cast.outsider)
    with check("a first message of 100 kB is refused before it is looked at"):
        stream = world.dial(me).open()
        stream.send(attacks.payload(bytes(100_000)))
        same(stream.ended()[0], grpc.StatusCode.RESOURCE_EXHAUSTED, "status")
        stream.close()
        world.still_serves()
    with check("one of 50 MB, too"):
        stream = world.dial(me).open()
        stream.send(attacks.payload(bytes(50_000_000)))
        same(stream.ended()[0], grpc.StatusCode.RESOURCE_EXHAUSTED, "status")
        stream.close()
        world.still_serves()
    with check("one who asks for much and reads nothing does not slow others"):
        greedy = world.dial(me).open(reads=False)
        greedy.send(me.seal(messages.establish(me)))
        request = lambda first: messages.unsigned(messages.state_request(world.channel, 1, first, first + 10))
        greedy.send(*(request(first % (len(world.blocks) - 11)) for first in range(500)))
        for _ in range(20):
            world.still_serves(world.cast.visitor)
        greedy.close()


def refused(world, identity):
    """The connection must fail in TLS, or with its first call."""
    with world.dial(identity) as connection:
        try:
            connection.ping()
        except grpc.RpcError as error:
            same(error.code(), grpc.StatusCode.UNAVAILABLE, "status")
        else:
            require(False, "it got in")
    world.still_serves()


def harmless(world):
    """What no server may stumble over."""
    world.report.section("connections")
    check, me = world.report.check, world.cast.attacker
    with check("bytes that are no TLS"):
        for garbage in (b"", b"\0" * 1000, b"GET / HTTP/1.1\r\n\r\n", PREFACE, bytes(range(256)) * 64):
            with socket.create_connection(split(world.address), PATIENCE) as plain:
                with contextlib.suppress(OSError):
                    plain.sendall(garbage)
                    plain.shutdown(socket.SHUT_WR)
                    drain(plain)
        world.still_serves()
    with check("TLS 1.1 is refused"):
        with socket.create_connection(split(world.address), PATIENCE) as plain:
            plain.sendall(old_hello(b"\x03\x02"))
            answer = drain(plain)
        same((answer[:1], answer[5:6]), (b"\x15", b"\x02"), "record type and level of the alert")
    with check("bytes over TLS that are no HTTP/2"):
        for garbage in (
            b"\0" * 1000,
            b"GET / HTTP/1.1\r\n\r\n",
            PREFACE + b"\xff" * 1000,
            PREFACE + bytes(range(256)) * 64,
        ):
            with tls_session(world.address, me, ssl.TLSVersion.TLSv1_3) as session:
                with contextlib.suppress(OSError):
                    session.sendall(garbage)
                    drain(session)
        world.still_serves()
    with check("a hundred connections that say nothing"):
        with contextlib.ExitStack() as idle:
            for _ in range(100):
                idle.enter_context(socket.create_connection(split(world.address), PATIENCE))
            world.still_serves()
    with check("a method that does not exist, and a Ping that is compressed"):
        with world.dial(me) as connection:
            unknown = connection.channel.unary_unary("/gossip.Gossip/Pong")
            same(status(lambda: unknown(b"", timeout=PATIENCE)), grpc.StatusCode.UNIMPLEMENTED, "status")
            ping = connection.channel.unary_unary(PING)
            zipped = lambda: ping(bytes(1000), timeout=PATIENCE, compression=grpc.Compression.Gzip)
            require(status(zipped) is not None, "it was taken")
        world.still_serves()


def status(call):
    """The status with which a call fails, or None."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return None


def drain(connection):
    """Everything until the other side closes."""
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def old_hello(version):
    """A TLS ClientHello of an old version, with suites of its time."""
    suites = bytes.fromhex("c009c00ac013c014002f0035")
    body = version + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\x01\0"
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(handshake).to_bytes(2, "big") + handshake
