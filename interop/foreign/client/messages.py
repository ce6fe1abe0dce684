"""Making gossip messages, dressed as Fabric dresses them: tag, channel, nonce, signature."""

import hashlib
import random
import time

from fabric_protos.gossip import message_pb2 as gossip

UNDEFINED, EMPTY, ORG_ONLY, CHAN_ONLY, CHAN_AND_ORG, CHAN_OR_ORG = range(6)
BLOCKS, IDENTITIES = gossip.BLOCK_MSG, gossip.IDENTITY_MSG


def nonce():
    """A random number that is not 0."""
    return random.randrange(1, 2**64)


def message(tag, **content):
    """A GossipMessage; `content` may hold `nonce` and `channel` beside the content itself."""
    return gossip.GossipMessage(tag=tag, **content)


def unsigned(inner):
    """An envelope around a message that nobody signs."""
    return gossip.Envelope(payload=inner.SerializeToString())


def channel_mac(pki_id, channel):
    """What stands for the name of a channel where the name must not be seen."""
    return hashlib.sha256(pki_id + channel).digest()


def establish(who, tls_hash=None, probe=False, **changes):
    """The message of the handshake; `changes` replaces fields of it."""
    fields = {
        "pki_id": who.pki_id,
        "identity": who.serialized,
        "tls_cert_hash": who.tls_hash if tls_hash is None else tls_hash,
        "probe": probe,
    }
    return message(EMPTY, conn=gossip.ConnEstablish(**(fields | changes)))


def alive(identity, endpoint, time_pair, embed=True):
    """An alive message; `time_pair` is incarnation and sequence number."""
    member = gossip.Member(endpoint=endpoint, pki_id=identity.pki_id)
    content = gossip.AliveMessage(membership=member, timestamp=peer_time(time_pair))
    if embed:
        content.identity = identity.serialized
    return message(EMPTY, alive_msg=content)


def peer_time(pair):
    """A PeerTime."""
    return gossip.PeerTime(inc_num=pair[0], seq_num=pair[1])


def membership_request(own_alive, number):
    """A request for the members that are known, around the own signed alive message."""
    return message(EMPTY, nonce=number, mem_req=gossip.MembershipRequest(self_information=own_alive))


def membership_response(number, alive_envelopes, dead_envelopes=()):
    """The answer to it."""
    content = gossip.MembershipResponse(alive=alive_envelopes, dead=dead_envelopes)
    return message(EMPTY, nonce=number, mem_res=content)


def state_info(identity, channel, time_pair, height, left=False):
    """A StateInfo."""
    content = gossip.StateInfo(
        timestamp=peer_time(time_pair),
        pki_id=identity.pki_id,
        channel_MAC=channel_mac(identity.pki_id, channel),
        properties=gossip.Properties(ledger_height=height, left_channel=left),
    )
    return message(CHAN_OR_ORG, state_info=content)


def snapshot_request(pki_id, channel):
    """A request for all StateInfo of a channel."""
    content = gossip.StateInfoPullRequest(channel_MAC=channel_mac(pki_id, channel))
    return message(CHAN_OR_ORG, state_info_pull_req=content)


def state_request(channel, number, first, last):
    """A request for blocks, both ends inclusive."""
    content = gossip.RemoteStateRequest(start_seq_num=first, end_seq_num=last)
    return message(CHAN_OR_ORG, channel=channel, nonce=number, state_request=content)


def state_response(channel, number, blocks, private=()):
    """The answer to it; `blocks` maps numbers to bytes, `private` goes beside each."""
    payloads = [
        gossip.Payload(seq_num=item, data=data, private_data=private) for item, data in blocks.items()
    ]
    content = gossip.RemoteStateResponse(payloads=payloads)
    return message(CHAN_OR_ORG, channel=channel, nonce=number, state_response=content)


def block(channel, number, data, private=()):
    """A block as it is pushed and pulled."""
    payload = gossip.Payload(seq_num=number, data=data, private_data=private)
    return message(CHAN_AND_ORG, channel=channel, data_msg=gossip.DataMessage(payload=payload))


def peer_identity(identity):
    """The item of the identity pull."""
    content = gossip.PeerIdentity(pki_id=identity.pki_id, cert=identity.serialized)
    return message(EMPTY, peer_identity=content)


def hello(kind, number, channel=b""):
    """First phase of a pull."""
    return _pull(kind, channel, hello=gossip.GossipHello(nonce=number, msg_type=kind))


def digest(kind, number, items, channel=b""):
    """Second phase."""
    return _pull(kind, channel, data_dig=gossip.DataDigest(nonce=number, digests=items, msg_type=kind))


def request(kind, number, items, channel=b""):
    """Third phase."""
    return _pull(kind, channel, data_req=gossip.DataRequest(nonce=number, digests=items, msg_type=kind))


def update(kind, number, envelopes, channel=b""):
    """Fourth phase."""
    return _pull(kind, channel, data_update=gossip.DataUpdate(nonce=number, data=envelopes, msg_type=kind))


def _pull(kind, channel, **content):
    return message(CHAN_AND_ORG if kind == BLOCKS else EMPTY, channel=channel, **content)


class Clock:
    """Timestamps of one origin: the incarnation stays, the sequence number grows."""

    def __init__(self):
        self.incarnation = time.time_ns()
        self.sequence = 0

    def next(self):
        """The next timestamp."""
        self.sequence += 1
        return self.incarnation, self.sequence
