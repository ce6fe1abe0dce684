//! Channels (spec/05, spec/06).

use crate::ids::{ChannelId, PkiId};
use crate::input::ChannelSettings;
use crate::peer::{Answer, Peer};
use crate::shared::Sender;
use bytes::Bytes;
use selvedge_proto::envelope::EnvelopeView;

/// What an answer continues.
#[derive(Debug)]
pub(crate) enum Waiting {}

/// State of one channel.
#[derive(Debug)]
pub(crate) struct Channel {}

impl Peer {
    pub(crate) fn configure_channel(&mut self, _settings: ChannelSettings) {}
    pub(crate) fn leave_channel(&mut self, _channel: &ChannelId) {}
    pub(crate) fn on_channel_message(&mut self, _sender: &Sender, _envelope: &EnvelopeView) {}
    pub(crate) fn continue_channel(&mut self, _channel: &ChannelId, waiting: Waiting, _answer: Answer) {
        match waiting {}
    }
    pub(crate) fn on_committed(&mut self, _channel: &ChannelId, _height: u64) {}
    pub(crate) fn on_commit_refused(&mut self, _channel: &ChannelId, _number: u64) {}
    pub(crate) fn on_block_delivered(&mut self, _channel: &ChannelId, _number: u64, _block: Bytes) {}
    pub(crate) fn publish_state_info(&mut self, _channel: &ChannelId) {}
    pub(crate) fn request_state_info(&mut self, _channel: &ChannelId) {}
    pub(crate) fn sweep_channel(&mut self, _channel: &ChannelId) {}
    pub(crate) fn advance_block_pull(&mut self, _channel: &ChannelId) {}
    pub(crate) fn advance_state_transfer(&mut self, _channel: &ChannelId) {}
    pub(crate) fn on_member_forgotten(&mut self, _pki_id: PkiId) {}
    pub(crate) fn on_member_alive(&mut self, _pki_id: PkiId) {}
}
