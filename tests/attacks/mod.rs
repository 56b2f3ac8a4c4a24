//! What attackers may try: a file for each class of `README.md`'s table, and here what several stand on.

#[path = "01_fan_out.rs"]
mod fan_out;
#[path = "02_guessing_by_batch.rs"]
mod guessing_by_batch;
#[path = "03_other_hosts.rs"]
mod other_hosts;
#[path = "04_paths.rs"]
mod paths;
#[path = "05_authority.rs"]
mod authority;
#[path = "06_line_breaks.rs"]
mod line_breaks;
#[path = "07_hop_by_hop.rs"]
mod hop_by_hop;
#[path = "08_framing_of_clients.rs"]
mod framing_of_clients;
#[path = "09_requests_in_items.rs"]
mod requests_in_items;
#[path = "10_answers_of_others.rs"]
mod answers_of_others;
#[path = "11_reply_confusion.rs"]
mod reply_confusion;
#[path = "12_nested_batches.rs"]
mod nested_batches;
#[path = "13_credentials.rs"]
mod credentials;
#[path = "14_claims_of_the_hop.rs"]
mod claims_of_the_hop;
#[path = "15_xml_entities.rs"]
mod xml_entities;
#[path = "16_xml_structure.rs"]
mod xml_structure;
#[path = "17_json_structure.rs"]
mod json_structure;
#[path = "18_multipart_structure.rs"]
mod multipart_structure;
#[path = "19_ids.rs"]
mod ids;
#[path = "20_compression_bombs.rs"]
mod compression_bombs;
#[path = "21_slow_clients.rs"]
mod slow_clients;
#[path = "22_large_replies.rs"]
mod large_replies;
#[path = "23_http2_abuse.rs"]
mod http2_abuse;
#[path = "24_strangers_with_giants.rs"]
mod strangers_with_giants;
#[path = "25_caches.rs"]
mod caches;
#[path = "26_cross_site.rs"]
mod cross_site;
#[path = "27_unicode_paths.rs"]
mod unicode_paths;
#[path = "28_log_and_metrics.rs"]
mod log_and_metrics;
#[path = "29_admin_pages.rs"]
mod admin_pages;
#[path = "30_random_bytes.rs"]
mod random_bytes;
#[path = "31_supply_chain.rs"]
mod supply_chain;
#[path = "33_desync_between_clients.rs"]
mod desync_between_clients;

use std::time::Duration;

use batchgate::clock::Stopwatch;

use crate::harness::wait::until_true;
use crate::harness::{Config, Connection, Gateway, Reply, Request, Upstream};

const REFUSED: &str = "batchgate_connections_refused_total";

const PAUSE: Duration = Duration::from_millis(50);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A gateway that answers `/` by itself and proxies `/up`, with these limits.
fn gateway(upstream: &Upstream, limits: &str) -> Gateway {
    let up = Config::new().upstream("legacy", upstream.url()).route("/up", "legacy");
    up.respond("/", "status: 200, body: here").limits(limits).start()
}

fn assert_serves(gateway: &Gateway) {
    assert_eq!(gateway.send(&Request::get("/")).text(), "here");
}

/// A metric's value, as it is written.
fn count(gateway: &Gateway, name: &str, labels: &[(&str, &str)]) -> String {
    gateway.metrics().sum(name, labels).to_string()
}

fn refused(gateway: &Gateway, reason: &str) -> String {
    count(gateway, REFUSED, &[("reason", reason)])
}

fn wait_until_connections(gateway: &Gateway, most: f64) {
    until_true("connections to close", || gateway.metrics().sum("batchgate_connections", &[]) <= most);
}

/// A frame of HTTP/2 on stream `stream`.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /up` with `:authority` x, in HPACK.
fn get_up() -> Vec<u8> {
    [b"\x82\x86\x04\x03/up\x41\x01x".as_slice()].concat()
}

fn http2(gateway: &Gateway) -> Connection {
    let mut connection = gateway.connect();
    connection.write(PREFACE);
    connection.write(&frame(4, 0, 0, b""));
    connection
}

/// Sends what shall cost the gateway little: it is answered soon, and the process stays small.
fn send_cheaply(gateway: &Gateway, what: &str, request: &Request) -> Reply {
    let stopwatch = Stopwatch::start();
    let reply = gateway.send(request);
    assert!(stopwatch.elapsed() < Duration::from_secs(10), "{what}: {:?}", stopwatch.elapsed());
    let peak = gateway.process().peak_memory();
    assert!(peak < 250 << 20, "{what}: {} MiB", peak >> 20);
    reply
}

/// Writes bytes on a connection of their own; gives all that comes back until the gateway closes it.
fn exchange(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> String {
    let mut client = gateway.connect();
    client.write(bytes.as_ref());
    String::from_utf8_lossy(&client.rest()).into_owned()
}
