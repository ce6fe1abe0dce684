"""What all checks share: the node under test, and those who talk to it."""

import collections
import contextlib
import time

from . import messages
from .stream import PATIENCE, Connection, Failure

# far beyond any ledger, so that the answer is empty
NOWHERE = 10**9


def require(condition, otherwise):
    """Fails unless the condition holds."""
    if not condition:
        raise Failure(otherwise)


def same(actual, expected, what):
    """Fails unless both are equal."""
    require(actual == expected, f"{what} is {actual!r:.200}, not {expected!r:.200}")


class World:
    """The node under test and its surroundings."""

    def __init__(self, report, address, expected, cast, blocks, node=None):
        self.report = report
        self.address = address
        # the identity that the node under test must prove to have
        self.expected = expected
        self.cast = cast
        # blocks of the channel by number, as the node must serve them
        self.blocks = blocks
        # None if the node under test is not ours to look into
        self.node = node
        self.channel = b"mychannel"
        # what the node must have refused so far, by "kind reason" as its metrics have them
        self.refusals = collections.Counter()

    def dial(self, identity):
        """A connection, without a stream."""
        return Connection(self.address, identity, root=self.expected.tls_root)

    def join(self, identity, endpoint=""):
        """A participant after its handshake."""
        if self.node is None:
            # a Go peer closes a stream when another one of the same identity ended just before (spec/02 §6.4)
            time.sleep(0.2)
        stream = self.dial(identity).open()
        stream.send(identity.seal(messages.establish(identity)))
        stream.theirs = stream.expect("conn")
        return Participant(self, identity, stream, endpoint)

    @contextlib.contextmanager
    def joined(self, identity):
        """A participant for a moment."""
        participant = self.join(identity)
        try:
            yield participant
        finally:
            participant.stream.close()

    def still_serves(self, identity=None):
        """Fails unless the node runs and answers a newcomer."""
        require(self.node is None or self.node.is_alive(), "the node's process has ended")
        with self.joined(identity or self.cast.attacker) as newcomer:
            newcomer.fence()


class Participant:
    """Somebody with an open stream to the node under test."""

    def __init__(self, world, identity, stream, endpoint):
        self.world, self.identity, self.stream, self.endpoint = world, identity, stream, endpoint
        self.alive_clock, self.state_clock = messages.Clock(), messages.Clock()

    def send(self, message):
        """Sends a message that is not signed."""
        self.stream.send(messages.unsigned(message))

    def expect(self, kind, where=lambda received: True, patience=PATIENCE):
        """Waits for a message."""
        return self.stream.expect(kind, where, patience)

    def alive(self, embed=True, secret=True):
        """A new alive message of ours, with the internal endpoint in its secret if there is one."""
        message = messages.alive(self.identity, self.endpoint, self.alive_clock.next(), embed)
        return self.identity.seal(message, self.endpoint if secret and self.endpoint else None)

    def members(self, own_alive=None):
        """Asks for the members; gives the answer's content."""
        number = messages.nonce()
        self.send(messages.membership_request(own_alive or self.alive(), number))
        return self.expect("mem_res", lambda received: received.message.nonce == number)

    def state_info(self, height):
        """A new StateInfo of ours."""
        message = messages.state_info(self.identity, self.world.channel, self.state_clock.next(), height)
        return self.identity.seal(message)

    def snapshot(self):
        """Asks for all StateInfo of the channel."""
        self.send(messages.snapshot_request(self.identity.pki_id, self.world.channel))
        return self.expect("state_snapshot")

    def blocks(self, first, last):
        """Asks for blocks by state transfer; gives them by number."""
        number = messages.nonce()
        self.send(messages.state_request(self.world.channel, number, first, last))
        answer = self.expect("state_response", lambda received: received.message.nonce == number)
        same(answer.message.tag, messages.CHAN_OR_ORG, "tag of the response")
        same(answer.message.channel, self.world.channel, "channel of the response")
        return {payload.seq_num: payload.data for payload in answer.content.payloads}

    def fence(self):
        """Returns when the node has looked at everything that was sent before."""
        same(self.blocks(NOWHERE, NOWHERE), {}, "blocks beyond the ledger")
