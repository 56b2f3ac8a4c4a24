//! Reloads, hand-overs to a new program and the end lose nothing; a successor that can't serve changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::certificate::Certificate;
use crate::harness::load::Load;
use crate::harness::ports::{accepts, free_port, loopback, start_on_free_ports};
use crate::harness::programs::{program, python, run};
use crate::harness::succession::{is_there, wait_until_gone};
use crate::harness::wait::{PATIENCE, until_true};
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

#[test]
fn nothing_is_lost_by_reloads_hand_overs_and_the_end() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut load = Load::start(&gateway);
    (0..20).for_each(|_| reload(&gateway, "taken", || gateway.signal("HUP")));
    reload(&gateway, "taken", || gateway.write_config(&one_route(&upstream, "deadline: 20s")));
    reload(&gateway, "refused", || gateway.write_config("routez: []"));
    reload(&gateway, "taken", || gateway.write_config(&one_route(&upstream, "deadline: 10s")));
    let generations = [gateway.serving(), gateway.hand_over(), gateway.hand_over()];
    let singles = load.end_singles();
    load.let_clients_leave();
    gateway.signal("TERM");
    let (batches, items) = load.wait_for_clients();
    generations.into_iter().for_each(wait_until_gone);
    assert!(batches > 50 && singles > 1000, "too little load: {batches} batches, {singles} requests");
    let calls = items_at(&upstream);
    assert_eq!((calls.len(), calls.values().max()), (items, Some(&1)), "each item was called once");
    assert_eq!(gateway.totals(3), [batches, items, singles], "as the log has it");
    println!("{batches} batches, {items} items, {singles} requests, none lost");
}

#[test]
fn the_new_program_is_the_file_that_is_there_now() {
    let folder = tempfile::tempdir().unwrap();
    let (place, new) = (folder.path().join("gateway"), folder.path().join("new"));
    symlink(env!("CARGO_BIN_EXE_batchgate"), &place).unwrap();
    let gateway = Setup::of(RESPONDS).of_program(place.clone()).start();
    fs::copy(env!("CARGO_BIN_EXE_batchgate"), &new).unwrap();
    fs::rename(&new, &place).unwrap();
    let successor = gateway.hand_over();
    let inode = |file: &Path| fs::metadata(file).unwrap().ino();
    assert_eq!(inode(Path::new(&format!("/proc/{successor}/exe"))), inode(&place));
    assert!(gateway.wait_for_exit().success());
    assert_eq!(gateway.send(&Request::get("/")).status, 200);
}

#[test]
fn a_successor_that_refuses_its_file_changes_nothing() {
    let gateway = Gateway::start(RESPONDS);
    reload(&gateway, "refused", || gateway.write_config("routez: []"));
    gateway.signal("QUIT");
    gateway.wait_for_metric("batchgate_handovers_total", &[("result", "failed")], 1.0);
    assert_eq!(gateway.send(&Request::get("/")).status, 200);
    assert!(gateway.process().is_running());
    assert!(
        gateway.lines_of("handover").last().unwrap()["error"].as_str().unwrap().contains("exit status: 1")
    );
    reload(&gateway, "taken", || gateway.write_config(&format!("{RESPONDS}\n")));
    gateway.hand_over();
    assert!(gateway.wait_for_exit().success());
    assert_eq!(gateway.metrics().count("batchgate_handovers_total", &[("result", "taken")]), 1);
}

#[test]
fn a_program_that_ends_or_is_none_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gateway");
    symlink(env!("CARGO_BIN_EXE_batchgate"), &place).unwrap();
    let gateway = Setup::of(RESPONDS).of_program(place.clone()).start();
    for (mode, failures) in [(0o755, 1.0), (0o644, 2.0)] {
        replace_by_script(&place, "exit 1", mode);
        gateway.signal("QUIT");
        gateway.wait_for_metric("batchgate_handovers_total", &[("result", "failed")], failures);
    }
    assert_eq!(gateway.send(&Request::get("/")).status, 200);
    assert!(gateway.process().is_running());
}

#[test]
fn one_successor_at_a_time_and_none_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gateway");
    symlink(env!("CARGO_BIN_EXE_batchgate"), &place).unwrap();
    let gateway = Setup::of(RESPONDS).of_program(place.clone()).start();
    replace_by_script(&place, "exec tail -f /dev/null \"$3\"", 0o755);
    gateway.signal("QUIT");
    let line = gateway.log_line(&[("message", "a successor is started")]);
    let successor = u32::try_from(line["successor"].as_u64().unwrap()).unwrap();
    gateway.signal("QUIT");
    gateway.process().line_with(&["SIGQUIT is ignored"]);
    assert!(is_there(successor));
    assert_eq!(gateway.send(&Request::get("/")).status, 200);
    gateway.signal("TERM");
    assert!(gateway.wait_for_exit().success());
    wait_until_gone(successor);
}

#[test]
fn unix_and_admin_sockets_are_handed_over_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let gateway = Setup::of(RESPONDS).with_unix(path.clone()).start();
    assert_eq!(gateway.send(&Request::get("/")).status, 200, "it serves, all its listeners");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::metadata(&path).unwrap();
    gateway.hand_over();
    assert!(gateway.wait_for_exit().success());
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
    assert_eq!(gateway.lines_of("start").last().unwrap()["sockets_taken_over"], 3);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert_eq!(gateway.admin_get("/readyz").status, 200);
}

#[test]
fn the_successor_has_the_listeners_of_its_own_configuration() {
    let gateway = Gateway::start(RESPONDS);
    let [main, added] = [gateway.address(), loopback(free_port())];
    let admin = gateway.admin();
    let file = format!("listen: {added}\nadmin: {admin}\n{RESPONDS}");
    reload(&gateway, "taken", || fs::write(gateway.config_file(), file).unwrap());
    gateway.process().line_with(&["listen", "SIGQUIT"]);
    gateway.hand_over();
    assert!(gateway.wait_for_exit().success());
    assert_eq!(Request::get("/").send(added).status, 200);
    until_true("the old listener closed", || !accepts(main));
    gateway.process().line_with(&["a socket that was handed over is closed", &main.to_string()]);
}

#[test]
fn idle_connections_are_kept_until_their_next_request() {
    for (signal, ends) in [("QUIT", false), ("TERM", true)] {
        let gateway = Gateway::start(RESPONDS);
        let get = Request::get("/").to_bytes(gateway.address());
        let mut idle = gateway.connect();
        idle.write(&get);
        assert_eq!(idle.reply_to("GET").header("Connection"), Some("keep-alive"));
        gateway.signal(signal);
        until_true("the old process to drain", || !gateway.lines_of("drain").is_empty());
        if ends {
            until_true("no new connection", || !accepts(gateway.address()));
        }
        idle.write(&get);
        let reply = idle.reply_to("GET");
        assert_eq!((reply.status, reply.header("Connection")), (200, Some("close")), "{signal}");
        assert!(gateway.wait_for_exit().success());
    }
}

#[test]
fn idle_connections_are_kept_no_longer_than_the_drains_deadline() {
    let gateway = Gateway::start(format!("{RESPONDS}\ndrain: {{ deadline: 500ms }}"));
    let mut idle = gateway.connect();
    idle.write(&Request::get("/").to_bytes(gateway.address()));
    assert_eq!(idle.reply_to("GET").status, 200);
    gateway.hand_over();
    assert!(gateway.wait_for_exit().success());
    assert_eq!(idle.rest(), b"");
}

#[test]
fn the_successor_has_the_certificate_that_is_there_now() {
    let [old, new] = [Certificate::for_loopback(), Certificate::for_loopback()];
    let gateway = Setup::of(RESPONDS).with_tls(&old).start();
    let url = format!("https://{}/", gateway.tls_address());
    let trusts = |certificate: &Certificate| {
        let mut curl = Command::new(program("curl"));
        run(curl.arg("-s").arg("--cacert").arg(certificate.authority()).arg(&url)).status.success()
    };
    assert!(trusts(&old) && !trusts(&new));
    fs::copy(new.chain(), old.chain()).unwrap();
    fs::copy(new.key(), old.key()).unwrap();
    gateway.hand_over();
    until_true("the new certificate alone", || trusts(&new) && !trusts(&old));
}

#[test]
fn a_stream_goes_on_through_a_hand_over() {
    let (gate, upstream) = (Gate::closed(), Upstream::start());
    upstream.on("/slow", Answer::text(200, "at last").when(&gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(b"POST /batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n");
    client.write(b"Accept: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write(&line("1", "/quick"));
    assert_eq!(client.head().status, 207);
    assert_eq!(client.body_line()["body"], "ok");
    gateway.hand_over();
    client.write(&line("2", "/slow"));
    client.write(b"0\r\n\r\n");
    upstream.wait_for_requests(2);
    assert!(gateway.process().is_running());
    gate.open();
    assert_eq!(client.body_line()["body"], "at last");
    drop(client);
    assert!(gateway.wait_for_exit().success());
}

#[test]
fn sockets_of_the_service_manager_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batchgate.yaml");
    let program = "import os, socket, sys\n\
        s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
        os.dup2(s.fileno(), 3)\n\
        os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[2], sys.argv[2:])\n";
    let command = |[port, admin]: [u16; 2]| {
        fs::write(&file, format!("listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\n{RESPONDS}")).unwrap();
        let mut command = Command::new(python());
        command.args(["-c", program, &port.to_string(), env!("CARGO_BIN_EXE_batchgate"), "run", "--config"]);
        command.arg(&file).env_remove("RUST_LOG");
        command
    };
    let serves = |[_, admin]: [u16; 2]| accepts(loopback(admin));
    let (process, [port, _]) = start_on_free_ports("batchgate", command, serves);
    assert_eq!(Request::get("/").send(loopback(port)).status, 200);
    process.line_with(&["\"kind\":\"start\"", "\"sockets_taken_over\":1"]);
}

#[test]
fn the_service_manager_is_told_who_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let gateway = Setup::of(RESPONDS).with_variable("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    assert_eq!(heard(), "READY=1\n");
    let successor = gateway.hand_over();
    assert_eq!(heard(), format!("MAINPID={successor}\nREADY=1\n"));
    assert!(gateway.wait_for_exit().success());
    gateway.signal("TERM");
    assert_eq!(heard(), "STOPPING=1\n");
}

const RESPONDS: &str = "routes: [{ path: /, respond: { status: 200 } }]";

/// Does something that makes the gateway load its file, and waits until it has.
fn reload(gateway: &Gateway, result: &str, cause: impl FnOnce()) {
    let count = || gateway.metrics().sum("batchgate_config_reloads_total", &[("result", result)]);
    let before = count();
    cause();
    until_true(&format!("a reload that is {result}"), || count() > before);
}

fn one_route(upstream: &Upstream, endpoint: &str) -> String {
    Config::all_to("legacy", upstream.url()).batch("/batch").with(endpoint).to_yaml()
}

/// A chunk that is a line of NDJSON with a GET.
fn line(id: &str, url: &str) -> Vec<u8> {
    let line = json!({"id": id, "method": "GET", "url": url}).to_string();
    format!("{:x}\r\n{line}\n\r\n", line.len() + 1).into_bytes()
}

/// How often each item's path was called.
fn items_at(upstream: &Upstream) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for request in upstream.requests() {
        if request.target.starts_with("/item/") {
            *calls.entry(request.target).or_insert(0) += 1;
        }
    }
    calls
}

/// Puts a script where a program was, at once.
fn replace_by_script(place: &Path, script: &str, mode: u32) {
    let new = place.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(&new, place).unwrap();
}
