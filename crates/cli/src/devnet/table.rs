//! The live table: drawn over itself on a terminal, a line every few seconds elsewhere.

use selvedge::devnet::DevnetNode;
use selvedge::node::NodeStatus;
use selvedge::ordering::CutBlock;
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

/// Blocks over which times and rates are taken.
const RECENT: usize = 200;

/// A block on its way to all nodes.
#[derive(Debug)]
struct Travelling {
    number: u64,
    cut: Instant,
    bytes_count: usize,
    reached_count: usize,
}

/// How far the blocks have come.
#[derive(Debug)]
pub(super) struct Progress {
    heights: Vec<u64>,
    travelling: VecDeque<Travelling>,
    /// Of the blocks that reached every node last: when, how long it took, how many bytes.
    arrived: VecDeque<(Instant, Duration, usize)>,
    arrived_count: u64,
}

impl Progress {
    pub(super) fn new(node_count: usize) -> Self {
        Self {
            heights: vec![1; node_count],
            travelling: VecDeque::new(),
            arrived: VecDeque::new(),
            arrived_count: 0,
        }
    }

    /// The ordering source cut a block.
    pub(super) fn cut(&mut self, block: &CutBlock) {
        // a node may be faster than the news of the cut
        let reached_count = self.heights.iter().filter(|&&height| height > block.number).count();
        self.travelling.push_back(Travelling {
            number: block.number,
            cut: block.at,
            bytes_count: block.bytes_count,
            reached_count,
        });
        self.settle(Instant::now());
    }

    /// A node has every block below `height`.
    pub(super) fn committed(&mut self, node: usize, height: u64, at: Instant) {
        let Some(known) = self.heights.get_mut(node) else { return };
        let before = std::mem::replace(known, height);
        for block in &mut self.travelling {
            if (before..height).contains(&block.number) {
                block.reached_count += 1;
            }
        }
        self.settle(at);
    }

    fn settle(&mut self, at: Instant) {
        while self.travelling.front().is_some_and(|block| block.reached_count >= self.heights.len()) {
            let Some(block) = self.travelling.pop_front() else { return };
            self.arrived.push_back((at, at.saturating_duration_since(block.cut), block.bytes_count));
            self.arrived_count += 1;
            if self.arrived.len() > RECENT {
                self.arrived.pop_front();
            }
        }
    }

    /// Blocks a second that reached every node, over the recent ones.
    fn rate(&self) -> f64 {
        match (self.arrived.front(), self.arrived.back()) {
            (Some((first, ..)), Some((last, ..))) if last > first => {
                (self.arrived.len() - 1) as f64 / (*last - *first).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// Median and longest time from the cut to the last node's disk.
    fn times(&self) -> Option<(Duration, Duration)> {
        let mut times: Vec<Duration> = self.arrived.iter().map(|(_, time, _)| *time).collect();
        times.sort();
        Some((*times.get(times.len() / 2)?, *times.last()?))
    }

    fn mean_bytes(&self) -> usize {
        let total: usize = self.arrived.iter().map(|(.., bytes)| bytes).sum();
        total / self.arrived.len().max(1)
    }

    fn summary(&self) -> String {
        let times = self.times().map_or_else(
            || "waiting for the first block".to_owned(),
            |(median, longest)| format!("cut to last peer: median {median:.1?}, longest {longest:.1?}"),
        );
        format!(
            "{} blocks at all nodes, {:.1} blocks/s, {times}, {} bytes per block",
            self.arrived_count,
            self.rate(),
            self.mean_bytes()
        )
    }
}

/// Draws the table.
#[derive(Debug)]
pub(super) struct Table {
    on_terminal: bool,
    drawn_lines: usize,
}

impl Table {
    pub(super) const fn new(on_terminal: bool) -> Self {
        Self { on_terminal, drawn_lines: 0 }
    }

    /// How often to draw.
    pub(super) const fn period(&self) -> Duration {
        if self.on_terminal { Duration::from_millis(500) } else { Duration::from_secs(2) }
    }

    /// Draws it over what was drawn before.
    pub(super) fn show(&mut self, progress: &Progress, nodes: &[DevnetNode], statuses: &[NodeStatus]) {
        if self.on_terminal {
            let text = draw(progress, nodes, statuses);
            let mut out = std::io::stdout().lock();
            if self.drawn_lines > 0 {
                let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn_lines);
            }
            let _ = out.write_all(text.as_bytes());
            let _ = out.flush();
            self.drawn_lines = text.lines().count();
        } else {
            println!("{}", one_line(progress, statuses));
        }
    }

    /// Draws it for the last time, whole.
    pub(super) fn finish(&mut self, progress: &Progress, nodes: &[DevnetNode], statuses: &[NodeStatus]) {
        self.on_terminal = self.drawn_lines > 0;
        if self.on_terminal {
            self.show(progress, nodes, statuses);
        } else {
            print!("{}", draw(progress, nodes, statuses));
        }
    }
}

/// Members that the least and the most informed node count, itself included, and heights likewise.
fn one_line(progress: &Progress, statuses: &[NodeStatus]) -> String {
    let members =
        statuses.iter().map(|status| 1 + status.members.iter().filter(|member| member.alive).count());
    let heights =
        || statuses.iter().filter_map(|status| status.channels.first()).map(|channel| channel.height);
    format!(
        "members {} of {}, heights {} to {}: {}",
        members.min().unwrap_or(0),
        statuses.len(),
        heights().min().unwrap_or(0),
        heights().max().unwrap_or(0),
        progress.summary()
    )
}

fn draw(progress: &Progress, nodes: &[DevnetNode], statuses: &[NodeStatus]) -> String {
    use std::fmt::Write as _;
    const SHOWN_MAX: usize = 30;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<28} {:>7} {:>8} {:>6} {:>11}",
        "node", "members", "height", "leader", "connections"
    );
    for (node, status) in nodes.iter().zip(statuses).take(SHOWN_MAX) {
        let members = 1 + status.members.iter().filter(|member| member.alive).count();
        let height = status.channels.first().map_or(0, |channel| channel.height);
        let leader = if node.is_leader { "yes" } else { "" };
        let connections = status.connection_count;
        let _ = writeln!(text, "{:<28} {members:>7} {height:>8} {leader:>6} {connections:>11}", node.name);
    }
    if nodes.len() > SHOWN_MAX {
        let _ = writeln!(text, "... and {} more nodes", nodes.len() - SHOWN_MAX);
    }
    let _ = writeln!(text, "{}", one_line(progress, statuses));
    text
}
