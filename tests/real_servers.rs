//! Real servers, over each engine: what a batch says of their replies is what they say to a plain client, byte for byte. A
//! server is a function that starts it; a kind of reply is a row of [`KINDS`], and something that each server does there.

mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::harness::{Config, Gateway, Reply, Request};

use servers::Service;

/// The kinds of replies: method and path. All servers have the same text at the paths that have one.
const KINDS: [(&str, &str, u16, usize); 11] = [
    ("GET", "/empty", 200, 0),
    ("GET", "/none", 204, 0),
    ("GET", "/unchanged", 304, 0),
    ("GET", "/page", 200, PAGE),
    ("HEAD", "/page", 200, 0),
    ("GET", "/chunked", 200, PAGE),
    ("GET", "/large", 200, LARGE),
    ("GET", "/slow", 200, PAGE),
    ("GET", "/missing", 404, ERROR),
    ("GET", "/broken", 500, ERROR),
    ("GET", "/close", 200, PAGE),
];

const PAGE: usize = 64 << 10;
const LARGE: usize = 1 << 20;
/// An error page is whatever the server makes of it.
const ERROR: usize = usize::MAX;

/// When the files were last changed: long ago, because Apache has weak entity tags for new ones.
const CHANGED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

/// Every kind so often in a batch, and so many batches one after the other, which find the connections of those before.
const TIMES: usize = 4;
const BATCHES: usize = 3;

/// What each connection has for itself, and the time.
const OF_THE_HOP: [&str; 6] =
    ["connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "date"];

/// Ways to send items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Lanes,
    Pipeline,
    Http2,
}

/// What is known of a reply.
#[derive(PartialEq, Eq)]
struct Known {
    status: u16,
    fields: BTreeMap<String, String>,
    body: String,
}

impl fmt::Display for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, fields, body } = self;
        let start: String = body.chars().take(60).collect();
        write!(formatter, "{status} {fields:?} {} bytes, which begin with {start:?}", body.len())
    }
}

fn text(size: usize) -> String {
    "abcdefghijklmnopqrstuvw".chars().cycle().take(size).collect()
}

fn known<'a>(status: u16, fields: impl Iterator<Item = (&'a str, String)>, body: String) -> Known {
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value));
    let fields = fields.filter(|(name, _)| !OF_THE_HOP.contains(&name.as_str())).collect();
    Known { status, fields, body }
}

fn of_reply(reply: &Reply) -> Known {
    let fields = reply.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
    known(reply.status, fields, reply.text())
}

fn of_result(result: &Value) -> Known {
    let fields = result["headers"].as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default().to_owned()));
    let status = result["status"].as_u64().unwrap().try_into().unwrap();
    known(status, fields, result["body"].as_str().unwrap_or_default().to_owned())
}

/// What the server says to a plain client over HTTP/1.1.
fn plain_replies(service: &Service) -> Vec<Known> {
    let reply = |(method, path, status, size): &(&str, &str, u16, usize)| {
        let request = Request::new(method, path).header("If-Modified-Since", CHANGED);
        let reply = if *path == "/unchanged" { request } else { Request::new(method, path) };
        let known = of_reply(&reply.send(service.http1));
        assert_eq!(known.status, *status, "{} {path}", service.name);
        assert!(*size == ERROR || known.body == text(*size), "{} {method} {path}", service.name);
        known
    };
    KINDS.iter().map(reply).collect()
}

fn gateway(service: &Service, engine: Engine) -> Gateway {
    let (target, members) = match engine {
        Engine::Lanes => (format!("http://{}", service.http1), ""),
        Engine::Pipeline => (format!("http://{}", service.http1), "pipeline: {}"),
        Engine::Http2 => (format!("h2c://{}", service.http2.unwrap()), ""),
    };
    let config = Config::new().upstream("service", target).with(members).route("/", "service");
    config.batch("/batch").with("max_items: 2000, deadline: 60s").start()
}

/// Each kind some times, with other neighbours each time.
fn places(batch: usize) -> Vec<usize> {
    let turn =
        |time: usize| (0..KINDS.len()).map(move |kind| (kind * (time + 1) + time + batch) % KINDS.len());
    (0..TIMES).flat_map(turn).collect()
}

fn item(kind: usize) -> Value {
    let (method, path, ..) = KINDS[kind];
    match path {
        "/unchanged" => json!({"method": method, "url": path, "headers": {"If-Modified-Since": CHANGED}}),
        _ => json!({"method": method, "url": path}),
    }
}

/// The items whose results are not what the server says.
fn differing(service: &Service, engine: Engine, expected: &[Known]) -> BTreeSet<String> {
    let gateway = gateway(service, engine);
    let mut differing = BTreeSet::new();
    for batch in 0..BATCHES {
        let places = places(batch);
        let items: Vec<_> = places.iter().map(|kind| item(*kind)).collect();
        let results = gateway.batch(&json!({ "requests": items })).results();
        assert_eq!(results.len(), places.len());
        for (kind, result) in places.into_iter().zip(&results) {
            let (found, expected) = (of_result(result), &expected[kind]);
            if found != *expected {
                let (method, path, ..) = KINDS[kind];
                differing.insert(format!("{engine:?} {method} {path}: {found}\n  not {expected}"));
            }
        }
    }
    differing
}

/// Sends batches of all kinds over each engine that the server speaks.
fn check(service: &Service) {
    let expected = plain_replies(service);
    let engines = [Engine::Lanes, Engine::Pipeline, Engine::Http2];
    let spoken = engines.into_iter().filter(|engine| *engine != Engine::Http2 || service.http2.is_some());
    let differing: Vec<_> = spoken.flat_map(|engine| differing(service, engine, &expected)).collect();
    assert!(differing.is_empty(), "{}: {} differ\n{}", service.name, differing.len(), differing.join("\n"));
}

#[test]
fn nginx_gives_the_same_bytes_over_every_engine() {
    check(&servers::nginx());
}

#[test]
fn apache_gives_the_same_bytes_over_every_engine() {
    check(&servers::apache());
}

#[test]
fn node_gives_the_same_bytes_over_every_engine() {
    check(&servers::node_service());
}

#[test]
fn uvicorn_gives_the_same_bytes_over_every_engine() {
    check(&servers::uvicorn());
}

#[test]
fn hypercorn_gives_the_same_bytes_over_every_engine() {
    check(&servers::hypercorn());
}
