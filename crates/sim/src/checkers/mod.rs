//! Rules that hold whatever happens, and who watches over each.

mod bounds;
mod chain;
mod disclosure;
mod durable;
mod forged;
mod genuine;
mod membership;
mod once;
mod progress;
#[cfg(test)]
mod tests;

pub use membership::convergence_time;

use crate::world::{HostId, World};
use core::fmt;
use core::time::Duration;
use selvedge_core::{ConnectionId, Output};
use selvedge_proto::envelope::EnvelopeView;

/// A rule that must not be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A block is committed once, in order, and equal everywhere.
    Chain,
    /// Nothing unverified is stored or forwarded.
    Genuine,
    /// A published height is durable.
    Durable,
    /// Membership converges to who is alive.
    Membership,
    /// Nobody forged is alive.
    Forged,
    /// What organisations may not learn of each other is not sent.
    Disclosure,
    /// Every bound of `Limits` holds.
    Bounds,
    /// Nothing is verified twice by one peer.
    Once,
    /// A node that is not attacked makes progress.
    Progress,
    /// Nothing panics.
    Panic,
}

impl Rule {
    /// The rule's name, one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Genuine => "genuine",
            Self::Durable => "durable",
            Self::Membership => "membership",
            Self::Forged => "forged",
            Self::Disclosure => "disclosure",
            Self::Bounds => "bounds",
            Self::Once => "once",
            Self::Progress => "progress",
            Self::Panic => "panic",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken rule. The same seed breaks it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The world's seed.
    pub seed: u64,
    /// Which rule.
    pub rule: Rule,
    /// When, since the beginning.
    pub at: Duration,
    /// The host that broke it; `None` if it is no single one.
    pub host: Option<String>,
    /// What was seen.
    pub observed: String,
    /// Hosts that do not keep to the protocol, and how.
    pub byzantine: Vec<String>,
    /// The transitions before it, oldest first.
    pub transitions: Vec<String>,
}

/// Transitions first, so that the rule stands where a terminal ends.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.transitions {
            writeln!(f, "{line}")?;
        }
        for host in &self.byzantine {
            writeln!(f, "byzantine: {host}")?;
        }
        let host = self.host.as_deref().map(|host| format!(" at {host}")).unwrap_or_default();
        write!(
            f,
            "seed {}: rule '{}' broken{host} after {:?}: {}",
            self.seed, self.rule, self.at, self.observed
        )
    }
}

/// Watches over one rule. Each method gives what it saw if the rule is broken.
pub trait Checker: fmt::Debug + Send {
    /// Which rule.
    fn rule(&self) -> Rule;

    /// A host starts a new life.
    fn on_start(&mut self, _host: HostId) {}

    /// A host's peer orders something, which has not been done yet.
    ///
    /// # Errors
    ///
    /// What was seen if that breaks the rule.
    fn on_output(&mut self, _world: &World, _host: HostId, _output: &Output) -> Result<(), String> {
        Ok(())
    }

    /// A host's peer has handled an input.
    ///
    /// # Errors
    ///
    /// What was seen if the rule is broken now.
    fn after(&mut self, _world: &World, _host: HostId) -> Result<(), String> {
        Ok(())
    }

    /// A run ends.
    ///
    /// # Errors
    ///
    /// What was seen if the rule is broken now.
    fn at_end(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }

    /// Nothing was broken for [`convergence_time`].
    ///
    /// # Errors
    ///
    /// What was seen if the rule is broken now.
    fn converged(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }
}

/// Some checkers.
#[derive(Debug, Default)]
pub struct Checkers {
    all: Vec<Box<dyn Checker>>,
}

type Verdict = Result<(), (Rule, String)>;

impl Checkers {
    /// One for every rule.
    pub fn all() -> Self {
        Self {
            all: vec![
                Box::<chain::Chain>::default(),
                Box::<genuine::Genuine>::default(),
                Box::<durable::Durable>::default(),
                Box::<membership::Membership>::default(),
                Box::<forged::Forged>::default(),
                Box::<disclosure::Disclosure>::default(),
                Box::<bounds::Bounds>::default(),
                Box::<once::Once>::default(),
                Box::<progress::Progress>::default(),
            ],
        }
    }

    /// Only those of these rules.
    #[must_use]
    pub fn only(mut self, rules: &[Rule]) -> Self {
        self.all.retain(|checker| rules.contains(&checker.rule()));
        self
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, checker: Box<dyn Checker>) -> Self {
        self.all.push(checker);
        self
    }

    pub(crate) fn on_start(&mut self, host: HostId) {
        self.all.iter_mut().for_each(|checker| checker.on_start(host));
    }

    pub(crate) fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Verdict {
        self.each(|checker| checker.on_output(world, host, output))
    }

    pub(crate) fn after(&mut self, world: &World, host: HostId) -> Verdict {
        self.each(|checker| checker.after(world, host))
    }

    pub(crate) fn at_end(&mut self, world: &World) -> Verdict {
        self.each(|checker| checker.at_end(world))
    }

    pub(crate) fn converged(&mut self, world: &World) -> Verdict {
        self.each(|checker| checker.converged(world))
    }

    fn each(&mut self, mut check: impl FnMut(&mut dyn Checker) -> Result<(), String>) -> Verdict {
        for checker in &mut self.all {
            check(checker.as_mut()).map_err(|observed| (checker.rule(), observed))?;
        }
        Ok(())
    }
}

/// Who is sent what, if an output sends something that parses.
fn sent(world: &World, host: HostId, output: &Output) -> Option<(HostId, EnvelopeView)> {
    let Output::Send { connection, envelope, .. } = output else { return None };
    Some((receiver(world, host, *connection)?, envelope.view().ok()?))
}

fn receiver(world: &World, host: HostId, connection: ConnectionId) -> Option<HostId> {
    world.other_end(host, connection)
}
