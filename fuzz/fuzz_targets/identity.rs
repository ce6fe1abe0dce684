//! See `selvedge::fuzzing::identity`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::identity(data));
