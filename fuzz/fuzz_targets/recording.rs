//! See `selvedge_core::fuzzing::recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge_core::fuzzing::recording(data));
