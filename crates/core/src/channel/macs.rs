//! Which channel a MAC stands for (spec/05 §1.3), looked up rather than computed for each message (W-33).

use crate::ids::{ChannelId, PkiId};
use crate::table::Table;
use selvedge_proto::block::channel_mac;

/// What stands for a channel where its name must not be told.
pub(crate) type Mac = [u8; 32];

/// The MACs of the joined channels for each peer that was asked about.
#[derive(Debug)]
pub(crate) struct Macs {
    channels: Vec<ChannelId>,
    /// In the order of the channels.
    by_peer: Table<PkiId, Vec<Mac>>,
}

/// The MAC of a channel for a peer.
pub(crate) fn mac_of(pki_id: &PkiId, channel: &str) -> Mac {
    channel_mac(pki_id.as_bytes(), channel.as_bytes())
}

impl Macs {
    pub(crate) fn new(seed: u64) -> Self {
        Self { channels: Vec::new(), by_peer: Table::new(seed) }
    }

    /// Adds a joined channel.
    pub(crate) fn add_channel(&mut self, channel: &ChannelId) {
        if self.channels.contains(channel) {
            return;
        }
        self.channels.push(channel.clone());
        for (peer, macs) in self.by_peer.iter_mut() {
            macs.push(mac_of(peer, channel));
        }
    }

    /// The joined channel that has this MAC for this peer. What is computed is kept if `remember` says so, until the peer
    /// is [forgotten](Self::forget).
    pub(crate) fn find(&mut self, peer: &PkiId, mac: &[u8], remember: bool) -> Option<ChannelId> {
        let mac: Mac = mac.try_into().ok()?;
        if let Some(macs) = self.by_peer.get(peer) {
            let place = macs.iter().position(|it| *it == mac)?;
            return self.channels.get(place).cloned();
        }
        if !remember {
            return self.channels.iter().find(|channel| mac_of(peer, channel) == mac).cloned();
        }
        let macs: Vec<Mac> = self.channels.iter().map(|channel| mac_of(peer, channel)).collect();
        let place = macs.iter().position(|it| *it == mac);
        self.by_peer.insert(*peer, macs);
        self.channels.get(place?).cloned()
    }

    /// Forgets a peer.
    pub(crate) fn forget(&mut self, peer: &PkiId) {
        self.by_peer.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w33_a_mac_is_computed_once_for_each_peer_and_channel() {
        let (a, b) = (PkiId::new([1; 32]), PkiId::new([2; 32]));
        let (first, second) = (ChannelId::from("first"), ChannelId::from("second"));
        let mut macs = Macs::new(1);
        macs.add_channel(&first);
        assert_eq!(macs.find(&a, &mac_of(&a, "first"), true), Some(first.clone()));
        assert_eq!(macs.find(&b, &mac_of(&a, "first"), true), None, "the MAC of another peer");
        assert_eq!(macs.find(&a, &mac_of(&a, "second"), true), None);
        macs.add_channel(&second);
        assert_eq!(macs.find(&a, &mac_of(&a, "second"), true), Some(second));
        assert_eq!(macs.by_peer.values().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        macs.forget(&a);
        macs.forget(&b);
        assert_eq!(macs.by_peer.len(), 0);
        assert_eq!(macs.find(&a, &mac_of(&a, "first"), false), Some(first));
        assert_eq!(macs.by_peer.len(), 0, "not remembered");
        assert_eq!(macs.find(&a, b"short", true), None);
    }
}
