//! What an owner can see of a channel.

use super::Channel;
use crate::ids::{ChannelId, MspId, PkiId};
use crate::peer::Peer;
use crate::time::Instant;

/// A channel as this peer sees it now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelView {
    /// Its name.
    pub channel: ChannelId,
    /// Sequence of the configuration in force.
    pub sequence: u64,
    /// MSP IDs of its organisations, sorted.
    pub orgs: Vec<MspId>,
    /// Whether this peer left it.
    pub has_left: bool,
    /// Number of durable blocks.
    pub height: u64,
    /// The greatest height that a living member announces.
    pub greatest_height: u64,
    /// Blocks that wait in memory, not yet handed to the ledger.
    pub buffered_count: usize,
    /// Their bytes.
    pub buffered_bytes: usize,
    /// State requests that wait for an answer.
    pub requests_in_flight: usize,
    /// When the orderer last brought a block.
    pub delivered_at: Option<Instant>,
    /// Who announced itself in the channel, by PKI-ID; this peer as well, once it did.
    pub members: Vec<ChannelMember>,
}

/// A member of a channel, by its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelMember {
    /// Who.
    pub pki_id: PkiId,
    /// Its organisation.
    pub org: MspId,
    /// Number of blocks in its ledger.
    pub height: u64,
    /// Whether it left the channel.
    pub has_left: bool,
    /// Whether it is alive.
    pub is_alive: bool,
}

impl Channel {
    /// The blocks in front of the ledger.
    pub(crate) fn buffer(&self) -> &super::buffer::Buffer {
        &self.buffer
    }

    /// The state transfer.
    pub(crate) fn transfer(&self) -> &super::transfer::Transfer {
        &self.transfer
    }
}

impl Peer {
    /// The joined channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.channels.keys()
    }

    /// A joined channel as it is now; `None` if it was never joined.
    pub fn channel(&self, id: &ChannelId) -> Option<ChannelView> {
        self.channels.get(id).map(|channel| self.view(channel))
    }

    /// How many other members announced themselves in a channel.
    pub fn channel_member_count(&self, id: &ChannelId) -> usize {
        let Some(channel) = self.channels.get(id) else { return 0 };
        channel.states.iter().filter(|(pki_id, _)| self.membership.member(pki_id).is_some()).count()
    }

    fn view(&self, channel: &Channel) -> ChannelView {
        let me = self.shared.me.pki_id;
        let is_alive = |pki_id: &PkiId| *pki_id == me || self.membership.is_alive(pki_id);
        let member = |(pki_id, state): (&PkiId, &super::state_info::StateInfo)| ChannelMember {
            pki_id: *pki_id,
            org: state.org.clone(),
            height: state.height,
            has_left: state.left_channel,
            is_alive: is_alive(pki_id),
        };
        let states =
            channel.states.iter().filter(|(pki_id, state)| !state.is_swept || self.is_me_or_member(pki_id));
        let mut members: Vec<ChannelMember> = states.map(member).collect();
        members.sort_unstable_by_key(|member| member.pki_id);
        ChannelView {
            channel: channel.id.clone(),
            sequence: channel.sequence,
            orgs: channel.orgs.clone(),
            has_left: channel.left,
            height: channel.buffer.height(),
            greatest_height: channel.greatest_height(is_alive),
            buffered_count: channel.buffer.count(),
            buffered_bytes: channel.buffer.bytes(),
            requests_in_flight: channel.transfer.open_count(),
            delivered_at: channel.delivered_at,
            members,
        }
    }
}
