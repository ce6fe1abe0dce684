//! StateInfo of channels that this peer has not joined, passed on within the own organisation (spec/05 §6.6).

use super::macs::Mac;
use super::state_info::Timestamp;
use crate::dissemination::Push;
use crate::ids::PkiId;
use crate::output::Signed;
use crate::peer::{Answer, Peer};
use crate::reject::{Misbehaviour, Reject, Unfitting};
use crate::shared::{Sender, Waiting as SharedWaiting};
use crate::time::Instant;
use crate::verifying::Verifying;
use core::time::Duration;
use selvedge_proto::envelope::{ContentKind, Envelope, EnvelopeView};
use std::collections::BTreeMap;

/// The last relayed StateInfo of each origin and channel (W-25).
#[derive(Debug)]
pub(crate) struct Relay {
    entries: BTreeMap<(PkiId, Mac), Entry>,
    /// Keys by the time they were added, oldest first.
    order: BTreeMap<(Instant, u64), (PkiId, Mac)>,
    added_count: u64,
    verifying: Verifying,
}

#[derive(Debug)]
struct Entry {
    timestamp: Timestamp,
    view: EnvelopeView,
    place: (Instant, u64),
}

/// A message whose signature is being verified.
#[derive(Debug)]
pub(crate) struct Waiting {
    sender: Sender,
    origin: PkiId,
    mac: Mac,
    timestamp: Timestamp,
    view: EnvelopeView,
}

impl Relay {
    pub(crate) fn new(seed: u64) -> Self {
        let verifying = Verifying::new(seed);
        Self { entries: BTreeMap::new(), order: BTreeMap::new(), added_count: 0, verifying }
    }

    fn check_newer(&self, origin: PkiId, mac: Mac, timestamp: Timestamp) -> Result<(), Unfitting> {
        match self.entries.get(&(origin, mac)) {
            Some(entry) if timestamp == entry.timestamp => Err(Unfitting::Duplicate),
            Some(entry) if timestamp < entry.timestamp => Err(Unfitting::Stale),
            _ => Ok(()),
        }
    }

    /// How many are kept.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    fn insert(&mut self, now: Instant, key: (PkiId, Mac), timestamp: Timestamp, view: EnvelopeView) {
        self.added_count += 1;
        let place = (now, self.added_count);
        if let Some(old) = self.entries.insert(key, Entry { timestamp, view, place }) {
            self.order.remove(&old.place);
        }
        self.order.insert(place, key);
    }

    /// Drops what is too old or too much.
    fn trim(&mut self, now: Instant, age_max: Duration, count_max: usize) {
        while let Some((&place, key)) = self.order.first_key_value()
            && (now.since(place.0) >= age_max || self.entries.len() > count_max)
        {
            self.entries.remove(key);
            self.order.remove(&place);
        }
    }

    /// Takes out what was relayed for a channel that is joined now.
    pub(super) fn take(
        &mut self,
        is_of_channel: impl Fn(&PkiId, &Mac) -> bool,
    ) -> Vec<(PkiId, EnvelopeView)> {
        let keys: Vec<_> =
            self.entries.keys().filter(|(origin, mac)| is_of_channel(origin, mac)).copied().collect();
        let mut taken = Vec::new();
        for key in keys {
            if let Some(entry) = self.entries.remove(&key) {
                self.order.remove(&entry.place);
                taken.push((key.0, entry.view));
            }
        }
        taken
    }
}

impl Peer {
    /// A StateInfo whose MAC is that of no joined channel.
    pub(super) fn relay_state_info(
        &mut self,
        sender: &Sender,
        view: &EnvelopeView,
        origin: PkiId,
        timestamp: Timestamp,
        mac: Mac,
    ) -> Result<(), Reject> {
        if sender.org != self.shared.me.org {
            return Err(Unfitting::ChannelUnknown.into());
        }
        if origin == self.shared.me.pki_id {
            return Err(Unfitting::Own.into());
        }
        self.relay.check_newer(origin, mac, timestamp)?;
        let Some(known) = self.identities.known(&origin) else {
            self.pull_identities_from(sender.pki_id);
            return Err(Unfitting::IdentityUnknown.into());
        };
        let identity = known.identity.clone();
        self.relay.verifying.begin(origin, view)?;
        let waiting = Waiting { sender: sender.clone(), origin, mac, timestamp, view: view.clone() };
        let Some(ticket) = self.shared.ticket_for(sender.connection, SharedWaiting::Relay(waiting)) else {
            self.relay.verifying.end(&origin, view);
            return Err(Reject::OverLimit);
        };
        let signed = Signed::of(view);
        self.shared.verify(ticket, identity, signed, None, None);
        Ok(())
    }

    pub(crate) fn continue_relay(&mut self, waiting: Waiting, answer: &Answer) {
        let &Answer::Verified(ok) = answer else { return };
        let Waiting { sender, origin, mac, timestamp, view } = waiting;
        self.relay.verifying.end(&origin, &view);
        if !ok {
            return self.reject(&sender, ContentKind::StateInfo, Misbehaviour::SignatureInvalid);
        }
        if self.relay.check_newer(origin, mac, timestamp).is_err() {
            return;
        }
        let now = self.shared.now;
        let view = view.bare();
        let envelope = Envelope::from(&view);
        self.relay.insert(now, (origin, mac), timestamp, view);
        let age_max = self.shared.config.publish_state_info_interval * 100;
        self.relay.trim(now, age_max, self.shared.config.limits.relayed_state_infos_max);
        let delivered_by = Some(sender.pki_id);
        self.disseminate(Push::StateInfo { channel: None, envelope, origin, delivered_by });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_proto::envelope::seal;

    fn view() -> EnvelopeView {
        EnvelopeView::parse(seal(&[0x0a, 0], b"s", None)).unwrap()
    }

    fn at(sequence: u64) -> Timestamp {
        Timestamp { incarnation: 1, sequence }
    }

    #[test]
    fn w25_channels_of_one_origin_do_not_displace_each_other() {
        let origin = PkiId::new([1; 32]);
        let now = Instant::from_nanos(0);
        let mut relay = Relay::new(1);
        relay.insert(now, (origin, [1; 32]), at(5), view());
        assert_eq!(relay.check_newer(origin, [2; 32], at(3)), Ok(()));
        relay.insert(now, (origin, [2; 32]), at(3), view());
        assert_eq!(relay.check_newer(origin, [1; 32], at(5)), Err(Unfitting::Duplicate));
        assert_eq!(relay.check_newer(origin, [1; 32], at(4)), Err(Unfitting::Stale));
        assert_eq!(relay.check_newer(origin, [1; 32], at(6)), Ok(()));
    }

    #[test]
    fn the_relay_store_is_bounded_in_number_and_age() {
        let mut relay = Relay::new(1);
        for number in 0..10 {
            let now = Instant::from_nanos(u64::from(number));
            relay.insert(now, (PkiId::new([number; 32]), [0; 32]), at(1), view());
        }
        relay.insert(Instant::from_nanos(20), (PkiId::new([0; 32]), [0; 32]), at(2), view());
        relay.trim(Instant::from_nanos(20), Duration::from_secs(1), 3);
        let left: Vec<u8> = relay.entries.keys().map(|(origin, _)| origin.as_bytes()[0]).collect();
        assert_eq!(left, [0, 8, 9], "the newest");
        relay.trim(Instant::from_nanos(20), Duration::from_nanos(11), 3);
        assert_eq!((relay.entries.len(), relay.order.len()), (1, 1));
    }

    #[test]
    fn what_was_relayed_can_be_taken_over() {
        let mut relay = Relay::new(1);
        relay.insert(Instant::from_nanos(0), (PkiId::new([1; 32]), [1; 32]), at(1), view());
        relay.insert(Instant::from_nanos(0), (PkiId::new([2; 32]), [2; 32]), at(1), view());
        assert_eq!(relay.take(|_, mac| *mac == [1; 32]).len(), 1);
        assert_eq!((relay.entries.len(), relay.order.len()), (1, 1));
    }
}
