//! What the system says of this process, under the names every Prometheus client uses. Linux only.

use super::kinds::{Gauge, Maker};
use prometheus::{Counter, Opts};

/// Ticks of the clock a second in `/proc`: fixed at 100 towards programs on every platform Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) struct Process {
    cpu_seconds: Counter,
    open_files: Gauge,
    open_files_max: Gauge,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    virtual_bytes_max: Gauge,
}

impl Process {
    /// Registers the metrics where `/proc` is there to read.
    pub(super) fn register(maker: &Maker<'_>) -> Option<Self> {
        let stat = Stat::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
        let booted = boot_seconds(&std::fs::read_to_string("/proc/stat").ok()?)?;
        let start = "Start time of the process since unix epoch in seconds.";
        let cpu = Opts::new("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
        let process = Self {
            cpu_seconds: maker.register(Counter::with_opts(cpu)),
            open_files: maker.gauge("process_open_fds", "Number of open file descriptors."),
            open_files_max: maker.gauge("process_max_fds", "Maximum number of open file descriptors."),
            resident_bytes: maker.gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
            virtual_bytes: maker.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
            virtual_bytes_max: maker.gauge(
                "process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes.",
            ),
        };
        let started = booted + stat.start_ticks as f64 / TICKS_PER_SECOND;
        maker
            .register(prometheus::Gauge::with_opts(Opts::new("process_start_time_seconds", start)))
            .set(started);
        process.update();
        Some(process)
    }

    /// Reads everything anew; what cannot be read keeps its value.
    pub(super) fn update(&self) {
        let read = |file| std::fs::read_to_string(file).ok();
        if let Some(stat) = read("/proc/self/stat").as_deref().and_then(Stat::parse) {
            let seconds = stat.cpu_ticks as f64 / TICKS_PER_SECOND;
            self.cpu_seconds.inc_by((seconds - self.cpu_seconds.get()).max(0.0));
            self.virtual_bytes.set(stat.virtual_bytes);
        }
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
            self.resident_bytes.set(bytes);
        }
        if let Some(limits) = read("/proc/self/limits") {
            let set =
                |gauge: &Gauge, name| limit(&limits, name).into_iter().for_each(|limit| gauge.set(limit));
            set(&self.open_files_max, "Max open files");
            set(&self.virtual_bytes_max, "Max address space");
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // reading the folder opens it, which is one too many
            self.open_files.set((files.count() as u64).saturating_sub(1));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
}

impl Stat {
    /// Reads `/proc/<pid>/stat`; the program's name, second, may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // numbered from 1 in proc(5); the first after the name is the third
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
        })
    }
}

fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of this name; unlimited is the largest number.
fn limit(limits: &str, name: &str) -> Option<u64> {
    let soft = limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read() {
        let stat = "4711 (a) b ) S 1 2 3 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 123456 2079207424 29910 184467 1 1 0";
        let expected = Stat { cpu_ticks: 200, start_ticks: 123_456, virtual_bytes: 2_079_207_424 };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1795386000\nprocesses 5\n"), Some(1_795_386_000.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t  119640 kB\nVmData:\t1 kB\n"), Some(119_640 * 1024));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            20000                20000                files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(limit(limits, "Max open files"), Some(20_000));
        assert_eq!(limit(limits, "Max address space"), Some(u64::MAX));
    }

    #[test]
    fn what_is_not_there_is_none() {
        for text in ["", "1 (x", "1 (x) S", "1 (x) S 1 2 3 0 -1 4194304 100 0 0 0 x 50 0 0 20 0 9 0 1 2"] {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
        assert_eq!(
            (
                boot_seconds("btime x"),
                resident_bytes("VmRSS: 5 MB"),
                limit("Max open files", "Max open files")
            ),
            (None, None, None)
        );
    }
}
