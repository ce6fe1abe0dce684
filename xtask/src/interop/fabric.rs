//! Fabric's own programs: where they are, which version, how they are called.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long one command may take.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);

/// What `FABRIC_BIN` must hold.
const PROGRAMS: [&str; 6] = ["peer", "orderer", "osnadmin", "configtxgen", "cryptogen", "discover"];

/// A folder with Fabric's programs.
#[derive(Clone, Debug)]
pub(crate) struct Fabric {
    folder: PathBuf,
    version: String,
}

impl Fabric {
    /// Checks the folder and asks its peer for the version.
    pub(crate) fn find(folder: PathBuf) -> Result<Self, Box<dyn Error>> {
        for program in PROGRAMS {
            if !folder.join(program).is_file() {
                return Err(format!("FABRIC_BIN: {} has no program {program}", folder.display()).into());
            }
        }
        let said = run(Command::new(folder.join("peer")).arg("version"))?;
        let version = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("Version:"))
            .ok_or_else(|| format!("peer version said {said:?}"))?;
        Ok(Self { folder, version: version.trim().trim_start_matches('v').to_owned() })
    }

    /// As the peer tells it, such as `3.1.5`; a peer built without a version says `latest`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether the peer offers the 3.x line: it knows channel capability V3_0.
    pub(crate) fn is_v3(&self) -> bool {
        !self.version.starts_with("2.")
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        Command::new(self.folder.join(program))
    }
}

/// Runs a command to its end and gives what it printed; a failure tells command, status and both outputs.
pub(crate) fn run(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let Output { status, stdout, stderr } = output(command)?;
    if !status.success() {
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        return Err(format!("{} ended with {status}: {stdout}{stderr}", shown(command)).into());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// As [`run`], but gives standard output only, as bytes.
pub(crate) fn run_for_bytes(command: &mut Command) -> Result<Vec<u8>, Box<dyn Error>> {
    let Output { status, stdout, stderr } = output(command)?;
    if !status.success() {
        return Err(
            format!("{} ended with {status}: {}", shown(command), String::from_utf8_lossy(&stderr)).into()
        );
    }
    Ok(stdout)
}

fn output(command: &mut Command) -> Result<Output, Box<dyn Error>> {
    let failed = |command: &Command, error: &dyn Display| format!("{}: {error}", shown(command));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| failed(command, &error))?;
    let id = child.id();
    let (done, over) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match over.recv_timeout(COMMAND_TIME_MAX) {
        Ok(output) => Ok(output.map_err(|error| failed(command, &error))?),
        Err(_) => {
            let _ = Command::new("kill").arg("-9").arg(id.to_string()).status();
            Err(failed(command, &format!("still running after {COMMAND_TIME_MAX:?}")).into())
        }
    }
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
