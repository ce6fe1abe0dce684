//! See `selvedge::fuzzing::log_spec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::log_spec(data));
