//! The bodies of records. Numbers of fields are never used for something else.

use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    #[prost(oneof = "Body", tags = "1, 2, 3")]
    pub(super) body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Body {
    #[prost(message, tag = "1")]
    Beginning(Beginning),
    #[prost(message, tag = "2")]
    Step(Step),
    #[prost(message, tag = "3")]
    End(End),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Beginning {
    #[prost(string, tag = "1")]
    pub(super) program: String,
    #[prost(bool, tag = "2")]
    pub(super) payloads_kept: bool,
    #[prost(fixed64, tag = "3")]
    pub(super) seed: u64,
    #[prost(uint64, tag = "4")]
    pub(super) now_nanos: u64,
    #[prost(uint64, tag = "5")]
    pub(super) wall_nanos: u64,
    #[prost(bytes = "bytes", tag = "6")]
    pub(super) pki_id: Bytes,
    #[prost(string, tag = "7")]
    pub(super) org: String,
    #[prost(bytes = "bytes", tag = "8")]
    pub(super) identity: Bytes,
    #[prost(uint64, tag = "9")]
    pub(super) expires_at_nanos: u64,
    #[prost(uint64, tag = "10")]
    pub(super) incarnation: u64,
    #[prost(string, tag = "11")]
    pub(super) endpoint: String,
    #[prost(string, tag = "12")]
    pub(super) external_endpoint: String,
    #[prost(string, repeated, tag = "13")]
    pub(super) bootstrap: Vec<String>,
    /// All other settings and limits by name: durations in nanoseconds, flags as 0 and 1.
    #[prost(message, repeated, tag = "14")]
    pub(super) settings: Vec<Setting>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Setting {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(uint64, tag = "2")]
    pub(super) value: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct End {
    #[prost(fixed32, repeated, tag = "1")]
    pub(super) orders: Vec<u32>,
    #[prost(string, tag = "2")]
    pub(super) reason: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Step {
    /// Short forms of what was ordered since the step before.
    #[prost(fixed32, repeated, tag = "1")]
    pub(super) orders: Vec<u32>,
    #[prost(uint64, tag = "2")]
    pub(super) at_nanos: u64,
    #[prost(oneof = "Input", tags = "3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20")]
    pub(super) input: Option<Input>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Input {
    #[prost(message, tag = "3")]
    Deadline(Empty),
    #[prost(message, tag = "4")]
    Dialed(Opened),
    #[prost(message, tag = "5")]
    DialFailed(Ended),
    #[prost(message, tag = "6")]
    Accepted(Opened),
    #[prost(message, tag = "7")]
    Frame(Frame),
    #[prost(message, tag = "8")]
    Closed(Ended),
    #[prost(message, tag = "9")]
    Signed(Signed),
    #[prost(message, tag = "10")]
    IdentityChecked(IdentityChecked),
    #[prost(message, tag = "11")]
    Verified(Verified),
    #[prost(message, tag = "12")]
    BlockVerified(BlockVerified),
    #[prost(message, tag = "13")]
    BlocksRead(BlocksRead),
    /// The number is the height.
    #[prost(message, tag = "14")]
    Committed(Place),
    #[prost(message, tag = "15")]
    CommitRefused(Place),
    #[prost(message, tag = "16")]
    Mended(Mended),
    #[prost(message, tag = "17")]
    BlockDelivered(Delivered),
    #[prost(message, tag = "18")]
    ConfigureChannel(ChannelSettings),
    #[prost(message, tag = "19")]
    LeaveChannel(Place),
    #[prost(message, tag = "20")]
    ObtainBlocks(Stretch),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Opened {
    #[prost(uint64, tag = "1")]
    pub(super) connection: u64,
    /// Empty without TLS.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) own_hash: Bytes,
    /// Empty if the other side presented no certificate.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) remote_hash: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ended {
    #[prost(uint64, tag = "1")]
    pub(super) connection: u64,
    #[prost(string, tag = "2")]
    pub(super) reason: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Frame {
    #[prost(uint64, tag = "1")]
    pub(super) connection: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) envelope: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Signed {
    #[prost(uint64, tag = "1")]
    pub(super) ticket: u64,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(super) signature: Option<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct IdentityChecked {
    #[prost(uint64, tag = "1")]
    pub(super) ticket: u64,
    #[prost(message, optional, tag = "2")]
    pub(super) claims: Option<Claims>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Claims {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) pki_id: Bytes,
    #[prost(string, tag = "2")]
    pub(super) org: String,
    #[prost(uint64, tag = "3")]
    pub(super) expires_at_nanos: u64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) key_hash: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Verified {
    #[prost(uint64, tag = "1")]
    pub(super) ticket: u64,
    #[prost(bool, tag = "2")]
    pub(super) ok: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BlockVerified {
    #[prost(uint64, tag = "1")]
    pub(super) ticket: u64,
    #[prost(bool, tag = "2")]
    pub(super) ok: bool,
    #[prost(bool, tag = "3")]
    pub(super) is_config: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BlocksRead {
    #[prost(uint64, tag = "1")]
    pub(super) ticket: u64,
    #[prost(message, repeated, tag = "2")]
    pub(super) blocks: Vec<Block>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Block {
    #[prost(uint64, tag = "1")]
    pub(super) number: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) block: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Place {
    #[prost(string, tag = "1")]
    pub(super) channel: String,
    #[prost(uint64, tag = "2")]
    pub(super) number: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Mended {
    #[prost(string, tag = "1")]
    pub(super) channel: String,
    #[prost(uint64, tag = "2")]
    pub(super) number: u64,
    #[prost(bool, tag = "3")]
    pub(super) ok: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Delivered {
    #[prost(string, tag = "1")]
    pub(super) channel: String,
    #[prost(uint64, tag = "2")]
    pub(super) number: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) block: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ChannelSettings {
    #[prost(string, tag = "1")]
    pub(super) channel: String,
    #[prost(uint64, tag = "2")]
    pub(super) sequence: u64,
    #[prost(string, repeated, tag = "3")]
    pub(super) orgs: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) anchors: Vec<Anchor>,
    #[prost(uint64, tag = "5")]
    pub(super) height: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Anchor {
    #[prost(string, tag = "1")]
    pub(super) org: String,
    #[prost(string, tag = "2")]
    pub(super) endpoint: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Stretch {
    #[prost(string, tag = "1")]
    pub(super) channel: String,
    #[prost(uint64, tag = "2")]
    pub(super) first: u64,
    #[prost(uint64, tag = "3")]
    pub(super) last: u64,
}
