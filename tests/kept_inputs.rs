//! Every input that fuzzing has kept (`fuzz/corpus/`), through the checks that the fuzzer makes: they
//! stay true on the stable compiler, and without cargo-fuzz.

#[path = "fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::panic::catch_unwind;

use crate::harness::programs::test_file;

#[test]
fn kept_inputs_hold() {
    let mut failed = Vec::new();
    for (name, check) in checks::CHECKS {
        let mut inputs = 0;
        for entry in fs::read_dir(test_file("fuzz/corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            inputs += 1;
            if catch_unwind(|| check(&input)).is_err() {
                failed.push(path);
            }
        }
        assert!(inputs >= 5, "only {inputs} inputs for {name}");
    }
    assert!(failed.is_empty(), "these do not hold: {failed:#?}");
}

#[test]
fn every_check_has_its_target() {
    let manifest = fs::read_to_string(test_file("fuzz/Cargo.toml")).unwrap();
    for (name, _) in checks::CHECKS {
        let target = fs::read_to_string(test_file("fuzz/targets").join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("checks::{name}(bytes)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is not in Cargo.toml");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), checks::CHECKS.len());
}
