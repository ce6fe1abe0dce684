//! See `selvedge_core::fuzzing::peer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge_core::fuzzing::peer(data));
