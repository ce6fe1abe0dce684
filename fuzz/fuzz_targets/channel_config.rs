//! See `selvedge::fuzzing::channel_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::channel_config(data));
