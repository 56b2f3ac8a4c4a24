//! Items of a batch that ask for the same, and share one call.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Reply, Request, Upstream};

/// A gateway that coalesces on all paths but `/own`, with more members of the endpoint and more keys.
fn coalescing(upstream: &Upstream, endpoint: &str, keys: &str) -> Gateway {
    Config::new()
        .upstream("legacy", upstream.url())
        .with("timeout: { item: 2s }, retry: { attempts: 1 }")
        .route("/", "legacy")
        .with("coalesce: true")
        .route("/own", "legacy")
        .bulk("/orders", "GET")
        .with(endpoint)
        .batch("/batch")
        .with(endpoint)
        .raw(keys)
        .start()
}

/// An upstream whose answers are all different.
fn counting() -> Upstream {
    let made = std::sync::atomic::AtomicUsize::new(0);
    Upstream::answering(move |_| {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Answer::json(200, format!("{{\"answer\": {number}}}")).header("ETag", &format!("\"{number}\""))
    })
}

fn get(url: &str) -> Value {
    json!({"method": "GET", "url": url})
}

fn batch_of(items: &[Value]) -> Value {
    json!({ "requests": items })
}

fn coalesced(gateway: &Gateway) -> usize {
    gateway.metrics().count("batchgate_items_coalesced_total", &[("route", "/")])
}

/// A result without its id.
fn anonymous(mut result: Value) -> Value {
    result.as_object_mut().unwrap().remove("id");
    result
}

#[test]
fn a_hundred_items_that_ask_for_the_same_make_one_call_and_have_a_result_each() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    let items: Vec<_> = (0..100)
        .map(|number| json!({"id": format!("i{number}"), "method": "GET", "url": "/a?x=1"}))
        .collect();
    let results = gateway.batch(&batch_of(&items)).results();
    assert_eq!((upstream.only_request().target.as_str(), results.len()), ("/a?x=1", 100));
    for (item, result) in items.iter().zip(&results) {
        assert_eq!((&result["id"], &result["body"]["answer"]), (&item["id"], &json!(1)));
        assert_eq!(anonymous(result.clone()), anonymous(results[0].clone()));
    }
    let metrics = gateway.metrics();
    assert_eq!((metrics.count("batchgate_items_total", &[("code", "200")]), coalesced(&gateway)), (100, 99));
    assert_eq!(metrics.count("batchgate_item_duration_seconds_count", &[("route", "/")]), 100);
    assert_eq!(metrics.count("batchgate_upstream_attempts_total", &[]), 1);
    gateway.log_line(&[("kind", "batch"), ("items", "100"), ("coalesced", "99")]);
}

#[test]
fn what_differs_has_a_call_of_its_own() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    let with = |name: &str, value: Value| {
        let mut item = get("/a");
        item[name] = value;
        item
    };
    let different = [
        get("/a"),
        get("/a?"),
        get("/b"),
        with("method", json!("HEAD")),
        with("headers", json!({"Accept": "text/plain"})),
        with("headers", json!({"Accept": "text/xml"})),
        with("timeout", json!(900)),
        with("body", json!({})),
    ];
    let statuses = gateway.batch(&batch_of(&[&different[..], &different].concat())).statuses();
    assert_eq!(statuses, [200; 16]);
    assert_eq!(upstream.requests().len(), 9, "only those with a body are sent twice");
    assert_eq!(coalesced(&gateway), 7);
}

#[test]
fn methods_that_change_something_never_share() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"] {
        let before = upstream.requests().len();
        gateway.batch(&batch_of(&vec![json!({"method": method, "url": "/a"}); 3]));
        assert_eq!(upstream.requests().len() - before, 3, "{method}");
    }
    assert_eq!(coalesced(&gateway), 0);
}

#[test]
fn nothing_is_shared_where_items_run_one_by_one() {
    let upstream = counting();
    let batch = batch_of(&[get("/a"), json!({"method": "PUT", "url": "/a", "body": {}}), get("/a")]);
    let answers = |reply: Reply| -> Vec<_> {
        reply.results().iter().map(|result| result["body"]["answer"].clone()).collect()
    };
    let by_endpoint = coalescing(&upstream, "order: sequential", "");
    assert_eq!(answers(by_endpoint.batch(&batch)), [1, 2, 3]);
    let by_preference = coalescing(&upstream, "", "");
    let request = Request::batch(&batch).header("Prefer", "order=sequential");
    assert_eq!(answers(by_preference.send(&request)), [4, 5, 6]);
    let lines = Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}\n".repeat(3));
    assert_eq!(by_preference.send(&lines).lines().len(), 4);
    assert_eq!(upstream.requests().len(), 9, "lines of a stream share none");
    by_preference.send(&lines.header("Accept", "application/json"));
    assert_eq!(upstream.requests().len(), 10, "lines that are read whole do");
}

#[test]
fn nothing_is_shared_where_the_route_does_not_say_so() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    gateway.batch(&batch_of(&vec![get("/own/a"); 3]));
    assert_eq!(upstream.requests().len(), 3);
    assert!(gateway.metrics().has("batchgate_items_coalesced_total") && coalesced(&gateway) == 0);
    let default = Gateway::before(&upstream);
    default.batch(&batch_of(&vec![get("/a"); 3]));
    assert_eq!(upstream.requests().len(), 6);
    assert!(!default.metrics().has("batchgate_items_coalesced_total"));
}

#[test]
fn a_failure_is_shared() {
    let upstream = Upstream::start();
    upstream.on("/reset", Answer::reset());
    upstream.on("/silent", Answer::hang());
    upstream.on("/busy", Answer::text(503, "busy").header("Retry-After", "7"));
    let gateway = coalescing(&upstream, "", "");
    let silent = json!({"method": "GET", "url": "/silent", "timeout": 100});
    let items = [get("/reset"), silent, get("/busy")];
    let reply = gateway.batch(&batch_of(&[&items[..], &items, &items].concat()));
    assert_eq!(reply.statuses(), [502, 504, 503].repeat(3));
    assert_eq!(reply.header("Retry-After"), Some("7"));
    let results: Vec<_> = reply.results().into_iter().map(anonymous).collect();
    assert_eq!(results[..3], results[3..6]);
    let ends: Vec<_> = results[6..].iter().map(|result| [&result["outcome"], &result["retryable"]]).collect();
    let unknown = [&json!("unknown"), &json!(true)];
    assert_eq!(ends, [unknown, unknown, [&Value::Null, &json!(true)]]);
    assert_eq!((upstream.requests().len(), coalesced(&gateway)), (3, 6));
    assert_eq!(gateway.metrics().count("batchgate_item_failures_total", &[]), 6);
}

#[test]
fn each_copy_counts_against_all_replies_in_the_order_of_the_batch() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, &"x".repeat(1000)));
    let gateway = coalescing(&upstream, "max_item_reply: 1000B, max_reply: 5000B", "");
    let reply = gateway.batch(&batch_of(&vec![get("/a"); 6]));
    assert_eq!(reply.statuses(), [200, 200, 200, 200, 502, 502]);
    assert_eq!(reply.results()[4]["outcome"], "unknown");
    let too_large = [("route", "/"), ("reason", "replies_too_large")];
    assert_eq!(gateway.metrics().count("batchgate_item_failures_total", &too_large), 2);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn copies_take_no_room_from_calls_and_no_more_memory_than_there_is() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, &"x".repeat(100_000)));
    let gateway = coalescing(&upstream, "max_reply: 250000B", "");
    let mut items = vec![get("/a"); 9];
    items.push(json!({"method": "POST", "url": "/a"}));
    let statuses = gateway.batch(&batch_of(&items)).statuses();
    assert_eq!((statuses[0], statuses[1], statuses[9]), (200, 502, 200));
    let gateway = coalescing(&upstream, "max_body: 256KiB", "limits: { memory: 4MiB }");
    let statuses = gateway.batch(&batch_of(&vec![get("/a"); 100])).statuses();
    assert_eq!(statuses, [200; 100], "what the client has read makes room");
    let gateway = coalescing(&upstream, "max_body: 256KiB, reply: whole", "limits: { memory: 4MiB }");
    let statuses = gateway.batch(&batch_of(&vec![get("/a"); 100])).statuses();
    let fitting = statuses.iter().take_while(|status| **status == 200).count();
    assert!((30..=39).contains(&fitting), "{fitting} replies of 100 kB in 4 MiB");
    assert!(statuses[fitting..].iter().all(|status| *status == 503), "{statuses:?}");
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}

#[test]
fn copies_wait_for_memory_that_others_hold() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    upstream.on("/slow", Answer::text(200, "at last").when(&gate));
    upstream.on("/a", Answer::text(200, &"x".repeat(100_000)));
    let gateway = coalescing(&upstream, "max_body: 1MiB", "limits: { memory: 4MiB }");
    let large = json!({"method": "POST", "url": "/slow", "body": "x".repeat(1_000_000)});
    let large = batch_of(&[large]);
    let batches = [large.clone(), large, batch_of(&vec![get("/a"); 20])];
    let mut clients: Vec<_> = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let mut client = gateway.connect();
        client.write(&Request::batch(batch).to_bytes(gateway.address()));
        upstream.wait_for_requests(number + 1);
        clients.push(client);
    }
    until_true("the one reply", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) > 2.1e6);
    gate.open();
    let [_, _, last] = clients.as_mut_slice() else { panic!("three clients") };
    assert_eq!(last.reply_to("POST").statuses(), [200; 20]);
    assert_eq!(upstream.requests_to("/a").len(), 1);
}

#[test]
fn items_that_depend_on_one_that_shares_a_call_run_after_it() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    let reply = gateway.batch(&json!({"requests": [
        {"id": "a", "method": "GET", "url": "/a"},
        {"id": "b", "method": "GET", "url": "/a"},
        {"id": "c", "method": "GET", "url": "/x/{$responses.b.body#/answer}"},
        {"id": "d", "method": "GET", "url": "/a", "dependsOn": ["b"]},
        {"id": "e", "method": "GET", "url": "/a", "if": "$b/answer eq 2"},
    ]}));
    assert_eq!(reply.statuses(), [200, 200, 200, 200, 424]);
    let mut targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    targets.sort();
    assert_eq!((targets.join(" "), coalesced(&gateway)), ("/a /a /x/1".to_owned(), 1));
    upstream.on("/lost", Answer::text(404, "no"));
    let items = [get("/lost"), json!({"id": "b", "method": "GET", "url": "/lost"})];
    let after = json!({"method": "DELETE", "url": "/a", "dependsOn": ["b"]});
    let skipped = gateway.batch(&batch_of(&[&items[..], &[after]].concat())).results().remove(2);
    assert!(skipped["body"]["detail"].as_str().unwrap().contains("`b`"), "{skipped}");
}

#[test]
fn each_item_costs_a_rate_limit_one() {
    let upstream = counting();
    let limit = "rate_limits: [{ name: all, per: all, rate: 1/h, burst: 4 }]";
    let gateway = coalescing(&upstream, "", limit);
    let reply = gateway.batch(&batch_of(&vec![get("/a"); 6]));
    assert_eq!(reply.statuses(), [200, 200, 200, 200, 429, 429]);
    assert_eq!((upstream.requests().len(), coalesced(&gateway)), (1, 3));
}

#[test]
fn the_other_formats_have_a_result_for_each_as_well() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    let xml =
        "<batch><request id='a' method='GET' href='/a'/><request id='b' method='GET' href='/a'/></batch>";
    let reply = gateway.send(&Request::xml_batch(xml));
    let judged = crate::harness::multistatus::judge(&reply.body);
    assert_eq!([&judged.item("a")["status"], &judged.item("b")["status"]], ["200", "200"]);
    let part = "--x\r\nContent-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\n\r\n\r\n";
    let multipart = Request::post("/batch", "multipart/mixed; boundary=x", format!("{part}{part}--x--"));
    assert_eq!(gateway.send(&multipart).text().matches("{\"answer\": 2}").count(), 2);
    let bulk = gateway.send(&Request::get("/orders?id=7&id=8&id=7"));
    assert_eq!(bulk.statuses(), [200; 3]);
    assert_eq!((upstream.requests().len(), coalesced(&gateway)), (4, 3));
}

#[test]
fn a_client_that_leaves_takes_all_that_share_a_call_along() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    upstream.on("/a", Answer::text(200, "late").when(&gate));
    let gateway = coalescing(&upstream, "", "");
    let mut client = gateway.connect();
    client.write(&Request::batch(&batch_of(&vec![get("/a"); 5])).to_bytes(gateway.address()));
    upstream.wait_for_requests(1);
    drop(client);
    gateway.wait_for_metric("batchgate_item_failures_total", &[("reason", "client_gone")], 5.0);
    assert_eq!((upstream.requests().len(), coalesced(&gateway)), (1, 4));
    gate.open();
}

#[test]
fn a_deadline_ends_all_that_share_a_call() {
    let upstream = Upstream::answering(|_| Answer::text(200, "late").delayed(Duration::from_secs(3)));
    let gateway = coalescing(&upstream, "deadline: 200ms", "");
    let reply = gateway.batch(&batch_of(&vec![get("/a"); 4]));
    let ends: Vec<_> = reply.results().iter().map(|result| result["body"]["type"].clone()).collect();
    assert_eq!(ends, vec![json!("urn:batchgate:problem:deadline_during_call"); 4]);
}

#[test]
fn explaining_says_whose_call_an_item_shares() {
    let upstream = counting();
    let gateway = coalescing(&upstream, "", "");
    let request = Request::batch(&batch_of(&[get("/a"), get("/own"), get("/a")]));
    let explained = |preference| gateway.send(&request.clone().header("Prefer", preference)).json();
    let document = explained("handling=explain");
    assert_eq!(
        (&document["items"][2]["sharesCallOf"], &document["items"][0]["call"]["path"]),
        (&json!(1), &json!("/a"))
    );
    assert_eq!(explained("handling=explain, order=sequential")["items"][2]["call"]["path"], "/a");
    let lines = [get("/a"), get("/a")].map(|item| format!("{item}\n")).concat();
    let stream = Request::new("POST", "/batch").header("Content-Type", "application/x-ndjson").body(lines);
    let explained = |accept| {
        let request = stream.clone().header("Prefer", "handling=explain").header("Accept", accept);
        gateway.send(&request).json()["items"][1].clone()
    };
    assert_eq!(explained("application/json")["sharesCallOf"], 1);
    assert_eq!(explained("application/x-ndjson")["call"]["path"], "/a", "lines of a stream share no calls");
    assert_eq!(upstream.requests().len(), 0);
}
