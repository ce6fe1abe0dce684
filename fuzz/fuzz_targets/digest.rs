//! See `selvedge_proto::fuzzing::digest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge_proto::fuzzing::digest(data));
