//! Attack 31: dependencies that are not what they seem. Advisories, licences and bans: `deny.toml`, which
//! `cargo deny check` judges where it is installed; what the tests install is pinned in `requirements.txt` and
//! `clients/package-lock.json`.

use std::fs;
use std::path::Path;

#[test]
fn every_dependency_comes_from_the_registry_with_its_checksum() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let packages: Vec<_> = lock.split("[[package]]").skip(1).collect();
    assert!(packages.len() > 100, "{}", packages.len());
    let own = ["name = \"batchgate\"", "name = \"libz-ng-sys\""];
    for package in packages.iter().filter(|package| !own.iter().any(|own| package.contains(own))) {
        assert!(
            package.contains("source = \"registry+https://github.com/rust-lang/crates.io-index\""),
            "{package}"
        );
        assert!(package.contains("checksum = \""), "{package}");
    }
}
