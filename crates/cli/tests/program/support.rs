//! Running the program, and what it is run on.

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Each line of the output as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The output as one JSON object.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it went well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts that it failed in order.
    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        self
    }
}

/// Runs the program without configuration around it.
pub(crate) fn selvedge<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Run {
    selvedge_reading(arguments, &[])
}

/// The same with an input.
pub(crate) fn selvedge_reading<A: AsRef<std::ffi::OsStr>>(arguments: &[A], input: &[u8]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CORE_") || text.starts_with("FABRIC_") {
            command.env_remove(&name);
        }
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // on a thread of its own: both sides may fill their pipes
    let writing = std::thread::spawn(move || {
        // whoever fails before it has read everything is gone
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A path in the folder of recordings.
pub(crate) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

pub(crate) fn fixture_text(path: &str) -> String {
    fixture(path).to_str().unwrap().to_owned()
}

pub(crate) fn read(path: &str) -> Vec<u8> {
    std::fs::read(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn read_json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

/// The channel's genesis block.
pub(crate) fn genesis() -> String {
    fixture_text("network/mychannel.block")
}

/// File of the orderers' copy of a block.
pub(crate) fn block(number: u64) -> String {
    fixture_text(&format!("blocks/orderer/{number:03}.block"))
}

/// An MSP folder of the recorded network.
pub(crate) fn peer_msp(peer: &str, org: &str) -> String {
    fixture_text(&format!(
        "network/crypto/peerOrganizations/{org}.example.com/peers/{peer}.{org}.example.com/msp"
    ))
}

/// Records, each after its length as 4 bytes; and where each begins.
pub(crate) fn be32(records: &[Vec<u8>]) -> (Vec<u8>, Vec<u64>) {
    let (mut out, mut offsets) = (Vec::new(), Vec::new());
    for record in records {
        out.extend_from_slice(&u32::try_from(record.len()).unwrap().to_be_bytes());
        offsets.push(out.len() as u64);
        out.extend_from_slice(record);
    }
    (out, offsets)
}

/// A small network in this process, and its files.
pub(crate) struct Network {
    pub(crate) devnet: selvedge::devnet::Devnet,
    folder: tempfile::TempDir,
}

impl Network {
    /// Two organisations of two peers each.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = selvedge::devnet::DevnetSettings {
            organization_count: 2,
            peer_count: 2,
            block_interval: std::time::Duration::from_millis(200),
            block_bytes: 4096,
            folder: folder.path().to_owned(),
            keep_material: true,
        };
        let devnet = selvedge::devnet::Devnet::start(&settings).await.unwrap();
        Self { devnet, folder }
    }

    /// A file of the network.
    pub(crate) fn path(&self, path: &str) -> String {
        self.folder.path().join(path).to_str().unwrap().to_owned()
    }

    /// `host:port` of a node, `peer0.org1` for example.
    pub(crate) fn endpoint(&self, name: &str) -> String {
        let name = format!("{name}.example.com");
        let node = self.devnet.nodes().iter().find(|node| node.name == name).unwrap();
        node.node.address().to_string()
    }

    /// Flags of a probe with an identity that no node has.
    pub(crate) fn user(&self, org: &str) -> Vec<String> {
        let user = format!("crypto/peerOrganizations/{org}.example.com/users/User1@{org}.example.com");
        let msp_id = format!("O{}MSP", &org[1..]);
        let file = |name: &str| self.path(&format!("{user}/{name}"));
        let flags = ["--msp-id", &msp_id, "--msp", &file("msp"), "--tls-cert", &file("tls/client.crt")];
        let more = ["--tls-key", &file("tls/client.key"), "--tls-ca", &file("tls/ca.crt")];
        flags.iter().chain(&more).map(ToString::to_string).collect()
    }
}

/// Runs a probe while this process serves what is probed.
pub(crate) async fn probe(target: &str, flags: &[String]) -> Run {
    let arguments: Vec<String> =
        ["probe", target].into_iter().map(str::to_owned).chain(flags.iter().cloned()).collect();
    tokio::task::spawn_blocking(move || selvedge(&arguments)).await.unwrap()
}

/// A step of a probe's JSON.
pub(crate) fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == name).unwrap_or(&Value::Null)
}

/// Names and outcomes of the steps.
pub(crate) fn steps(report: &Value) -> Vec<(&str, &str)> {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().map(|step| (step["step"].as_str().unwrap(), step["status"].as_str().unwrap())).collect()
}

pub(crate) fn strings(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}
