//! Replies that nobody reads don't stop their neighbours on a connection of HTTP/2 to a service.

use std::fs;
use std::time::Duration;

use batchgate::clock::Deadline;
use serde_json::json;

use crate::harness::nginx::Nginx;
use crate::harness::{Connection, Gateway, Request, Setup, until};

/// More than sockets and the windows of two streams hold.
const LARGE: usize = 64 << 20;
const SMALL: usize = 64 << 10;

fn gateway_before_files() -> (Nginx, Gateway) {
    let nginx = Nginx::start("http2", "");
    let root = nginx.folder().join("root");
    fs::write(root.join("large"), vec![b'l'; LARGE]).unwrap();
    fs::write(root.join("small"), vec![b's'; SMALL]).unwrap();
    let gateway = Setup::routing_to(&[format!("h2c://{}", nginx.address())]).start();
    (nginx, gateway)
}

#[test]
fn two_downloads_that_nobody_reads_leave_room_for_a_third() {
    let (_nginx, gateway) = gateway_before_files();
    let mut idle: Vec<Connection> = (0..2)
        .map(|_| {
            let mut client = gateway.connect();
            client.write(&Request::get("/large").to_bytes(gateway.address()));
            client
        })
        .collect();
    for client in &mut idle {
        assert_eq!(client.head().status, 200);
    }
    // Long enough for the windows of both to be full, with the sockets before and behind them.
    let time = Deadline::after(Duration::from_secs(3));
    while !time.is_over() {
        let reply = gateway.send(&Request::get("/small"));
        assert_eq!((reply.status, reply.body.len()), (200, SMALL));
        let result = gateway.item(&json!({"method": "GET", "url": "/small"}));
        assert_eq!(result["status"], 200, "{}", result["status"]);
    }
    let opened = gateway.metrics().count("batchgate_upstream_connections_opened_total", &[]);
    assert!(opened <= 4, "{opened} connections");
    until("the idle downloads to be read on", || idle.pop().map(|mut client| client.rest_up_to(1 << 20)));
}

#[test]
fn many_replies_of_the_size_of_a_page_share_a_connection() {
    let (_nginx, gateway) = gateway_before_files();
    let items = vec![json!({"method": "GET", "url": "/small"}); 64];
    for _ in 0..4 {
        let results = gateway.batch(&json!({ "requests": items })).results();
        assert!(results.iter().all(|result| result["status"] == 200), "{}", results.len());
    }
}
