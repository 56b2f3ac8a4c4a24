//! The Debian package: built by `deploy/deb`, installed, started, upgraded and removed; and the unit that it brings.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::programs::{is_root, program, run, succeed, test_file, text};

use super::file;

/// What `systemd-analyze security` may find at most, of 100.
const EXPOSURE: u8 = 20;

#[test]
fn the_package_is_installed_started_upgraded_and_removed() {
    let package = built();
    let package = package.trim();
    let contents = succeed(Command::new("dpkg-deb").args(["--contents", package]));
    for member in [
        "./usr/bin/batchgate",
        "./usr/lib/systemd/system/batchgate.service",
        "./etc/batchgate/batchgate.yaml",
        "./usr/share/man/man1/batchgate.1",
        "./usr/share/man/man1/batchgate-run.1",
        "./usr/share/bash-completion/completions/batchgate",
    ] {
        assert!(contents.contains(member), "{member} is not in\n{contents}");
    }
    if !is_root() || !run(Command::new("unshare").args(["--mount", "--net", "true"])).status.success() {
        println!("not installed: needs root and namespaces, which are not to be had here");
        return;
    }
    for needed in ["curl", "ip", "setpriv"] {
        program(needed);
    }
    let mut install = Command::new("timeout");
    install.args(["180", "unshare", "--mount", "--net"]).arg(test_file("deploy/install.sh")).arg(package);
    let said = succeed(&mut install);
    assert!(said.ends_with("install.sh: done\n"), "{said}");
}

#[test]
fn systemd_finds_the_unit_well_confined() {
    let mut analyze = Command::new(program("systemd-analyze"));
    analyze.args(["security", "--offline=true", &format!("--threshold={EXPOSURE}")]);
    succeed(analyze.arg(file("deploy/batchgate.service")));
    let folder = tempfile::tempdir().unwrap();
    let worse = folder.path().join("batchgate.service");
    let unit = fs::read_to_string(file("deploy/batchgate.service")).unwrap();
    fs::write(&worse, unit.replace("DynamicUser=yes", "User=root")).unwrap();
    let mut analyze = Command::new(program("systemd-analyze"));
    analyze.args(["security", "--offline=true", &format!("--threshold={EXPOSURE}")]);
    let output = run(analyze.arg(&worse));
    assert!(!output.status.success(), "{}", text(&output));
}

/// Builds the package of the program under test, and returns where it is.
fn built() -> String {
    let cargo_deb = program("cargo-deb");
    let path = env::var("PATH").unwrap_or_default();
    let path = env::join_paths(env::split_paths(&path).chain([folder_of(&cargo_deb)])).unwrap();
    let target = folder_of(&folder_of(Path::new(env!("CARGO_BIN_EXE_batchgate"))));
    let mut deb = Command::new(file("deploy/deb"));
    succeed(deb.arg("--debug").env("PATH", path).env("CARGO_TARGET_DIR", target))
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap().to_owned()
}
