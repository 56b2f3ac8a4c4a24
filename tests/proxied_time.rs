//! The time that a request which is no batch has in all, whoever is slow, and the turn that it holds meanwhile.

use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::json;

use crate::harness::{Answer, Connection, Gateway, Request, Setup, Upstream};

const FAILURES: &str = "batchgate_request_failures_total";
const PAUSE: Duration = Duration::from_millis(100);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `RST_STREAM` on stream 1 (RFC 9113 §6.4).
const RESET: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1];
/// GET and PUT of `/a` with `:authority` x, in HPACK.
const GET: &[u8] = b"\x82\x86\x04\x02/a\x41\x01x";
const PUT: &[u8] = b"\x02\x03PUT\x86\x04\x02/a\x41\x01x";

/// Before a service with one turn, where a request has `request` in all.
fn gateway(upstream: &Upstream, request: &str) -> Gateway {
    let members = format!("concurrency: 1, timeout: {{ item: 1s, request: {request} }}");
    Setup::tuned(&upstream.url(), &members, "").start()
}

/// A head at once, then some bytes at a time for a minute.
fn dripping_body() -> Answer {
    Answer::text(200, &"x".repeat(60_000)).chunked().dripping(200, PAUSE)
}

fn http2(gateway: &Gateway, flags: u8, head: &[u8]) -> Connection {
    let mut connection = gateway.connect();
    let length = u8::try_from(head.len()).unwrap();
    connection.write(&[PREFACE, &[0, 0, length, 1, flags, 0, 0, 0, 1], head].concat());
    connection
}

/// The time was kept, it is counted and logged, and the turn is free for others.
fn assert_ended(gateway: &Gateway, upstream: &Upstream, took: Duration) {
    assert!(took >= Duration::from_millis(1400) && took < Duration::from_secs(12), "{took:?}");
    gateway.wait_for_metric(FAILURES, &[("reason", "request_timeout"), ("route", "/")], 1.0);
    gateway.log_line(&[("kind", "request"), ("reason", "request_timeout"), ("upstream", "legacy")]);
    upstream.on("/b", Answer::text(200, "in turn"));
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/b"}))["status"], 200);
}

#[test]
fn a_reply_that_drips_breaks_off_when_the_time_is_over() {
    let upstream = Upstream::start();
    upstream.on("/a", dripping_body());
    let gateway = gateway(&upstream, "1500ms");
    let (mut client, stopwatch) = (gateway.connect(), Stopwatch::start());
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    let got = client.rest();
    assert!(got.starts_with(b"HTTP/1.1 200 ") && !got.ends_with(b"0\r\n\r\n"), "{}", got.len());
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
}

#[test]
fn a_reply_whose_head_drips_is_a_504() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "ok").header("X", &"x".repeat(500)).dripping(1, PAUSE));
    let gateway = gateway(&upstream, "1500ms");
    let stopwatch = Stopwatch::start();
    let reply = gateway.send(&Request::get("/a"));
    assert_eq!(
        (reply.status, reply.json()["type"].as_str()),
        (504, Some("urn:batchgate:problem:request_timeout"))
    );
    let proxy_status = reply.header("Proxy-Status").unwrap();
    assert!(proxy_status.contains("error=http_response_timeout; outcome=unknown"), "{proxy_status}");
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
}

#[test]
fn a_client_that_reads_slowly_holds_no_turn_for_good() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "x").until_close().without_end());
    let gateway = gateway(&upstream, "1500ms");
    let (mut client, stopwatch) = (gateway.connect(), Stopwatch::start());
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    gateway.wait_for_metric(FAILURES, &[("reason", "request_timeout")], 1.0);
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
    drop(client);
}

#[test]
fn a_body_that_is_sent_slowly_has_the_same_time() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "1500ms");
    let (mut client, stopwatch) = (gateway.connect(), Stopwatch::start());
    client.write(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    client.trickle(b"x", PAUSE);
    assert_eq!(gateway.metrics().count("batchgate_requests_total", &[("code", "504")]), 1);
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
}

#[test]
fn over_http2_a_reply_that_drips_ends_with_a_reset() {
    let upstream = Upstream::start();
    upstream.on("/a", dripping_body());
    let gateway = gateway(&upstream, "1500ms");
    let (mut client, stopwatch) = (http2(&gateway, 5, GET), Stopwatch::start());
    client.through(RESET);
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
    assert_eq!(gateway.metrics().count("batchgate_requests_total", &[("code", "200")]), 1);
}

#[test]
fn over_http2_a_head_that_drips_is_a_504() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "ok").header("X", &"x".repeat(500)).dripping(1, PAUSE));
    let gateway = gateway(&upstream, "1500ms");
    let (client, stopwatch) = (http2(&gateway, 5, GET), Stopwatch::start());
    gateway.wait_for_metric("batchgate_requests_total", &[("code", "504")], 1.0);
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
    drop(client);
}

#[test]
fn over_http2_a_body_that_is_sent_slowly_has_the_same_time() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "1500ms");
    let (mut client, stopwatch) = (http2(&gateway, 4, PUT), Stopwatch::start());
    while gateway.metrics().sum("batchgate_requests_total", &[("code", "504")]) < 1.0 {
        client.write(&[0, 0, 1, 0, 0, 0, 0, 0, 1, b'x']);
        std::thread::sleep(PAUSE);
        assert!(stopwatch.elapsed() < Duration::from_secs(20), "the stream is still open");
    }
    assert_ended(&gateway, &upstream, stopwatch.elapsed());
}

#[test]
fn what_keeps_its_time_is_whole() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, &"x".repeat(4000)).dripping(500, PAUSE));
    let gateway = gateway(&upstream, "20s");
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.write(&Request::get("/a").to_bytes(gateway.address()));
        assert_eq!(client.reply_to("GET").body.len(), 4000);
    }
    assert!(gateway.metrics().sum(FAILURES, &[]) == 0.0);
}
