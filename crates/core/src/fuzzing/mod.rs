//! What the fuzz targets of this crate do, as plain functions: they must not panic, whatever the bytes.
//!
//! The targets in `fuzz/` call them; so does a test, with fewer inputs and with the corpora checked in there, on every change.

mod harness;
mod orders;
mod outputs;
mod speech;

use crate::duration::{format_duration, parse_duration};
use crate::recording::{Beginning, Entry, Recorder, Recording, framed};
use crate::{Input, Instant, Peer};
use arbitrary::Unstructured;
use bytes::Bytes;
use harness::Harness;

/// More actions than this show nothing new.
const ACTIONS_MAX: usize = 400;

/// Reads `data` as the settings of a peer and as what happens to it: streams, messages of known and unknown peers whole and
/// damaged, answers in any order, right and wrong, blocks, commands, time. Whatever happens, bounds hold and each order is one
/// that can be carried out.
///
/// # Panics
///
/// If not: that is what a fuzzer looks for.
pub fn peer(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(mut harness) = Harness::new(&mut source) else { return };
    for _ in 0..ACTIONS_MAX {
        if source.is_empty() || harness.act(&mut source).is_err() {
            return;
        }
    }
}

/// Reads `data` as a recording, and as what follows the beginning of a whole one; a peer is given what is found there.
///
/// # Panics
///
/// If what was read is written otherwise, or the peer panics.
pub fn recording(data: &[u8]) {
    if let Ok(mut recording) = Recording::open(Bytes::copy_from_slice(data)) {
        while let Ok(Some(_)) = recording.advance() {}
    }
    let beginning = harness::beginning();
    let (mut recorder, mut bytes) = Recorder::new(&beginning);
    // bodies with their lengths before them; the prefixes that a fuzzer would hardly guess are made here
    let mut rest = data;
    while let Some((&[low, high], behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (body, behind) = behind.split_at(length);
        rest = behind;
        bytes.extend(framed(body));
    }
    let Ok(mut recording) = Recording::open(bytes.into()) else { panic!("a beginning that is not read") };
    assert_eq!(*recording.beginning(), beginning);
    let Beginning { config, me, seed, now, wall, .. } = beginning;
    let mut peer = Peer::new(config, me, seed, now, wall);
    while let Ok(Some(entry)) = recording.advance() {
        let Entry::Step { at, input, .. } = &entry else { continue };
        check_same(&recorder.input(*at, input), input);
        // some hundred years on, time is at its end
        peer.handle((*at).min(Instant::from_nanos(1 << 62)), input.clone());
        while peer.poll_output().is_some() {}
    }
}

/// Whether a piece of a recording has this input in it.
fn check_same(piece: &[u8], input: &Input) {
    let (_, mut bytes) = Recorder::new(&harness::beginning());
    bytes.extend_from_slice(piece);
    let Ok(mut recording) = Recording::open(bytes.into()) else { panic!("a beginning that is not read") };
    let Ok(Some(Entry::Step { input: again, .. })) = recording.advance() else {
        panic!("a step that is not read")
    };
    assert_eq!(again, *input);
}

/// Reads `data` as a duration.
///
/// # Panics
///
/// If a duration is not the same after it was written and read again.
pub fn duration(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Some(duration) = parse_duration(text) else { return };
    assert_eq!(parse_duration(&format_duration(duration)), Some(duration), "{text}");
}
