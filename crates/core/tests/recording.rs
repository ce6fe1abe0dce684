//! Recordings: what is written is read again, whole or cut off, and the same peer does the same again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use core::time::Duration;
use selvedge_core::recording::{Beginning, Entry, Payloads, Recorder, Recording, RecordingError, mark};
use selvedge_core::testing::crypto::{self, NEVER};
use selvedge_core::testing::messages;
use selvedge_core::{
    Anchor, ChannelId, ChannelSettings, Command, Config, ConnectionId, Endpoint, Input, Instant, LocalPeer,
    MspId, Output, Peer, TlsBinding, VerifiedBlock, WallTime,
};

fn beginning(payloads: Payloads) -> Beginning {
    let identity = crypto::identity("Org1MSP", "me");
    Beginning {
        program: "test 1".to_owned(),
        payloads,
        config: Config { bootstrap: vec![Endpoint::from("peer1:7051")], ..Config::default() },
        me: LocalPeer {
            pki_id: crypto::pki_id(&identity),
            org: MspId::from("Org1MSP"),
            identity,
            expires_at: NEVER,
            incarnation: 77,
        },
        seed: u64::MAX - 3,
        now: Instant::from_nanos(5),
        wall: WallTime::from_seconds(1_795_000_000),
    }
}

fn peer(beginning: &Beginning) -> Peer {
    let Beginning { config, me, seed, now, wall, .. } = beginning.clone();
    Peer::new(config, me, seed, now, wall)
}

/// A peer that is given inputs, and what is recorded of it.
struct Recorded {
    peer: Peer,
    recorder: Recorder,
    bytes: Vec<u8>,
    inputs: Vec<(Instant, Input)>,
    now: Instant,
    outputs: Vec<Output>,
}

impl Recorded {
    fn new(payloads: Payloads) -> Self {
        let beginning = beginning(payloads);
        let (recorder, bytes) = Recorder::new(&beginning);
        let now = beginning.now;
        let mut recorded =
            Self { peer: peer(&beginning), recorder, bytes, inputs: Vec::new(), now, outputs: Vec::new() };
        recorded.drain();
        recorded
    }

    fn handle(&mut self, input: Input) {
        self.now = self.now + Duration::from_millis(30);
        self.bytes.extend(self.recorder.input(self.now, &input));
        self.inputs.push((self.now, input.clone()));
        self.peer.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            self.recorder.output(&output);
            self.outputs.push(output);
        }
    }

    fn take(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.outputs)
    }
}

/// Every kind of input, in an order in which most of them do something.
fn session(payloads: Payloads) -> Recorded {
    let mut it = Recorded::new(payloads);
    let channel = ChannelId::from("mychannel");
    let settings = ChannelSettings {
        channel: channel.clone(),
        sequence: 3,
        orgs: vec![MspId::from("Org1MSP"), MspId::from("Org2MSP")],
        anchors: vec![Anchor { org: MspId::from("Org2MSP"), endpoint: Endpoint::from("peer5:7051") }],
        height: 4,
    };
    it.handle(Input::Command(Command::ConfigureChannel(settings)));
    it.handle(Input::Deadline);
    let binding = Some(TlsBinding { own: [1; 32], remote: Some([2; 32]) });
    let connection = ConnectionId::accepted(1);
    it.handle(Input::Accepted { connection, binding });
    it.handle(Input::Accepted { connection: ConnectionId::accepted(2), binding: None });
    it.handle(Input::Closed { connection: ConnectionId::accepted(2), reason: "gone".to_owned() });
    let someone = crypto::identity("Org1MSP", "peer2");
    it.handle(Input::Frame { connection, envelope: messages::conn(&someone, Some([2; 32]), false).into() });
    it.handle(Input::Frame { connection, envelope: Bytes::from_static(b"\xff nonsense").into() });
    let alive = messages::Alive::new(&someone, 9).with_identity().with_secret("peer2.internal:7051").seal();
    for _ in 0..4 {
        for output in it.take() {
            answer(&mut it, output);
        }
    }
    it.handle(Input::Frame { connection, envelope: alive.into() });
    it.handle(Input::BlockDelivered { channel: channel.clone(), number: 4, block: messages::block(4, 3000) });
    for _ in 0..4 {
        for output in it.take() {
            answer(&mut it, output);
        }
    }
    it.handle(Input::CommitRefused { channel: channel.clone(), number: 5 });
    it.handle(Input::Command(Command::ObtainBlocks { channel: channel.clone(), first: 1, last: 2 }));
    it.handle(Input::Mended { channel: channel.clone(), number: 1, ok: true });
    it.handle(Input::DialFailed { connection: ConnectionId::dialed(9), reason: "refused".to_owned() });
    it.now = it.now + Duration::from_secs(20);
    it.handle(Input::Deadline);
    it.handle(Input::Command(Command::LeaveChannel(channel)));
    it
}

fn answer(it: &mut Recorded, output: Output) {
    let input = match output {
        Output::Dial { connection, .. } => {
            Input::Dialed { connection, binding: Some(TlsBinding { own: [1; 32], remote: None }) }
        }
        Output::Sign { ticket, .. } => Input::Signed { ticket, signature: Some(Bytes::from_static(b"mine")) },
        Output::Verify { ticket, .. } => Input::Verified { ticket, ok: true },
        Output::CheckIdentity { ticket, identity } => {
            Input::IdentityChecked { ticket, claims: crypto::claims(&identity, NEVER) }
        }
        Output::VerifyBlock { ticket, number, .. } => {
            Input::BlockVerified { ticket, block: Some(VerifiedBlock { is_config: number % 2 == 1 }) }
        }
        Output::ReadBlocks { ticket, first, .. } => {
            Input::BlocksRead { ticket, blocks: vec![(first, messages::block(first, 50))] }
        }
        Output::Commit { channel, number, .. } => Input::Committed { channel, height: number + 1 },
        _ => return,
    };
    it.handle(input);
}

fn read(bytes: &[u8]) -> (Vec<Entry>, Option<RecordingError>) {
    let mut recording = Recording::open(Bytes::copy_from_slice(bytes)).unwrap();
    let mut entries = Vec::new();
    loop {
        match recording.advance() {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, None),
            Err(error) => return (entries, Some(error)),
        }
    }
}

#[test]
fn inputs_come_back_as_they_were() {
    let mut session = session(Payloads::Kept);
    session.bytes.extend(session.recorder.end("enough"));
    let recording = Recording::open(session.bytes.clone().into()).unwrap();
    assert_eq!(*recording.beginning(), beginning(Payloads::Kept));
    let (entries, error) = read(&session.bytes);
    assert_eq!(error, None);
    let (last, steps) = entries.split_last().unwrap();
    assert!(matches!(last, Entry::End { reason, .. } if reason == "enough"));
    let inputs = steps.iter().map(|entry| match entry {
        Entry::Step { at, input, .. } => (*at, input.clone()),
        Entry::End { .. } => panic!("an end in the middle"),
    });
    assert_eq!(inputs.collect::<Vec<_>>(), session.inputs);
}

#[test]
fn the_same_inputs_give_the_same_orders_with_payloads_and_without() {
    for payloads in [Payloads::Kept, Payloads::Blank] {
        let mut session = session(payloads);
        session.bytes.extend(session.recorder.end("enough"));
        let holds_block = session.bytes.windows(3000).any(|part| part == [4; 3000]);
        assert_eq!(holds_block, payloads == Payloads::Kept);
        let mut peer = peer(&beginning(payloads));
        let mut count = 0;
        for entry in read(&session.bytes).0 {
            let mut orders = Vec::new();
            while let Some(output) = peer.poll_output() {
                orders.push(mark(&output, payloads));
            }
            count += orders.len();
            match entry {
                Entry::Step { before, at, input } => {
                    assert_eq!(before, orders, "before {input:?}");
                    peer.handle(at, input);
                }
                Entry::End { before, .. } => assert_eq!(before, orders),
            }
        }
        assert!(count > 12, "{count}");
    }
}

#[test]
fn what_is_cut_off_can_be_read_up_to_there() {
    let session = session(Payloads::Blank);
    let whole = read(&session.bytes).0;
    let mut seen = 0;
    for end in (200..session.bytes.len()).step_by(7) {
        let Ok(_) = Recording::open(Bytes::copy_from_slice(&session.bytes[..end])) else { continue };
        let (entries, error) = read(&session.bytes[..end]);
        assert_eq!(entries, whole[..entries.len()]);
        assert!(matches!(error, None | Some(RecordingError::CutOff { .. })), "{error:?}");
        seen = seen.max(entries.len());
    }
    assert!(seen > 20);
}

#[test]
fn damage_is_told_and_nothing_behind_it_is_believed() {
    let session = session(Payloads::Blank);
    let whole = read(&session.bytes).0;
    let first = Recording::open(session.bytes.clone().into()).unwrap().position();
    for place in (first..session.bytes.len()).step_by(11) {
        let mut bytes = session.bytes.clone();
        bytes[place] ^= 4;
        let (entries, error) = read(&bytes);
        assert!(entries.len() < whole.len());
        assert_eq!(entries, whole[..entries.len()]);
        let told = matches!(error, Some(RecordingError::Damaged { .. } | RecordingError::CutOff { .. }));
        assert!(told, "{error:?}");
    }
}

#[test]
fn what_is_no_recording_or_of_another_form_is_refused() {
    let open = |text: &'static [u8]| Recording::open(Bytes::from_static(text)).unwrap_err();
    assert_eq!(open(b""), RecordingError::NoRecording);
    assert_eq!(open(b"\n\n"), RecordingError::NoRecording);
    assert_eq!(open(b"selvedge recording 2\nxx"), RecordingError::Version("2".to_owned()));
    assert_eq!(open(b"selvedge recording 1\n"), RecordingError::CutOff { offset: 21 });
    assert!(open(b"selvedge recording 2\nxx").to_string().contains("use the version that wrote it"));
}
