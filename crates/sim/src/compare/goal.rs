//! Which way a figure should go.

/// Which values of a figure are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// High ones: what was reached.
    High,
    /// Low ones: what it took.
    Low,
}

/// Figures that are neither better nor worse: what the scenario orders.
const NEITHER: [&str; 2] = ["running", "blocks"];
const HIGH: [&str; 3] = ["known_share", "delivered_share", "pushed_share"];

impl Goal {
    /// Of the figure with this name; `None` if neither way is better.
    pub fn of(figure: &str) -> Option<Self> {
        match figure {
            name if NEITHER.contains(&name) => None,
            name if HIGH.contains(&name) => Some(Self::High),
            // times, bytes, work, losses
            _ => Some(Self::Low),
        }
    }
}
