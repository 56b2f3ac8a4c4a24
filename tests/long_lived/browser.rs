//! Chromium: a page with an `EventSource` and a WebSocket.

use serde_json::{Value, json};

use super::services::{EVENTS, Service, field};
use crate::harness::certificate::Certificate;
use crate::harness::programs::{node, program, succeed};
use crate::harness::raw::RawServer;
use crate::harness::{Answer, Config, Upstream};

/// Three events for each connection, counted on from the last that the client has.
fn three_events() -> RawServer {
    RawServer::start(|mut connection| {
        let head = connection.head()?;
        let last: u32 = field(&head, "last-event-id").and_then(|id| id.parse().ok()).unwrap_or(0);
        connection.write(EVENTS)?;
        for number in last + 1..=last + 3 {
            let event = format!("retry: 50\nid: {number}\ndata: event {number}\n\n");
            connection.write(format!("{:x}\r\n{event}\r\n", event.len()))?;
        }
        connection.write("0\r\n\r\n")?;
        connection.close_lingering()
    })
}

fn see(page: &str) -> Value {
    let mut client = node("chromium.cjs");
    serde_json::from_str(&succeed(client.env("CHROMIUM", program("chromium")).arg(page))).unwrap()
}

#[test]
fn a_page_sees_its_events_its_websocket_and_the_times_of_a_batch() {
    let (page, events, sockets) = (Upstream::start(), three_events(), Service::websockets());
    page.on("/page", Answer::of(200, "text/html", "<!doctype html><title>a page</title>"));
    let config = Config::all_to("page", page.url())
        .upstream("events", events.url())
        .upstream("sockets", sockets.url("http"))
        .route("/events", "events")
        .route("/echo", "sockets")
        .batch("/batch")
        .with("server_timing: true, reply: whole");
    let gateway = config
        .raw("log: { access: { level: requests } }")
        .setup()
        .with_tls(&Certificate::for_loopback())
        .start();
    let over_tls = format!("https://{}/page", gateway.tls_address());
    // In the clear Chromium speaks HTTP/1.1, and by TLS it opens its WebSocket as a stream of the page's HTTP/2.
    for (page, protocol, status) in [(gateway.url("/page"), "HTTP/1.1", "101"), (over_tls, "HTTP/2.0", "200")]
    {
        assert_page_sees_all(&see(&page));
        gateway.log_line(&[("path", "/echo"), ("protocol", protocol), ("status", status)]);
    }
}

fn assert_page_sees_all(seen: &Value) {
    let events = [1, 2, 3, 4].map(|n| json!({"id": n.to_string(), "data": format!("event {n}")}));
    assert_eq!(seen["events"], json!(events), "{seen}");
    assert_eq!(seen["socket"], json!({"seen": ["Łukasz", [0, 255]], "code": 4002, "clean": true}));
    let timing = seen["timing"].as_array().unwrap();
    let of = |name| timing.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{seen}"));
    assert_eq!(of("slowest")["description"], "item 1");
    assert!(of("total")["duration"].as_f64().unwrap() > 0.0, "{seen}");
}
