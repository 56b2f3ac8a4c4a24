//! Streams of events: each event arrives when it was sent, quiet is no end, and nor is the time of a request.

use std::thread::sleep;
use std::time::Duration;

use super::services::{EVENTS, event, gateway};
use crate::harness::http2::{Call, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::raw::RawServer;
use crate::harness::{Gate, Request};

/// Longer than `timeout.item: 1s`.
const QUIET: Duration = Duration::from_millis(2500);

/// Events with a pause before each.
fn events(pauses: &'static [Duration]) -> RawServer {
    RawServer::start(move |mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        for (number, pause) in pauses.iter().enumerate() {
            sleep(*pause);
            connection.write(event(&number.to_string()))?;
        }
        connection.write("0\r\n\r\n")
    })
}

const WITH_QUIET: [Duration; 3] = [Duration::ZERO, QUIET, Duration::ZERO];
const ACTIVE: [Duration; 15] = [Duration::from_millis(200); 15];

#[test]
fn each_event_arrives_when_it_was_sent() {
    let gate = Gate::closed();
    let waiting = gate.clone();
    let upstream = RawServer::start(move |mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        connection.write(event("first"))?;
        waiting.pass();
        connection.write(event("second"))?;
        connection.write("0\r\n\r\n")
    });
    let gateway = gateway(&upstream.url(), "");
    let mut client = gateway.connect();
    client.write(&Request::get("/events").to_bytes(gateway.address()));
    client.through(b"data: first\n\n");
    gate.open();
    client.through(b"data: second\n\n");
    client.through(b"0\r\n\r\n");
}

#[test]
fn a_stream_of_events_may_be_quiet_for_longer_than_an_item() {
    let upstream = events(&WITH_QUIET);
    let gateway = gateway(&upstream.url(), "timeout: { item: 1s }");
    let reply = gateway.send(&Request::get("/events"));
    assert_eq!(reply.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
}

#[test]
fn a_stream_of_events_over_http2_may_be_quiet_too() {
    let upstream = events(&WITH_QUIET);
    let gateway = gateway(&upstream.url(), "timeout: { item: 1s }");
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/events"));
    assert_eq!((&*reply.text(), reply.broken), ("data: 0\n\ndata: 1\n\ndata: 2\n\n", None));
}

#[test]
fn a_stream_of_events_from_http2_may_be_quiet_too() {
    let upstream = Http2Upstream::answering(|_| {
        Http2Answer::of(200, "data: 0\n\n").header("content-type", "text/event-stream").pausing(QUIET)
    });
    let gateway = gateway(&upstream.url(), "timeout: { item: 1s }");
    assert_eq!(gateway.send(&Request::get("/events")).text(), "data: 0\n\n");
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/events"));
    assert_eq!((&*reply.text(), reply.broken), ("data: 0\n\n", None));
}

#[test]
fn an_active_stream_of_events_outlives_the_time_of_a_request() {
    let upstream = events(&ACTIVE);
    let gateway = gateway(&upstream.url(), "timeout: { item: 1s, request: 1s }");
    let reply = gateway.send(&Request::get("/events"));
    assert_eq!(reply.text().lines().filter(|line| line.starts_with("data: ")).count(), ACTIVE.len());
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/events"));
    assert!(reply.text().ends_with("data: 14\n\n"), "{reply:?}");
}

/// What a stream is may be said with parameters, and in any case.
#[test]
fn the_type_of_a_stream_may_be_spelt_in_other_ways() {
    for media_type in ["text/event-stream;charset=utf-8", "Text/Event-Stream ; charset=UTF-8"] {
        let upstream = RawServer::start(move |mut connection| {
            connection.head()?;
            connection.write(EVENTS.replace("text/event-stream", media_type))?;
            sleep(QUIET);
            connection.write(event("0"))?;
            connection.write("0\r\n\r\n")
        });
        let gateway = gateway(&upstream.url(), "timeout: { item: 1s }");
        assert_eq!(gateway.send(&Request::get("/events")).text(), "data: 0\n\n", "{media_type}");
    }
}

/// A service that is told that its reader has left can let go.
#[test]
fn a_service_learns_that_its_reader_has_left() {
    let (told, left) = std::sync::mpsc::channel();
    let upstream = RawServer::start(move |mut connection| {
        connection.head()?;
        connection.write(EVENTS)?;
        connection.write(event("first"))?;
        drop(connection.drain());
        told.send(()).map_err(std::io::Error::other)
    });
    let gateway = gateway(&upstream.url(), "");
    let mut client = gateway.connect();
    client.write(&Request::get("/events").to_bytes(gateway.address()));
    client.through(b"data: first\n\n");
    drop(client);
    left.recv_timeout(crate::harness::wait::PATIENCE).unwrap();
}
