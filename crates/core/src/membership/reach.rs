//! Reaching peers: bootstrap and anchor peers of whom only an endpoint is known (spec/04 §7), members that died (§9), and
//! members that could not be reached and may be dead (W-17). Nothing is ever given up (W-6).

use super::exchange::ANSWER_TIMEOUT;
use crate::ids::{ChannelId, Endpoint, MspId, PkiId};
use crate::input::Anchor;
use crate::peer::Peer;
use crate::reject::Misbehaviour;
use crate::time::Instant;
use crate::timers::Timer;
use core::time::Duration;
use selvedge_proto::envelope::ContentKind;
use std::collections::{BTreeMap, BTreeSet};

/// A configured endpoint.
#[derive(Debug)]
pub(super) struct Target {
    is_bootstrap: bool,
    /// The organisations that declare it as their anchor, by channel.
    anchor_of: BTreeMap<ChannelId, BTreeSet<MspId>>,
    stage: Stage,
    failures: u32,
    next: Instant,
    /// Who was found there last.
    found: Option<PkiId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is under way until `next`.
    Idle,
    /// Somebody finds out who listens there.
    Probing,
    /// This request was sent to whoever was found; `next` is when the answer is late.
    Asked(u64),
    /// This node itself.
    Own,
}

/// Configured endpoints by their [normal form](normal).
pub(super) type Targets = BTreeMap<String, (Endpoint, Target)>;

/// An endpoint's form for comparison: an IPv6 address is the same with and without brackets (W-5).
pub(super) fn normal(endpoint: &str) -> String {
    endpoint.replace(['[', ']'], "")
}

/// Whether two endpoints have the same normal form.
fn is_same(one: &str, other: &str) -> bool {
    let bytes =
        |endpoint: &str| endpoint.bytes().filter(|byte| !matches!(byte, b'[' | b']')).collect::<Vec<_>>();
    one == other || one.contains('[') != other.contains('[') && bytes(one) == bytes(other)
}

fn port_of(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

impl Target {
    fn new(now: Instant) -> Self {
        Self {
            is_bootstrap: false,
            anchor_of: BTreeMap::new(),
            stage: Stage::Idle,
            failures: 0,
            next: now,
            found: None,
        }
    }

    /// Whether only a peer of organisation `own` may listen there (spec/04 §7.2, §7.3).
    fn demands(&self, own: &MspId) -> bool {
        self.is_bootstrap || self.anchor_of.values().any(|orgs| orgs.contains(own))
    }
}

impl Peer {
    pub(super) fn start_targets(&mut self) {
        let now = self.shared.now;
        for endpoint in self.shared.config.bootstrap.clone() {
            if self.is_own_endpoint(&endpoint) {
                continue;
            }
            let (_, target) = self.target_mut(&endpoint);
            target.is_bootstrap = true;
            self.shared.timers.set_no_later_than(Timer::Reconnect, now);
        }
    }

    /// Replaces a channel's anchor peers; none are left after it was left.
    pub(crate) fn set_anchors(&mut self, channel: &ChannelId, anchors: &[Anchor]) {
        for (_, target) in self.membership.targets.values_mut() {
            target.anchor_of.remove(channel);
        }
        let is_external = !self.shared.config.external_endpoint.is_empty();
        for Anchor { org, endpoint } in anchors {
            let usable = port_of(endpoint).is_some_and(|(host, port)| !host.is_empty() && port != 0);
            // peers of other organisations refuse a node without external endpoint
            let may_talk = is_external || *org == self.shared.me.org;
            if usable && may_talk && !self.is_own_endpoint(endpoint) {
                let (_, target) = self.target_mut(endpoint);
                target.anchor_of.entry(channel.clone()).or_default().insert(org.clone());
            }
        }
        self.membership.targets.retain(|_, (_, target)| target.is_bootstrap || !target.anchor_of.is_empty());
        self.shared.timers.set_no_later_than(Timer::Reconnect, self.shared.now);
    }

    fn target_mut(&mut self, endpoint: &Endpoint) -> &mut (Endpoint, Target) {
        let now = self.shared.now;
        let targets = &mut self.membership.targets;
        targets.entry(normal(endpoint)).or_insert_with(|| (endpoint.clone(), Target::new(now)))
    }

    /// Whether an endpoint is this node's (spec/04 §7.4).
    pub(super) fn is_own_endpoint(&self, endpoint: &str) -> bool {
        let config = &self.shared.config;
        if endpoint.is_empty() {
            return false;
        }
        let is_local = || {
            let own_port = port_of(&config.endpoint).map(|(_, port)| port);
            port_of(endpoint).is_some_and(|(host, port)| {
                matches!(host, "127.0.0.1" | "localhost") && own_port == Some(port)
            })
        };
        is_same(endpoint, &config.endpoint) || is_same(endpoint, &config.external_endpoint) || is_local()
    }

    /// Whether a member's endpoint is a configured one: then it is never forgotten (spec/04 §6.4).
    pub(super) fn is_exempt(targets: &Targets, member: &super::Member) -> bool {
        let is_target = |endpoint: &str| !endpoint.is_empty() && targets.contains_key(&normal(endpoint));
        is_target(member.endpoint()) || is_target(member.internal_endpoint())
    }

    /// Where a peer can be dialled now; `None` if it is not known, publishes no endpoint, or was tried in vain just now.
    pub(crate) fn endpoint_to_dial(&self, pki_id: &PkiId) -> Option<Endpoint> {
        self.endpoint_to_dial_now(self.membership.state.member(pki_id)?).map(Endpoint::from)
    }

    fn endpoint_to_dial_now<'a>(&self, member: &'a super::Member) -> Option<&'a str> {
        if member.reach().next.is_some_and(|next| next > self.shared.now) {
            return None;
        }
        let endpoint = member.endpoint_to_try();
        (!endpoint.is_empty() && !self.is_own_endpoint(endpoint)).then_some(endpoint)
    }

    /// Whether a member can be sent to now: over a connection, or by a dial that was not tried in vain just now.
    pub(crate) fn can_reach(&self, member: &super::Member) -> bool {
        self.connections.connected(&member.pki_id) || self.endpoint_to_dial_now(member).is_some()
    }

    // ---- turns

    /// Tries whatever has its turn now.
    pub(crate) fn reconnect(&mut self) {
        let now = self.shared.now;
        let due =
            |(key, (_, target)): (&String, &(Endpoint, Target))| (target.next <= now).then(|| key.clone());
        let targets: Vec<String> = self.membership.targets.iter().filter_map(due).collect();
        for key in targets {
            self.try_target(&key);
        }
        let due = |member: &&super::Member| member.reach().next.is_some_and(|next| next <= now);
        let members: Vec<PkiId> =
            self.membership.state.members().filter(due).map(|member| member.pki_id).collect();
        for pki_id in members {
            self.try_member(pki_id);
        }
        self.arm_reconnect();
    }

    fn arm_reconnect(&mut self) {
        let waiting =
            |(_, target): &&(Endpoint, Target)| !matches!(target.stage, Stage::Own | Stage::Probing);
        let targets = self.membership.targets.values().filter(waiting).map(|(_, target)| target.next);
        let members = self.membership.state.members().filter_map(|member| member.reach().next);
        if let Some(next) = targets.chain(members).min() {
            self.shared.timers.set_no_later_than(Timer::Reconnect, next);
        }
    }

    fn longest_delay(&self) -> Duration {
        self.shared.config.reconnect_interval
    }

    fn try_target(&mut self, key: &str) {
        let now = self.shared.now;
        let Some((endpoint, target)) = self.membership.targets.get(key) else { return };
        match target.stage {
            Stage::Own | Stage::Probing => return,
            Stage::Asked(_) => return self.target_failed(key),
            Stage::Idle => {}
        }
        let (endpoint, found) = (endpoint.clone(), target.found);
        let is_there = |member: &super::Member| {
            Some(member.pki_id) == found
                || *member.endpoint() == *endpoint
                || *member.internal_endpoint() == *endpoint
        };
        if self.membership.alive().any(is_there) {
            // nothing to do as long as that is so (W-25)
            let pause = self.regular(self.longest_delay(), 250);
            return self.set_target(key, Stage::Idle, 0, now + pause);
        }
        let begun = self.probe(&endpoint);
        if let Some((_, target)) = self.membership.targets.get_mut(key) {
            if begun {
                target.stage = Stage::Probing;
            } else {
                target.next = now + Duration::from_millis(250);
            }
        }
    }

    fn set_target(&mut self, key: &str, stage: Stage, failures: u32, next: Instant) {
        if let Some((_, target)) = self.membership.targets.get_mut(key) {
            target.stage = stage;
            target.failures = failures;
            target.next = next;
            self.shared.timers.set_no_later_than(Timer::Reconnect, next);
        }
    }

    fn target_failed(&mut self, key: &str) {
        let Some((_, target)) = self.membership.targets.get(key) else { return };
        let failures = target.failures;
        let delay = self.retry_delay(failures);
        self.set_target(key, Stage::Idle, failures.saturating_add(1), self.shared.now + delay);
    }

    /// A probe ended: who listens there, if anybody could be authenticated.
    pub(crate) fn on_probed(&mut self, endpoint: &Endpoint, found: Option<(PkiId, MspId)>) {
        let key = normal(endpoint);
        let Some((_, target)) = self.membership.targets.get(&key) else { return };
        if target.stage != Stage::Probing {
            return;
        }
        let Some((pki_id, org)) = found else { return self.target_failed(&key) };
        if pki_id == self.shared.me.pki_id {
            if let Some((_, target)) = self.membership.targets.get_mut(&key) {
                target.stage = Stage::Own;
            }
            return;
        }
        if target.demands(&self.shared.me.org) && org != self.shared.me.org {
            self.shared.reject(Some(pki_id), ContentKind::Conn, Misbehaviour::IdentityMismatch);
            return self.target_failed(&key);
        }
        let failures = target.failures;
        let nonce = self.ask_stranger(pki_id, Some(endpoint.clone()));
        self.set_target(&key, Stage::Asked(nonce), failures, self.shared.now + ANSWER_TIMEOUT);
        if let Some((_, target)) = self.membership.targets.get_mut(&key) {
            target.found = Some(pki_id);
        }
    }

    /// Whoever was found at a configured endpoint answered.
    pub(super) fn on_target_answered(&mut self, nonce: u64) {
        let asked = |(_, (_, target)): &(&String, &(Endpoint, Target))| target.stage == Stage::Asked(nonce);
        let Some(key) = self.membership.targets.iter().find(asked).map(|(key, _)| key.clone()) else {
            return;
        };
        let pause = self.regular(self.longest_delay(), 250);
        self.set_target(&key, Stage::Idle, 0, self.shared.now + pause);
    }

    fn try_member(&mut self, pki_id: PkiId) {
        let (now, longest) = (self.shared.now, self.longest_delay());
        let Some(member) = self.membership.state.member(&pki_id) else { return };
        let (endpoint, failures) = (Endpoint::from(member.endpoint_to_try()), member.reach().failures);
        if member.is_alive() && self.connections.connected(&pki_id) {
            return self.on_peer_connected(pki_id);
        }
        // a configured endpoint is tried on its own account
        let is_target = self.membership.targets.contains_key(&normal(&endpoint));
        let usable = !endpoint.is_empty() && !self.is_own_endpoint(&endpoint);
        let tries = usable && (member.is_alive() || !is_target);
        let delay = self.retry_delay(failures);
        if let Some(member) = self.membership.state.member_mut(&pki_id) {
            let is_alive = member.is_alive();
            let reach = member.reach_mut();
            reach.next = Some(now + if tries { delay } else { longest });
            if tries && !is_alive {
                reach.failures = failures.saturating_add(1);
            }
        }
        if tries {
            self.ask_stranger(pki_id, Some(endpoint));
        }
    }

    /// Makes a member that is dead, or suspected to be, have its turn soon.
    pub(super) fn schedule_reach(&mut self, pki_id: PkiId) {
        let Some(failures) = self.membership.state.member(&pki_id).map(|member| member.reach().failures)
        else {
            return;
        };
        let next = self.shared.now + self.retry_delay(failures);
        if let Some(member) = self.membership.state.member_mut(&pki_id) {
            member.reach_mut().next = Some(next);
        }
        self.shared.timers.set_no_later_than(Timer::Reconnect, next);
    }

    /// A member died: its configured endpoint, if it has one, has its turn soon as well.
    pub(super) fn schedule_target_of(&mut self, pki_id: PkiId) {
        if !self.shared.config.rules.heeds_news() {
            return;
        }
        let Some(member) = self.membership.state.member(&pki_id) else { return };
        let keys = [normal(member.endpoint()), normal(member.internal_endpoint())];
        let now = self.shared.now;
        for (key, (_, target)) in &mut self.membership.targets {
            if target.stage == Stage::Idle && (keys.contains(key) || target.found == Some(pki_id)) {
                target.next = target.next.min(now + Duration::from_millis(250));
            }
        }
        self.arm_reconnect();
    }

    // ---- what connections tell

    /// A connection to a peer is open.
    pub(crate) fn on_peer_connected(&mut self, pki_id: PkiId) {
        if let Some(member) = self.membership.state.member_mut(&pki_id) {
            let next = member.reach().next.filter(|_| !member.is_alive());
            member.set_reach(super::state::Reach { next, ..super::state::Reach::default() });
        }
    }

    /// The last connection to a peer ended, and not by our doing. That alone does not mean that it is dead.
    pub(crate) fn on_peer_lost(&mut self, pki_id: PkiId) {
        let now = self.shared.now;
        if self.shared.config.rules.buries_at_once() {
            // a Go peer notices when it next sends
            return;
        }
        let Some(member) = self.membership.state.member_mut(&pki_id) else { return };
        if member.is_alive() && member.reach().suspected.is_none() {
            member.reach_mut().suspected = Some(now);
            self.schedule_reach(pki_id);
        }
    }

    /// A dial to a peer failed. An alive member becomes dead when a second attempt fails as well and nothing new was heard
    /// of it in between (W-17).
    pub(crate) fn on_peer_unreachable(&mut self, pki_id: PkiId, _endpoint: &Endpoint) {
        let now = self.shared.now;
        let asked = |(_, (_, target)): &(&String, &(Endpoint, Target))| {
            target.found == Some(pki_id) && matches!(target.stage, Stage::Asked(_))
        };
        if let Some(key) = self.membership.targets.iter().find(asked).map(|(key, _)| key.clone()) {
            self.target_failed(&key);
        }
        let buries_at_once = self.shared.config.rules.buries_at_once();
        let Some(member) = self.membership.state.member_mut(&pki_id).filter(|member| member.is_alive())
        else {
            return;
        };
        if buries_at_once || member.reach().suspected.is_some_and(|since| member.refreshed <= since) {
            return self.bury(pki_id);
        }
        let reach = member.reach_mut();
        reach.suspected = Some(now);
        reach.failures = reach.failures.saturating_add(1);
        self.schedule_reach(pki_id);
    }

    /// At the endpoint of `expected` another peer of the same organisation answered (spec/04 §9.1). `expected` is forgotten,
    /// unless it is connected all the same; if it lives, its next alive message brings it back (02 W-14).
    pub(crate) fn on_identity_switched(&mut self, expected: PkiId, actual: PkiId) {
        self.membership.exchange.pass_on(expected, actual);
        if !self.connections.connected(&expected) {
            self.forget_member(expected);
        }
    }
}
