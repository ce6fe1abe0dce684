"""StateInfo, snapshots, state requests, and the pull of identities (spec/05, spec/06)."""

import time

from client import messages
from client.identity import verify, verify_envelope
from client.messages import IDENTITIES, channel_mac, gossip
from client.stream import PATIENCE, Failure
from client.world import require, same


def run(world, own, second, foreign):
    """`own` and `second` are of the node's organisation, `foreign` is not."""
    world.report.section("channel state")
    state_info(world, own, second, foreign)
    asked(world, own, second)
    world.report.section("state requests")
    state_requests(world, own, foreign)
    world.report.section("identity pull")
    offered(world, own)
    pulled(world, own, second)


def states(snapshot):
    """A snapshot's elements by the PKI-ID of their origins."""
    found = {}
    for element in snapshot.content.elements:
        message = gossip.GossipMessage.FromString(element.payload)
        found[message.state_info.pki_id] = (element, message)
    return found


def wait_state(asker, origin, where=lambda info: True):
    """Asks for snapshots until they have a StateInfo of `origin` that fits; gives envelope and message."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = states(asker.snapshot()).get(origin)
        if found and where(found[1].state_info):
            return found
        time.sleep(0.1)
    raise Failure("no snapshot has it")


def state_info(world, own, second, foreign):
    """StateInfo of the node, and what it does with that of others."""
    check, node, height = world.report.check, world.expected, len(world.blocks)
    with check("a snapshot has the node's StateInfo, with its height, signed"):
        envelope, message = wait_state(own, node.pki_id)
        info = message.state_info
        require(verify(node.serialized, envelope.signature, envelope.payload), "the signature does not hold")
        same(info.properties.ledger_height, height, "height")
        require(info.timestamp.inc_num > 0 and info.timestamp.seq_num > 0, "no timestamp")
    with check("it names the channel by MAC only"):
        same((message.tag, message.channel), (messages.CHAN_OR_ORG, b""), "header")
        same(info.channel_MAC, channel_mac(node.pki_id, world.channel), "MAC")
    with check("a snapshot names its channel, and is not signed"):
        snapshot = own.snapshot()
        same(
            (snapshot.message.tag, snapshot.message.channel), (messages.CHAN_OR_ORG, world.channel), "header"
        )
        require(not snapshot.envelope.signature, "signed")
    published = own.state_info(height)
    own.stream.send(published)
    for name, receiver in [("the own organisation", second), ("another organisation", foreign)]:
        with check(f"our StateInfo is in the snapshot for {name}, byte for byte"):
            envelope, _ = wait_state(receiver, own.identity.pki_id)
            same(envelope.SerializeToString(), published.SerializeToString(), "element")
    with check("a newer StateInfo is relayed byte for byte"):
        sent, until = {}, time.monotonic() + PATIENCE
        while not (arrived := [item for item in second.stream.inbox if item.envelope.payload in sent]):
            require(time.monotonic() < until, "it was not")
            newer = own.state_info(height)
            sent[newer.payload] = newer
            own.stream.send(newer)
            time.sleep(0.2)
        envelope = arrived[0].envelope
        same(envelope.SerializeToString(), sent[envelope.payload].SerializeToString(), "envelope")
    with check("a request with the MAC of somebody else is not answered, the next one is"):
        own.send(messages.snapshot_request(second.identity.pki_id, world.channel))
        own.snapshot()
        own.fence()
        require(own.stream.poll("state_snapshot") is None, "two snapshots came")


def asked(world, own, second):
    """The node asks for StateInfo."""
    with world.report.check("the node asks for snapshots with its own MAC, and takes in what it gets"):
        asked_for = own.expect("state_info_pull_req")
        same((asked_for.message.tag, asked_for.message.channel), (messages.CHAN_OR_ORG, b""), "header")
        mac = channel_mac(world.expected.pki_id, world.channel)
        same(asked_for.content.channel_MAC, mac, "MAC")
        newest = own.state_info(len(world.blocks))
        content = gossip.StateInfoSnapshot(elements=[newest])
        own.send(messages.message(messages.CHAN_OR_ORG, channel=world.channel, state_snapshot=content))
        sequence = gossip.GossipMessage.FromString(newest.payload).state_info.timestamp.seq_num
        envelope, _ = wait_state(second, own.identity.pki_id, lambda info: info.timestamp.seq_num >= sequence)
        same(envelope.SerializeToString(), newest.SerializeToString(), "element")


def state_requests(world, own, foreign):
    """Blocks by state transfer, byte for byte."""
    check, blocks = world.report.check, world.blocks
    height = len(blocks)
    with check("eleven blocks in one response, byte for byte"):
        same(own.blocks(0, 10), {number: blocks[number] for number in range(11)}, "blocks")
    with check("every block of the channel, byte for byte"):
        for first in range(0, height, 11):
            last = min(first + 10, height - 1)
            expected = {number: blocks[number] for number in range(first, last + 1)}
            require(own.blocks(first, last) == expected, f"blocks {first} to {last} differ")
    with check("a range over the end is cut, one beyond it is answered with nothing"):
        require(list(own.blocks(height - 2, height + 5)) == [height - 2, height - 1], "not cut")
        same(own.blocks(height + 1, height + 5), {}, "blocks beyond the end")
    with check("a reader of another organisation is served"):
        same(foreign.blocks(1, 2), {number: blocks[number] for number in (1, 2)}, "blocks")
    with check("ranges that are too long or end before they begin get no answer"):
        for first, last in [(0, 11), (0, 2**64 - 1), (5, 4)]:
            own.send(messages.state_request(world.channel, messages.nonce(), first, last))
        own.fence()
        require(own.stream.poll("state_response") is None, "they got one")


def pull_identity(participant, wanted):
    """One pull; gives the node's digest, and its update for `wanted`."""
    number = messages.nonce()
    answers = lambda received: received.content.nonce == number
    participant.send(messages.hello(IDENTITIES, number))
    digest = participant.expect("data_dig", answers)
    if wanted not in digest.content.digests:
        return digest, None
    participant.send(messages.request(IDENTITIES, number, [wanted]))
    return digest, participant.expect("data_update", answers)


def offered(world, own):
    """The node answers: hello, digest, request, update."""
    check, node = world.report.check, world.expected
    with check("hello, digest, request, update: the node's own identity"):
        digest, update = pull_identity(own, node.pki_id)
        require(update is not None, "its digest does not have it")
        for received in (digest, update):
            same((received.message.tag, received.message.channel), (messages.EMPTY, b""), "header")
            same(received.content.msg_type, IDENTITIES, "type")
        [item] = update.content.data
        message = gossip.GossipMessage.FromString(item.payload)
        same(message.tag, messages.EMPTY, "tag of the item")
        same(message.peer_identity.pki_id, node.pki_id, "PKI-ID")
        same(message.peer_identity.cert, node.serialized, "identity")
        require(verify_envelope(node.serialized, item), "the item's signature does not hold")
    with check("a request without hello gets no answer"):
        own.send(messages.request(IDENTITIES, messages.nonce(), [node.pki_id]))
        own.fence()
        require(own.stream.poll("data_update") is None, "it got one")


def pulled(world, own, second):
    """The node asks: it gets our identity, and others get it from there."""
    item = own.identity.seal(messages.peer_identity(own.identity))
    with world.report.check(
        "the node says hello, asks for the identity it lacks, and offers it to others as it was signed"
    ):
        until = time.monotonic() + 2 * PATIENCE
        while True:
            serve_identity(own, item, world.expected.pki_id)
            _, update = pull_identity(second, own.identity.pki_id)
            if update is not None:
                break
            require(time.monotonic() < until, "it is not offered")
            time.sleep(0.1)
        [arrived] = update.content.data
        same(arrived.payload, item.payload, "item")
        require(verify_envelope(own.identity.serialized, arrived), "its signature does not hold")
        # another peer may have it from an earlier run, signed then
        require(world.node is None or arrived == item, "it was signed anew")


def serve_identity(own, item, node):
    """Answers the hellos and requests that have come."""
    of_identities = lambda received: received.content.msg_type == IDENTITIES
    while (greeting := own.stream.poll("hello", of_identities)) is not None:
        own.send(messages.digest(IDENTITIES, greeting.content.nonce, [own.identity.pki_id, node]))
    while (wanted := own.stream.poll("data_req", of_identities)) is not None:
        same(list(wanted.content.digests), [own.identity.pki_id], "what is asked for")
        own.send(messages.update(IDENTITIES, wanted.content.nonce, [item]))
