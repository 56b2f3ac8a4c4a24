//! What holds for every batch: N items in, N results out, in order, ids unchanged, each item sent at
//! most once where sending twice could hurt — whatever the upstream does.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::harness::multistatus::judge;
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Gateway, Request, Setup, Upstream};

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
