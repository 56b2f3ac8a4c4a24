//! What holds for every batch: N items in, N results out, in order, ids unchanged, each item sent at
//! most once where sending twice could hurt — whatever the upstream does. What is counted, held and waited for
//! agrees with that.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::harness::multistatus::judge;
use crate::harness::upstream::Recorded;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

/// What the upstream does, told by the first segment of the path.
const BEHAVIOURS: [&str; 12] = [
    "fine",
    "chunked",
    "until-close",
    "old",
    "interim",
    "empty",
    "failing",
    "closing",
    "cut",
    "garbage",
    "slow",
    "binary",
];

fn answer_by_path(request: &Recorded) -> Answer {
    let target = request.target.as_str();
    let fine = Answer::text(200, target);
    match target.split('/').nth(1).unwrap_or_default() {
        "chunked" => fine.chunked(),
        "until-close" => fine.until_close(),
        "old" => fine.http10(),
        "interim" => fine.after_interim(103),
        "empty" => Answer::empty(204),
        "failing" => Answer::text(503, target),
        "closing" => Answer::close(),
        "cut" => fine.cut_after(30),
        "garbage" => Answer::raw("what?\r\n\r\n"),
        "slow" => fine.delayed(Duration::from_millis(20)),
        "binary" => Answer::of(200, "application/octet-stream", target),
        _ => fine,
    }
}

/// The status an item ends with.
fn expected_status(behaviour: &str) -> u16 {
    match behaviour {
        "empty" => 204,
        "failing" => 503,
        "closing" | "cut" | "garbage" => 502,
        _ => 200,
    }
}

#[derive(Clone, Debug)]
struct PlannedItem {
    id: String,
    method: &'static str,
    behaviour: &'static str,
}

fn batches() -> impl Strategy<Value = Vec<PlannedItem>> {
    let id = "[ -~éß中]{1,24}";
    let method = prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "PATCH"]);
    let item = (id, method, prop::sample::select(BEHAVIOURS.to_vec()));
    prop::collection::btree_map("[a-z]{1,6}", item, 1..40).prop_map(|items| {
        let made = |(suffix, (id, method, behaviour))| PlannedItem {
            id: format!("{id}-{suffix}"),
            method,
            behaviour,
        };
        let unique: BTreeMap<String, PlannedItem> =
            items.into_iter().map(made).map(|item: PlannedItem| (item.id.clone(), item)).collect();
        unique.into_values().collect()
    })
}

#[test]
fn every_item_has_its_result_in_its_place_in_json() {
    let world = World::start();
    run(24, |items| world.check_json(items));
}

#[test]
fn every_item_has_its_result_in_xml() {
    let world = World::start();
    run(8, |items| world.check_xml(items));
}

#[test]
fn every_item_has_its_result_in_a_stream() {
    let world = World::start();
    run(8, |items| world.check_lines(items));
}

#[test]
fn metrics_add_up_to_the_results() {
    let (world, results) = (World::start(), RefCell::new(Vec::new()));
    run(6, |items| {
        let nonce = world.upstream.requests().len();
        let reply = world.gateway.batch(&json!({"requests": to_json(items, nonce)}));
        results.borrow_mut().extend(reply.statuses());
    });
    let results = results.into_inner();
    // A batch is counted once its reply has gone out.
    until_true("all items in the metrics", || {
        world.gateway.metrics().count("batchgate_items_total", &[]) >= results.len()
    });
    let metrics = world.gateway.metrics();
    assert_eq!(metrics.count("batchgate_items_total", &[]), results.len());
    assert_eq!(metrics.count("batchgate_batch_items_sum", &[]), results.len());
    assert_eq!(metrics.count("batchgate_item_duration_seconds_count", &[]), results.len());
    for code in [200, 204, 502, 503] {
        let (told, name) = (results.iter().filter(|status| **status == code).count(), code.to_string());
        assert_eq!(metrics.count("batchgate_items_total", &[("code", &name)]), told, "{code}");
    }
    let lost = results.iter().filter(|status| **status == 502).count();
    assert_eq!(metrics.count("batchgate_item_failures_total", &[]), lost);
    assert_eq!(metrics.count("batchgate_items_total", &[("outcome", "unknown")]), lost);
    let attempts = metrics.count("batchgate_upstream_attempts_total", &[]);
    let arrived = world.upstream.requests().len();
    assert!(attempts >= arrived, "{arrived} requests came of {attempts} attempts");
}

#[test]
fn a_call_is_made_for_each_item_that_differs_and_every_item_has_its_result() {
    let upstream = Upstream::answering(answer_by_path);
    let legacy = Config::new().upstream("legacy", upstream.url()).with("retry: { attempts: 1 }");
    let gateway = legacy.route("/", "legacy").with("coalesce: true").start();
    let total = RefCell::new(0);
    run(12, |items| {
        let (nonce, before) = (upstream.requests().len(), gateway.metrics());
        let path = |item: &PlannedItem| format!("/{}/{nonce}", item.behaviour);
        let to_json = |item: &PlannedItem| json!({"id": item.id, "method": item.method, "url": path(item)});
        let sent: Vec<_> = items.iter().map(to_json).collect();
        let results = gateway.batch(&json!({ "requests": sent })).results();
        assert_eq!(results.len(), items.len());
        for (item, result) in items.iter().zip(&results) {
            assert_is_result_of(item, result, &path(item));
        }
        *total.borrow_mut() += items.len();
        let grew = |name: &str| gateway.metrics().count(name, &[]) - before.count(name, &[]);
        let read: Vec<_> = items.iter().filter(|item| item.method == "GET").collect();
        let different: BTreeSet<_> = read.iter().map(|item| item.behaviour).collect();
        assert_eq!(grew("batchgate_items_coalesced_total"), read.len() - different.len());
        // A connection that is found closed may be replaced, and the call made once more.
        let calls = grew("batchgate_upstream_attempts_total") - grew("batchgate_upstream_retries_total");
        assert_eq!(calls, items.len() - (read.len() - different.len()));
    });
    assert_eq!(gateway.metrics().count("batchgate_items_total", &[]), total.into_inner());
}

#[test]
fn batches_hold_no_more_than_memory_and_give_all_of_it_back() {
    let upstream = Upstream::answering(|request| Answer::text(200, &request.target.repeat(8000)));
    let legacy = Config::new().upstream("legacy", upstream.url()).with("concurrency: 16");
    let endpoint = legacy.route("/", "legacy").batch("/batch").with("max_body: 256KiB");
    let gateway = endpoint.limits("memory: 4MiB").start();
    run(6, |items| {
        let batch = Request::batch(&json!({"requests": to_json(items, items.len())}));
        let address = gateway.address();
        let send = || {
            thread::spawn({
                let batch = batch.clone();
                move || batch.send(address)
            })
        };
        let clients: Vec<_> = (0..6).map(|_| send()).collect();
        while clients.iter().any(|client| !client.is_finished()) {
            assert!(gateway.metrics().sum("batchgate_buffer_bytes", &[]) <= f64::from(4 << 20));
        }
        for reply in clients.into_iter().map(|client| client.join().unwrap()) {
            assert!(reply.status == 503 || reply.results().len() == items.len());
        }
        until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
    });
}

#[test]
fn no_call_starts_after_the_deadline() {
    let upstream = Upstream::answering(|_| Answer::text(200, "ok").delayed(Duration::from_millis(15)));
    let gateway = Setup::tuned(&upstream.url(), "concurrency: 3", "deadline: 120ms").start();
    run(6, |items| {
        let before = upstream.requests().len();
        let items: Vec<_> =
            items.iter().cycle().take(60).map(|item| json!({"method": item.method, "url": "/a"})).collect();
        let reply = gateway.batch(&json!({"requests": items}));
        let answered = reply.statuses().iter().filter(|status| **status == 200).count();
        let unknown = reply.results().iter().filter(|result| result["outcome"] == "unknown").count();
        until_true("the last answer", || upstream.in_flight() == 0);
        let sent = upstream.requests().len() - before;
        assert!(
            sent <= answered + unknown && sent < items.len(),
            "{sent} sent, {answered} answered, {unknown} unknown"
        );
    });
}

/// One gateway for all cases: a start for each would take far longer than its batch.
struct World {
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    fn start() -> Self {
        let upstream = Upstream::answering(answer_by_path);
        let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 2s }", "concurrency: 8").start();
        Self { upstream, gateway }
    }

    fn check_json(&self, items: &[PlannedItem]) {
        let nonce = self.upstream.requests().len();
        let reply = self.gateway.batch(&json!({"requests": to_json(items, nonce)}));
        let results = reply.results();
        assert_eq!(results.len(), items.len());
        for (position, (item, result)) in items.iter().zip(&results).enumerate() {
            let path = path_of(item, nonce, position);
            assert_is_result_of(item, result, &path);
            let sent = self.upstream.requests_to(&path).len();
            assert!(
                sent == 1 || sent > 1 && !["POST", "PATCH"].contains(&item.method),
                "{path} was sent {sent} times"
            );
        }
        let failed = results.iter().filter(|result| result["status"].as_u64() >= Some(400)).count();
        assert_eq!(reply.json()["summary"], json!({"items": items.len(), "failed": failed}));
    }

    fn check_lines(&self, items: &[PlannedItem]) {
        let nonce = self.upstream.requests().len();
        let lines: Vec<_> = to_json(items, nonce).iter().map(|item| format!("{item}\n")).collect();
        let mut results = self.gateway.send(&Request::lines(lines.concat())).lines();
        let summary = results.pop().unwrap();
        assert_eq!(
            (summary["summary"]["items"].as_u64(), results.len()),
            (Some(items.len() as u64), items.len())
        );
        for (position, item) in items.iter().enumerate() {
            let mut own = results.iter().filter(|result| result["id"] == item.id.as_str());
            assert_is_result_of(item, own.next().unwrap(), &path_of(item, nonce, position));
            assert_eq!(own.next(), None);
        }
    }

    fn check_xml(&self, items: &[PlannedItem]) {
        let nonce = self.upstream.requests().len();
        let request = Request::batch(&json!({"requests": to_json(items, nonce)}));
        let judged = judge(&self.gateway.send(&request.header("Accept", "application/xml")).body);
        assert_eq!(judged.hrefs().len(), items.len());
        for (position, item) in items.iter().enumerate() {
            assert_eq!(judged.item(&item.id)["status"], expected_status(item.behaviour).to_string());
            assert_eq!(judged.hrefs()[position], path_of(item, nonce, position));
        }
    }
}

/// Checks this many random batches; a failing one is made as small as can be before it is shown.
fn run(cases: u32, check: impl Fn(&[PlannedItem])) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&batches(), |items| {
        check(&items);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn path_of(item: &PlannedItem, nonce: usize, position: usize) -> String {
    format!("/{}/{nonce}/{position}", item.behaviour)
}

fn to_json(items: &[PlannedItem], nonce: usize) -> Vec<Value> {
    let to_item = |(position, item): (usize, &PlannedItem)| json!({"id": item.id, "method": item.method, "url": path_of(item, nonce, position)});
    items.iter().enumerate().map(to_item).collect()
}

fn assert_is_result_of(item: &PlannedItem, result: &Value, path: &str) {
    assert_eq!(result["id"], item.id.as_str());
    assert_eq!(result["status"], expected_status(item.behaviour), "{path}: {result}");
    match item.behaviour {
        "empty" => assert!(result.get("body").is_none(), "{result}"),
        "closing" | "cut" | "garbage" => {
            assert_eq!(result["outcome"], "unknown", "{result}");
            assert_eq!(result["retryable"] == true, !["POST", "PATCH"].contains(&item.method), "{result}");
        }
        "binary" => assert_eq!(result["encoding"], "base64", "{result}"),
        _ => assert_eq!(result["body"], path, "{result}"),
    }
}
