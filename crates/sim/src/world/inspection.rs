//! Watching closely: every transition is shown to checkers, kept for a failure's report, and written out on demand.

use super::{HostId, World};
use crate::checkers::{Checkers, Failure, Rule};
use crate::trace::{Trace, Transition};
use bytes::Bytes;
use selvedge_core::{ConnectionId, Endpoint, Input, Instant, MspId, Output, PkiId};
use std::collections::BTreeMap;
use std::io::Write;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    trace: Trace,
    checkers: Checkers,
    failure: Option<Box<Failure>>,
}

impl Inspection {
    pub(super) fn on_start(&mut self, host: HostId) {
        self.checkers.on_start(host);
    }

    pub(super) fn note(&mut self, now: Instant, host: HostId, text: &str) {
        self.trace.add(now, host, Transition::Note(text.to_owned()));
    }

    pub(super) fn note_output(&mut self, now: Instant, host: HostId, output: &Output) {
        self.trace.add(now, host, Transition::Output(output.clone()));
    }
}

impl World {
    /// Shows every transition from now on to these checkers. The first broken rule stops the world.
    pub fn set_checkers(&mut self, checkers: Checkers) {
        self.inspection().checkers = checkers;
    }

    /// How many transitions, one line each, a [`Failure`] carries; 200 unless set.
    pub fn keep_transitions(&mut self, count: usize) {
        self.inspection().trace.keep(count);
    }

    /// Writes every transition from now on, one line each. What the writer refuses is lost.
    pub fn write_trace(&mut self, writer: Box<dyn Write + Send>) {
        let names = self.names();
        self.inspection().trace.write_to(writer, names);
    }

    /// What went wrong, if a rule was broken.
    pub fn failure(&self) -> Option<&Failure> {
        self.inspection.as_ref()?.failure.as_deref()
    }

    /// Runs the checks that are for the end of any run.
    pub fn check_end(&mut self) {
        self.inspect(None, |checkers, world| checkers.at_end(world));
    }

    /// Runs the checks that hold when nothing was broken for [`convergence_time`](crate::checkers::convergence_time), and
    /// those of [`check_end`](Self::check_end).
    pub fn check_converged(&mut self) {
        self.inspect(None, |checkers, world| checkers.converged(world));
        self.check_end();
    }

    /// Records a failure that was found by other means.
    pub fn fail(&mut self, rule: Rule, host: Option<HostId>, observed: String) {
        let mut inspection = self.inspection.take().unwrap_or_default();
        inspection.failure.get_or_insert_with(|| {
            Box::new(Failure {
                seed: self.seed,
                rule,
                at: self.now(),
                host: host.map(|host| self.name(host).to_owned()),
                observed,
                byzantine: self.byzantine_hosts(),
                transitions: inspection.trace.lines(&self.names()),
            })
        });
        self.inspection = Some(inspection);
    }

    fn inspection(&mut self) -> &mut Inspection {
        self.inspection.get_or_insert_default()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.inspection.as_ref().is_some_and(|inspection| inspection.failure.is_some())
    }

    pub(super) fn note(&mut self, host: HostId, text: &str) {
        let now = self.now;
        if let Some(inspection) = &mut self.inspection {
            inspection.note(now, host, text);
        }
    }

    fn inspect(
        &mut self,
        host: Option<HostId>,
        check: impl FnOnce(&mut Checkers, &Self) -> Result<(), (Rule, String)>,
    ) {
        // out of its place meanwhile: checkers look at the world
        let Some(mut inspection) = self.inspection.take() else { return };
        let verdict = check(&mut inspection.checkers, self);
        self.inspection = Some(inspection);
        if let Err((rule, observed)) = verdict {
            self.fail(rule, host, observed);
        }
    }

    pub(super) fn inspect_input(&mut self, id: HostId, input: &Input) {
        let now = self.now;
        let names = self.hosts.len();
        let names =
            self.inspection.as_ref().is_some_and(|it| it.trace.lacks_names(names)).then(|| self.names());
        if let Some(inspection) = &mut self.inspection {
            inspection.trace.set_names(names);
            inspection.trace.add(now, id, Transition::Input(input.clone()));
        }
    }

    /// Whether an output may be performed.
    pub(super) fn inspect_output(&mut self, id: HostId, output: &Output) -> bool {
        let now = self.now;
        if let Some(inspection) = &mut self.inspection {
            inspection.note_output(now, id, output);
        }
        self.inspect(Some(id), |checkers, world| checkers.on_output(world, id, output));
        !self.has_failed()
    }

    /// A peer has done what an input made it do.
    pub(super) fn inspect_state(&mut self, id: HostId) {
        self.inspect(Some(id), |checkers, world| checkers.after(world, id));
    }

    // ---- what checkers ask

    /// A host's name.
    pub fn name(&self, id: HostId) -> &str {
        &self.hosts[id.index()].name
    }

    /// A host's organisation.
    pub fn org(&self, id: HostId) -> &MspId {
        &self.hosts[id.index()].org
    }

    /// A host's PKI-ID.
    pub fn pki_id(&self, id: HostId) -> PkiId {
        self.hosts[id.index()].pki_id
    }

    /// A host's identity.
    pub fn identity(&self, id: HostId) -> &Bytes {
        &self.hosts[id.index()].identity
    }

    /// The host with this PKI-ID.
    pub fn host_of(&self, pki_id: &PkiId) -> Option<HostId> {
        self.by_pki_id.get(pki_id).copied()
    }

    /// Where other organisations reach a host; empty if it hides from them.
    pub fn external_endpoint(&self, id: HostId) -> &Endpoint {
        &self.hosts[id.index()].config.external_endpoint
    }

    /// The settings of a host's peer.
    pub fn config(&self, id: HostId) -> &selvedge_core::Config {
        &self.hosts[id.index()].config
    }

    /// The processor that a host computes on.
    pub fn processor(&self, id: HostId) -> usize {
        self.hosts[id.index()].processor
    }

    /// What all connections have in common.
    pub fn links(&self) -> &crate::links::Links {
        &self.links
    }

    /// The channel that all hosts are in.
    pub fn channel(&self) -> &selvedge_core::ChannelSettings {
        &self.channel
    }

    /// The blocks that the orderers made, from block 0 on.
    pub fn chain(&self) -> &[Bytes] {
        &self.chain
    }

    /// The host at the other end of a connection; `None` if it is over at both.
    pub fn other_end(&self, id: HostId, connection: ConnectionId) -> Option<HostId> {
        let (wire, side) = self.wire_of(id, connection)?;
        Some(self.wires.get(wire)?.end(side.other()).host)
    }

    fn names(&self) -> BTreeMap<PkiId, String> {
        self.hosts.iter().map(|host| (host.pki_id, host.name.clone())).collect()
    }
}

/// Violations to be found.
#[cfg(test)]
impl World {
    /// Adds a block to a host's ledger that nobody cut.
    pub(crate) fn damage(&mut self, id: HostId, block: Bytes) {
        self.hosts[id.index()].disk.put(block);
    }

    /// Says that a running peer should know fewer members than it does.
    pub(crate) fn set_members_max(&mut self, id: HostId, count: usize) {
        self.hosts[id.index()].config.limits.members_max = count;
    }
}
