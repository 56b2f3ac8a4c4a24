//! `/batches` on the admin listener: what is kept of the last batches.

use serde_json::{Value, json};

use crate::harness::upstream::{Refusing, Unreachable};
use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

/// The batches that the gateway has kept, once there are this many.
fn kept(gateway: &Gateway, count: usize) -> Vec<Value> {
    crate::harness::wait::until("the batches are kept", || {
        let reply = Request::get("/batches").send(gateway.admin());
        let document: Value = serde_json::from_slice(&reply.body).unwrap();
        let batches = document["batches"].as_array().unwrap().clone();
        (batches.len() == count).then_some(batches)
    })
}

fn send(gateway: &Gateway, items: &[Value]) {
    let batch = Request::batch(&json!({ "requests": items })).header("Authorization", "Bearer s3cret");
    gateway.send(&batch.header("X-Request-Id", "one-batch"));
}

#[test]
fn a_batch_says_when_what_happened_and_keeps_no_secret() {
    let upstream = Upstream::start();
    upstream.on("/broken", Answer::of(500, "text/plain", "a body"));
    let gateway = Config::all_to("orders", upstream.url()).start();
    send(
        &gateway,
        &[
            json!({"id": "a", "method": "POST", "url": "/orders?key=s3cret", "body": "s3cret"}),
            json!({"id": "b", "method": "GET", "url": "/broken", "dependsOn": ["a"]}),
            json!({"id": "c", "method": "GET", "url": "//elsewhere"}),
        ],
    );
    let batch = kept(&gateway, 1).remove(0);
    assert_eq!((&batch["id"], &batch["endpoint"]), (&json!("one-batch"), &json!("/batch")));
    assert_eq!(
        (&batch["outcome"], &batch["item_count"], &batch["failed"]),
        (&json!("partial"), &json!(3), &json!(2))
    );
    let [a, b, c] = [0, 1, 2].map(|index| &batch["items"][index]);
    assert_eq!((&a["method"], &a["path"], &a["status"]), (&json!("POST"), &json!("/orders"), &json!(200)));
    assert_eq!((&a["upstream"], &a["attempts"]), (&json!("orders"), &json!(1)));
    assert_eq!(
        (&b["status"], &b["after"], &b["calls"][0]["status"]),
        (&json!(500), &json!([1]), &json!(500))
    );
    assert!(
        b["start_ms"].as_f64().unwrap() + b["total_ms"].as_f64().unwrap()
            <= batch["duration_ms"].as_f64().unwrap()
    );
    assert_eq!(
        (&c["outcome"], &c["total_ms"], &c["attempts"]),
        (&json!("rejected"), &json!(null), &json!(0))
    );
    assert!(!batch.to_string().contains("s3cret"), "{batch}");
}

/// What `/batches` says of the targets that an item could not be connected to: target and reason.
fn not_connected(item: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let failed = item["not_connected"].as_array().unwrap();
    failed.iter().map(|failed| (word(&failed["target"]), word(&failed["reason"]))).collect()
}

#[test]
fn a_target_that_could_not_be_connected_to_is_named_with_its_time() {
    let (down, well) = (Refusing::start(), Upstream::start());
    let refused = || (down.address().to_string(), "connection_refused".to_owned());
    let gateway = Setup::routing_to(&[down.url(), well.url()]).start();
    gateway.batch(&json!({"requests": vec![json!({"method": "GET", "url": "/a"}); 2]}));
    let batch = kept(&gateway, 1).remove(0);
    let items = batch["items"].as_array().unwrap();
    let passed_over: Vec<_> = items.iter().filter(|item| !not_connected(item).is_empty()).collect();
    assert!(!passed_over.is_empty(), "{batch}");
    for item in passed_over {
        assert_eq!(not_connected(item), [refused()]);
        assert_eq!(item["target"], json!(well.url().trim_start_matches("http://")), "{item}");
        assert!(item["connect_ms"].as_f64().is_some_and(|time| time > 0.0), "{item}");
        let failed = &item["not_connected"][0];
        assert!(failed["end_ms"].as_f64() <= item["calls"][0]["sent_ms"].as_f64(), "{item}");
    }
}

#[test]
fn an_item_that_found_no_target_says_which_ones_it_tried() {
    let (down, away) = (Refusing::start(), Unreachable::start());
    for (url, address, limits, reason) in [
        (down.url(), down.address(), "retry: { attempts: 1 }", "connection_refused"),
        (
            away.url(),
            away.address(),
            "retry: { attempts: 1 }, timeout: { connect: 50ms }",
            "connection_timeout",
        ),
        (away.url(), away.address(), "timeout: { item: 50ms }", "given_up"),
    ] {
        let gateway = Setup::tuned(&url, limits, "").start();
        gateway.batch(&json!({"requests": [json!({"id": "lost", "method": "GET", "url": "/a"})]}));
        let address = address.to_string();
        let item = kept(&gateway, 1).remove(0)["items"][0].clone();
        assert_eq!(not_connected(&item), [(address.clone(), reason.to_owned())], "{item}");
        assert_eq!((&item["target"], &item["attempts"]), (&json!(address), &json!(0)), "{item}");
        let line = gateway.log_line(&[("kind", "item"), ("id", "lost"), ("target", &address)]);
        let named = line["not_connected"].as_str().unwrap();
        assert!(named.starts_with(&format!("{address} {reason} ")) && named.ends_with("ms"), "{line}");
        assert!(line["connect_ms"].as_f64().is_some_and(|time| time > 0.0), "{line}");
        gateway.send(&Request::get("/b"));
        let line = gateway.log_line(&[("kind", "request"), ("path", "/b"), ("target", &address)]);
        assert!(line["not_connected"].as_str().is_some_and(|named| named.starts_with(&address)), "{line}");
    }
}

#[test]
fn a_large_batch_keeps_what_failed_and_the_first_others() {
    let upstream = Upstream::start();
    upstream.on("/broken", Answer::of(500, "text/plain", ""));
    let gateway = Config::all_to("orders", upstream.url()).start();
    let url = |number: usize| if number.is_multiple_of(10) { "/broken" } else { "/orders" };
    let items: Vec<_> = (1..=200).map(|number| json!({"method": "GET", "url": url(number)})).collect();
    send(&gateway, &items);
    let batch = kept(&gateway, 1).remove(0);
    let items = batch["items"].as_array().unwrap();
    let failed = items.iter().filter(|item| item["status"] == 500).count();
    assert_eq!((items.len(), failed, &batch["omitted"]), (40, 20, &json!(160)));
    assert_eq!(items[1]["position"], 2);
}

#[test]
fn the_configuration_says_how_many_batches_are_kept() {
    let upstream = Upstream::start();
    for (most, expected) in [(0, 0), (2, 2)] {
        let gateway =
            Config::all_to("orders", upstream.url()).raw(format!("console: {{ batches: {most} }}")).start();
        for _ in 0..3 {
            send(&gateway, &[json!({"method": "GET", "url": "/a"})]);
        }
        kept(&gateway, expected);
    }
}
