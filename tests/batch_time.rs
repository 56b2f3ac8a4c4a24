//! Order, concurrency and time: what runs beside what, what ends when, what is not sent any more
//! (protocol §5).

use std::net::SocketAddr;
use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Connection, Gate, Request, Setup, Upstream};

#[test]
fn a_batch_has_no_more_than_its_concurrency_under_way() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 3").start();
    let mut client = gateway.connect();
    client.write(&Request::batch(&gets(12)).to_bytes(gateway.address()));
    until_true("three calls under way", || upstream.in_flight() == 3);
    gate.open();
    assert_eq!(client.reply_to("POST").statuses(), [200; 12]);
    assert_eq!(upstream.most_in_flight(), 3);
}

#[test]
fn an_upstream_has_no_more_than_its_concurrency_under_way_over_all_batches() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway =
        Setup::tuned(&upstream.url(), "concurrency: 2, client_share: 100%", "concurrency: 8").start();
    let mut clients = [gateway.connect(), gateway.connect(), gateway.connect()];
    for client in &mut clients {
        client.write(&Request::batch(&gets(6)).to_bytes(gateway.address()));
    }
    until_true("two calls under way", || upstream.in_flight() == 2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.reply_to("POST").statuses(), [200; 6]);
    }
    assert_eq!(upstream.most_in_flight(), 2);
}

#[test]
fn items_run_side_by_side() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "", "").start();
    let mut client = gateway.connect();
    client.write(&Request::batch(&gets(10)).to_bytes(gateway.address()));
    until_true("ten calls under way", || upstream.in_flight() == 10);
    gate.open();
    assert_eq!(client.reply_to("POST").statuses(), [200; 10]);
}

#[test]
fn connections_are_kept_for_the_next_batch() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 2").start();
    for _ in 0..5 {
        assert_eq!(gateway.batch(&gets(6)).statuses(), [200; 6]);
    }
    assert!(upstream.connections() <= 4, "{} connections for 30 calls, 2 at a time", upstream.connections());
}

#[test]
fn a_sequential_batch_runs_one_by_one_in_order() {
    let upstream = Upstream::start();
    let by_endpoint = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    let by_preference = Setup::tuned(&upstream.url(), "", "").start();
    let request = Request::batch(&gets(8)).header("Prefer", "order=sequential");
    let reply = by_preference.send(&request);
    assert_eq!(reply.header("Preference-Applied"), Some("order=sequential"));
    assert_eq!(by_endpoint.batch(&gets(8)).statuses(), reply.statuses());
    assert_eq!(upstream.most_in_flight(), 1);
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    let once: Vec<_> = (1..=8).map(|n| format!("/{n}")).collect();
    assert_eq!(targets, [once.clone(), once].concat());
}

#[test]
fn a_batch_can_stop_at_its_first_error() {
    let upstream = Upstream::start();
    upstream.on("/2", Answer::text(409, "no"));
    let gateway = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    for preference in ["continue-on-error=false", "odata.continue-on-error=false"] {
        let reply = gateway.send(&Request::batch(&gets(4)).header("Prefer", preference));
        assert_eq!(reply.statuses(), [200, 409, 424, 424], "{preference}");
        assert_eq!(reply.results()[3]["outcome"], "skipped");
        assert!(reply.header("Preference-Applied").unwrap().contains("continue-on-error=false"));
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn the_reply_leaves_at_the_deadline_with_what_is_done() {
    let upstream = Upstream::start();
    upstream.on("/2", Answer::hang());
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 1, deadline: 500ms").start();
    let watch = Stopwatch::start();
    let reply = gateway.batch(&gets(3));
    assert!(watch.elapsed() >= Duration::from_millis(400), "it left early: {:?}", watch.elapsed());
    assert!(watch.elapsed() < Duration::from_secs(4), "it left late: {:?}", watch.elapsed());
    assert_eq!(reply.statuses(), [200, 504, 504]);
    let results = reply.results();
    assert_eq!((&results[1]["outcome"], &results[2]["outcome"]), (&json!("unknown"), &json!("not_sent")));
    assert_eq!((&results[1]["retryable"], &results[2]["retryable"]), (&json!(true), &json!(true)));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn prefer_wait_shortens_the_deadline() {
    let upstream = Upstream::answering(|_| Answer::hang());
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 30s }", "deadline: 30s").start();
    let watch = Stopwatch::start();
    let reply = gateway.send(&Request::batch(&gets(2)).header("Prefer", "wait=1"));
    assert!(watch.elapsed() < Duration::from_secs(6), "{:?}", watch.elapsed());
    assert_eq!((reply.statuses(), reply.header("Preference-Applied")), (vec![504, 504], Some("wait=1")));
}

#[test]
fn an_item_can_shorten_its_own_time() {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::hang());
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 30s }", "deadline: 30s").start();
    let watch = Stopwatch::start();
    let reply = gateway.batch(&json!({"requests": [
        {"method": "GET", "url": "/slow", "timeout": 200}, {"method": "GET", "url": "/quick"},
    ]}));
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    assert_eq!(reply.statuses(), [504, 200]);
}

#[test]
fn an_upstreams_time_for_an_item_is_kept() {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::hang());
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 300ms }", "deadline: 30s").start();
    let watch = Stopwatch::start();
    let reply = gateway.batch(&json!({"requests": [
        {"method": "GET", "url": "/slow"}, {"method": "POST", "url": "/slow", "body": 1}, {"method": "GET", "url": "/"},
    ]}));
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    assert_eq!(reply.statuses(), [504, 504, 200]);
    let results = reply.results();
    assert_eq!((&results[0]["outcome"], &results[1]["outcome"]), (&json!("unknown"), &json!("unknown")));
    assert_eq!(results[0]["retryable"], true);
    assert_ne!(results[1]["retryable"], true, "a POST that may have been done is not safe to send again");
}

#[test]
fn a_client_that_leaves_cancels_what_is_not_sent() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 1").start();
    let client = start_batch(gateway.address(), &gets(5));
    upstream.wait_for_requests(1);
    drop(client);
    gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "client_gone")], 1.0);
    gate.open();
    assert_eq!(gateway.batch(&gets(1)).statuses(), [200]);
    assert_eq!(upstream.requests().len(), 2, "the first of the five, and the one of the second batch");
}

#[test]
fn one_slow_batch_does_not_hold_up_another() {
    let gate = Gate::closed();
    let upstream = Upstream::start();
    upstream.on("/1", Answer::text(200, "slow").when(&gate)).on("/quick", Answer::text(200, "quick"));
    let gateway = Setup::tuned(&upstream.url(), "", "").start();
    let mut slow = start_batch(gateway.address(), &gets(1));
    upstream.wait_for_requests(1);
    let quick = gateway.batch(&json!({"requests": [{"method": "GET", "url": "/quick"}]}));
    assert_eq!(quick.only_result()["body"], "quick");
    gate.open();
    assert_eq!(slow.reply_to("POST").only_result()["body"], "slow");
}

/// An upstream that answers nothing before the gate is open.
fn gated(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::answering(move |_| Answer::text(200, "ok").when(&gate))
}

/// A batch of so many GETs, to `/1`, `/2`, …
fn gets(count: usize) -> Value {
    let items: Vec<_> = (1..=count).map(|n| json!({"method": "GET", "url": format!("/{n}")})).collect();
    json!({ "requests": items })
}

/// A client that has sent a batch and not read its reply.
fn start_batch(to: SocketAddr, batch: &Value) -> Connection {
    let mut client = Connection::open(to);
    client.write(&Request::batch(batch).to_bytes(to));
    client
}
