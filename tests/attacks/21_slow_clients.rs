//! Attack 21: clients that send or read as slowly as they can, and clients that open more connections than
//! their share. Streams of lines: `tests/stream.rs`; a slow batch body: `tests/proxy.rs`.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use batchgate::clock::Stopwatch;

use super::{
    PAUSE, PREFACE, REFUSED, assert_serves, count, frame, gateway, get_up, http2, refused,
    wait_until_connections,
};
use crate::harness::certificate::Certificate;
use crate::harness::process::Process;
use crate::harness::programs::program;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Connection, Gateway, Request, Upstream};

#[test]
fn a_header_has_a_deadline_however_its_bytes_come() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 1s, keepalive_timeout: 20s");
    for begin in ["GET / HTTP/1.1\r\nX: ", "P", "G"] {
        let mut connection = gateway.connect();
        connection.write(begin.as_bytes());
        let took = connection.trickle(if begin.len() > 1 { b"x" } else { b"" }, PAUSE);
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(9), "{begin} {took:?}");
        assert_serves(&gateway);
    }
    // The second request of a connection has its own.
    let mut connection = gateway.connect();
    connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.reply_to("GET").status, 200);
    connection.write(b"GET / HTTP/1.1\r\nX: ");
    assert!(connection.trickle(b"x", PAUSE) < Duration::from_secs(9));
    assert_eq!(refused(&gateway, "header_timeout"), "4");
    gateway.log_line(&[("kind", "connection"), ("reason", "header_timeout"), ("client", "127.0.0.1")]);
}

#[test]
fn a_slow_answer_and_an_idle_connection_have_no_header_deadline() {
    let upstream = Upstream::start();
    upstream.on("/up", Answer::text(200, "late").delayed(Duration::from_millis(1500)));
    let gateway = gateway(&upstream, "header_timeout: 500ms");
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write(b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(connection.reply_to("GET").text(), "late");
    }
    assert_eq!(refused(&gateway, "header_timeout"), "0");
}

#[test]
fn over_http2_the_settings_and_each_header_have_a_deadline() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "header_timeout: 1s");
    let mut silent = gateway.connect();
    silent.write(PREFACE);
    assert!(silent.trickle(b"", PAUSE) < Duration::from_secs(9));
    let mut endless = http2(&gateway);
    endless.write(&frame(1, 0, 1, &get_up()));
    endless.write(&frame(9, 4, 1, &[0; 16_000])[..9]);
    assert!(endless.trickle(b"x", PAUSE) < Duration::from_secs(9));
    assert_eq!(refused(&gateway, "header_timeout"), "2");
    assert_eq!(upstream.requests().len(), 0);
    assert_serves(&gateway);
}

#[test]
fn over_tls_http2_that_never_begins_is_closed() {
    let (upstream, certificate) = (Upstream::start(), Certificate::for_loopback());
    let config = Config::new().respond("/", "status: 200").limits("header_timeout: 1s");
    let gateway = config.setup().with_tls(&certificate).start();
    let (address, ca) = (gateway.tls_address().to_string(), certificate.authority());
    let mut command = Command::new(program("openssl"));
    command.args(["s_client", "-quiet", "-alpn", "h2", "-connect", &address, "-CAfile"]).arg(ca);
    let client = Process::start("openssl", command);
    gateway.wait_for_metric(REFUSED, &[("reason", "header_timeout")], 1.0);
    client.wait();
    drop(upstream);
}

#[test]
fn a_tls_handshake_has_the_headers_time_and_counts_as_a_connection() {
    let certificate = Certificate::for_loopback();
    let start = |limits| {
        let setup = Config::new().respond("/", "status: 200").limits(limits).setup();
        setup.with_tls(&certificate).start()
    };
    let gateway = start("header_timeout: 1s");
    for begin in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = Connection::open(gateway.tls_address());
        silent.write(begin);
        let took = silent.trickle(b"", PAUSE);
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(9), "{took:?}");
    }
    assert_eq!(refused(&gateway, "header_timeout"), "2");
    let gateway = start("connections: 2, header_timeout: 20s");
    // The harness's own connections of the start may still have a place at first.
    let mut silent = Vec::new();
    until_true("two connections without a handshake", || {
        silent.push(Connection::open(gateway.tls_address()));
        gateway.metrics().sum("batchgate_connections", &[]) >= 2.0
    });
    wait_until_connections(&gateway, 2.0);
    let before = gateway.metrics().count(REFUSED, &[("reason", "connections")]);
    assert_eq!(Connection::open(gateway.tls_address()).rest(), b"");
    assert!(gateway.metrics().count(REFUSED, &[("reason", "connections")]) > before);
}

#[test]
fn a_proxied_body_has_to_keep_to_a_rate() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "body_timeout: 1s");
    let mut slow = gateway.connect();
    slow.write(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    let took = slow.trickle(b"x", PAUSE);
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(9), "{took:?}");
    assert_eq!(refused(&gateway, "body_timeout"), "1");
    // A body that comes at 20 KiB a second may take longer.
    let mut steady = gateway.connect();
    steady.write(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 40960\r\n\r\n");
    for _ in 0..40 {
        steady.write(&[b'x'; 1024]);
        std::thread::sleep(PAUSE);
    }
    assert_eq!(steady.reply_to("POST").status, 200);
    assert_eq!(refused(&gateway, "body_timeout"), "1");
}

#[test]
fn an_address_has_so_many_connections_and_the_house_too() {
    let upstream = Upstream::start();
    for (limits, reason) in
        [("connections_per_address: 3", "connections_per_address"), ("connections: 3", "connections")]
    {
        let gateway = gateway(&upstream, limits);
        // The one by which the harness saw that the gateway accepts has to be gone, for it counts too.
        wait_until_connections(&gateway, 0.0);
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut connection = gateway.connect();
            connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(connection.reply_to("GET").status, 200);
            held.push(connection);
        }
        assert_eq!(count(&gateway, "batchgate_connections", &[]), "3");
        let mut late = TcpStream::connect(gateway.address()).unwrap();
        assert!(late.read(&mut [0; 1]).map_or(true, |read| read == 0));
        assert_eq!(refused(&gateway, reason), "1");
        held.pop();
        wait_until_connections(&gateway, 2.0);
        assert_serves(&gateway);
    }
}

/// Runs slowhttptest for some seconds, with `flags`; gives the longest that a good request took meanwhile.
fn slow_attack(gateway: &Gateway, flags: &[&str]) -> Duration {
    let mut command = Command::new(program("slowhttptest"));
    command.args(["-c", "300", "-r", "300", "-l", "4", "-i", "1", "-p", "3"]).args(flags);
    let attack = Process::start("slowhttptest", command);
    let mut longest = Duration::ZERO;
    while attack.is_running() {
        let stopwatch = Stopwatch::start();
        let reply = Request::get("/").send(gateway.address());
        assert_eq!(reply.text(), "here");
        longest = longest.max(stopwatch.elapsed());
        std::thread::sleep(PAUSE);
    }
    longest
}

#[test]
fn slowhttptest_does_not_touch_good_clients() {
    let upstream = Upstream::start();
    upstream.on("/up", Answer::text(200, &"x".repeat(1 << 20)));
    let limits = "header_timeout: 1s, body_timeout: 1s, write_timeout: 1s";
    // With the limit that ends each; the last two end as all replies do.
    let attacks: [(&[&str], &str); 4] = [
        (&["-H"], "header_timeout"),
        (&["-B", "-s", "8192"], "body_timeout"),
        (&["-R"], ""),
        (&["-X", "-k", "3", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"], ""),
    ];
    for (flags, reason) in attacks {
        let gateway = gateway(&upstream, limits);
        let url = gateway.url("/up");
        let longest = slow_attack(&gateway, &[flags, &["-u", &url]].concat());
        assert!(longest < Duration::from_secs(2), "{flags:?}: {longest:?}");
        wait_until_connections(&gateway, 1.0);
        let closed = gateway.metrics().sum(REFUSED, &[("reason", reason)]);
        assert!(reason.is_empty() || closed >= 100.0, "{flags:?}: {closed} closed");
    }
}
