//! Debian's litmus, the WebDAV test suite: straight at Apache, through the gateway, and through a gateway that has Apache's folder
//! at another path, every test has to end the same way.

use std::process::Command;

use crate::harness::apache::Apache;
use crate::harness::programs::{program, run, text};
use crate::harness::{Config, Upstream};

#[test]
fn basic_is_the_same_through_the_gateway() {
    assert_same("basic");
}

#[test]
fn copymove_is_the_same_through_the_gateway() {
    assert_same("copymove");
}

#[test]
fn props_is_the_same_through_the_gateway() {
    assert_same("props");
}

#[test]
fn locks_is_the_same_through_the_gateway() {
    assert_same("locks");
}

#[test]
fn http_is_the_same_through_the_gateway() {
    assert_same("http");
}

#[test]
fn litmus_does_fail_where_there_is_no_dav() {
    let upstream = Upstream::start();
    let score = score("basic", &format!("{}/webdav/", upstream.url()));
    assert!(score.iter().any(|line| line.contains("FAIL")), "{score:?}");
}

fn assert_same(suite: &str) {
    let apache = Apache::with_dav();
    let direct = score(suite, &format!("{}/webdav/", apache.url()));
    assert!(direct.iter().any(|line| line.contains("100.0%")), "{direct:?}");
    let apache = Apache::with_dav();
    let gateway = Config::all_to("files", apache.url()).start();
    assert_eq!(score(suite, &gateway.url("/webdav/")), direct);
    let apache = Apache::with_dav();
    let gateway = Config::new().upstream("files", apache.url()).route("/team/files", "files");
    let gateway = gateway.with("rewrite: { strip_prefix: /team/files, add_prefix: /webdav }").start();
    assert_eq!(score(suite, &gateway.url("/team/files/")), direct, "rewritten");
}

/// All that litmus says about a suite: the line of each test, warnings, the summary.
fn score(suite: &str, url: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut litmus = Command::new(program("litmus"));
    litmus.args(["-k", url]).env("TESTS", suite).current_dir(folder.path());
    let output = text(&run(&mut litmus)).replace(url, "(url)");
    // Each test writes its line twice: without and, after a carriage return, with its result.
    output.lines().filter_map(|line| line.rsplit('\r').next()).map(str::to_owned).collect()
}
