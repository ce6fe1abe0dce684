"""Messages that no honest peer sends: what to send, how it must end, what must be counted."""

import collections

import grpc
from client import messages
from client.messages import (
    BLOCKS,
    CHAN_AND_ORG,
    CHAN_ONLY,
    CHAN_OR_ORG,
    EMPTY,
    IDENTITIES,
    ORG_ONLY,
    gossip,
    unsigned,
)

# `ends` is the status with which the stream must end, or None if it must not; `refusals` are counts by "kind reason"
Attack = collections.namedtuple("Attack", "what items refusals ends", defaults=[None])

ELSEWHERE = b"elsewhere"


def payload(raw):
    """An envelope around bytes."""
    return gossip.Envelope(payload=raw)


def alive_in(envelope):
    """The alive message in an envelope."""
    return gossip.GossipMessage.FromString(envelope.payload).alive_msg


def request(inner):
    """A membership request around any envelope."""
    return unsigned(messages.membership_request(inner, 1))


def response(*alive, dead=()):
    """A membership response that nobody asked for."""
    return unsigned(messages.membership_response(1, alive, dead))


# ---- structure


def structure(world):
    """Messages that do not parse, or are not what their tag or kind must be. A Go peer survives these."""
    channel, me = world.channel, world.cast.attacker
    is_go, unknown = world.node is None, grpc.StatusCode.UNKNOWN
    groups = lambda depth: payload(b"\x18\x01" + b"\x53" * depth + b"\x54" * depth)
    yield Attack(
        "bytes that are no envelope end the stream",
        [b"\xff" * 64],
        {"none malformed_unparsable_varint": 1},
        grpc.StatusCode.INTERNAL if is_go else unknown,
    )
    yield Attack(
        "a payload that is no message ends the stream",
        [payload(b"\xff\xff")],
        {"none malformed_unparsable_truncated": 1},
        unknown,
    )
    # to a Go peer this does not parse at all; here what is around the text is read first
    yield Attack(
        "a text that is no UTF-8 is not taken",
        [payload(bytes.fromhex("18012a050a030a01ff"))],
        {"alive_msg malformed_unparsable_utf8": 1},
        unknown if is_go else None,
    )
    yield Attack("an empty message is dropped", [b""], {"none malformed_tag_undefined": 1})
    yield Attack(
        "so is one with an unknown content",
        [payload(bytes.fromhex("1801d20100"))],
        {"none malformed_content_missing": 1},
    )
    yield Attack("so is one nested nine thousand deep", [groups(9000)], {"none malformed_content_missing": 1})
    yield Attack(
        "one nested more than ten thousand deep ends the stream",
        [groups(10_100)],
        {"none malformed_unparsable_too_deep": 1},
        unknown,
    )
    yield Attack(
        "the content `empty`, and an acknowledgement nobody waits for, are dropped",
        [payload(bytes.fromhex("18016a00")), payload(bytes.fromhex("08ac02b20100"))],
        {"empty unfitting_not_supported": 1, "ack misbehaviour_unsolicited": 1},
    )
    yield Attack(
        "so is a second handshake",
        [me.seal(messages.establish(me))],
        {"conn misbehaviour_unexpected_handshake": 1},
    )
    yield wrong_tags(world)
    hellos = [gossip.GossipHello(nonce=1, msg_type=kind) for kind in (0, 3, 77)]
    yield Attack(
        "a pull of nothing known is dropped",
        [
            unsigned(messages.message(tag, channel=channel, hello=hello))
            for tag in (EMPTY, CHAN_AND_ORG)
            for hello in hellos
        ],
        {"hello malformed_pull_type_unknown": 6},
    )
    strange = [
        messages.state_request(ELSEWHERE, 1, 0, 1),
        messages.state_request(b"\xff\xfe", 1, 0, 1),
        messages.hello(BLOCKS, 1, ELSEWHERE),
        messages.block(ELSEWHERE, 1, b"x"),
        messages.snapshot_request(me.pki_id, ELSEWHERE),
    ]
    yield Attack(
        "messages of a channel that is not joined are dropped",
        [unsigned(item) for item in strange],
        {
            "state_request unfitting_channel_unknown": 2,
            "hello unfitting_channel_unknown": 1,
            "data_msg unfitting_channel_unknown": 1,
            "state_info_pull_req unfitting_channel_unknown": 1,
        },
    )


def wrong_tags(world):
    """Every content with every tag but the right one, and with one that does not exist."""
    channel, me, pair = world.channel, world.cast.attacker, (1, 1)
    alive = messages.alive(me, "h:1", pair)
    sound = [
        alive,
        messages.membership_request(me.seal(alive), 1),
        messages.membership_response(1, []),
        messages.block(channel, 1, b"x"),
        messages.hello(BLOCKS, 1, channel),
        messages.digest(BLOCKS, 1, [b"1"], channel),
        messages.request(BLOCKS, 1, [b"1"], channel),
        messages.update(BLOCKS, 1, [], channel),
        messages.hello(IDENTITIES, 1),
        messages.digest(IDENTITIES, 1, [me.pki_id]),
        messages.request(IDENTITIES, 1, [me.pki_id]),
        messages.update(IDENTITIES, 1, []),
        messages.state_info(me, channel, pair, 1),
        messages.snapshot_request(me.pki_id, channel),
        messages.message(CHAN_OR_ORG, channel=channel, state_snapshot=gossip.StateInfoSnapshot()),
        messages.state_response(channel, 1, {}),
        leadership(world, me, pair),
        messages.message(ORG_ONLY, peer_identity=gossip.PeerIdentity(pki_id=me.pki_id, cert=me.serialized)),
    ]
    items, refusals = [], collections.Counter()
    for message in sound:
        kind = message.WhichOneof("content")
        for tag in set(range(7)) - {message.tag}:
            changed = gossip.GossipMessage.FromString(message.SerializeToString())
            changed.tag = tag
            items.append(me.seal(changed))
            refusals[f"{kind} malformed_tag_{'illegal' if tag else 'undefined'}"] += 1
    return Attack(f"{len(items)} messages with wrong tags are dropped", items, refusals)


def leadership(world, who, pair):
    """A leadership message; without timestamp if `pair` is None."""
    stamp = messages.peer_time(pair) if pair else None
    content = gossip.LeadershipMessage(pki_id=who.pki_id, timestamp=stamp, is_declaration=True)
    return messages.message(CHAN_AND_ORG, channel=world.channel, leadership_msg=content)


# ---- what makes a Go peer crash, by the numbers of the list in the specification


def alive_without(endpoint="h:1", pki_id=None, member=True, time=True):
    """An alive message that lacks something."""
    content = gossip.AliveMessage()
    if member:
        content.membership.endpoint = endpoint
        content.membership.pki_id = pki_id or b""
    if time:
        content.timestamp.CopyFrom(messages.peer_time((9, 9)))
    return messages.message(EMPTY, alive_msg=content)


def crashing(world, own):
    """Parsable messages that lack what must be there. Never to be sent to a Go peer."""
    me, channel = world.cast.attacker, world.channel
    memberless, nameless = alive_without(member=False), alive_without()
    timeless = me.seal(alive_without(pki_id=me.pki_id, time=False))
    yield Attack(
        "1: a membership request whose alive message has no member, or one without PKI-ID",
        [request(me.seal(memberless)), request(me.seal(nameless))],
        {"mem_req malformed_membership_missing": 1, "mem_req malformed_pki_id_missing": 1},
    )
    yield Attack(
        "1: a membership request without self information, or with an empty one",
        [
            unsigned(messages.message(EMPTY, nonce=1, mem_req=gossip.MembershipRequest())),
            request(gossip.Envelope()),
        ],
        {"mem_req malformed_self_information_missing": 1, "mem_req malformed_content_unexpected": 1},
    )
    state_info = me.seal(messages.state_info(me, channel, (1, 1), 1))
    yield Attack(
        "2: a membership response with a dead element that is no alive message",
        [response(dead=[state_info])],
        {"mem_res misbehaviour_unsolicited": 1},
    )
    yield Attack(
        "3: an alive message without member, unsigned",
        [unsigned(memberless)],
        {"alive_msg malformed_membership_missing": 1},
    )
    of_member = alive_without(pki_id=own.identity.pki_id, time=False)
    yield Attack(
        "4: an alive message without timestamp of a known member, unsigned and signed by it",
        [unsigned(of_member), own.identity.seal(of_member)],
        {"alive_msg malformed_timestamp_missing": 2},
    )
    macs = [messages.channel_mac(me.pki_id, name) for name in (channel, ELSEWHERE)]
    states = [gossip.StateInfo(pki_id=me.pki_id, channel_MAC=mac) for mac in macs]
    signed = [me.seal(messages.message(CHAN_OR_ORG, state_info=state)) for state in states]
    yield Attack(
        "5: StateInfo without timestamp, twice, of this channel and of another",
        signed * 2,
        {"state_info malformed_timestamp_missing": 4},
    )
    yield Attack(
        "6: a leadership message without timestamp, twice",
        [me.seal(leadership(world, me, None))] * 2,
        {"leadership_msg malformed_timestamp_missing": 2},
    )
    hollow = unsigned(messages.message(CHAN_AND_ORG, channel=channel, data_msg=gossip.DataMessage()))
    yield Attack(
        "7: a block message without payload, pushed and in an update",
        [hollow, unsigned(messages.update(BLOCKS, 1, [hollow], channel))],
        {"data_msg malformed_payload_missing": 1, "data_update unfitting_not_in_channel": 1},
    )
    yield Attack(
        "8: an alive message without timestamp, validly signed: pushed, in a request, in a response",
        [timeless, request(timeless), response(timeless)],
        {
            "alive_msg malformed_timestamp_missing": 1,
            "mem_req malformed_timestamp_missing": 1,
            "mem_res malformed_timestamp_missing": 1,
            "mem_res misbehaviour_unsolicited": 1,
        },
    )
    last = len(world.blocks) - 1
    known = messages.state_response(channel, 1, {last: world.blocks[last]}, private=[b"\xff"])
    yield Attack(
        "9: private data that do not decode, beside a block in a response",
        [unsigned(known)],
        {"state_response misbehaviour_unsolicited": 1},
    )


# ---- claims that are not so


def lies(world, own):
    """Well-formed messages that prove less than they claim."""
    me, channel, victim = world.cast.attacker, world.channel, own.identity
    clock, future = messages.Clock(), messages.Clock()
    future.incarnation *= 2
    here = "127.0.0.1:1"
    alive = lambda who=me: messages.alive(who, here, clock.next())
    invalid = {"alive_msg misbehaviour_signature_invalid": 1}
    yield Attack(
        "an alive message without signature",
        [unsigned(alive())],
        {"alive_msg malformed_signature_missing": 1},
    )
    newer = messages.alive(victim, here, future.next())
    yield Attack("an alive message of another member, signed by the attacker", [me.seal(newer)], invalid)
    high = unsigned(alive())
    high.signature = me.sign(high.payload, high_s=True)
    yield Attack("a signature with a high S", [high], invalid)
    secret = me.seal(alive(), here)
    secret.secret_envelope.signature = world.cast.foreign.sign(secret.secret_envelope.payload)
    yield Attack("a secret signed by somebody else", [secret], invalid)
    secret = me.seal(alive())
    secret.secret_envelope.SetInParent()
    yield Attack("an empty secret", [secret], {"alive_msg malformed_secret_payload_missing": 1})
    outsider = world.cast.outsider
    yield Attack(
        "an alive message of an organisation outside the channel",
        [outsider.seal(alive(outsider))],
        {"alive_msg misbehaviour_identity_invalid": 1},
    )
    yield Attack(
        "a membership request in the name of another member",
        [request(own.alive())],
        {"mem_req misbehaviour_sender_mismatch": 1},
    )
    yield Attack(
        "StateInfo of another member, signed by the attacker",
        [me.seal(messages.state_info(victim, channel, future.next(), 10**6))],
        {"state_info misbehaviour_signature_invalid": 1},
    )
    unasked = [
        messages.digest(IDENTITIES, 1, [bytes(32)]),
        messages.update(IDENTITIES, 1, [me.seal(messages.peer_identity(me))]),
        messages.state_response(channel, 1, {1: world.blocks[1]}),
    ]
    yield Attack(
        "answers that nobody asked for",
        [unsigned(item) for item in unasked],
        {
            "data_dig misbehaviour_unsolicited": 1,
            "data_update misbehaviour_unsolicited": 1,
            "state_response misbehaviour_unsolicited": 1,
        },
    )
    private = {
        "private_data": gossip.PrivateDataMessage(),
        "privateReq": gossip.RemotePvtDataRequest(),
        "privateRes": gossip.RemotePvtDataResponse(elements=[gossip.PvtDataElement()]),
    }
    yield Attack(
        "private data, requests for them and answers",
        [
            unsigned(messages.message(CHAN_ONLY, channel=channel, nonce=1, **{kind: content}))
            for kind, content in private.items()
        ],
        {f"{kind} unfitting_not_supported": 1 for kind in private},
    )


# ---- floods


def too_much(world, own):
    """Messages and lists beyond any reason."""
    me, channel = world.cast.attacker, world.channel
    ids = [number.to_bytes(32, "big") for number in range(200_000)]
    numbers = [b"%d" % number for number in range(200_000)]
    yield Attack(
        "digests of 200,000 identities and of 200,000 blocks",
        [
            unsigned(messages.digest(IDENTITIES, 1, ids)),
            unsigned(messages.digest(BLOCKS, 1, numbers, channel)),
        ],
        {"data_dig misbehaviour_unsolicited": 1, "data_dig unfitting_not_in_channel": 1},
    )
    yield Attack(
        "a request for 200,000 identities under a nonce that is good",
        [unsigned(messages.hello(IDENTITIES, 5)), unsigned(messages.request(IDENTITIES, 5, ids))],
        {},
    )
    yield Attack(
        "a response with 50,000 members that are none",
        [response(*[payload(b"\x18\x01")] * 50_000)],
        {"mem_res misbehaviour_unsolicited": 1, "mem_res malformed_content_unexpected": 1},
    )
    snapshot = gossip.StateInfoSnapshot(elements=[own.state_info(1)] * 20_000)
    yield Attack(
        "a snapshot with one StateInfo 20,000 times",
        [unsigned(messages.message(CHAN_OR_ORG, channel=channel, state_snapshot=snapshot))],
        {},
    )
    heavy = messages.alive(me, "h:1", (1, 1))
    heavy.alive_msg.identity = bytes(1_000_000)
    yield Attack(
        "alive messages with an endpoint of 100,000 letters, and with an identity of a million bytes",
        [me.seal(messages.alive(me, "h" * 100_000, (1, 1))), me.seal(heavy)],
        {"alive_msg over_limit": 2},
    )
    wide = messages.state_info(me, channel, (1, 1), 1)
    wide.state_info.properties.chaincodes.extend([gossip.Chaincode(name="c" * 100)] * 10_000)
    yield Attack("StateInfo with 10,000 chaincodes", [me.seal(wide)], {"state_info over_limit": 1})
    yield Attack("300 membership requests at once", [request(own.alive())] * 300, {"mem_req over_limit": 200})
    yield Attack(
        "300 hellos at once",
        [unsigned(messages.hello(IDENTITIES, number)) for number in range(300)],
        {"hello over_limit": 200},
    )
    ahead = len(world.blocks) + 5
    yield Attack(
        "a block of twenty million bytes that is none",
        [unsigned(messages.block(channel, ahead, bytes(20_000_000)))],
        {"data_msg malformed_unparsable_field_number": 1},
    )
    yield Attack(
        "a message over 100 MiB ends its stream",
        [payload(bytes(101 << 20))],
        {},
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    )
