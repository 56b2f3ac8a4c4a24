//! Being gentle to an upstream: fair queues, rates, few connections, and telling it what time is left.

use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Connection, Gate, Gateway, Request, Setup, Upstream};

#[test]
fn a_small_batch_waits_for_a_round_of_the_large_ones() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 4, client_share: 100%", "").start();
    let mut large = vec![begin(&gateway, &gets("/large", 40))];
    upstream.wait_for_requests(4);
    large.extend((0..7).map(|_| begin(&gateway, &gets("/large", 40))));
    // Of each batch one call waits.
    wait_for_queue(&gateway, 7);
    let mut small = begin(&gateway, &gets("/small", 2));
    wait_for_queue(&gateway, 7 + 1);
    gate.open();
    assert_eq!(small.reply_to("POST").statuses(), [200; 2]);
    assert!(large.iter_mut().all(|client| client.reply_to("POST").statuses() == [200; 40]));
    let requests = upstream.requests();
    let small: Vec<_> = (0..requests.len()).filter(|at| requests[*at].target == "/small").collect();
    assert!(small[1] < 4 + 7 * 4, "behind all that waited before: {small:?}");
    assert_eq!(upstream.most_in_flight(), 4);
    assert_eq!(gateway.metrics().count("batchgate_items_queued", &[]), 0);
    assert!(gateway.metrics().count("batchgate_item_queue_seconds_count", &[("upstream", "legacy")]) >= 30);
}

#[test]
fn channels_that_wait_hold_no_connections() {
    let upstream = Upstream::answering(|_| Answer::text(200, "ok").delayed(Duration::from_millis(1)));
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 4", "").start();
    let mut clients: Vec<_> = (0..8).map(|_| begin(&gateway, &gets("/", 40))).collect();
    assert!(clients.iter_mut().all(|client| client.reply_to("POST").statuses() == [200; 40]));
    let opened = upstream.connections();
    assert!(opened < 8, "{opened} connections for 4 calls at once");
}

#[test]
fn a_full_queue_costs_the_items_that_do_not_fit_and_no_others() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 1, queue: 1", "").start();
    let mut first = begin(&gateway, &gets("/", 3));
    upstream.wait_for_requests(1);
    let mut second = begin(&gateway, &gets("/", 3));
    wait_for_queue(&gateway, 1);
    let batch = json!({"requests": [{"method": "POST", "url": "/"}, {"method": "GET", "url": "/"}]});
    let turned_away = gateway.batch(&batch);
    assert_eq!((turned_away.statuses(), turned_away.header("Retry-After")), (vec![503; 2], Some("1")));
    let result = &turned_away.results()[0];
    assert_eq!((&result["outcome"], &result["retryable"]), (&json!("not_sent"), &json!(true)));
    let proxy_status = result["headers"]["Proxy-Status"].as_str().unwrap();
    assert!(proxy_status.contains("error=connection_limit_reached"), "{proxy_status}");
    let reply = gateway.send(&Request::get("/"));
    assert_eq!((reply.status, reply.header("Retry-After")), (503, Some("1")));
    gate.open();
    assert_eq!(first.reply_to("POST").statuses(), [200; 3]);
    assert_eq!(second.reply_to("POST").statuses(), [200; 3]);
    assert_eq!(gateway.metrics().count("batchgate_item_failures_total", &[("reason", "queue_full")]), 2);
    gateway.log_line(&[("kind", "item"), ("reason", "queue_full")]);
    gateway.log_line(&[("kind", "request"), ("reason", "queue_full")]);
}

#[test]
fn requests_that_are_no_batch_share_the_turns() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 2, client_share: 100%", "").start();
    let mut batch = begin(&gateway, &gets("/item", 4));
    upstream.wait_for_requests(2);
    let mut single = gateway.connect();
    single.write(&Request::get("/single").to_bytes(gateway.address()));
    wait_for_queue(&gateway, 1);
    gate.open();
    assert_eq!(single.reply_to("GET").status, 200);
    assert_eq!(batch.reply_to("POST").statuses(), [200; 4]);
    assert_eq!(upstream.most_in_flight(), 2);
}

#[test]
fn a_request_waits_no_longer_than_an_item_may_take() {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::text(200, &"x".repeat(60)).dripping(1, Duration::from_millis(50)));
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 1, timeout: { item: 300ms }", "").start();
    let mut slow = gateway.connect();
    slow.write(&Request::get("/slow").to_bytes(gateway.address()));
    upstream.wait_for_requests(1);
    let reply = gateway.send(&Request::get("/quick"));
    assert_eq!((reply.status, reply.header("Retry-After")), (503, Some("1")));
    assert_eq!(reply.json()["type"], "urn:batchgate:problem:queue_timeout");
    assert_eq!(slow.reply_to("GET").status, 200);
    assert_eq!(gateway.send(&Request::get("/quick")).status, 200);
}

#[test]
fn calls_start_at_the_upstreams_rate() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "rate: { limit: 10/s, burst: 2 }", "").start();
    let watch = Stopwatch::start();
    let mut batch = begin(&gateway, &gets("/", 10));
    let mut single = gateway.connect();
    single.write(&Request::get("/").to_bytes(gateway.address()));
    assert_eq!(batch.reply_to("POST").statuses(), [200; 10]);
    assert_eq!(single.reply_to("GET").status, 200);
    let took = watch.elapsed();
    assert!(took >= Duration::from_millis(9 * 100), "eleven calls, two of them at once, took {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_high_rate_is_reached() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "rate: 2000/s", "").start();
    let watch = Stopwatch::start();
    assert_eq!(gateway.batch(&gets("/", 400)).statuses(), [200; 400]);
    let took = watch.elapsed();
    assert!(took >= Duration::from_millis(185), "{took:?}");
    // Sleeps are no finer than a millisecond: without a burst, this would be 800 ms at the least.
    assert!(took < Duration::from_millis(700), "{took:?}");
}

#[test]
fn calls_tell_what_is_left_of_their_time() {
    let upstream = Upstream::start();
    let tuning = "timeout: { item: 5s }, deadline_header: X-Time-Left";
    let gateway = Setup::tuned(&upstream.url(), tuning, "deadline: 3s").start();
    let claims = json!({"X-Time-Left": "99999"});
    let disguised = json!({"X_Time_Left": "99999"});
    let batch = json!({"requests": [
        {"method": "GET", "url": "/item", "timeout": 500, "headers": claims},
        {"method": "POST", "url": "/batch-deadline", "headers": disguised},
    ]});
    let request = Request::batch(&batch).header("X-Time-Left", "88888").header("X_Time_Left", "88888");
    assert_eq!(gateway.send(&request).statuses(), [200; 2]);
    for (path, most) in [("/item", 500), ("/batch-deadline", 3000)] {
        let request = &upstream.requests_to(path)[0];
        let told: Vec<_> = request.all("X-Time-Left").collect();
        let [left] = told[..] else { panic!("{told:?}") };
        let left: u64 = left.parse().unwrap();
        assert!(left <= most && left > most / 2, "{path}: {left} ms");
        assert_eq!(request.header("X_Time_Left"), None);
    }
}

#[test]
fn nothing_that_waits_is_sent_after_the_deadline() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 1", "").start();
    let mut first = begin(&gateway, &gets("/first", 2));
    upstream.wait_for_requests(1);
    let late = gateway.send(&Request::batch(&gets("/late", 3)).header("Prefer", "wait=1"));
    assert_eq!(late.statuses(), [504; 3]);
    assert!(late.results().iter().all(|result| result["outcome"] == "not_sent"));
    gate.open();
    assert_eq!(first.reply_to("POST").statuses(), [200; 2]);
    assert_eq!(gateway.send(&Request::get("/after")).status, 200);
    assert!(upstream.requests_to("/late").is_empty());
}

#[test]
fn servers_without_kept_connections_get_each_item_once() {
    let old = Upstream::answering(|request| Answer::text(200, &request.target).http10());
    let closing = Upstream::answering(|request| {
        Answer::text(200, &request.target).header("Connection", "close").then_close()
    });
    for upstream in [old, closing] {
        let gateway = Setup::tuned(&upstream.url(), "concurrency: 4", "").start();
        let items: Vec<_> = (0..60).map(|n| json!({"method": "POST", "url": format!("/{n}")})).collect();
        let results = gateway.batch(&json!({ "requests": items })).results();
        for (number, result) in results.iter().enumerate() {
            assert_eq!((&result["status"], &result["body"]), (&json!(200), &json!(format!("/{number}"))));
        }
        let mut targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
        targets.sort();
        targets.dedup();
        assert_eq!((targets.len(), upstream.requests().len()), (60, 60));
        assert!(upstream.most_in_flight() <= 4);
    }
}

/// An upstream that answers nothing before the gate is open.
fn gated(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::answering(move |_| Answer::text(200, "ok").when(&gate))
}

fn gets(url: &str, count: usize) -> Value {
    json!({ "requests": vec![json!({"method": "GET", "url": url}); count] })
}

/// Sends a batch, and does not wait for its reply.
fn begin(gateway: &Gateway, batch: &Value) -> Connection {
    let mut client = gateway.connect();
    client.write(&Request::batch(batch).to_bytes(gateway.address()));
    client
}

fn wait_for_queue(gateway: &Gateway, calls: usize) {
    until_true("calls in the queue", || gateway.metrics().count("batchgate_items_queued", &[]) == calls);
}
