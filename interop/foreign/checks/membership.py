"""Alive messages, membership requests and responses (spec/04)."""

import time

import grpc
from client import messages
from client.identity import verify_envelope
from client.messages import gossip
from client.stream import PATIENCE, Failure
from client.world import require, same


def run(world, own, second, foreign):
    """`own` and `second` are of the node's organisation, `foreign` is not."""
    world.report.section("membership")
    answers(world, own, second)
    relays(world, own, second, foreign)
    disclosure(world, foreign)


def decoded(envelope):
    """The alive message in an element of a response."""
    return gossip.GossipMessage.FromString(envelope.payload).alive_msg


def of_peer(received, pki_id, sequence_min=0):
    """Whether an alive message is of a peer, and not older than wanted."""
    alive = received.content
    return alive.membership.pki_id == pki_id and alive.timestamp.seq_num >= sequence_min


def answers(world, own, second):
    """What a peer of the node's organisation is told."""
    check, node = world.report.check, world.expected
    with check("a membership request is answered, with its nonce"):
        answer = own.members()
        same((answer.message.tag, answer.message.channel), (messages.EMPTY, b""), "header")
        require(not answer.envelope.signature, "the response itself is signed")
    with check("the node itself is the last of the living, with its external endpoint"):
        last = answer.content.alive[-1]
        alive = decoded(last)
        same((alive.membership.pki_id, alive.membership.endpoint), (node.pki_id, world.address), "member")
        require(alive.timestamp.inc_num > 0 and alive.timestamp.seq_num > 0, "no timestamp")
    with check("its alive message is signed, and so is the secret with its internal endpoint"):
        require(verify_envelope(node.serialized, last), "a signature does not hold")
        secret = gossip.Secret.FromString(last.secret_envelope.payload)
        same(secret.internalEndpoint, world.address, "internal endpoint")
    with check("the other member is listed as it announced itself, its secret included"):
        published = second.alive()
        second.stream.send(published)
        listed = wait_listed(own, published)
        same(listed.SerializeToString(), published.SerializeToString(), "element")
    with check("the node publishes alive messages of its own"):
        pushed = own.expect("alive_msg", lambda received: of_peer(received, node.pki_id))
        require(verify_envelope(node.serialized, pushed.envelope), "a signature does not hold")
        after = pushed.content.timestamp.seq_num + 1
        pushed = own.expect("alive_msg", lambda received: of_peer(received, node.pki_id, after))
        require(verify_envelope(node.serialized, pushed.envelope), "a signature does not hold")


def wait_listed(asker, published):
    """Asks until an alive message is listed; gives the element."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for element in asker.members().content.alive:
            if element.payload == published.payload:
                return element
        time.sleep(0.2)
    raise Failure("it is not listed")


def relayed(origin, receiver, where=lambda envelope: True):
    """Has `origin` publish until one of its messages arrives at `receiver`; gives what was sent and what arrived."""
    sent, until = {}, time.monotonic() + PATIENCE
    while time.monotonic() < until:
        envelope = origin.alive()
        sent[envelope.payload] = envelope
        origin.stream.send(envelope)
        pause = time.monotonic() + 1
        while time.monotonic() < pause:
            ours = lambda received: received.envelope.payload in sent and where(received.envelope)
            if (received := receiver.stream.poll("alive_msg", ours)) is not None:
                return sent[received.envelope.payload], received.envelope
            time.sleep(0.02)
    raise Failure(f"none of {len(sent)} messages arrived")


def relays(world, own, second, foreign):
    """What the node passes on."""
    check = world.report.check
    with check("a peer of another organisation becomes a member"):
        foreign.members()
    with check("an alive message is relayed inside the organisation byte for byte, its secret included"):
        sent, arrived = relayed(own, second)
        same(arrived.SerializeToString(), sent.SerializeToString(), "envelope")
    with check("and to other organisations byte for byte, without its secret"):
        sent, arrived = relayed(own, foreign)
        same((arrived.payload, arrived.signature), (sent.payload, sent.signature), "message")
        require(not arrived.HasField("secret_envelope"), "the secret was disclosed")
    with check("an alive message of another organisation is relayed in its own one"):
        sent, arrived = relayed(foreign, own)
        same((arrived.payload, arrived.signature), (sent.payload, sent.signature), "message")
    with check("nothing comes back to where it came from, nothing comes twice"):
        repeated, newer = own.alive(), own.alive()
        own.stream.send(repeated, repeated, newer, repeated)
        wait_listed(second, newer)
        own.fence()
        second.fence()
        copies = [item for item in second.stream.inbox if item.envelope.payload == repeated.payload]
        echoes = [
            item
            for item in own.stream.inbox
            if item.kind == "alive_msg" and of_peer(item, own.identity.pki_id)
        ]
        require(len(copies) <= 1 and not echoes, f"{len(copies)} copies, {len(echoes)} echoes")


def disclosure(world, foreign):
    """What a peer of another organisation is told."""
    check, node = world.report.check, world.expected
    with check("another organisation learns of members with an external endpoint, without any secret"):
        elements = foreign.members().content.alive
        same(decoded(elements[-1]).membership.pki_id, node.pki_id, "last element")
        require(
            not any(element.HasField("secret_envelope") for element in elements), "a secret was disclosed"
        )
        require(
            all(decoded(element).membership.endpoint for element in elements), "a hidden member was disclosed"
        )
    with check("a peer of another organisation that hides itself gets no answer; its stream ends with OK"):
        hidden = world.join(world.cast.hidden)
        hidden.send(messages.membership_request(hidden.alive(), 7))
        same(hidden.stream.ended()[0], grpc.StatusCode.OK, "status")
        require(hidden.stream.poll("mem_res") is None, "it was answered")
        hidden.stream.close()
