//! What must hold for a node to be healthy, or ready.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Checks by component; clones are the same checks. They may come and go while the server runs.
#[derive(Clone, Default)]
pub struct Checks {
    checks: Arc<Mutex<BTreeMap<String, Check>>>,
}

/// A check that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCheck {
    /// Which part of the node.
    pub component: String,
    /// What is wrong with it, for people.
    pub reason: String,
}

impl Checks {
    /// No checks: everything holds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the check of a component, or puts it in place of the one before. It is called at every request
    /// and must neither block nor take long; its error is the reason, for people.
    pub fn register(&self, component: &str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(component.to_owned(), Arc::new(check));
    }

    /// Takes a component's check away, as when a channel is left.
    pub fn remove(&self, component: &str) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).remove(component);
    }

    /// Calls all checks; those that do not hold, by component.
    #[must_use]
    pub fn failed(&self) -> Vec<FailedCheck> {
        // called outside the lock, so that a check may register others
        let checks: Vec<(String, Check)> = {
            let held = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter().map(|(component, check)| (component.clone(), Arc::clone(check))).collect()
        };
        let results = checks.into_iter().map(|(component, check)| (component, check()));
        results
            .filter_map(|(component, result)| Some(FailedCheck { component, reason: result.err()? }))
            .collect()
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(checks.keys()).finish()
    }
}
