//! The gateway's own life: it starts or says why not, takes a new configuration, keeps the old one when
//! the new one is bad, and ends without losing a batch.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::json;

use crate::harness::gateway::batchgate;
use crate::harness::ports::{accepts, loopback};
use crate::harness::process::Process;
use crate::harness::programs::{run, text};
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Upstream};

#[test]
fn a_term_signal_lets_batches_finish_and_ends_as_soon_as_idle() {
    let gate = Gate::closed();
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::text(200, "finished").when(&gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let batch = json!({"requests": [{"method": "GET", "url": "/slow"}, {"method": "GET", "url": "/quick"}]});
    client.write(&Request::batch(&batch).to_bytes(gateway.address()));
    upstream.wait_for_requests(2);
    gateway.signal("TERM");
    until_true("new connections refused", || !accepts(gateway.address()));
    assert!(gateway.process().is_running());
    gate.open();
    let reply = client.reply_to("POST");
    assert_eq!((reply.statuses(), &reply.results()[0]["body"]), (vec![200, 200], &json!("finished")));
    assert!(gateway.wait_for_exit().success());
}

#[test]
fn a_term_signal_lets_a_proxied_reply_finish() {
    let gate = Gate::closed();
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "first, last").chunked().pause_after("first", &gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    client.through(b"first");
    gateway.signal("TERM");
    until_true("new connections refused", || !accepts(gateway.address()));
    gate.open();
    client.through(b"last");
    assert!(gateway.wait_for_exit().success());
}

#[test]
fn an_idle_gateway_ends_at_once_even_with_idle_clients() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut kept = gateway.connect();
    kept.write(&Request::get("/a").to_bytes(gateway.address()));
    assert_eq!(kept.reply_to("GET").status, 200);
    let watch = batchgate::clock::Stopwatch::start();
    gateway.signal("TERM");
    assert!(gateway.wait_for_exit().success());
    assert!(watch.elapsed() < std::time::Duration::from_secs(5), "{:?}", watch.elapsed());
}

#[test]
fn a_draining_gateway_is_not_ready_and_still_healthy() {
    let upstream = Upstream::start();
    let gateway =
        Gateway::start(format!("{}\ndrain: {{ delay: 20s, deadline: 25s }}", one_route(&upstream, "/")));
    gateway.signal("TERM");
    until_true("not ready", || gateway.admin_get("/readyz").status == 503);
    assert_eq!(gateway.admin_get("/healthz").status, 200);
    let reply = gateway.send(&Request::get("/a"));
    assert_eq!(reply.status, 200, "it still accepts until the delay is over");
    assert_eq!(reply.header("Connection"), Some("close"), "and sends clients elsewhere");
}

#[test]
fn the_drains_deadline_ends_what_does_not_end_by_itself() {
    let upstream = Upstream::answering(|_| Answer::hang());
    let gateway = Gateway::start(format!("{}\ndrain: {{ deadline: 500ms }}", one_route(&upstream, "/")));
    let mut client = gateway.connect();
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    upstream.wait_for_requests(1);
    let watch = batchgate::clock::Stopwatch::start();
    gateway.signal("TERM");
    gateway.wait_for_exit();
    assert!(watch.elapsed() < std::time::Duration::from_secs(8), "{:?}", watch.elapsed());
}

#[test]
fn a_hangup_signal_takes_a_new_route() {
    let (old, new) = (Upstream::start(), Upstream::answering(|_| Answer::text(200, "new")));
    let gateway = Gateway::start(one_route(&old, "/"));
    assert_eq!(gateway.send(&Request::get("/a")).text(), "ok");
    gateway.write_config(&one_route(&new, "/"));
    gateway.signal("HUP");
    until_true("the new route", || gateway.send(&Request::get("/a")).text() == "new");
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/b"}))["body"], "new");
}

#[test]
fn a_changed_file_is_taken_without_a_signal() {
    let (old, new) = (Upstream::start(), Upstream::answering(|_| Answer::text(200, "new")));
    let gateway = Gateway::start(one_route(&old, "/"));
    gateway.write_config(&one_route(&new, "/"));
    until_true("the new route", || gateway.send(&Request::get("/a")).text() == "new");
}

#[test]
fn a_file_that_was_replaced_is_taken_too() {
    let (old, new) = (Upstream::start(), Upstream::answering(|_| Answer::text(200, "new")));
    let gateway = Gateway::start(one_route(&old, "/"));
    let file = gateway.config_file();
    let other = file.with_extension("new");
    fs::write(&other, fs::read_to_string(&file).unwrap().replace(&old.url(), &new.url())).unwrap();
    fs::rename(&other, &file).unwrap();
    until_true("the new route", || gateway.send(&Request::get("/a")).text() == "new");
}

#[test]
fn a_bad_file_keeps_the_old_configuration_and_says_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(one_route(&upstream, "/"));
    gateway.write_config("upstreams: {}\nroutes: [{ path: /, upstream: nobody }]\nroutez: []");
    gateway.signal("HUP");
    let line = gateway.process().line_with(&["routez"]);
    assert!(line.contains("batchgate.yaml"), "{line}");
    assert_eq!(gateway.send(&Request::get("/a")).text(), "ok");
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/b"}))["status"], 200);
    assert!(gateway.process().is_running());
}

#[test]
fn a_batch_under_way_keeps_the_configuration_it_began_with() {
    let gate = Gate::closed();
    let (old, new) = (Upstream::start(), Upstream::answering(|_| Answer::text(200, "new")));
    old.on("/1", Answer::text(200, "old").when(&gate));
    let gateway = Gateway::start(one_route(&old, "/"));
    let batch = json!({"requests": [{"method": "GET", "url": "/1"}, {"method": "GET", "url": "/2"}]});
    let mut client = gateway.connect();
    let request = Request::batch(&batch).header("Prefer", "order=sequential");
    client.write(&request.to_bytes(gateway.address()));
    old.wait_for_requests(1);
    gateway.write_config(&one_route(&new, "/"));
    gateway.signal("HUP");
    until_true("the new route", || gateway.send(&Request::get("/a")).text() == "new");
    gate.open();
    assert_eq!(client.reply_to("POST").results()[1]["body"], "ok");
}

#[test]
fn a_strict_check_fails_for_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batchgate.yaml");
    fs::write(&file, "listen: 127.0.0.1:80\nroutes: [{ path: \"/a*b\", respond: { status: 404 } }]").unwrap();
    let check = |flags: &[&str]| {
        let output = batchgate().arg("check").arg("--config").arg(&file).args(flags).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("warning: "), "{output:?}");
        output.status.code()
    };
    assert_eq!((check(&[]), check(&["--strict"])), (Some(0), Some(1)));
}

#[test]
fn a_taken_port_is_a_clear_error_that_names_the_key() {
    let taken = TcpListener::bind(loopback(0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batchgate.yaml");
    let routes = "routes: [{ path: /, respond: { status: 200 } }]";
    let own = format!("unix:{}/listener", folder.path().display());
    let cases = [
        ("listen", format!("listen: 127.0.0.1:{port}\nadmin: off\n{routes}")),
        ("admin", format!("listen: {own}\nadmin: 127.0.0.1:{port}\n{routes}")),
    ];
    for (key, configuration) in cases {
        fs::write(&file, configuration).unwrap();
        let mut command = batchgate();
        command.arg("run").arg("--config").arg(&file);
        let process = Process::start("batchgate", command);
        assert!(!process.wait().success());
        let output = process.final_output();
        assert!(output.contains(&port.to_string()) && output.to_lowercase().contains("in use"), "{output}");
        assert!(output.contains(&format!("the address is `{key}` in the configuration")), "{output}");
        assert!(!output.contains("panicked"), "{output}");
    }
}

#[test]
fn a_bad_file_is_refused_at_the_start_with_all_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batchgate.yaml");
    let yaml = "listen: 127.0.0.1:0\nroutes:\n  - { path: /, upstream: orderz }\nupstreams:\n  \
                orders: { targets: [http://127.0.0.1:1], concurency: 3 }\n";
    fs::write(&file, yaml).unwrap();
    for command in ["run", "check"] {
        let output = run(batchgate().arg(command).arg("--config").arg(&file));
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = text(&output);
        assert!(said.contains("concurency") && said.contains("concurrency"), "{command}: {said}");
        assert!(said.contains("batchgate.yaml:5:"), "{command}: {said}");
    }
}

#[test]
fn a_missing_file_is_a_clear_error() {
    let output = run(batchgate().args(["run", "--config", "/nowhere/batchgate.yaml"]));
    let said = text(&output);
    assert!(!output.status.success() && said.contains("/nowhere/batchgate.yaml"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn help_and_version_are_told() {
    let ask = |argument: &str| text(&run(batchgate().arg(argument)));
    let help = ask("--help");
    for command in ["run", "check", "schema", "demo"] {
        assert!(help.contains(command), "{help}");
    }
    assert!(ask("--version").contains(env!("CARGO_PKG_VERSION")));
    let unknown = run(Command::new(env!("CARGO_BIN_EXE_batchgate")).arg("servee"));
    assert!(!unknown.status.success());
}

/// YAML that routes this path to the upstream and has a batch endpoint.
fn one_route(upstream: &Upstream, path: &str) -> String {
    Config::new().upstream("legacy", upstream.url()).route(path, "legacy").batch("/batch").to_yaml()
}
