"""A Selvedge node as a process: configuration, start, what it tells of itself, stop."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

from .stream import PATIENCE, Failure

CONFIGURATION = """\
peer:
  id: {name}
  listenAddress: {address}
  address: {address}
  localMspId: Org1MSP
  mspConfigPath: {member}/msp
  fileSystemPath: {data}
  gossip:
    bootstrap: {bootstrap}
    externalEndpoint: {address}
    useLeaderElection: false
    orgLeader: false
    aliveTimeInterval: 1s
    aliveExpirationTimeout: 25s
    pullInterval: 2s
    digestWaitTime: 500ms
    requestWaitTime: 800ms
    responseWaitTime: 1s
    state: {{enabled: true}}
  deliveryclient: {{blockGossipEnabled: true}}
  tls:
    enabled: true
    clientAuthRequired: true
    cert: {{file: {member}/tls/server.crt}}
    key: {{file: {member}/tls/server.key}}
    rootcert: {{file: {member}/tls/ca.crt}}
    clientRootCAs: {{files: [{member}/tls/ca.crt]}}
operations: {{listenAddress: "{operations}"}}
metrics: {{provider: prometheus}}
"""


def free_addresses(count):
    """Addresses on loopback that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in sockets]
    for server in sockets:
        server.close()
    return addresses


class Node:
    """One node of Org1MSP."""

    def __init__(self, program, folder, member, bootstrap):
        self.program, self.folder = program, pathlib.Path(folder)
        self.address, self.operations = free_addresses(2)
        self.config = self.folder / "core.yaml"
        self.data = self.folder / "data"
        self.log = self.folder / "node.log"
        self.config.write_text(
            CONFIGURATION.format(
                name=member.name,
                address=self.address,
                operations=self.operations,
                member=member.folder,
                data=self.data,
                bootstrap=bootstrap,
            )
        )
        self.process = None

    def run(self, *arguments):
        """Runs the program to its end; gives what it printed."""
        done = subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, timeout=PATIENCE * 4, check=False
        )
        if done.returncode != 0:
            raise Failure(f"selvedge {' '.join(map(str, arguments[:2]))}: {done.stdout}{done.stderr}")
        return done.stdout

    def import_blocks(self, files):
        """Fills the ledger before the node is started."""
        return self.run("ledger", "import", "--config", self.config, *files)

    def start(self):
        """Starts it and waits until it serves."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "node", "start", "--config", self.config], stdout=log, stderr=log
            )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(split(self.address), timeout=1).close()
                self.get("/healthz")
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Failure(f"the node does not start: {error}\n{self.log.read_text()}") from error
                time.sleep(0.05)

    def get(self, path):
        """A page of the operations server."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://{self.operations}{path}", timeout=PATIENCE) as answer:
            return answer.read().decode()

    def metrics(self):
        """All metrics: from name with labels to value."""
        lines = (line.rpartition(" ") for line in self.get("/metrics").splitlines() if line[:1] != "#")
        return {name: float(value) for name, _, value in lines}

    def height(self):
        """The height of its channel's ledger."""
        arguments = ["-c", "mychannel", "--json", "--operations", self.operations]
        return json.loads(self.run("channel", "getinfo", *arguments))["height"]

    def is_alive(self):
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def panics(self):
        """Lines of the log that tell of a panic."""
        return [line for line in self.log.read_text().splitlines() if re.search("panicked", line)]

    def stop(self):
        """Asks it to stop; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        """Ends it, whatever it does."""
        if self.is_alive():
            self.process.kill()
            self.process.wait()


def split(address):
    """Host and port."""
    host, port = address.rsplit(":", 1)
    return host, int(port)
