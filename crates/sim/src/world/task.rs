//! The one task of a Go peer in which all messages of all connections are handled, one after the other, signatures included
//! (spec/05 §3, W-5).

use super::host::Unread;
use super::wires::{Side, WireId};
use super::{Happening, HostId, World};
use core::time::Duration;
use selvedge_core::Input;
use selvedge_proto::envelope::{ContentKind, Envelope};
use std::collections::VecDeque;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// Frames that were read and not handled.
    inbox: VecDeque<Unread>,
    /// Work that the message in hand still needs, and what each piece brings.
    works: VecDeque<(Duration, Box<Input>)>,
    /// A piece of it is under way.
    is_working: bool,
    /// The peer is being handed something by the task at this very moment.
    pub(super) is_handing: bool,
}

impl Task {
    /// Adds work for the message in hand.
    pub(super) fn add_work(&mut self, cost: Duration, input: Input) {
        self.works.push_back((cost, Box::new(input)));
    }
}

impl World {
    /// Whether a frame of a host has to wait for its turn. The handshake of a connection does not.
    pub(super) fn has_turns(&self, id: HostId, envelope: &Envelope) -> bool {
        self.hosts[id.index()].task.is_some() && envelope.kind() != ContentKind::Conn
    }

    /// Puts a frame behind those that came before.
    pub(super) fn queue_for_task(&mut self, id: HostId, wire: WireId, side: Side, envelope: Envelope) {
        if let Some(task) = &mut self.hosts[id.index()].task {
            task.inbox.push_back((wire, side, envelope));
            self.go_on_with_task(id);
        }
    }

    /// A piece of work of the task is done.
    pub(super) fn task_worked(&mut self, id: HostId, input: Input) {
        self.with_task(id, |task| task.is_working = false);
        self.hand_in_task(id, |world| world.hand(id, input));
        self.go_on_with_task(id);
    }

    fn go_on_with_task(&mut self, id: HostId) {
        while let Some(task) = self.hosts[id.index()].task.as_mut().filter(|task| !task.is_working) {
            if let Some((cost, input)) = task.works.pop_front() {
                task.is_working = true;
                let host = &self.hosts[id.index()];
                let (life, processor) = (host.life, host.processor);
                let slot = self.processors[processor].work(self.now, cost);
                return self.queue.push(slot.ends, Happening::Worked { host: id, life, input });
            }
            let Some((wire, side, envelope)) = task.inbox.pop_front() else { return };
            self.hand_in_task(id, |world| world.take(wire, side, envelope));
        }
    }

    fn hand_in_task(&mut self, id: HostId, hand: impl FnOnce(&mut Self)) {
        self.with_task(id, |task| task.is_handing = true);
        hand(self);
        self.with_task(id, |task| task.is_handing = false);
    }

    fn with_task(&mut self, id: HostId, change: impl FnOnce(&mut Task)) {
        if let Some(task) = &mut self.hosts[id.index()].task {
            change(task);
        }
    }
}
