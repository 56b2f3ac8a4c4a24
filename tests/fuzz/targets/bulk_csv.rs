//! `checks::bulk_csv` over whatever bytes the fuzzer thinks of.
#![no_main]

#[path = "../checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::bulk_csv(bytes));
