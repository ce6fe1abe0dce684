//! One `selvedge node start`, and the commands that ask it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that should happen; nothing that passes needs nearly as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see; fails with `what` and the last reason if it takes too long.
pub(crate) fn poll<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(reason) => assert!(Instant::now() < until, "{what}: {reason}"),
        }
        sleep(PAUSE);
    }
}

/// Runs the program to its end; what it printed.
pub(crate) fn selvedge(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge")).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{out}{err}")) }
}

/// A node as a process, or between two.
pub(crate) struct Process {
    config: PathBuf,
    operations: SocketAddr,
    log: PathBuf,
    environment: Vec<(&'static str, &'static str)>,
    flags: Vec<String>,
    child: Option<Child>,
}

impl Process {
    pub(crate) fn new(config: PathBuf, operations: SocketAddr) -> Self {
        let log = config.with_file_name("node.log");
        Self { config, operations, log, environment: Vec::new(), flags: Vec::new(), child: None }
    }

    pub(crate) fn config(&self) -> &str {
        self.config.to_str().unwrap()
    }

    /// Sets a variable for when it is started next.
    pub(crate) fn set(&mut self, name: &'static str, value: &'static str) {
        self.environment.push((name, value));
    }

    /// Sets the flags with which it is started next.
    pub(crate) fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it and waits until it can be asked.
    pub(crate) fn start(&mut self) {
        let log: File = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command.args(["node", "start", "--config", self.config()]).env_remove("FABRIC_CFG_PATH");
        command.args(&self.flags);
        command.envs(self.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        poll("the node starts", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "it ended with {ended:?}\n{}", self.log());
            self.page("/healthz").map(drop)
        });
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; it must end by itself and without an error.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let status = poll("the node stops", || child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()));
        assert!(status.success(), "it ended with {status}\n{}", self.log());
    }

    pub(crate) fn join(&self, genesis: &Path) {
        let genesis = genesis.to_str().unwrap();
        selvedge(&["channel", "join", "-b", genesis, "--config", self.config()]).unwrap();
    }

    /// The height it publishes to its operator.
    pub(crate) fn height(&self, channel: &str) -> Result<u64, String> {
        let told = selvedge(&["channel", "getinfo", "-c", channel, "--json", "--config", self.config()])?;
        let told: serde_json::Value =
            serde_json::from_str(&told).map_err(|error| format!("{error}: {told}"))?;
        told["height"].as_u64().ok_or_else(|| format!("no height in {told}"))
    }

    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.find_metric(name).unwrap()
    }

    /// The same, while it may not be there yet.
    pub(crate) fn find_metric(&self, name: &str) -> Result<u64, String> {
        let page = self.page("/metrics")?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.ok_or_else(|| format!("no {name} in\n{page}"))
    }

    /// Waits until a metric has this value.
    pub(crate) fn wait_for_metric(&self, name: &str, value: u64) {
        poll(&format!("{name} is {value}"), || match self.find_metric(name)? {
            other if other != value => Err(format!("it is {other}")),
            _ => Ok(()),
        });
    }

    /// A page of its operations server.
    fn page(&self, path: &str) -> Result<String, String> {
        let get = || {
            let mut stream = TcpStream::connect(self.operations)?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            std::io::Result::Ok(answer)
        };
        let answer = get().map_err(|error| error.to_string())?;
        if answer.split_whitespace().nth(1) == Some("200") { Ok(answer) } else { Err(answer) }
    }

    /// What it has logged, over all its lives.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("-- {}\n{}", self.log.display(), self.log());
        }
    }
}
