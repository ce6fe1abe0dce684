"""TLS, Ping, and the handshake in both directions (spec/02)."""

import hashlib
import ssl

import grpc
from client import messages
from client.identity import certificate_of, pki_id_of, verify
from client.stream import PATIENCE, tls_session
from client.world import require, same
from fabric_protos.msp import identities_pb2


def run(world):
    """All of them."""
    world.report.section("TLS and Ping")
    tls(world)
    world.report.section("handshake")
    greeting(world)
    binding(world)


def tls(world):
    """What is seen before any gossip."""
    check, member = world.report.check, world.cast.own
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with check(f"{version.name}: the server's own certificate, ALPN h2"):
            with tls_session(world.address, member, version) as session:
                same(session.selected_alpn_protocol(), "h2", "protocol")
                shown = hashlib.sha256(session.getpeercert(binary_form=True)).digest()
                same(shown, world.expected.tls_hash, "hash of the certificate")
    with check("Ping is answered with an empty message"):
        with world.dial(member) as connection:
            same(connection.ping(), b"", "answer")
    with check("Ping needs no gossip identity: members of other organisations get their answer"):
        with world.dial(world.cast.visitor) as connection:
            same(connection.ping(), b"", "answer")


def greeting(world):
    """The node's ConnEstablish."""
    check, member = world.report.check, world.cast.own
    with check("the node greets without waiting for a greeting"):
        stream = world.dial(member).open()
        greeting = stream.expect("conn", patience=2)
        stream.close()
    conn = greeting.content
    with check("the greeting is bound to the TLS certificate of the connection"):
        same(conn.tls_cert_hash, world.expected.tls_hash, "tls_cert_hash")
    with check("its PKI-ID is that of its identity"):
        same(conn.pki_id, pki_id_of(conn.identity), "pki_id")
        same(conn.pki_id, world.expected.pki_id, "pki_id")
    with check("its identity is the peer's certificate under its MSP, as its file on disk"):
        identity = identities_pb2.SerializedIdentity.FromString(conn.identity)
        same(identity.mspid, world.expected.msp_id, "MSP id")
        same(conn.identity, world.expected.serialized, "identity")
        certificate_of(conn.identity)
    with check("its signature holds, with a low S"):
        require(verify(conn.identity, greeting.envelope.signature, greeting.envelope.payload), "it does not")
    with check("it is dressed as Fabric's: tag EMPTY, no nonce, no channel, no secret, no probe"):
        message = greeting.message
        same((message.tag, message.nonce, message.channel), (messages.EMPTY, 0, b""), "header")
        require(not conn.probe and not greeting.envelope.HasField("secret_envelope"), "probe or secret")
    with check("its bytes are those that the official bindings make of it"):
        same(greeting.message.SerializeToString(deterministic=True), greeting.envelope.payload, "payload")
        same(greeting.envelope.SerializeToString(deterministic=True), greeting.raw, "envelope")
    with check("after the handshake of an own peer the stream serves"):
        with world.joined(member) as participant:
            participant.fence()
    with check("after the handshake of a peer of another organisation the stream serves"):
        with world.joined(world.cast.visitor) as participant:
            participant.fence()
    with check("a stream without Ping before it, twenty times"):
        for _ in range(20):
            with world.joined(member) as participant:
                participant.fence()
    with check("a deep probe gets the greeting, and the stream ends with OK"):
        stream = world.dial(member).open()
        stream.send(member.seal(messages.establish(member, probe=True)))
        same(stream.expect("conn").content.pki_id, world.expected.pki_id, "pki_id")
        same(stream.ended()[0], grpc.StatusCode.OK, "status")
        stream.close()


def binding(world):
    """Handshakes that must be refused."""
    member, other = world.cast.own, world.cast.visitor
    conn = messages.establish
    outsider = world.cast.outsider
    refused = [
        ("no TLS hash", member.seal(conn(member, tls_hash=b"")), "misbehaviour_certificate_unbound"),
        (
            "the TLS hash of another certificate",
            member.seal(conn(member, tls_hash=other.tls_hash)),
            "misbehaviour_certificate_unbound",
        ),
        ("no PKI-ID", member.seal(conn(member, pki_id=b"")), "malformed_pki_id_missing"),
        (
            "the PKI-ID of somebody else",
            member.seal(conn(member, pki_id=other.pki_id)),
            "misbehaviour_identity_mismatch",
        ),
        ("no identity", member.seal(conn(member, identity=b"")), "malformed_identity_missing"),
        (
            "an identity that is none",
            member.seal(conn(member, identity=b"junk")),
            "misbehaviour_identity_invalid",
        ),
        (
            "an identity of an organisation outside the channel",
            outsider.seal(conn(outsider, tls_hash=member.tls_hash)),
            "misbehaviour_identity_invalid",
        ),
        ("no signature", messages.unsigned(conn(member)), "malformed_signature_missing"),
        (
            "the signature of another key",
            tampered(member, conn(member), other),
            "misbehaviour_signature_invalid",
        ),
        ("a signature with a high S", high_s(member, conn(member)), "misbehaviour_signature_invalid"),
        (
            "another message than the greeting",
            messages.unsigned(messages.hello(messages.IDENTITIES, 1)),
            "malformed_content_unexpected",
        ),
    ]
    for what, envelope, reason in refused:
        with world.report.check(f"a handshake with {what} is refused"):
            world.refusals[f"conn {reason}"] += 1
            stream = world.dial(member).open()
            stream.send(envelope)
            stream.expect("conn")
            code, text = stream.ended()
            stream.close()
            same(code, grpc.StatusCode.UNKNOWN, "status")
            require(text, "no reason is given")
    with world.report.check("twenty streams that send nothing end after the time allowed, side by side"):
        silent(world)


def silent(world):
    """Streams without a greeting."""
    streams = [world.dial(world.cast.own).open() for _ in range(20)]
    for stream in streams:
        stream.expect("conn")
    for stream in streams:
        code, text = stream.ended(patience=PATIENCE)
        stream.close()
        same(code, grpc.StatusCode.UNKNOWN, "status")
        require("timed out" in text, f"the reason is {text!r}")


def tampered(identity, message, signer):
    """An envelope signed by somebody else."""
    envelope = identity.seal(message)
    envelope.signature = signer.sign(envelope.payload)
    return envelope


def high_s(identity, message):
    """An envelope whose signature is valid and has the wrong S."""
    envelope = identity.seal(message)
    envelope.signature = identity.sign(envelope.payload, high_s=True)
    return envelope
