//! See `selvedge_core::fuzzing::duration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge_core::fuzzing::duration(data));
