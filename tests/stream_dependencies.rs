//! Lines of a stream that depend on earlier ones and use their results, within the endpoint's window (protocol §2.4, §6).

use serde_json::{Value, json};

use crate::harness::lines::{assert_memory_stays_flat, begin, end, send};
use crate::harness::nginx::Nginx;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Gate, Gateway, Reply, Request, Setup, Upstream};

fn lines(items: &[Value]) -> String {
    items.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n"
}

fn get(id: &str, after: &[&str]) -> Value {
    json!({"id": id, "method": "GET", "url": format!("/{id}"), "dependsOn": after})
}

/// The results by the order of these ids.
fn results(reply: &Reply, ids: &[&str]) -> Vec<Value> {
    let lines = reply.lines();
    assert_eq!(lines.len(), ids.len() + 1, "{lines:?}");
    let of = |id: &&str| lines.iter().find(|line| line["id"] == *id).cloned();
    ids.iter().map(|id| of(id).unwrap_or_else(|| panic!("no {id} in {lines:?}"))).collect()
}

fn statuses(results: &[Value]) -> Vec<u64> {
    results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

fn kind(result: &Value) -> &str {
    result["body"]["type"].as_str().unwrap().rsplit(':').next().unwrap()
}

fn detail(result: &Value) -> &str {
    result["body"]["detail"].as_str().unwrap()
}

#[test]
fn a_line_starts_once_those_that_it_depends_on_have_ended() {
    let (gate, upstream) = (Gate::closed(), Upstream::start());
    upstream.on("/slow", Answer::text(200, "done").when(&gate));
    let gateway = Gateway::before(&upstream);
    let mut client = begin(&gateway);
    send(&mut client, &lines(&[get("slow", &[]), get("waits", &["slow"]), get("free", &[])]));
    client.head();
    assert_eq!(client.body_line()["id"], "free");
    assert!(upstream.requests_to("/waits").is_empty());
    gate.open();
    assert_eq!((&client.body_line()["id"], &client.body_line()["id"]), (&json!("slow"), &json!("waits")));
    // One that has ended long ago, and is still remembered.
    send(&mut client, &lines(&[get("late", &["free", "slow"])]));
    assert_eq!((client.body_line()["status"].as_u64(), upstream.requests().len()), (Some(200), 4));
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_conditions_decide_alone() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(409, "no"));
    let gateway = Gateway::before(&upstream);
    for order in ["order=parallel", "order=sequential"] {
        let before = upstream.requests().len();
        let body = lines(&[
            get("a", &[]),
            get("b", &["a"]),
            get("c", &["b"]),
            json!({"id": "d", "method": "GET", "url": "/d", "if": "not $a/$succeeded"}),
            json!({"id": "e", "method": "GET", "url": "/e", "dependsOn": ["a"], "if": "$a/$succeeded"}),
            json!({"id": "f", "method": "GET", "url": "/f", "if": "{$responses.a.status} eq 409 and $d/$succeeded"}),
        ]);
        let reply = gateway.send(&Request::lines(body).header("Prefer", order));
        let results = results(&reply, &["a", "b", "c", "d", "e", "f"]);
        assert_eq!(statuses(&results), [409, 424, 424, 200, 424, 200], "{order}");
        let kinds = [kind(&results[1]), kind(&results[2]), kind(&results[4])];
        assert_eq!(kinds, ["dependency_failed", "dependency_failed", "condition_not_met"]);
        assert!(detail(&results[1]).contains("`a`") && results[1]["outcome"] == "skipped");
        assert_eq!(upstream.requests().len() - before, 3);
    }
}

#[test]
fn results_go_into_urls_headers_and_bodies_of_later_lines() {
    let upstream = Upstream::start();
    let created = Answer::json(201, r#"{"id":"n/7","total":1.50}"#).header("ETag", "\"1\"");
    upstream.on("/orders", created.header("Location", &format!("{}/orders/7", upstream.url())));
    let body = lines(&[
        json!({"id": "new", "method": "POST", "url": "/orders", "body": {}}),
        json!({"id": "read", "method": "GET", "url": "/search?q={$responses.new.body#/id}&s={$responses.new.status}"}),
        json!({"id": "pay", "method": "PATCH", "url": "$new/payment", "headers": {"If-Match": "$new"},
               "body": {"total": "{$responses.new.body#/total}", "note": "order {$responses.new.body#/id}"}}),
        json!({"id": "none", "method": "GET", "url": "/{$responses.new.body#/none}"}),
        json!({"method": "GET", "url": "/after", "dependsOn": ["pay", "read"]}),
        json!({"method": "GET", "url": "/{$responses.5.status}"}),
    ]);
    let reply = Gateway::before(&upstream).send(&Request::lines(body));
    let results = results(&reply, &["new", "read", "pay", "none", "5", "6"]);
    assert_eq!(statuses(&results), [201, 200, 200, 424, 200, 200]);
    assert_eq!(kind(&results[3]), "reference_unresolved");
    assert_eq!(upstream.requests_to("/search?q=n%2F7&s=201").len(), 1);
    assert_eq!(upstream.requests_to("/200").len(), 1, "the id of a line without one is its number");
    let paid = &upstream.requests_to("/orders/7/payment")[0];
    assert_eq!(
        (paid.header("If-Match"), paid.text().as_str()),
        (Some("\"1\""), r#"{"note":"order n/7","total":1.50}"#)
    );
}

#[test]
fn only_the_last_lines_can_be_named() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "stream_window: { items: 2 }").start();
    let body = lines(&[
        get("a", &[]),
        get("b", &[]),
        get("c", &["a"]),
        get("d", &["a"]),
        get("e", &["never"]),
        json!({"id": "f", "method": "GET", "url": "$a"}),
        json!({"id": "g", "method": "GET", "url": "/g", "if": "not $a/$succeeded"}),
        get("h", &["g"]),
    ]);
    let reply = gateway.send(&Request::lines(body));
    let results = results(&reply, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(statuses(&results), [200, 200, 200, 424, 424, 424, 424, 424]);
    for (result, name) in [(3, "a"), (4, "never"), (5, "a"), (6, "a")] {
        let result = &results[result];
        assert_eq!((kind(result), &result["outcome"]), ("out_of_window", &json!("skipped")));
        let expected = format!("`{name}`, but none of the 2 lines before it has that id");
        assert!(
            detail(result).contains(&expected) && detail(result).contains("stream_window.items"),
            "{result}"
        );
    }
    assert_eq!((kind(&results[7]), upstream.requests().len()), ("dependency_failed", 3));
    let failures = gateway.metrics().sum("batchgate_item_failures_total", &[("reason", "out_of_window")]);
    assert!((failures - 4.0).abs() < 0.1, "{failures}");
    let line = gateway.log_line(&[("kind", "item"), ("reason", "out_of_window")]);
    assert_eq!(line["limit"], "stream_window.items");
}

#[test]
fn a_window_of_no_lines_lets_no_line_name_another() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "stream_window: { items: 0 }").start();
    let reply = gateway.send(&Request::lines(lines(&[get("a", &[]), get("b", &["a"])])));
    let results = results(&reply, &["a", "b"]);
    assert_eq!((statuses(&results), kind(&results[1])), (vec![200, 424], "out_of_window"));
}

#[test]
fn results_beyond_the_bytes_are_gone_and_how_they_ended_is_not() {
    let upstream = Upstream::start();
    let large = json!({"x": "y".repeat(900)}).to_string();
    upstream.on("/a", Answer::json(200, &large)).on("/b", Answer::json(200, &large));
    let gateway = Setup::tuned(&upstream.url(), "", "stream_window: { bytes: 1500B }").start();
    let url = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let body = lines(&[
        get("a", &[]),
        get("b", &[]),
        url("c", "/{$responses.a.body#/x}"),
        get("d", &["a"]),
        url("e", "/{$responses.a.status}"),
        url("f", "/f?{$responses.b.header.Content-Type}"),
    ]);
    let reply = gateway.send(&Request::lines(body).header("Prefer", "order=sequential"));
    let results = results(&reply, &["a", "b", "c", "d", "e", "f"]);
    assert_eq!(statuses(&results), [200, 200, 424, 200, 200, 200]);
    assert_eq!((kind(&results[2]), &results[2]["outcome"]), ("out_of_window", &json!("skipped")));
    assert!(detail(&results[2]).contains("`a`") && detail(&results[2]).contains("stream_window.bytes"));
    let line = gateway.log_line(&[("kind", "item"), ("reason", "out_of_window")]);
    assert_eq!(line["limit"], "stream_window.bytes");
}

#[test]
fn a_line_can_not_name_itself_and_a_name_is_that_of_the_latest_line() {
    let upstream = Upstream::start();
    upstream.on("/1", Answer::text(404, "no")).on("/2", Answer::text(200, "yes"));
    let url = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let body = lines(&[
        url("twice", "/1"),
        url("twice", "/2"),
        json!({"id": "b", "method": "GET", "url": "/b", "dependsOn": ["twice"]}),
        get("c", &["c"]),
        url("d", "/{$responses.d.status}"),
    ]);
    let lines = Gateway::before(&upstream).send(&Request::lines(body)).lines();
    let of = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!(of("b")["status"], 200);
    assert_eq!((of("c")["status"].as_u64(), kind(of("c"))), (Some(400), "self_dependency"));
    assert_eq!((of("d")["status"].as_u64(), kind(of("d"))), (Some(400), "bad_reference"));
    assert_eq!(of("c")["outcome"], "rejected");
}

#[test]
fn lines_that_wait_take_places_and_never_lock_up() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 2").start();
    let ids: Vec<_> = (0..200).map(|number| format!("n{number}")).collect();
    let item = |number: usize| match number {
        0 => get(&ids[0], &[]),
        // Chains, and lines that need the two before them.
        _ if number.is_multiple_of(3) => {
            get(&ids[number], &[&ids[number - 1], &ids[number.saturating_sub(2)]])
        }
        _ => get(&ids[number], &[&ids[number - 1]]),
    };
    let body = lines(&(0..200).map(item).collect::<Vec<_>>());
    for order in ["order=parallel", "order=sequential"] {
        let lines = gateway.send(&Request::lines(body.clone()).header("Prefer", order)).lines();
        assert_eq!(lines[200]["summary"], json!({"items": 200, "failed": 0}), "{order}");
    }
    assert!(upstream.most_in_flight() <= 2);
}

#[test]
fn an_error_stops_what_waits_as_well() {
    let upstream = Upstream::start();
    upstream.on("/b", Answer::text(500, "no"));
    let body = lines(&[get("a", &[]), get("b", &["a"]), get("c", &["b"]), get("d", &["a"]), get("e", &[])]);
    let preferences = "order=sequential, continue-on-error=false";
    let reply = Gateway::before(&upstream).send(&Request::lines(body).header("Prefer", preferences));
    let results = results(&reply, &["a", "b", "c", "d", "e"]);
    assert_eq!(statuses(&results), [200, 500, 424, 424, 424]);
    assert!(results[2..].iter().all(|result| kind(result) == "batch_stopped"));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_client_that_leaves_ends_the_lines_that_wait() {
    let gate = Gate::closed();
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "ok").when(&gate));
    let gateway = Gateway::before(&upstream);
    let mut client = begin(&gateway);
    send(&mut client, &lines(&[get("a", &[]), get("b", &["a"])]));
    upstream.wait_for_requests(1);
    end(&mut client);
    drop(client);
    gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "client_gone")], 1.0);
    gate.open();
    let items = |outcome: &str| gateway.metrics().sum("batchgate_items_total", &[("outcome", outcome)]);
    assert!((items("unknown") - 1.0).abs() < 0.1 && (items("not_sent") - 1.0).abs() < 0.1);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn kept_results_count_as_memory_and_are_given_back() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, &"x".repeat(1 << 20)));
    let gateway = Gateway::before(&upstream);
    let held = || gateway.metrics().sum("batchgate_buffer_bytes", &[]);
    let mut client = begin(&gateway);
    send(&mut client, &lines(&[get("a", &[])]));
    client.head();
    assert_eq!(client.body_line()["status"], 200);
    until_true("the result is kept", || held() > f64::from(1 << 20));
    end(&mut client);
    assert_eq!(client.body_line()["summary"]["items"], 1);
    until_true("nothing is kept", || held() < 1.0);
}

#[test]
fn lines_that_are_read_at_once_follow_the_rules_of_a_batch() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let as_json = |body: String| gateway.send(&Request::lines(body).header("Accept", "application/json"));
    let body =
        lines(&[get("a", &[]), get("b", &["a"]), json!({"method": "GET", "url": "/{$responses.b.status}"})]);
    assert_eq!(as_json(body).statuses(), [200; 3]);
    assert_eq!(upstream.requests().last().unwrap().target, "/200");
    let reply = as_json(lines(&[get("a", &[]), get("b", &["x"])]));
    assert_eq!(
        (reply.status, reply.json()["type"].as_str()),
        (400, Some("urn:batchgate:problem:unknown_dependency"))
    );
}

#[test]
fn an_explanation_says_what_a_line_waits_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let body =
        lines(&[get("a", &[]), json!({"id": "b", "method": "GET", "url": "$a", "if": "$a/$succeeded"})]);
    let reply = gateway.send(&Request::lines(body).header("Prefer", "handling=explain"));
    let item = &reply.json()["items"][1];
    assert_eq!((&item["after"], &item["if"]), (&json!([1]), &json!("$a/$succeeded")));
    assert!(upstream.requests().is_empty());
}

#[test]
fn memory_does_not_grow_with_the_number_of_lines_that_depend_on_others() {
    let nginx = Nginx::start("", "location = /small { default_type application/json; return 200 \"7\"; }");
    let gateway = Setup::tuned(&nginx.url(), "", "").start();
    // Each line but the first uses the result of one before it.
    let line = |number: usize| match number {
        1 => "{\"method\":\"GET\",\"url\":\"/small\"}\n".to_owned(),
        _ => format!(
            "{{\"method\":\"GET\",\"url\":\"/small\",\"headers\":{{\"X-Before\":\"{{$responses.{}.body}}\"}}}}\n",
            number - 1 - (number * 7) % (number - 1).min(900)
        ),
    };
    assert_memory_stays_flat(&gateway, 5_000, 50_000, line);
}
