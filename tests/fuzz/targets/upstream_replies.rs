//! `checks::upstream_replies` over whatever bytes the fuzzer thinks of.
#![no_main]

#[path = "../checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::upstream_replies(bytes));
