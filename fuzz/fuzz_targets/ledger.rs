//! See `selvedge::fuzzing::ledger`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selvedge::fuzzing::ledger(data));
