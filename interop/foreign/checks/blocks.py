"""Blocks on their way: pushed, pulled, and fetched by state transfer; each in both roles (spec/05 §9, §10, spec/06 §2)."""

import time

from client import messages
from client.messages import BLOCKS
from client.stream import PATIENCE
from client.world import require, same
from fabric_protos.common import common_pb2


def run(world, own, second, foreign, coming):
    """`coming` are the blocks that follow those the node has, by number; `world.blocks` grows with them."""
    world.report.section("blocks")
    refused_partners(world, foreign)
    pushed(world, own, second, coming)
    served(world, second)
    pulled(world, own, coming)
    transferred(world, own, coming)


def wait_height(world, height):
    """Waits until the node's ledger has a height."""
    until = time.monotonic() + PATIENCE
    while (now := world.node.height()) != height:
        require(now < height and time.monotonic() < until, f"the height is {now}, not {height}")
        time.sleep(0.05)


def publish_height(participant, height):
    """Announces a height, which makes one a member of the channel."""
    participant.stream.send(participant.state_info(height))


def committed(world, number, data):
    """The ledger has grown by a block."""
    wait_height(world, number + 1)
    world.blocks[number] = data


def refused_partners(world, foreign):
    """Who may not pull blocks."""
    with world.report.check("a peer of another organisation cannot pull blocks"):
        publish_height(foreign, len(world.blocks))
        foreign.send(messages.hello(BLOCKS, messages.nonce(), world.channel))
        foreign.fence()
        require(foreign.stream.poll("data_dig") is None, "it got a digest")
    with world.report.check("neither can a member of no channel"):
        with world.joined(world.cast.attacker) as stranger:
            stranger.send(messages.hello(BLOCKS, messages.nonce(), world.channel))
            stranger.fence()
            require(stranger.stream.poll("data_dig") is None, "it got a digest")


def pushed(world, own, second, coming):
    """A block that this client pushes."""
    check, number = world.report.check, len(world.blocks)
    good = coming[number]
    # private data beside a block are nobody's word; those that do not decode make a Go peer lose the block
    push = messages.block(world.channel, number, good, private=[b"\xff"])
    publish_height(second, number)
    with check("a pushed block whose data were changed is neither kept nor relayed"):
        own.send(messages.block(world.channel, number, forged(good)))
        own.fence()
        same(world.node.height(), number, "height")
        require(second.stream.poll("data_msg") is None, "it was relayed")
    with check("the true block is committed, although private data beside it do not decode"):
        own.send(push)
        committed(world, number, good)
    with check("and relayed inside the organisation, byte for byte"):
        arrived = second.expect("data_msg")
        same((arrived.message.tag, arrived.message.channel), (messages.CHAN_AND_ORG, world.channel), "header")
        same((arrived.content.payload.seq_num, arrived.content.payload.data), (number, good), "block")
        require(not arrived.envelope.signature, "signed")
        same(list(arrived.content.payload.private_data), [], "private data")
    with check("but not outside, and not back"):
        own.fence()
        require(own.stream.poll("data_msg") is None, "it came back")
    with check("the node announces its new height"):
        node = world.expected.pki_id
        own.expect(
            "state_info",
            lambda item: item.content.pki_id == node and item.content.properties.ledger_height == number + 1,
        )


def forged(block):
    """A block with one byte of its transactions changed."""
    block = common_pb2.Block.FromString(block)
    data = bytearray(block.data.data[0])
    data[len(data) // 2] ^= 1
    block.data.data[0] = bytes(data)
    return block.SerializeToString()


def served(world, second):
    """The node answers a pull of blocks."""
    with world.report.check("hello, digest, request, update: a block that was pushed lately, byte for byte"):
        number = messages.nonce()
        answers = lambda received: received.content.nonce == number
        second.send(messages.hello(BLOCKS, number, world.channel))
        digest = second.expect("data_dig", answers)
        same((digest.message.tag, digest.message.channel), (messages.CHAN_AND_ORG, world.channel), "header")
        held = sorted(int(item) for item in digest.content.digests)
        require(held and held[-1] < len(world.blocks), f"the digest offers {held}")
        wanted = b"%d" % held[-1]
        second.send(messages.request(BLOCKS, number, [wanted], world.channel))
        update = second.expect("data_update", answers)
        [item] = update.content.data
        message = messages.gossip.GossipMessage.FromString(item.payload)
        same((message.tag, message.channel), (messages.CHAN_AND_ORG, world.channel), "header of the item")
        same(message.data_msg.payload.seq_num, held[-1], "number")
        same(message.data_msg.payload.data, as_ordered(world.blocks[held[-1]]), "block")


def as_ordered(stored):
    """A block as it comes from the orderer and as gossip carries it, without what a Go peer adds when it commits."""
    block = common_pb2.Block.FromString(stored)
    for index in (common_pb2.TRANSACTIONS_FILTER, common_pb2.COMMIT_HASH):
        block.metadata.metadata[index] = b""
    return block.SerializeToString()


def pulled(world, own, coming):
    """The node pulls a block from this client."""
    number = len(world.blocks)
    with world.report.check(
        "the node says hello, asks for the block it lacks, and commits it, whatever is around it"
    ):
        publish_height(own, number)
        until = time.monotonic() + PATIENCE
        asked = False
        while not asked:
            require(time.monotonic() < until, "the node did not ask")
            while (greeting := own.stream.poll("hello", of_blocks)) is not None:
                same(greeting.message.channel, world.channel, "channel")
                offered = [b"%d" % number, b"%d" % (number - 1), b"junk", b"007"]
                own.send(messages.digest(BLOCKS, greeting.content.nonce, offered, world.channel))
            if (wanted := own.stream.poll("data_req", of_blocks)) is not None:
                same(list(wanted.content.digests), [b"%d" % number], "what is asked for")
                items = [
                    *hollow_items(world),
                    messages.block(world.channel, number, coming[number], [b"\xff"]),
                ]
                items = [messages.unsigned(item) for item in items]
                own.send(messages.update(BLOCKS, wanted.content.nonce, items, world.channel))
                asked = True
            time.sleep(0.02)
        committed(world, number, coming[number])


def hollow_items(world):
    """Items of an update that are no blocks of the channel."""
    yield messages.message(
        messages.CHAN_AND_ORG, channel=world.channel, data_msg=messages.gossip.DataMessage()
    )
    yield messages.state_request(world.channel, 1, 1, 1)
    yield messages.block(b"elsewhere", 1, b"x")
    yield messages.block(world.channel, 1, b"x")


def of_blocks(received):
    """Whether a message of a pull is about blocks."""
    return received.content.msg_type == BLOCKS


def transferred(world, own, coming):
    """The node fetches blocks from this client, as soon as it learns of a greater height."""
    first, height = len(world.blocks), max(coming) + 1
    with world.report.check(
        f"told of height {height}, the node asks for blocks {first} to {height - 1} and commits them"
    ):
        publish_height(own, height)
        until = time.monotonic() + PATIENCE
        while world.node.height() < height:
            require(time.monotonic() < until, f"the height is {world.node.height()}")
            serve_blocks(world, own, coming)
            time.sleep(0.02)
        world.blocks.update(coming)
    with world.report.check("it serves them on, byte for byte"):
        expected = {number: world.blocks[number] for number in range(first, min(first + 11, height))}
        require(own.blocks(first, first + 10) == expected, "they differ")


def serve_blocks(world, own, coming):
    """Answers the state requests that have come."""
    while (asked := own.stream.poll("state_request")) is not None:
        first, last = asked.content.start_seq_num, asked.content.end_seq_num
        same((asked.message.tag, asked.message.channel), (messages.CHAN_OR_ORG, world.channel), "header")
        require(first <= last <= first + 10, f"{first} to {last} is no range that a Go peer answers")
        every = world.blocks | coming
        blocks = {number: every[number] for number in range(first, last + 1) if number in every}
        # and one that nobody asked for, and private data that do not decode
        blocks[last + 1000] = b"x"
        own.send(messages.state_response(world.channel, asked.message.nonce, blocks, private=[b"\xff"]))
