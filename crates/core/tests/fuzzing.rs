//! The fuzz targets of this crate, with few inputs.

use selvedge_core::fuzzing;
use selvedge_proto::fuzzing::{corpus, noise};

#[test]
fn a_peer_stands_whatever_happens() {
    corpus("peer", fuzzing::peer);
    noise(1500, 3000, fuzzing::peer);
}

#[test]
fn durations_are_what_they_say() {
    corpus("duration", fuzzing::duration);
    noise(2000, 12, fuzzing::duration);
}

#[test]
fn recordings_are_read_whatever_they_hold() {
    corpus("recording", fuzzing::recording);
    noise(1000, 400, fuzzing::recording);
}
