//! `timeout.idle`: how long an exchange that stays may be without a byte in either direction.

use std::thread::sleep;
use std::time::Duration;

use batchgate::clock::Stopwatch;

use super::services::{EVENTS, event, gateway, upgraded, upper_case};
use crate::harness::raw::RawServer;
use crate::harness::{Gateway, Request};

const ENDED: &str = "batchgate_long_lived_ended_total";

fn assert_ended_idle(gateway: &Gateway, kind: &str) {
    gateway.wait_for_metric(ENDED, &[("upstream", "legacy"), ("kind", kind), ("how", "idle")], 1.0);
}

fn assert_about(took: Duration, idle: Duration) {
    assert!(took > idle * 9 / 10 && took < idle + Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_quiet_upgrade_ends_and_is_counted() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "timeout: { item: 10s, idle: 1s }");
    for protocol in ["tcp", "websocket"] {
        let mut client = upgraded(&gateway, protocol);
        let stopwatch = Stopwatch::start();
        client.rest();
        assert_about(stopwatch.elapsed(), Duration::from_secs(1));
    }
    assert_ended_idle(&gateway, "upgrade");
    assert_ended_idle(&gateway, "websocket");
}

#[test]
fn bytes_of_either_side_keep_an_upgrade() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "timeout: { item: 1s, idle: 2s }");
    let mut client = upgraded(&gateway, "tcp");
    for _ in 0..8 {
        sleep(Duration::from_millis(500));
        client.write(b"x");
        client.through(b"X");
    }
}

#[test]
fn bytes_of_the_service_alone_keep_a_stream() {
    let upstream = RawServer::start(|mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        for number in 0..8 {
            sleep(Duration::from_millis(500));
            connection.write(event(&number.to_string()))?;
        }
        connection.write("0\r\n\r\n")
    });
    let gateway = gateway(&upstream.url(), "timeout: { item: 1s, idle: 2s }");
    assert!(gateway.send(&Request::get("/events")).text().ends_with("data: 7\n\n"));
}

#[test]
fn a_quiet_stream_of_events_ends_and_is_counted() {
    let upstream = RawServer::start(|mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        connection.write(event("only"))?;
        connection.drain()
    });
    let gateway = gateway(&upstream.url(), "timeout: { item: 10s, idle: 1s }");
    let mut client = gateway.connect();
    client.write(&Request::get("/events").to_bytes(gateway.address()));
    let stopwatch = Stopwatch::start();
    let got = client.rest();
    // Broken off: whoever reads it must not take it for whole.
    assert!(!got.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&got));
    assert_about(stopwatch.elapsed(), Duration::from_secs(1));
    assert_ended_idle(&gateway, "sse");
}
