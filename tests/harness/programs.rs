//! Programs of others that tests use. A missing one fails its test and says how to get it; nothing is
//! skipped in silence.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where a program is. What `tests/run` has installed of a pinned version wins.
///
/// # Panics
/// When it is nowhere; says what to run.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = env::var("PATH").unwrap_or_default();
    std::iter::once(cache().join("bin"))
        .chain(env::split_paths(&path))
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .chain([cache().join("venv/bin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; run tests/run, which installs it"))
}

/// The Python with the libraries of `tests/requirements.txt`.
pub(crate) fn python() -> PathBuf {
    let python = cache().join("venv/bin/python");
    let missing = || panic!("{} is not there; run tests/run, which installs it", python.display());
    if python.is_file() { python } else { missing() }
}

/// Node with the packages of `tests/clients/package.json`, about to run a program of `tests/clients/`.
pub(crate) fn node(client: &str) -> Command {
    let packages = cache().join("node/node_modules");
    assert!(packages.is_dir(), "{} is not there; run tests/run, which installs it", packages.display());
    let mut command = Command::new(program("node"));
    command.env("NODE_PATH", packages).arg(test_file("clients").join(client));
    command
}

/// The folder into which `tests/run` installs.
fn cache() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("BATCHGATE_TEST_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("batchgate-tests")))
        .or_else(|| Some(set("HOME")?.join(".cache/batchgate-tests")))
        .unwrap_or_else(|| panic!("neither BATCHGATE_TEST_CACHE nor HOME is set; run tests/run"))
}

/// A file of this folder, `tests/`.
pub(crate) fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Panics
/// When it fails; with all that it wrote.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = run(command);
    let written = text(&output);
    assert!(output.status.success(), "{command:?} failed ({}):\n{written}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// Both streams of a finished command.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether the tests run as root, which some servers want to be told.
pub(crate) fn is_root() -> bool {
    succeed(Command::new("id").arg("-u")).trim() == "0"
}
