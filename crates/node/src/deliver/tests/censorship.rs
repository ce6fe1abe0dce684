//! Orderers that withhold blocks, and orderers that only seem to. The clock stands still but for what a test lets pass.

use super::puppet::{Begin, Puppet};
use super::{Pulling, Start, endpoint, endpoint_of, is_receiving};
use crate::deliver::{CensorshipSettings, DeliverState, EndReason, Phase};
use crate::ordering::testing::{CHANNEL, Ordered};
use bytes::Bytes;
use selvedge_msp::ChannelBundle;
use selvedge_proto::common::{Block, Orderers};
use selvedge_proto::orderer::ConsensusType;
use selvedge_proto::{block, decode};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::advance;

const LIMIT: Duration = Duration::from_secs(1);
/// Enough for streams of headers to begin.
const DELAY: Duration = Duration::from_millis(100);
/// Of one stream, one header is verified in this time.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// A block that four SmartBFT orderers have ordered; number 9 is a configuration.
fn recorded(number: u64) -> Block {
    let path = format!("../../fixtures/bft/blocks/orderer/{number:03}.block");
    decode(std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()).unwrap()
}

/// As an orderer sends it on a stream of headers.
fn header(number: u64) -> Block {
    let block = recorded(number);
    if block::is_config_block(&block) { block } else { Block { data: None, ..block } }
}

/// A header that no orderer has signed as it is.
fn false_header(number: u64) -> Block {
    let mut block = header(number);
    block.header.as_mut().unwrap().data_hash = Bytes::from_static(&[7; 32]);
    block
}

fn bft() -> Arc<ChannelBundle> {
    Arc::new(ChannelBundle::from_config_block(&recorded(0)).unwrap())
}

/// A configuration with one value of its orderers' group changed.
fn with_orderer_value(bundle: &ChannelBundle, name: &str, value: &impl prost::Message) -> Arc<ChannelBundle> {
    let mut config = bundle.config().clone();
    let orderer = config.channel_group.as_mut().unwrap().groups.get_mut("Orderer").unwrap();
    orderer.values.get_mut(name).unwrap().value = value.encode_to_vec().into();
    Arc::new(ChannelBundle::from_config(bundle.channel_id(), &config).unwrap())
}

fn consensus_type(name: &str) -> ConsensusType {
    ConsensusType { r#type: name.to_owned(), ..Default::default() }
}

/// While it is there, time passes only where a test says so: it does not do so by itself while blocking work goes on.
struct StandingClock {
    _release: std::sync::mpsc::Sender<()>,
}

impl StandingClock {
    fn new() -> Self {
        let (_release, released) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || released.recv());
        Self { _release }
    }
}

/// A client of two puppets, and where the blocks come from.
struct Scene {
    pulling: Pulling,
    source: Puppet,
    other: Puppet,
    bundle: watch::Sender<Arc<ChannelBundle>>,
    _clock: StandingClock,
    _ordered: Ordered,
}

impl Scene {
    /// Both orderers have block 1, which has come.
    async fn new(room: usize, bundle: Arc<ChannelBundle>) -> Self {
        let clock = StandingClock::new();
        let ordered = Ordered::new();
        let puppets = [Puppet::start().await, Puppet::start().await];
        for puppet in &puppets {
            puppet.show_block(recorded(1));
            puppet.show_header(header(1));
        }
        let (bundle, seen) = watch::channel(bundle);
        let start = Start {
            tls: None,
            next_block: 1,
            room,
            censorship: Some(CensorshipSettings { timeout: LIMIT, bundle: seen }),
            first_pause: Duration::ZERO,
            ..Start::over_tls(&ordered)
        };
        let endpoints = puppets.iter().map(|puppet| endpoint(puppet.address.clone(), Vec::new())).collect();
        let mut pulling = start.go(&ordered, endpoints);
        let first = pulling.block().await;
        assert_eq!((first.number, first.stream), (1, 1));
        let [one, two] = puppets;
        let (source, other) = if one.address == *first.source { (one, two) } else { (two, one) };
        Self { pulling, source, other, bundle, _clock: clock, _ordered: ordered }
    }

    /// The same on a BFT channel, with headers coming from the other orderer.
    async fn watched(room: usize) -> Self {
        let mut scene = Self::new(room, bft()).await;
        advance(DELAY).await;
        assert_eq!(scene.other.until_header_streams(1).await, [Begin::Newest]);
        scene
    }

    /// The other orderer shows the headers of blocks up to `number`, and they have been noticed.
    async fn headers_up_to(&mut self, number: u64) {
        let next = self.other_headers() + 1;
        for number in next..=number {
            self.other.show_header(header(number));
        }
        let mut highest = None;
        while highest != Some(number) {
            // no more than one is verified in such a time
            advance(CHECK_INTERVAL).await;
            highest = self
                .pulling
                .until(|state| state.highest_header > highest.max(Some(next - 1)))
                .await
                .highest_header;
        }
    }

    fn other_headers(&self) -> u64 {
        self.pulling.state.borrow().highest_header.unwrap_or(1)
    }

    /// The next block comes from the orderer that was asked first.
    async fn still_served(&mut self, number: u64) {
        self.source.show_block(recorded(number));
        let block = self.pulling.block().await;
        assert_eq!((block.number, block.stream), (number, 1));
        assert_eq!(self.pulling.state.borrow().last_end, None);
    }

    async fn is_left_for(&mut self, number: u64) -> DeliverState {
        let state = self.pulling.ended_with("withheld").await;
        let reason = EndReason::Withheld { number, limit: LIMIT };
        assert_eq!(state.last_end, Some((self.source.address.clone(), reason)));
        assert_eq!(state.ends.get("withheld"), Some(&1));
        state
    }
}

#[tokio::test(start_paused = true)]
async fn an_orderer_that_withholds_a_block_is_left() {
    let mut scene = Scene::watched(64).await;
    scene.headers_up_to(2).await;
    advance(LIMIT - 2 * CHECK_INTERVAL).await;
    scene.headers_up_to(3).await;
    assert_eq!(scene.pulling.state.borrow().last_end, None);
    scene.other.show_block(recorded(2));
    advance(CHECK_INTERVAL).await;
    scene.is_left_for(2).await;
    let block = scene.pulling.block().await;
    assert_eq!((block.number, block.stream, &*block.source), (2, 2, scene.other.address.as_str()));
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_orderer_that_falls_behind_is_left_although_it_delivers() {
    let mut scene = Scene::watched(64).await;
    scene.headers_up_to(2).await;
    advance(LIMIT / 2).await;
    scene.headers_up_to(3).await;
    scene.still_served(2).await;
    advance(LIMIT).await;
    scene.is_left_for(3).await;
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_orderer_that_delivers_in_time_stays() {
    let mut scene = Scene::watched(64).await;
    for number in 2..6 {
        scene.headers_up_to(number).await;
        advance(LIMIT - Duration::from_millis(1)).await;
        scene.still_served(number).await;
        advance(LIMIT).await;
    }
    scene.still_served(6).await;
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_false_header_accuses_nobody() {
    let mut scene = Scene::watched(64).await;
    scene.other.show_header(false_header(2));
    let state = scene.pulling.until(|state| state.headers_count + state.headers_refused_count > 0).await;
    assert_eq!((state.headers_count, state.headers_refused_count, state.highest_header), (0, 1, None));
    // it might be of a configuration to come; so headers are asked for from the block on that has to come next
    advance(LIMIT / 2).await;
    assert_eq!(scene.other.until_header_streams(2).await, [Begin::Newest, Begin::At(2)]);
    let state = scene.pulling.until(|state| state.headers_refused_count > 1).await;
    assert_eq!((state.headers_count, state.highest_header), (0, None));
    advance(2 * LIMIT).await;
    scene.other.until_header_streams(3).await;
    scene.still_served(2).await;
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_headers_begins_their_stream_anew() {
    let mut scene = Scene::watched(64).await;
    scene.headers_up_to(2).await;
    scene.still_served(2).await;
    scene.other.show_header(header(4));
    assert_eq!(scene.other.until_header_streams(2).await, [Begin::Newest, Begin::Newest]);
    scene.still_served(3).await;
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn headers_are_not_asked_for_on_channels_of_other_types() {
    let mut scene =
        Scene::new(64, with_orderer_value(&bft(), "ConsensusType", &consensus_type("etcdraft"))).await;
    scene.other.show_header(header(2));
    for number in 2..6 {
        advance(LIMIT).await;
        scene.still_served(number).await;
    }
    assert_eq!((scene.source.header_streams(), scene.other.header_streams()), (Vec::new(), Vec::new()));
    // until the channel becomes one
    scene.bundle.send_replace(bft());
    scene.other.until_header_streams(1).await;
    assert_eq!(scene.source.header_streams(), []);
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_without_room_is_not_the_orderers_fault() {
    let mut scene = Scene::watched(1).await;
    scene.headers_up_to(4).await;
    scene.source.show_block(recorded(2));
    scene.source.show_block(recorded(3));
    scene.pulling.until(|state| state.phase == Phase::Full).await;
    advance(10 * LIMIT).await;
    for number in [2, 3] {
        let block = scene.pulling.block().await;
        assert_eq!((block.number, block.stream), (number, 1));
    }
    // block 4 is due since long, if that time counted
    scene.pulling.until(is_receiving).await;
    scene.still_served(4).await;
    // and time counts again
    scene.headers_up_to(5).await;
    advance(LIMIT).await;
    scene.is_left_for(5).await;
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_held_back_is_not_the_orderers_fault() {
    let mut scene = Scene::watched(64).await;
    scene.headers_up_to(2).await;
    scene.pulling.hold.send_replace(true);
    scene.pulling.until(|state| state.phase == Phase::Held).await;
    advance(10 * LIMIT).await;
    scene.pulling.hold.send_replace(false);
    scene.pulling.until(is_receiving).await;
    scene.still_served(2).await;
    scene.headers_up_to(3).await;
    advance(LIMIT).await;
    scene.is_left_for(3).await;
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn configurations_are_followed_on_the_way() {
    let mut scene = Scene::watched(64).await;
    scene.headers_up_to(8).await;
    scene.headers_up_to(9).await;
    scene.headers_up_to(12).await;
    assert_eq!(scene.pulling.state.borrow().headers_refused_count, 0);
    advance(LIMIT).await;
    scene.is_left_for(2).await;
    scene.pulling.handle.stop().await;
}

/// As when the headers of today are signed by orderers that the configuration of the time does not know.
#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_verify_yet_counts_once_its_configuration_is_there() {
    let before = with_orderer_value(&bft(), "Orderers", &Orderers::default());
    let mut scene = Scene::new(64, before).await;
    scene.other.show_header(header(2));
    advance(DELAY).await;
    scene.pulling.until(|state| state.headers_refused_count == 1).await;
    // sequence 1, with the orderers of sequence 0
    let genesis = bft();
    let mut config = genesis.config().clone();
    config.sequence += 1;
    let after = ChannelBundle::from_config(genesis.channel_id(), &config).unwrap();
    scene.bundle.send_replace(Arc::new(after));
    advance(CHECK_INTERVAL).await;
    scene.pulling.until(|state| state.highest_header == Some(2)).await;
    assert_eq!(scene.other.header_streams(), [Begin::Newest]);
    scene.pulling.handle.stop().await;
}

#[tokio::test(start_paused = true)]
async fn real_orderers_show_headers_over_mutual_tls() {
    let _clock = StandingClock::new();
    let ordered = Ordered::new();
    let servers = [ordered.serve().await, ordered.serve().await];
    for _ in 0..5 {
        ordered.cut();
    }
    let bundle = with_orderer_value(&ordered.source.bundle(), "ConsensusType", &consensus_type("BFT"));
    assert_eq!(bundle.channel_id(), CHANNEL);
    let (_bundle, seen) = watch::channel(bundle);
    let censorship = Some(CensorshipSettings { timeout: LIMIT, bundle: seen });
    let start = Start { next_block: 1, room: 1, censorship, ..Start::over_tls(&ordered) };
    let endpoints = servers.iter().map(|server| endpoint_of(&ordered, server)).collect();
    let mut pulling = start.go(&ordered, endpoints);
    pulling.until(|state| state.phase == Phase::Full).await;
    advance(DELAY).await;
    pulling.until(|state| state.headers_count == 1).await;
    for number in 1..=5 {
        let block = pulling.block().await;
        assert_eq!((block.number, block.stream), (number, 1));
    }
    assert_eq!(pulling.state.borrow().headers_refused_count, 0);
    pulling.handle.stop().await;
    for server in servers {
        server.stop().await;
    }
}
