//! Exchanges that stay hold no turn that a call needs, and have a limit of their own: `upgraded`.

use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::json;

use super::services::{EVENTS, event, gateway, upgrade_to, upgraded, upper_case};
use crate::harness::raw::RawServer;
use crate::harness::{Connection, Gateway, Request, until};

const OPEN: &str = "batchgate_long_lived_open";

/// Far below the 20 s that a call waits for a turn.
const SOON: Duration = Duration::from_secs(8);

fn assert_calls_are_served(gateway: &Gateway) {
    let stopwatch = Stopwatch::start();
    assert_eq!(gateway.send(&Request::get("/plain")).text().trim(), "plain");
    let result = gateway.item(&json!({"method": "GET", "url": "/plain"}));
    assert_eq!(result["status"], 200, "{result}");
    assert!(stopwatch.elapsed() < SOON, "{:?}", stopwatch.elapsed());
}

#[test]
fn as_many_websockets_as_there_are_turns_leave_room_for_calls() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "concurrency: 64, timeout: { item: 20s }");
    let open = |_| {
        let mut client = upgraded(&gateway, "websocket");
        client.write(b"x");
        client.through(b"X");
        client
    };
    let sockets: Vec<_> = (0..64).map(open).collect();
    assert_calls_are_served(&gateway);
    drop(sockets);
}

#[test]
fn as_many_streams_of_events_as_there_are_turns_leave_room_for_calls() {
    let upstream = RawServer::start(|mut connection| {
        loop {
            if connection.head()?.starts_with("GET /plain ") {
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")?;
                continue;
            }
            connection.write(EVENTS)?;
            connection.write(event("first"))?;
            return connection.drain();
        }
    });
    let gateway = gateway(&upstream.url(), "concurrency: 64, timeout: { item: 20s }");
    let open = |_| {
        let mut client = gateway.connect();
        client.write(&Request::get("/events").to_bytes(gateway.address()));
        client.through(b"data: first\n\n");
        client
    };
    let streams: Vec<Connection> = (0..64).map(open).collect();
    assert_calls_are_served(&gateway);
    drop(streams);
}

#[test]
fn one_upgrade_too_many_is_told_so_and_there_is_room_again_later() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "upgraded: 2, client_share: 100%");
    let mut sockets = vec![upgraded(&gateway, "websocket"), upgraded(&gateway, "tcp")];
    let mut client = gateway.connect();
    client.write(upgrade_to("websocket").as_bytes());
    let refused = client.reply_to("GET");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("Content-Type"), Some("application/problem+json"), "{refused:?}");
    assert!(refused.text().contains("upgraded"), "{}", refused.text());
    assert_calls_are_served(&gateway);
    sockets.pop();
    let again = until("room for another upgrade", || {
        let mut client = gateway.connect();
        client.write(upgrade_to("tcp").as_bytes());
        (client.head().status == 101).then_some(client)
    });
    drop((sockets, again));
    until("all to be over", || (gateway.metrics().sum(OPEN, &[]) == 0.0).then_some(()));
}
