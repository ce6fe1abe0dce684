//! A peer, and what an arbitrary world does to it.

use super::orders::{Answered, Orders};
use super::outputs::Outputs;
use super::speech;
use crate::recording::{Beginning, Payloads};
use crate::testing::crypto::{self, NEVER};
use crate::testing::messages;
use crate::{
    Anchor, ChannelId, ChannelSettings, Command, Config, ConnectionId, Endpoint, Input, Instant, Limits,
    LocalPeer, MspId, Peer, TlsBinding, WallTime,
};
use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use core::time::Duration;

/// The channels that there are to join; nobody joins the last.
pub(super) const CHANNELS: [&str; 3] = ["mychannel", "other", "third"];

/// The organisations that there are; the last is in no channel.
pub(super) const ORGS: [&str; 3] = ["Org1MSP", "Org2MSP", "Org3MSP"];

/// When the peer starts.
pub(super) const START: WallTime = WallTime::from_seconds(1_795_000_000);

/// A connection as the world sees it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) connection: ConnectionId,
    pub(super) binding: Option<TlsBinding>,
    /// The nonce that the peer last sent here.
    pub(super) heard_nonce: u64,
}

/// See the module.
pub(super) struct Harness {
    peer: Peer,
    now: Instant,
    limits: Limits,
    with_tls: bool,
    accepted_count: u64,
    pub(super) links: Vec<Link>,
    orders: Orders,
    outputs: Outputs,
    largest_block_bytes: usize,
}

impl Harness {
    pub(super) fn new(source: &mut Unstructured<'_>) -> Result<Self> {
        let limits = if source.ratio(1, 4)? { Limits::default() } else { tight() };
        let identity = me();
        let local = LocalPeer {
            pki_id: crypto::pki_id(&identity),
            org: MspId::from(ORGS[0]),
            identity,
            expires_at: NEVER,
            incarnation: START.as_nanos(),
        };
        let config = Config {
            endpoint: Endpoint::from("me.internal:7051"),
            external_endpoint: Endpoint::from(if source.ratio(1, 4)? { "" } else { "me:7051" }),
            bootstrap: vec![Endpoint::from("peer1.internal:7051")],
            state_transfer_enabled: source.ratio(3, 4)?,
            limits: limits.clone(),
            ..Config::default()
        };
        let peer = Peer::new(config, local, source.arbitrary()?, Instant::default(), START);
        let mut harness = Self {
            peer,
            now: Instant::default(),
            limits,
            with_tls: source.arbitrary()?,
            accepted_count: 0,
            links: Vec::new(),
            orders: Orders::default(),
            outputs: Outputs::default(),
            largest_block_bytes: 0,
        };
        harness.handle(Input::Deadline);
        Ok(harness)
    }

    /// One thing happens.
    pub(super) fn act(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        match source.arbitrary::<u8>()? % 32 {
            0..3 => self.accept(source)?,
            3..14 => self.say(source)?,
            14..20 => {
                let place = source.arbitrary::<u8>()?;
                self.answer(place.into(), source)?;
            }
            20..23 => self.answer_all(),
            23 => {
                let (ticket, kind) = source.arbitrary::<(u8, u8)>()?;
                self.handle(super::orders::stray(u64::from(ticket), kind));
            }
            24 => {
                if let Some(link) = self.choose(source)? {
                    self.hang_up(link.connection);
                    self.handle(Input::Closed { connection: link.connection, reason: "gone".to_owned() });
                }
            }
            25..28 => self.wait(Duration::from_millis(source.arbitrary::<u16>()?.into())),
            28 => self.wait(Duration::from_secs(60) * u32::from(source.arbitrary::<u8>()?)),
            29 => self.command(source)?,
            30 => self.deliver(source)?,
            _ => self.rarity(source)?,
        }
        Ok(())
    }

    /// What hardly ever happens, or never should.
    fn rarity(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        match source.arbitrary::<u8>()? % 6 {
            0 => self.wait(Duration::from_secs(u64::from(source.arbitrary::<u32>()?))),
            1 => self.wait(Duration::from_nanos(source.arbitrary()?)),
            2 => {
                // a clock that goes back
                self.peer.handle(Instant::from_nanos(source.arbitrary()?).min(self.now), Input::Deadline);
                self.take_outputs();
            }
            3 => {
                // of connections that do not exist
                let connection = ConnectionId::accepted(1_000_000 + u64::from(source.arbitrary::<u8>()?));
                let envelope = speech::frame(source, self, None)?;
                self.handle(Input::Frame { connection, envelope: envelope.into() });
                self.handle(Input::Closed { connection, reason: String::new() });
                self.handle(Input::DialFailed { connection, reason: String::new() });
            }
            4 => {
                let (channel, number) = (CHANNELS[2].into(), source.arbitrary()?);
                self.handle(Input::Committed { channel, height: number });
                let channel: ChannelId = CHANNELS[2].into();
                self.handle(Input::CommitRefused { channel: channel.clone(), number });
                self.handle(Input::Mended { channel, number, ok: source.arbitrary()? });
            }
            _ => {
                let (channel, number) =
                    (CHANNELS[usize::from(source.arbitrary::<u8>()? % 3)].into(), source.arbitrary()?);
                self.handle(Input::Mended { channel, number, ok: source.arbitrary()? });
            }
        }
        Ok(())
    }

    fn accept(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        self.accepted_count += 1;
        let connection = ConnectionId::accepted(self.accepted_count);
        let nameless = source.ratio(1, 16)?;
        let binding = self.binding(connection, nameless);
        self.links.push(Link { connection, binding, heard_nonce: 0 });
        self.outputs.on_open(connection);
        self.handle(Input::Accepted { connection, binding });
        if !source.ratio(1, 8)? && self.outputs.is_open(connection) {
            let link = self.links.last().cloned();
            let envelope = speech::handshake(source, link.as_ref())?;
            self.handle(Input::Frame { connection, envelope: envelope.into() });
        }
        // most of what is worth a look comes after the handshake
        if !source.ratio(1, 4)? {
            self.answer_all();
        }
        Ok(())
    }

    fn binding(&self, connection: ConnectionId, nameless: bool) -> Option<TlsBinding> {
        let remote = (!nameless).then(|| crypto::digest(&[format!("{connection:?}").as_bytes()]));
        self.with_tls.then_some(TlsBinding { own: [7; 32], remote })
    }

    fn choose(&self, source: &mut Unstructured<'_>) -> Result<Option<Link>> {
        let place = usize::from(source.arbitrary::<u8>()?);
        Ok(place.checked_rem(self.links.len()).and_then(|place| self.links.get(place)).cloned())
    }

    fn say(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let Some(link) = self.choose(source)? else { return self.accept(source) };
        let envelope = speech::frame(source, self, Some(&link))?;
        self.handle(Input::Frame { connection: link.connection, envelope: envelope.into() });
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        // some hundred years on, time is at its end
        self.now = (self.now + time).min(Instant::from_nanos(1 << 62));
        self.handle(Input::Deadline);
    }

    fn command(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let channel = ChannelId::from(CHANNELS[usize::from(source.arbitrary::<u8>()? % 2)]);
        match source.arbitrary::<u8>()? % 8 {
            0 if !self.orders.has_commits(&channel) => {
                self.outputs.on_leave(&channel);
                self.handle(Input::Command(Command::LeaveChannel(channel)));
            }
            1 => {
                let (first, last) = source.arbitrary::<(u8, u8)>()?;
                let (first, last) = (first.into(), last.into());
                self.handle(Input::Command(Command::ObtainBlocks { channel, first, last }));
            }
            _ => {
                let orgs = ORGS.iter().take(1 + usize::from(source.arbitrary::<u8>()? % 2));
                let height = self.orders.height(&channel);
                let settings = ChannelSettings {
                    channel: channel.clone(),
                    sequence: u64::from(source.arbitrary::<u8>()?),
                    orgs: orgs.map(|org| MspId::from(*org)).collect(),
                    anchors: vec![Anchor {
                        org: MspId::from(ORGS[1]),
                        endpoint: Endpoint::from("peer5:7051"),
                    }],
                    height,
                };
                self.outputs.on_configure(&channel, height);
                self.handle(Input::Command(Command::ConfigureChannel(settings)));
            }
        }
        Ok(())
    }

    fn deliver(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let channel = ChannelId::from(CHANNELS[usize::from(source.arbitrary::<u8>()? % 2)]);
        let (number, block) = speech::block(source, self.orders.height(&channel))?;
        self.handle(Input::BlockDelivered { channel, number, block });
        Ok(())
    }

    /// The height of a channel's ledger.
    pub(super) fn height(&self, channel: &str) -> u64 {
        self.orders.height(&ChannelId::from(channel))
    }

    fn answer(&mut self, place: usize, source: &mut Unstructured<'_>) -> Result<()> {
        let how = source.arbitrary::<u8>()?;
        if let Some(answered) = self.orders.answer(place, how) {
            self.carry_out(answered);
        }
        Ok(())
    }

    /// Everything that is owed, as it should be, until nothing is.
    fn answer_all(&mut self) {
        for _ in 0..200 {
            let Some(answered) = self.orders.answer(0, 0) else { return };
            self.carry_out(answered);
        }
    }

    fn carry_out(&mut self, answered: Answered) {
        match answered {
            Answered::Dialed(connection) => {
                let binding = self.binding(connection, false);
                self.links.push(Link { connection, binding, heard_nonce: 0 });
                self.outputs.on_open(connection);
                self.handle(Input::Dialed { connection, binding });
            }
            Answered::NotDialed(connection) => {
                self.outputs.on_closed(connection);
                self.handle(Input::DialFailed { connection, reason: "refused".to_owned() });
            }
            Answered::Refused { channel, number } => {
                self.outputs.on_commit_refused(&channel, number);
                self.handle(Input::CommitRefused { channel, number });
            }
            Answered::Identity { input, identity } => {
                self.outputs.on_identity_accepted(identity);
                self.handle(input);
            }
            Answered::Block { input, channel, number, block } => {
                self.outputs.on_block_verified(channel, number, block);
                self.handle(input);
            }
            Answered::Input(input) => self.handle(input),
        }
    }

    fn hang_up(&mut self, connection: ConnectionId) {
        self.links.retain(|link| link.connection != connection);
        self.outputs.on_closed(connection);
    }

    fn handle(&mut self, input: Input) {
        if let Input::Frame { envelope, .. } = &input {
            self.largest_block_bytes = self.largest_block_bytes.max(envelope.byte_count());
        }
        if let Input::BlockDelivered { block, .. } = &input {
            self.largest_block_bytes = self.largest_block_bytes.max(block.len());
        }
        self.peer.handle(self.now, input);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            self.outputs.check(&output);
            if let crate::Output::Close { connection, .. } = &output {
                self.links.retain(|link| link.connection != *connection);
                self.orders.forget_dial(*connection);
            }
            if let crate::Output::Send { connection, envelope, .. } = &output
                && let Ok(view) = envelope.view()
                && let Some(link) = self.links.iter_mut().find(|link| link.connection == *connection)
            {
                link.heard_nonce =
                    view.pull().map_or_else(|| view.nonce(), |pull| pull.nonce.max(view.nonce()));
            }
            self.orders.add(output);
        }
        assert!(self.peer.next_deadline().is_none_or(|at| at > self.now), "a deadline that has passed");
        let beyond = self.peer.usage().beyond(&self.limits, self.largest_block_bytes);
        assert_eq!(beyond, None, "a bound does not hold");
    }
}

/// The own identity.
pub(super) fn me() -> Bytes {
    crypto::identity(ORGS[0], "me")
}

/// What the peer of a recording is made of.
pub(super) fn beginning() -> Beginning {
    let identity = me();
    Beginning {
        program: "fuzzing".to_owned(),
        payloads: Payloads::Kept,
        config: Config { limits: tight(), state_transfer_enabled: true, ..Config::default() },
        me: LocalPeer {
            pki_id: crypto::pki_id(&identity),
            org: MspId::from(ORGS[0]),
            identity,
            expires_at: NEVER,
            incarnation: START.as_nanos(),
        },
        seed: 1,
        now: Instant::default(),
        wall: START,
    }
}

/// Bounds that are reached.
fn tight() -> Limits {
    Limits {
        handshakes_max: 4,
        connections_max: 5,
        early_frames_max: 3,
        early_bytes_max: 600,
        waiting_sends_per_peer_max: 3,
        tickets_per_connection_max: 4,
        identities_max: 6,
        identities_per_key_max: 2,
        members_max: 5,
        endpoint_bytes_max: 64,
        metadata_bytes_max: 16,
        identity_bytes_max: 64,
        elements_per_message_max: 6,
        state_info_bytes_max: 256,
        relayed_state_infos_max: 3,
        requests_per_second_max: 3,
        nonces_per_peer_max: 3,
        block_buffer_count_max: 8,
        block_buffer_bytes_max: 2000,
        block_checks_in_flight_max: 3,
        commits_in_flight_max: 2,
        state_requests_per_peer_max: 2,
        state_requests_max: 3,
        state_serves_per_peer_max: 2,
        state_serves_max: 3,
        state_response_bytes_max: 1000,
    }
}

/// A block that is right.
pub(super) fn genuine(number: u64, size_bytes: usize) -> Bytes {
    messages::block(number, size_bytes)
}
