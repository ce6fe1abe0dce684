//! Byzantine hosts: what their peers hear and order passes through their behaviours.

use super::{Happening, HostId, World};
use crate::byzantine::{BehaviourKind, Cast, Deed, Me, Surroundings, VARIANTS, variant};
use selvedge_core::testing::crypto;
use selvedge_core::{Input, Output};

impl World {
    /// Makes a host Byzantine: from its next start on it behaves like this. The variants of its identity count as its own.
    pub fn corrupt(&mut self, id: HostId, kinds: &[BehaviourKind]) {
        let host = &mut self.hosts[id.index()];
        let me = Me {
            identity: host.identity.clone(),
            pki_id: host.pki_id,
            incarnation: 0,
            external_endpoint: host.config.external_endpoint.as_str().to_owned(),
        };
        for number in 0..VARIANTS {
            self.by_pki_id.insert(crypto::pki_id(&variant(&me.identity, number)), id);
        }
        let seed = self.seed ^ 0x0062_797a_616e_7469 ^ u64::from(id.0) << 32;
        host.cast = Some(Box::new(Cast::new(me, kinds, seed)));
    }

    /// Whether a host keeps to the protocol.
    pub fn is_honest(&self, id: HostId) -> bool {
        self.hosts[id.index()].cast.is_none()
    }

    /// What a Byzantine host does; nothing for others.
    pub fn behaviours(&self, id: HostId) -> &[BehaviourKind] {
        self.hosts[id.index()].cast.as_ref().map_or(&[], |cast| cast.kinds())
    }

    /// Hosts that run and keep to the protocol.
    pub fn honest_running(&self) -> impl Iterator<Item = HostId> {
        self.hosts().filter(|&id| self.runs(id) && self.is_honest(id))
    }

    /// A new life of a Byzantine host begins.
    pub(super) fn begin_acting(&mut self, id: HostId) {
        let host = &mut self.hosts[id.index()];
        let (life, incarnation) = (host.life, host.incarnation);
        if let Some(cast) = &mut host.cast {
            cast.on_start(incarnation);
            let names: Vec<&str> = cast.kinds().iter().map(|kind| kind.name()).collect();
            self.queue.push(self.now + Cast::ACT_INTERVAL, Happening::Act { host: id, life });
            self.note(id, &format!("is byzantine: {}", names.join(", ")));
        }
    }

    /// A Byzantine host acts of its own accord.
    pub(super) fn act(&mut self, id: HostId) {
        self.with_cast(id, |cast, around| cast.act(around));
        self.do_deeds(id);
        let life = self.hosts[id.index()].life;
        self.queue.push(self.now + Cast::ACT_INTERVAL, Happening::Act { host: id, life });
    }

    /// As `hand`, for a Byzantine host; no rule is for it.
    pub(super) fn hand_byzantine(&mut self, id: HostId, input: Input) {
        let now = self.now;
        if let Some(Some(input)) = self.with_cast(id, |cast, around| cast.on_input(around, input)) {
            if self.inspection.is_some() {
                self.inspect_input(id, &input);
            }
            let Some(peer) = &mut self.hosts[id.index()].peer else { return };
            peer.handle(now, input);
            while let Some(output) = self.hosts[id.index()].peer.as_mut().and_then(|peer| peer.poll_output())
            {
                let output = self.with_cast(id, |cast, around| cast.on_output(around, output));
                if let Some(Some(output)) = output {
                    self.note_output(id, &output);
                    self.perform(id, output);
                }
            }
            self.arm(id);
        }
        self.do_deeds(id);
    }

    fn do_deeds(&mut self, id: HostId) {
        let deeds = self.with_cast(id, |cast, _| cast.take_deeds());
        for deed in deeds.unwrap_or_default() {
            match deed {
                Deed::Order(output) => {
                    self.note_output(id, &output);
                    self.perform(id, output);
                }
                Deed::Open(endpoint) => {
                    let next = self.hosts[id.index()].cast.as_ref().map(|cast| cast.next_stream());
                    let Some(connection) = next else { return };
                    let wire = self.connect(id, connection, &endpoint);
                    self.with_cast(id, |cast, _| cast.add_stream(wire));
                }
                Deed::StopReading(time) => self.stall_reading(id, time),
                Deed::Lost(connection) => {
                    let reason = "closed on purpose".to_owned();
                    self.hand_byzantine(id, Input::Closed { connection, reason });
                }
            }
        }
    }

    fn note_output(&mut self, id: HostId, output: &Output) {
        let now = self.now;
        if let Some(inspection) = &mut self.inspection {
            inspection.note_output(now, id, output);
        }
    }

    fn with_cast<T>(&mut self, id: HostId, act: impl FnOnce(&mut Cast, Surroundings<'_>) -> T) -> Option<T> {
        let cast = self.hosts[id.index()].cast.as_deref_mut()?;
        let around = Surroundings { now: self.now, channel: &self.channel.channel, chain: &self.chain };
        Some(act(cast, around))
    }

    /// Names and behaviours.
    pub(super) fn byzantine_hosts(&self) -> Vec<String> {
        let all = self.hosts().filter(|&id| !self.is_honest(id));
        let told = all.map(|id| {
            let names: Vec<&str> = self.behaviours(id).iter().map(|kind| kind.name()).collect();
            format!("host {} {}: {}", id.index(), self.name(id), names.join(", "))
        });
        told.collect()
    }
}
