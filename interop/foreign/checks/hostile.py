"""Malformed and hostile input: each is refused for its own reason and counted, and the node goes on serving."""

import time

from client import messages
from client.messages import gossip
from client.stream import PATIENCE
from client.world import require, same

from . import attacks, connections


def run(world, own):
    """All of it; `own` is a member with a standing stream, which must not suffer."""
    report = world.report
    connections.run(world)
    for title, which in [
        ("malformed messages", attacks.structure(world)),
        ("what makes a Go peer crash (spec/01 §15.1)", attacks.crashing(world, own)),
        ("false claims", attacks.lies(world, own)),
        ("too much", attacks.too_much(world, own)),
    ]:
        report.section(title)
        for attack in which:
            strike(world, attack)
    responses(world, own)
    report.section("afterwards")
    with report.check("the member that was there all the time is still served"):
        own.fence()
        require(own.stream.is_open, "its stream has ended")
    with report.check("the attacker is no member"):
        known = [attacks.alive_in(element).membership.pki_id for element in own.members().content.alive]
        require(world.cast.attacker.pki_id not in known, "it is listed")
    with report.check(f"{sum(world.refusals.values())} refusals are counted, each under its kind and reason"):
        counted(world)


def harmless(world):
    """What does not crash a Go peer either."""
    connections.harmless(world)
    world.report.section("malformed messages")
    for attack in attacks.structure(world):
        strike(world, attack)


def strike(world, attack):
    """Attacks on a stream of its own; then the node must serve newcomers, and the stream unless it had to end."""
    with world.report.check(attack.what):
        world.refusals.update(attack.refusals)
        assailant = world.join(world.cast.attacker)
        assailant.stream.send(*attack.items)
        if attack.ends is None:
            assailant.fence()
        else:
            same(assailant.stream.ended()[0], attack.ends, "status")
        assailant.stream.close()
        world.still_serves()


def responses(world, own):
    """Malformed elements in a response that the node is waiting for."""
    world.report.section("malformed answers")
    with world.report.check(
        "a membership response that the node waits for, with elements that lack everything"
    ):
        own.stream.forget("mem_req")
        asked = own.expect("mem_req", patience=2 * PATIENCE)
        hollow = own.identity.seal(messages.message(messages.EMPTY, alive_msg=gossip.AliveMessage()))
        other = own.identity.seal(messages.state_info(own.identity, world.channel, (1, 1), 1))
        unparsable = gossip.Envelope(payload=b"\xff")
        alive, dead = [hollow, own.alive()], [hollow, other, unparsable]
        own.send(messages.membership_response(asked.message.nonce, alive, dead))
        # what follows an element that is no alive message is not looked at
        world.refusals.update(
            {"mem_res malformed_membership_missing": 2, "mem_res malformed_content_unexpected": 1}
        )
        own.fence()
        world.still_serves()


def counted(world):
    """Waits for the counters, which follow within seconds. What is malformed was sent by nobody but us."""
    until = time.monotonic() + PATIENCE
    while wrong := list(miscounted(world)):
        require(time.monotonic() < until, "; ".join(wrong))
        time.sleep(0.2)


def miscounted(world):
    """What is counted otherwise than it must be."""
    metrics = world.node.metrics()
    for refusal, expected in world.refusals.items():
        kind, reason = refusal.split()
        count = metrics.get(f'selvedge_messages_rejected_total{{kind="{kind}",reason="{reason}"}}', 0)
        if count < expected or count > expected and reason.startswith("malformed"):
            yield f"{refusal}: {count:.0f}, not {expected}"
