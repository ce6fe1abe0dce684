//! See `selvedge::fuzzing::msp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::msp(data));
