//! Programs that run in the background, their logs, and their operations servers.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A background program; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` with both outputs appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, Box<dyn Error>> {
        let file: File = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, then SIGKILL after ten seconds.
    pub(crate) fn terminate(mut self) {
        let _ = Command::new("kill").arg(self.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(10);
        while self.runs() && Instant::now() < until {
            sleep(Duration::from_millis(50));
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `condition` gives a value, at most `limit`; asks five times a second.
pub(crate) fn wait<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let until = Instant::now() + limit;
    loop {
        let outcome = condition();
        if let Ok(Some(value)) = outcome {
            return Ok(value);
        }
        if Instant::now() >= until {
            let last = outcome.err().map(|error| format!("; last: {error}")).unwrap_or_default();
            return Err(format!("waited {limit:?} in vain: {what}{last}").into());
        }
        sleep(Duration::from_millis(200));
    }
}

/// Fetches a page of an operations server on loopback.
pub(crate) fn page(port: u16, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
    if head.starts_with("HTTP/1.") && head.contains(" 200 ") {
        Ok(body.to_owned())
    } else {
        Err(format!("{path}: {}", head.lines().next().unwrap_or_default()).into())
    }
}

/// The value of a metric with a `channel` label, at an operations server on loopback.
pub(crate) fn metric(port: u16, name: &str, channel: &str) -> Result<f64, Box<dyn Error>> {
    let wanted = format!("{name}{{channel=\"{channel}\"}} ");
    let page = page(port, "/metrics")?;
    let value = page.lines().find_map(|line| line.strip_prefix(&wanted));
    let value = value.ok_or_else(|| format!("no metric {wanted}at port {port}"))?;
    Ok(value.trim().parse()?)
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(id: u32) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// CPU time a process has used, in seconds.
pub(crate) fn cpu_seconds(id: u32) -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).ok_or("no cpu time");
    // ticks of a hundredth of a second on every Linux
    Ok((ticks()? + ticks()?) / 100.0)
}
