//! Protocol behaviour as readable text: every file in `tests/transcripts` is a list of commands, each followed by a line
//! `----` and what came of it. The runner carries out the commands on a cluster and compares.
//!
//! With `TRANSCRIPTS=write` in the environment the files are rewritten with what came; then read the difference.
//!
//! Commands (names are those of nodes; durations are `5s`, `200ms`):
//!
//! - `cluster [seed=N] a/Org1MSP b/Org2MSP...`: a new cluster; `:hidden` after a node means no external endpoint
//! - `bootstrap b c via a`: b and c contact a when they start
//! - `show WORD...`: from now on only lines that contain one of the words, `~` standing for a space; without words, all
//! - `start a...`, `stop a...` (killed), `vanish a...` (cable pulled); without names, all
//! - `run 5s`: lets time pass, and prints the lines written meanwhile; `skip 5s` prints nothing
//! - `cut a b`, `heal`, `sever a b` (all connections between them end), `signer a fails|works`, `revoke a`
//! - `join a mychannel [SEQUENCE] [anchor...]`, `deliver a mychannel 1..5`, `heights mychannel`
//! - `transfer a...`: these ask for missing blocks by state transfer; `gossip a off`: a pushes no blocks of its orderer
//! - `fill a mychannel 50`: a's ledger has 50 blocks (before it joins)
//! - `place a at b`: a listens where b did; `members a`, `connections a`

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use core::fmt::Write;
use core::time::Duration;
use selvedge_core::testing::{Cluster, NodeId, messages};
use selvedge_core::{ChannelId, Command, Endpoint, MemberView};
use std::path::Path;

struct Scene {
    cluster: Cluster,
    words: Vec<String>,
}

type Outcome = Result<String, String>;

#[test]
fn transcripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    #[allow(clippy::disallowed_methods, reason = "how transcripts are rewritten")]
    let write = std::env::var("TRANSCRIPTS").is_ok_and(|value| value == "write");
    let mut failed = Vec::new();
    for file in files {
        let expected = std::fs::read_to_string(&file).unwrap();
        let actual = perform(&expected);
        assert_eq!(actual, perform(&expected), "{}: the same scenario twice gives the same", file.display());
        if write && actual != expected {
            #[allow(clippy::disallowed_methods, reason = "how transcripts are rewritten")]
            std::fs::write(&file, &actual).unwrap();
        } else if actual != expected {
            failed.push(difference(&file, &expected, &actual));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn difference(file: &Path, expected: &str, actual: &str) -> String {
    let lines = expected.lines().zip(actual.lines());
    let equal = lines.take_while(|(a, b)| a == b).count();
    let rest = |text: &str| text.lines().skip(equal).take(6).collect::<Vec<_>>().join("\n    ");
    format!(
        "{} differs from line {}.\n  expected\n    {}\n  came\n    {}",
        file.display(),
        equal + 1,
        rest(expected),
        rest(actual)
    )
}

/// Carries out the commands of a transcript; its text with what really came.
fn perform(text: &str) -> String {
    let mut scene = Scene { cluster: Cluster::new(0), words: Vec::new() };
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(out, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if lines.peek() == Some(&"----") {
            lines.next();
            while lines.next_if(|line| !line.is_empty()).is_some() {}
        }
        let outcome = scene.command(line).unwrap_or_else(|error| format!("error: {error}\n"));
        writeln!(out, "----\n{}", if outcome.is_empty() { "ok\n" } else { &outcome }.trim_end_matches('\n'))
            .unwrap();
    }
    out
}

impl Scene {
    fn command(&mut self, line: &str) -> Outcome {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        match (verb, words.as_slice()) {
            ("cluster", nodes) => self.make_cluster(nodes),
            ("bootstrap", [nodes @ .., "via", via]) => {
                let via = self.node(via)?;
                let nodes = self.nodes(nodes)?;
                self.cluster.bootstrap_with(&nodes, via);
                Ok(String::new())
            }
            ("show", words) => {
                self.words = words.iter().map(|word| word.replace('~', " ")).collect();
                Ok(String::new())
            }
            ("start", nodes) => self.each(nodes, Cluster::start),
            ("stop", nodes) => self.each(nodes, Cluster::stop),
            ("vanish", nodes) => self.each(nodes, Cluster::vanish),
            ("run", [time]) => {
                self.cluster.run_for(duration(time)?);
                Ok(self.written())
            }
            ("skip", [time]) => {
                self.cluster.run_for(duration(time)?);
                self.cluster.take_trace();
                Ok(String::new())
            }
            ("cut", [a, b]) => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                self.cluster.cut(a, b);
                Ok(String::new())
            }
            ("place", [node, "at", other]) => self.place(node, other),
            ("heal", []) => {
                self.cluster.heal();
                Ok(String::new())
            }
            ("sever", [a, b]) => {
                let (a, b) = (self.node(a)?, self.node(b)?);
                self.cluster.sever(a, b);
                Ok(self.written())
            }
            ("signer", [node, state]) => {
                let node = self.node(node)?;
                self.cluster.set_signer_fails(node, *state == "fails");
                Ok(String::new())
            }
            ("revoke", [node]) => {
                let identity = self.cluster.identity(self.node(node)?);
                self.cluster.revoke(&identity);
                Ok(String::new())
            }
            ("join", [node, channel, rest @ ..]) => self.join(node, channel, rest),
            ("leave", [node, channel]) => {
                let node = self.node(node)?;
                self.cluster.command(node, Command::LeaveChannel(ChannelId::from(*channel)));
                Ok(self.written())
            }
            ("deliver", [node, channel, numbers]) => self.deliver(node, channel, numbers),
            ("transfer", nodes) => {
                for node in self.nodes(nodes)? {
                    self.cluster.config_mut(node).state_transfer_enabled = true;
                }
                Ok(String::new())
            }
            ("gossip", [node, "off"]) => {
                let node = self.node(node)?;
                self.cluster.config_mut(node).block_gossip_enabled = false;
                Ok(String::new())
            }
            ("fill", [node, channel, height]) => {
                let height = height.parse().map_err(|_| format!("{height} is no height"))?;
                let node = self.node(node)?;
                self.cluster.fill_ledger(node, channel, height);
                Ok(String::new())
            }
            ("heights", [channel]) => Ok(self.heights(channel)),
            ("members", [node]) => self.members(node),
            ("connections", [node]) => self.connections(node),
            _ => Err("no such command".to_owned()),
        }
    }

    fn make_cluster(&mut self, words: &[&str]) -> Outcome {
        let (seed, nodes) = match words {
            [first, rest @ ..] if first.starts_with("seed=") => {
                (first["seed=".len()..].parse().map_err(|_| "seed is no number")?, rest)
            }
            nodes => (1, nodes),
        };
        self.cluster = Cluster::new(seed);
        self.cluster.set_tracing(true);
        for node in nodes {
            let (node, hidden) = node.strip_suffix(":hidden").map_or((*node, false), |node| (node, true));
            let (name, org) = node.split_once('/').ok_or("a node is NAME/ORG")?;
            let id = self.cluster.add(name, org);
            if hidden {
                self.cluster.config_mut(id).external_endpoint = Endpoint::from("");
            }
        }
        Ok(String::new())
    }

    fn node(&self, name: &str) -> Result<NodeId, String> {
        self.cluster.find(name).ok_or_else(|| format!("no node {name}"))
    }

    fn nodes(&self, names: &[&str]) -> Result<Vec<NodeId>, String> {
        if names.is_empty() {
            return Ok(self.cluster.ids().collect());
        }
        names.iter().map(|name| self.node(name)).collect()
    }

    fn each(&mut self, names: &[&str], act: impl Fn(&mut Cluster, NodeId)) -> Outcome {
        for node in self.nodes(names)? {
            act(&mut self.cluster, node);
        }
        Ok(self.written())
    }

    /// The lines written since the last command, as far as they are shown.
    fn written(&mut self) -> String {
        let words = &self.words;
        let shown = |line: &String| words.is_empty() || words.iter().any(|word| line.contains(word.as_str()));
        self.cluster.take_trace().into_iter().filter(shown).map(|line| line + "\n").collect()
    }

    fn join(&mut self, node: &str, channel: &str, rest: &[&str]) -> Outcome {
        let (sequence, anchors) = match rest {
            [first, rest @ ..] if first.parse::<u64>().is_ok() => (first.parse().unwrap_or_default(), rest),
            anchors => (1, anchors),
        };
        let anchors: Vec<NodeId> = anchors.iter().map(|name| self.node(name)).collect::<Result<_, _>>()?;
        let node = self.node(node)?;
        self.cluster.join(node, channel, sequence, &anchors);
        Ok(self.written())
    }

    fn deliver(&mut self, node: &str, channel: &str, numbers: &str) -> Outcome {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no block number"));
        let (first, last) = match numbers.split_once("..") {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(numbers)?, number(numbers)?),
        };
        let node = self.node(node)?;
        for number in first..=last {
            self.cluster.deliver_block(node, channel, number, messages::block(number, 1000));
        }
        Ok(self.written())
    }

    fn heights(&self, channel: &str) -> String {
        let height = |node| format!("{} {}\n", self.cluster.name(node), self.cluster.height(node, channel));
        self.cluster.ids().map(height).collect()
    }

    fn members(&self, node: &str) -> Outcome {
        let node = self.node(node)?;
        let line = |member: MemberView| {
            let state = if member.is_alive { "alive" } else { "dead" };
            let name = self.cluster.name_of(&member.pki_id);
            format!("{name} {state} {} [{}]\n", member.endpoint, member.internal_endpoint)
        };
        let mut lines: Vec<String> = self.cluster.peer(node).members().map(line).collect();
        lines.sort();
        Ok(lines.concat())
    }

    /// Makes a node listen where another one did.
    fn place(&mut self, node: &str, other: &str) -> Outcome {
        let (node, other) = (self.node(node)?, self.node(other)?);
        let config = self.cluster.config_mut(other);
        let endpoints = (config.endpoint.clone(), config.external_endpoint.clone());
        let config = self.cluster.config_mut(node);
        (config.endpoint, config.external_endpoint) = endpoints;
        Ok(String::new())
    }

    fn connections(&self, node: &str) -> Outcome {
        let node = self.node(node)?;
        let lines = self.cluster.ids().flat_map(|other| {
            let between = self.cluster.connections_between(node, other).into_iter();
            between.map(move |connection| (connection, other))
        });
        Ok(lines
            .map(|(connection, other)| format!("{connection:?} {}\n", self.cluster.name(other)))
            .collect())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no duration"));
    if let Some(millis) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(number(millis)?));
    }
    text.strip_suffix('s')
        .ok_or_else(|| format!("{text} is no duration"))
        .and_then(number)
        .map(Duration::from_secs)
}
