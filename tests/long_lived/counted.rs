//! What metrics say of exchanges that stay.

use std::time::Duration;

use super::services::{EVENTS, event, gateway, upgraded, upper_case};
use crate::harness::http2::{Call, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::raw::RawServer;
use crate::harness::{Gateway, Request, until};

const OPEN: &str = "batchgate_long_lived_open";
const ENDED: &str = "batchgate_long_lived_ended_total";
const BYTES: &str = "batchgate_long_lived_bytes_total";

fn open(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metrics().sum(OPEN, &[("upstream", "legacy"), ("kind", kind)])
}

fn assert_ended(gateway: &Gateway, kind: &str, how: &str) {
    gateway.wait_for_metric(ENDED, &[("upstream", "legacy"), ("kind", kind), ("how", how)], 1.0);
    until("none to be open", || (open(gateway, kind) == 0.0).then_some(()));
}

#[test]
fn upgrades_are_counted_by_kind_and_by_who_ended_them() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    for (protocol, kind) in [("websocket", "websocket"), ("tcp", "upgrade")] {
        let mut client = upgraded(&gateway, protocol);
        client.write(b"hello");
        client.through(b"HELLO");
        until("one to be open", || (open(&gateway, kind) >= 1.0).then_some(()));
        drop(client);
        assert_ended(&gateway, kind, "client");
    }
    gateway.wait_for_metric(BYTES, &[("upstream", "legacy")], 20.0);
}

#[test]
fn a_stream_that_its_service_ends_is_counted_so() {
    let upstream = RawServer::start(|mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        connection.write(event("only"))?;
        connection.write("0\r\n\r\n")
    });
    let gateway = gateway(&upstream.url(), "");
    gateway.send(&Request::get("/events"));
    assert_ended(&gateway, "sse", "upstream");
    let received = gateway.metrics().sum(BYTES, &[("upstream", "legacy")]);
    assert!(received >= 12.0, "{received}");
}

#[test]
fn a_stream_whose_reader_leaves_is_counted_so() {
    let upstream = RawServer::start(|mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        connection.write(event("first"))?;
        connection.drain()
    });
    let gateway = gateway(&upstream.url(), "");
    let mut client = gateway.connect();
    client.write(&Request::get("/events").to_bytes(gateway.address()));
    client.through(b"data: first\n\n");
    until("one to be open", || (open(&gateway, "sse") >= 1.0).then_some(()));
    drop(client);
    assert_ended(&gateway, "sse", "client");
}

#[test]
fn a_stream_of_grpc_is_counted_while_it_is_open() {
    let upstream = Http2Upstream::answering(|_| {
        let answer = Http2Answer::of(200, b"\0\0\0\0\x01x").header("content-type", "application/grpc");
        answer.pausing(Duration::from_secs(3)).trailers(&[("grpc-status", "0")])
    });
    let gateway = gateway(&upstream.url(), "");
    let client = Http2Client::connect(gateway.address());
    let call = Call::new("POST", "/test.Test/Watch").header("content-type", "application/grpc");
    let call = client.start(&call.header("te", "trailers").body(b"\0\0\0\0\0"));
    until("one to be open", || (open(&gateway, "grpc") >= 1.0).then_some(()));
    assert_eq!(call.reply().trailer("grpc-status"), Some("0"));
    assert_ended(&gateway, "grpc", "upstream");
}

#[test]
fn a_stream_that_breaks_is_counted_as_an_error() {
    let upstream = RawServer::start(|mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        connection.write(event("only"))
    });
    let gateway = gateway(&upstream.url(), "");
    let mut client = gateway.connect();
    client.write(&Request::get("/events").to_bytes(gateway.address()));
    client.rest();
    assert_ended(&gateway, "sse", "error");
}

/// A WebSocket of an hour is no request of an hour.
#[test]
fn the_time_of_requests_is_not_distorted() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    let client = upgraded(&gateway, "websocket");
    std::thread::sleep(Duration::from_secs(3));
    drop(client);
    gateway.wait_for_metric("batchgate_requests_total", &[("code", "101")], 1.0);
    let seconds = gateway.metrics().sum("batchgate_request_duration_seconds_sum", &[]);
    assert!(seconds < 2.5, "{seconds}");
}
