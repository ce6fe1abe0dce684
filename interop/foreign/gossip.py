#!/usr/bin/env python3
"""Talks gossip to a Selvedge node: TLS, handshake, membership, channel state, blocks, and much that is malformed.

    gossip.py --program PATH/TO/selvedge

Starts the node with the recordings' crypto material and blocks; says one line for each check. Exit code 1 if any fails.
With --target the same is asked of a peer that runs already, as far as any peer must do it.
"""

import argparse
import pathlib
import signal
import socket
import sys
import tempfile
import types

from checks import blocks, channel, dialled, handshake, hostile, membership
from client.identity import Identity
from client.isolation import isolate
from client.node import Node, free_addresses, split
from client.report import Report
from client.server import Server
from client.world import World, same

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
# so many blocks are imported; the following ones come by gossip
IMPORTED, COMING = 31, 50
# the anchor peers of the recorded channel: nobody is at the first, and we are at the second
ANCHORS = ("127.0.0.1:21301", "127.0.0.1:21401")


def cast(crypto, spare_only):
    """Who takes part. With `spare_only` nobody that a running network of five peers needs, but one."""
    folder = lambda org: crypto / f"crypto/peerOrganizations/org{org}.example.com"
    peer = lambda org, number: Identity(
        f"Org{org}MSP", folder(org) / f"peers/peer{number}.org{org}.example.com"
    )
    user = lambda org, name: Identity(f"Org{org}MSP", folder(org) / f"users/{name}@org{org}.example.com")
    outsider = crypto / "crypto-outsider/peerOrganizations/org3.example.com/peers/peer0.org3.example.com"
    return types.SimpleNamespace(
        node=peer(1, 0),
        # members
        own=peer(1, 2),
        second=user(1, "User1") if spare_only else peer(1, 1),
        foreign=user(2, "User1") if spare_only else peer(2, 0),
        # those who come and go
        visitor=user(2, "User1") if spare_only else peer(2, 1),
        hidden=user(2, "Admin"),
        attacker=user(1, "Admin"),
        outsider=Identity("Org3MSP", outsider),
    )


def against_selvedge(report, program, folder):
    """Everything, against a node of our own."""
    people = cast(FIXTURES / "network", spare_only=False)
    file = lambda number: FIXTURES / f"blocks/orderer/{number:03}.block"
    present = {number: file(number).read_bytes() for number in range(IMPORTED)}
    coming = {number: file(number).read_bytes() for number in range(IMPORTED, COMING)}
    bootstrap = Server(people.second, people.own.tls_root)
    anchor = Server(people.foreign, people.own.tls_root, ANCHORS[1])
    node = Node(program, folder, people.node, bootstrap.address)
    world = World(report, node.address, people.node, people, present, node)
    try:
        node.import_blocks(file(number) for number in present)
        node.start()
        second = dialled.run(world, bootstrap, "a bootstrap peer", same_org=True)
        foreign = dialled.run(world, anchor, "an anchor peer of another organisation", same_org=False)
        handshake.run(world)
        own = world.join(people.own, *free_addresses(1))
        membership.run(world, own, second, foreign)
        channel.run(world, own, second, foreign)
        blocks.run(world, own, second, foreign, coming)
        hostile.run(world, own)
        end(world)
    finally:
        node.kill()
        bootstrap.stop()
        anchor.stop()


def require_quiet():
    """The channel's anchor peers must not be there: the node would talk to them, too."""
    for address in ANCHORS:
        with socket.socket() as probe:
            if probe.connect_ex(split(address)) == 0:
                sys.exit(
                    f"something listens on {address}, an anchor peer of the recorded network: stop it first"
                )


def end(world):
    """The node stops in order, and what it leaves is whole."""
    node = world.node
    world.report.section("the end")
    with world.report.check("no thread of the node panicked"):
        same(node.panics(), [], "lines of the log")
    with world.report.check("it stops when asked, with exit code 0"):
        same(node.stop(), 0, "exit code")
    with world.report.check("the ledger it leaves verifies"):
        node.run("ledger", "verify", "--config", node.config)


def against_another(report, address, network, folder):
    """What any peer must do, against one that runs."""
    people = cast(network, spare_only=True)
    files = sorted(folder.glob("*.block"))
    present = {int(file.stem): file.read_bytes() for file in files}
    world = World(report, address, people.node, people, present)
    handshake.run(world)
    endpoints = free_addresses(3)
    own, second, foreign = (
        world.join(identity, endpoint)
        for identity, endpoint in zip((people.own, people.second, people.foreign), endpoints)
    )
    second.members()
    membership.run(world, own, second, foreign)
    channel.run(world, own, second, foreign)
    blocks.refused_partners(world, foreign)
    blocks.publish_height(second, len(present))
    blocks.served(world, second)
    hostile.harmless(world)


def main():
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", type=pathlib.Path, help="the selvedge program")
    parser.add_argument("--target", help="HOST:PORT of peer0.org1 of a running network")
    parser.add_argument(
        "--network", type=pathlib.Path, default=FIXTURES / "network", help="its crypto material"
    )
    parser.add_argument("--blocks", type=pathlib.Path, help="folder with all its blocks, as it stores them")
    arguments = parser.parse_args()
    # so that nothing is left behind when a time limit ends this program
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    report = Report()
    if arguments.target:
        with report.everything():
            against_another(report, arguments.target, arguments.network, arguments.blocks)
    else:
        if not isolate():
            require_quiet()
        with tempfile.TemporaryDirectory(prefix="selvedge-foreign-") as folder:
            with report.everything():
                against_selvedge(report, arguments.program.resolve(), folder)
            log = pathlib.Path(folder) / "node.log"
            if report.failed and log.exists():
                print(f"-- the node's log, its end:\n{log.read_text()[-20000:]}")
    sys.exit(0 if report.close() else 1)


if __name__ == "__main__":
    main()
