//! See `selvedge_proto::fuzzing::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge_proto::fuzzing::message(data));
