//! Faults, and checkers that watch over a run.

use super::Runner;
use crate::checkers::Rule;
use crate::faults::Faults;
use crate::world::{HostId, World};
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

impl Runner<'_> {
    /// A panic is a broken rule, too.
    pub(super) fn run_watched(&mut self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run_to_end())) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            self.world.fail(Rule::Panic, None, text.to_owned());
        }
        if self.world.failure().is_some() {
            return;
        }
        // what converges needs time to
        let calm = self.world.now().saturating_sub(self.healed_at);
        if calm >= self.scenario.convergence_time() {
            self.world.check_converged();
        } else {
            self.world.check_end();
        }
    }

    /// Lets faults do something, and notes who started or ended.
    pub(super) fn with_faults(&mut self, act: impl FnOnce(&mut Faults, &mut World)) {
        let Some(faults) = &mut self.faults else { return };
        let hosts: Vec<HostId> = self.world.hosts().collect();
        let ran: Vec<bool> = hosts.iter().map(|&host| self.world.runs(host)).collect();
        act(faults, &mut self.world);
        for (host, ran) in hosts.into_iter().zip(ran) {
            if self.world.runs(host) != ran {
                self.note_life(host);
            }
        }
        self.healed_at = self.world.now();
    }

    /// The measured time is over: what still lasts of faults ends, and so do partitions without an end.
    pub(super) fn heal(&mut self) {
        if self.faults.is_some() {
            self.with_faults(Faults::heal);
            self.faults = None;
        } else if self.scenario.actions.has_open_end() {
            self.world.heal();
            self.healed_at = self.world.now();
        }
    }
}
