//! See `selvedge::fuzzing::stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::stream(data));
