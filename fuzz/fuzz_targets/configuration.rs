//! See `selvedge::fuzzing::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::configuration(data));
