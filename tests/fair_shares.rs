//! What one client may hold: turns, places in the queue, memory. Clients are told apart by what a trusted proxy
//! says of them, or by the name that their key has.

use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Connection, Gate, Gateway, Request, Upstream};

/// `printf %s 0123456789abcdef-greedy | sha256sum`.
const GREEDY_KEY: &str = "a109fd1800107377a2fa7d1f37ac2e71defeb80bdd40707c1f3f8893d5cd28fc";
/// `printf %s 0123456789abcdef-other | sha256sum`.
const OTHER_KEY: &str = "a658ef908c4c3b06ef604e44f490fdde9827357cf0bdc51847d8d8d75468d37c";

#[test]
fn a_batch_finds_turns_beside_300_requests_of_another_client() {
    let (gate, upstream) = slow_service();
    let gateway = shared(&upstream, "concurrency: 64, timeout: { item: 60s }", "");
    let slow = Request::get("/slow").header("X-Forwarded-For", "10.0.0.1");
    let mut greedy: Vec<_> = (0..300).map(|_| begin(&gateway, &slow)).collect();
    until_true("the greedy client's share to be under way", || upstream.in_flight() == 48);
    until_true("the others to wait", || gateway.metrics().count("batchgate_items_queued", &[]) == 252);
    let watch = Stopwatch::start();
    for _ in 0..10 {
        let quick = from("10.0.0.2", &gets("/quick", 16));
        assert_eq!(gateway.send(&quick).statuses(), [200; 16]);
    }
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    assert_eq!(upstream.requests_to("/slow").len(), 48);
    gate.open();
    assert!(greedy.iter_mut().all(|client| client.reply_to("GET").status == 200));
    let waits = gateway.metrics().count("batchgate_client_share_waits_total", &[("upstream", "legacy")]);
    assert_eq!(waits, 252);
    // All turns came back.
    assert_eq!(gateway.send(&from("10.0.0.1", &gets("/quick", 100))).statuses(), [200; 100]);
}

#[test]
fn a_batch_opens_no_more_channels_than_its_client_has_permits() {
    let (gate, upstream) = slow_service();
    let gateway = shared(&upstream, "concurrency: 8, client_share: 50%", "");
    let mut batch = begin(&gateway, &from("10.0.0.1", &gets("/slow", 20)));
    until_true("four calls under way", || upstream.in_flight() == 4);
    gate.open();
    assert_eq!(batch.reply_to("POST").statuses(), [200; 20]);
    assert_eq!(upstream.most_in_flight(), 4);
    assert_eq!(gateway.metrics().count("batchgate_client_share_waits_total", &[]), 0);
}

#[test]
fn what_waits_too_long_for_its_own_client_says_so() {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::text(200, &"x".repeat(900)).dripping(1, Duration::from_millis(50)));
    let gateway = shared(&upstream, "concurrency: 2, timeout: { item: 300ms }", "");
    let _held = begin(&gateway, &Request::get("/slow").header("X-Forwarded-For", "10.0.0.1"));
    upstream.wait_for_requests(1);
    let single = gateway.send(&Request::get("/").header("X-Forwarded-For", "10.0.0.1"));
    assert_eq!((single.status, single.header("Retry-After")), (503, Some("1")));
    assert_eq!(single.json()["type"], "urn:batchgate:problem:client_share_timeout");
    let item = gateway.send(&from("10.0.0.1", &gets("/", 1)).header("Prefer", "wait=1")).only_result();
    assert_eq!((&item["status"], &item["outcome"]), (&json!(504), &json!("not_sent")));
    assert_eq!(item["body"]["type"], "urn:batchgate:problem:client_share_deadline");
    gateway.log_line(&[("reason", "client_share_deadline"), ("limit", "client_share")]);
    gateway.log_line(&[("reason", "client_share_timeout"), ("limit", "client_share")]);
    assert_eq!(gateway.send(&from("10.0.0.2", &gets("/", 1))).statuses(), [200]);
}

#[test]
fn a_share_of_all_is_no_limit() {
    let (gate, upstream) = slow_service();
    let gateway = shared(&upstream, "concurrency: 8, client_share: 100%", "");
    let mut batch = begin(&gateway, &from("10.0.0.1", &gets("/slow", 20)));
    until_true("eight calls under way", || upstream.in_flight() == 8);
    gate.open();
    assert_eq!(batch.reply_to("POST").statuses(), [200; 20]);
}

#[test]
fn clients_behind_one_address_are_told_apart_by_their_keys() {
    let (gate, upstream) = slow_service();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, format!("greedy:{GREEDY_KEY}\nother:{OTHER_KEY}\n")).unwrap();
    let auth = format!("auth: {{ api_keys: {{ file: {} }} }}", keys.display());
    let gateway = shared(&upstream, "concurrency: 4", &auth);
    let with_key = |client: &str, batch: &Value| {
        Request::batch(batch).header("X-Api-Key", &format!("0123456789abcdef-{client}"))
    };
    let mut greedy = begin(&gateway, &with_key("greedy", &gets("/slow", 20)));
    until_true("three calls under way", || upstream.in_flight() == 3);
    assert_eq!(gateway.send(&with_key("other", &gets("/quick", 3))).statuses(), [200; 3]);
    gate.open();
    assert_eq!(greedy.reply_to("POST").statuses(), [200; 20]);
}

#[test]
fn whoever_does_not_read_its_replies_gives_way_to_whoever_waits_for_memory() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(512 << 10)));
    upstream.on("/small", Answer::text(200, "small"));
    let gateway = shared(&upstream, "", "limits: { memory: 64MiB }");
    let attack = |number: usize| from(&format!("10.0.1.{number}"), &gets("/big", 25));
    let mut attackers: Vec<_> = (0..12).map(|number| begin(&gateway, &attack(number))).collect();
    let held = || gateway.metrics().sum("batchgate_buffer_bytes", &[]);
    until_true("more than half of memory to be held", || held() > f64::from(36 << 20));
    let watch = Stopwatch::start();
    for number in 0..5 {
        let small = from(&format!("10.0.2.{number}"), &gets("/small", 2));
        assert_eq!(gateway.send(&small).statuses(), [200; 2]);
    }
    let medium = json!({"requests": [{"method": "POST", "url": "/small", "body": "x".repeat(1 << 20)}]});
    assert!(watch.elapsed() < Duration::from_secs(10), "{:?}", watch.elapsed());
    // What is not small is served once enough of them have given way.
    until_true("a medium batch to be served", || gateway.send(&from("10.0.3.1", &medium)).status == 207);
    assert!(watch.elapsed() < Duration::from_secs(25), "{:?}", watch.elapsed());
    gateway.wait_for_metric("batchgate_memory_gave_way_total", &[], 1.0);
    gateway.log_line(&[("kind", "memory"), ("limit", "limits.memory")]);
    attackers.clear();
    until_true("all to be given back", || held() == 0.0);
}

/// A service that answers `/slow` once the gate is open, and all else at once.
fn slow_service() -> (Gate, Upstream) {
    let (gate, upstream) = (Gate::closed(), Upstream::start());
    upstream.on("/slow", Answer::text(200, "ok").when(&gate));
    upstream.on("/quick", Answer::text(200, "ok"));
    (gate, upstream)
}

/// A gateway that believes what this machine says of its clients.
fn shared(upstream: &Upstream, members: &str, more: &str) -> Gateway {
    let legacy = Config::new().upstream("legacy", upstream.url()).with(members).route("/", "legacy");
    legacy.batch("/batch").raw("trusted_proxies: [127.0.0.1]").raw(more).start()
}

fn from(client: &str, batch: &Value) -> Request {
    Request::batch(batch).header("X-Forwarded-For", client)
}

fn gets(url: &str, count: usize) -> Value {
    json!({ "requests": vec![json!({"method": "GET", "url": url}); count] })
}

/// Sends a request, and does not wait for its reply.
fn begin(gateway: &Gateway, request: &Request) -> Connection {
    let mut client = gateway.connect();
    client.write(&request.to_bytes(gateway.address()));
    client
}
