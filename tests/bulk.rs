//! Bulk routes against the running gateway: every form of records, what is no bulk, the formats of the
//! reply, and what metrics say.

use proptest::prelude::*;
use proptest::test_runner::{Config as RunnerConfig, TestRunner};
use serde_json::{Value, json};

use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream, until};

/// Takes records at `/orders`.
fn start() -> (Upstream, Gateway) {
    start_with("")
}

fn start_with(keys: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    let config = Config::new().upstream("legacy", upstream.url()).route("/orders", "legacy");
    let gateway = config.bulk("/orders", "GET, POST, PATCH, PUT, DELETE").with(keys).start();
    (upstream, gateway)
}

fn patch(content_type: &str, body: &str) -> Request {
    Request::new("PATCH", "/orders").header("Content-Type", content_type).body(body)
}

/// What the upstream got, in the order of the targets: `method target type body`.
fn sent(upstream: &Upstream) -> Vec<String> {
    let line = |request: &Recorded| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let content_type = request.header("content-type").unwrap_or("-").to_owned();
        format!("{} {} {content_type} {body}", request.method, request.target)
    };
    let mut lines: Vec<_> = upstream.requests().iter().map(line).collect();
    lines.sort();
    lines
}

fn ids(reply: &Reply) -> Vec<String> {
    reply.results().iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_json_array_is_a_call_for_each_record() {
    let (upstream, gateway) = start();
    upstream.on("/orders/8", Answer::text(404, "gone"));
    let reply = gateway.send(&patch("application/json", r#"[{"id":7, "status":"paid"},{"id":8},{"x":1}]"#));
    assert_eq!(
        (ids(&reply), reply.statuses()),
        (vec!["1".into(), "2".into(), "3".into()], vec![200, 404, 400])
    );
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    assert_eq!(reply.json()["summary"], json!({"items": 3, "failed": 2}));
    let expected = [
        r#"PATCH /orders/7 application/json {"id":7, "status":"paid"}"#,
        r#"PATCH /orders/8 application/json {"id":8}"#,
    ];
    assert_eq!(sent(&upstream), expected);
}

#[test]
fn curl_needs_no_content_type() {
    let (upstream, gateway) = start();
    let reply = gateway.send(&patch("application/x-www-form-urlencoded", r#"[{"id":7}]"#));
    assert_eq!(reply.statuses(), [200]);
    assert_eq!(sent(&upstream), [r#"PATCH /orders/7 application/json {"id":7}"#]);
}

#[test]
fn each_line_of_ndjson_is_a_call() {
    let (upstream, gateway) = start();
    let reply = gateway.send(&patch("application/x-ndjson", "{\"id\":1}\n{\"id\":\n{\"id\":2}\n"));
    assert_eq!(reply.statuses(), [200, 400, 200]);
    assert!(reply.results()[1]["body"]["detail"].as_str().unwrap().contains("line 2"));
    assert_eq!(sent(&upstream).len(), 2);
}

#[test]
fn each_row_of_csv_is_a_call() {
    let (upstream, gateway) = start();
    let reply = gateway.send(&patch("text/csv", "id,note\r\n7,\"a, \"\"b\"\"\"\r\n8,\r\n"));
    assert_eq!(reply.statuses(), [200, 200]);
    let expected = [
        r#"PATCH /orders/7 application/json {"id":"7","note":"a, \"b\""}"#,
        r#"PATCH /orders/8 application/json {"id":"8","note":""}"#,
    ];
    assert_eq!(sent(&upstream), expected);
}

#[test]
fn each_element_of_xml_is_a_call_and_the_reply_is_xml() {
    let (upstream, gateway) = start();
    let xml = "<q:list xmlns:q='urn:o'><q:order><id>7</id></q:order><order id='8'/></q:list>";
    let reply = gateway.send(&patch("application/xml", xml));
    assert_eq!(reply.status, 207);
    assert!(reply.header("Content-Type").unwrap().starts_with("application/xml"), "{reply:?}");
    assert!(reply.text().contains("<D:href>/orders/7</D:href>"), "{}", reply.text());
    let expected = [
        r#"PATCH /orders/7 application/xml <q:order xmlns:q="urn:o"><id>7</id></q:order>"#,
        "PATCH /orders/8 application/xml <order id='8'/>",
    ];
    assert_eq!(sent(&upstream), expected);
}

#[test]
fn a_query_parameter_is_a_call_for_each_value() {
    let (upstream, gateway) = start();
    let reply = gateway.send(&Request::get("/orders?id=1,2&expand=all&id=3"));
    assert_eq!(reply.statuses(), [200, 200, 200]);
    let reply = gateway.send(&Request::new("DELETE", "/orders?id=4"));
    assert_eq!(reply.statuses(), [200]);
    let expected = [
        "DELETE /orders/4 - ",
        "GET /orders/1?expand=all - ",
        "GET /orders/2?expand=all - ",
        "GET /orders/3?expand=all - ",
    ];
    assert_eq!(sent(&upstream), expected);
}

#[test]
fn what_has_no_parameter_is_an_ordinary_request() {
    let (upstream, gateway) = start();
    upstream.on("/orders?page=2", Answer::text(200, "all of them"));
    let reply = gateway.send(&Request::get("/orders?page=2"));
    assert_eq!((reply.status, reply.text().as_str()), (200, "all of them"));
    assert_eq!(gateway.send(&Request::new("DELETE", "/orders")).status, 200);
    assert_eq!(gateway.send(&Request::new("OPTIONS", "/orders")).status, 200);
    assert_eq!(gateway.send(&Request::get("/orders/?id=1")).status, 200);
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/orders?page=2", "/orders", "/orders", "/orders/?id=1"]);
}

#[test]
fn the_reply_follows_accept() {
    let (_upstream, gateway) = start();
    for (content_type, body) in [
        ("application/json", "[{\"id\":1}]"),
        ("application/x-ndjson", "{\"id\":1}"),
        ("text/csv", "id\n1"),
        ("application/xml", "<l><a id='1'/></l>"),
    ] {
        for accept in ["application/json", "application/xml"] {
            let reply = gateway.send(&patch(content_type, body).header("Accept", accept));
            assert_eq!(reply.status, 207);
            assert!(reply.header("Content-Type").unwrap().starts_with(accept), "{content_type} {accept}");
        }
    }
    let refused = gateway.send(&patch("application/json", "[{\"id\":1}]").header("Accept", "image/png"));
    assert_eq!(refused.status, 406);
}

#[test]
fn fields_hand_down_and_preferences_hold() {
    let (upstream, gateway) = start();
    upstream.on("/orders/1", Answer::text(409, "no"));
    let request = patch("application/json", "[{\"id\":1},{\"id\":2}]")
        .header("Authorization", "Bearer x")
        .header("If-Match", "*")
        .header("Prefer", "order=sequential, continue-on-error=false");
    assert_eq!(gateway.send(&request).statuses(), [409, 424]);
    let request = &upstream.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer x"));
    assert_eq!(request.header("if-match"), None);
}

#[test]
fn its_own_limits_hold() {
    let (upstream, gateway) = start_with("max_items: 2, reply_status: 200");
    let too_many = gateway.send(&patch("application/json", "[{\"id\":1},{\"id\":2},{\"id\":3}]"));
    assert_eq!((too_many.status, upstream.requests().len()), (413, 0));
    assert_eq!(gateway.send(&patch("application/json", "[{\"id\":1}]")).status, 200);
}

#[test]
fn each_of_a_hundred_thousand_records_is_answered() {
    let (upstream, gateway) = start_with("max_items: 100000");
    let lines = "{\"key\":7}\n".repeat(100_000);
    let reply = gateway.send(&patch("application/x-ndjson", &lines));
    assert_eq!(reply.json()["summary"], json!({"items": 100_000, "failed": 100_000}));
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn metrics_name_the_path_and_the_form() {
    let (_upstream, gateway) = start();
    gateway.send(&patch("text/csv", "id\n1"));
    gateway.send(&Request::get("/orders?id=1"));
    gateway.send(&patch("image/png", "x"));
    let batches = |format, outcome| {
        let labels = [("endpoint", "/orders"), ("format", format), ("outcome", outcome)];
        gateway.metrics().count("batchgate_batches_total", &labels)
    };
    // A batch is counted once its reply has left.
    for format in ["csv", "query"] {
        until("the bulk to be counted", || (batches(format, "ok") == 1).then_some(()));
    }
    assert_eq!((batches("ndjson", "ok"), batches("", "refused")), (0, 1));
}

#[test]
fn a_page_of_another_site_can_not_post_records() {
    let (upstream, gateway) = start();
    let request =
        Request::post("/orders", "text/plain", "[{\"id\":1}]").header("Origin", "https://evil.example");
    assert_eq!((gateway.send(&request).status, upstream.requests().len()), (403, 0));
}

/// Whatever the record's value, a call's path is the template with exactly one segment filled in, and
/// that segment says the value.
#[test]
fn a_value_fills_one_segment() {
    let (upstream, gateway) = start();
    let values = prop::collection::vec("\\PC{0,12}|[./%\\\\;?#a-f0-9\\r\\n]{0,8}|\\.{1,3}|%2[ef]", 1..40);
    let mut runner =
        TestRunner::new(RunnerConfig { cases: 40, failure_persistence: None, ..RunnerConfig::default() });
    let run = runner.run(&values, |values| {
        let before = upstream.requests().len();
        let records: Vec<Value> = values.iter().map(|value| json!({ "id": value })).collect();
        let reply = gateway.send(&patch("application/json", &Value::from(records).to_string()));
        let passed = reply.statuses().iter().filter(|status| **status == 200).count();
        let requests = upstream.requests();
        let calls = &requests[before..];
        prop_assert_eq!(calls.len(), passed);
        for call in calls {
            let segment = call.target.strip_prefix("/orders/").unwrap_or_default();
            let value = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
            prop_assert!(!segment.is_empty() && !segment.contains(['/', '?', '#', '\\']), "{}", call.target);
            prop_assert!(values.iter().any(|given| *given == value), "{}", call.target);
            prop_assert!(
                !value.contains(['/', '\\', '\r', '\n']) && value != "." && value != "..",
                "{value}"
            );
        }
        Ok(())
    });
    run.unwrap();
}
