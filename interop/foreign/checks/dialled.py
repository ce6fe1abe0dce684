"""What a node does that finds this client among its bootstrap or anchor peers (spec/02 §4.2, §5; spec/04 §7)."""

from client import messages
from client.identity import verify, verify_envelope
from client.stream import PATIENCE
from client.world import Participant, require, same


def run(world, server, title, same_org):
    """Lets the node dial; gives the participant that it dialled."""
    report, node = world.report, world.expected
    report.section(f"dialled by the node: {title}")
    with report.check("the node looks who is there with a deep probe"):
        probe = server.accept(PATIENCE)
        greeting(probe, node, is_probe=True)
        require(server.pings.qsize() > 0, "no Ping came before")
    with report.check("a probe ends without anything else"):
        probe.ended()
        same([received.kind for received in probe.inbox], [], "what came besides")
        probe.close()
    with report.check("then it connects"):
        stream = server.accept(PATIENCE)
        greeting(stream, node, is_probe=False)
    peer = Participant(world, server.identity, stream, server.address)
    with report.check("and asks for members, with itself as self information"):
        asked = peer.expect("mem_req")
        same((asked.message.tag, asked.message.channel), (messages.EMPTY, b""), "header")
        require(asked.message.nonce, "the request has no nonce")
        require(not asked.envelope.signature, "the request itself is signed")
        own = asked.content.self_information
        require(verify_envelope(node.serialized, own), "the self information is not signed by the node")
        alive = messages.gossip.GossipMessage.FromString(own.payload).alive_msg
        same((alive.membership.pki_id, alive.membership.endpoint), (node.pki_id, world.address), "member")
        same(alive.identity, node.serialized, "identity")
    with report.check(f"{'including' if same_org else 'without'} its internal endpoint"):
        same(own.HasField("secret_envelope"), same_org, "whether there is a secret")
        secret = messages.gossip.Secret.FromString(own.secret_envelope.payload)
        same(secret.internalEndpoint, world.address if same_org else "", "internal endpoint")
    peer.send(messages.membership_response(asked.message.nonce, [peer.alive(secret=same_org)]))
    return peer


def greeting(stream, node, is_probe):
    """The node's handshake on a stream that it opened."""
    conn = stream.theirs.content
    same(conn.tls_cert_hash, stream.peer_hash, "TLS hash in the handshake, beside that of the connection")
    same((conn.pki_id, conn.identity), (node.pki_id, node.serialized), "identity")
    same(conn.probe, is_probe, "probe")
    signed = stream.theirs.envelope
    require(verify(node.serialized, signed.signature, signed.payload), "the signature does not hold")
