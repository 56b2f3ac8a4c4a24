//! Groups of several items, `atomicityGroup` and change sets: refused, or run one by one.

use serde_json::{Value, json};

use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

const MULTIPART: &str = "multipart/mixed; boundary=b";

/// An upstream that answers `/…/404` with that status.
fn upstream() -> Upstream {
    Upstream::answering(|request: &Recorded| {
        let status = request.target.rsplit('/').next().and_then(|last| last.parse().ok());
        Answer::json(status.unwrap_or(200), "{}")
    })
}

fn gateway(upstream: &Upstream, members: &str) -> Gateway {
    Config::all_to("legacy", upstream.url()).batch("/batch").with(members).start()
}

fn item(id: &str, method: &str, url: &str, group: Option<&str>) -> Value {
    let mut item = json!({"id": id, "method": method, "url": url});
    if let Some(group) = group {
        item["atomicityGroup"] = json!(group);
    }
    item
}

fn bounded(parts: &[String], boundary: &str) -> String {
    let bounded = parts.iter().flat_map(|part| ["--", boundary, "\r\n", part, "\r\n"]).collect::<String>();
    format!("{bounded}--{boundary}--\r\n")
}

fn part(id: &str, request: &str) -> String {
    format!("Content-Type: application/http\r\nContent-ID: {id}\r\n\r\n{request} HTTP/1.1\r\n\r\n")
}

fn change_set(parts: &[String]) -> String {
    format!("Content-Type: multipart/mixed; boundary=c\r\n\r\n{}", bounded(parts, "c"))
}

fn multipart(parts: &[String]) -> Request {
    Request::post("/batch", MULTIPART, bounded(parts, "b"))
}

/// Ids, statuses, and where sets begin and end.
fn outline(reply: &Reply) -> String {
    let text = reply.text();
    let line = |line: &str| {
        if line.starts_with("--changesetresponse_") && line.ends_with("--") {
            return Some(")".to_owned());
        }
        let set = line.starts_with("Content-Type: multipart/mixed").then_some("(");
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        set.or(status).or(line.strip_prefix("Content-ID: ")).map(str::to_owned)
    };
    text.lines().filter_map(line).collect::<Vec<_>>().join(" ")
}

fn targets(upstream: &Upstream) -> Vec<String> {
    upstream.requests().into_iter().map(|request| request.target).collect()
}

#[test]
fn members_run_one_by_one_whatever_becomes_of_the_others() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "groups: independent");
    let items = json!([
        item("a", "PUT", "/a", Some("g")),
        item("b", "PUT", "/b/500", Some("g")),
        item("c", "PUT", "/c", Some("g")),
        {"id": "after", "method": "GET", "url": "/after", "dependsOn": ["g"]},
        {"id": "asked", "method": "GET", "url": "/asked", "dependsOn": ["g"], "if": "not $g/$succeeded"},
    ]);
    let reply = gateway.batch(&json!({ "requests": items }));
    assert_eq!(reply.statuses(), [200, 500, 200, 424, 200]);
    assert_eq!(targets(&upstream), ["/a", "/b/500", "/c", "/asked"]);
    assert_eq!(upstream.most_in_flight(), 1);
    let line = gateway.log_line(&[("kind", "batch"), ("independent", "3")]);
    assert_eq!(line["endpoint"], "/batch");
}

#[test]
fn a_dependency_on_a_group_is_one_on_all_of_its_members() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "groups: independent");
    let after = json!({"id": "after", "method": "GET", "url": "/after", "dependsOn": ["g"]});
    for (last, expected) in [("/b", vec![200, 200, 200]), ("/b/404", vec![200, 404, 424])] {
        let items = json!([item("a", "PUT", "/a", Some("g")), item("b", "PUT", last, Some("g")), after]);
        assert_eq!(gateway.batch(&json!({ "requests": items })).statuses(), expected);
    }
}

#[test]
fn a_group_that_runs_one_by_one_is_not_called_a_group_in_the_reply() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "dialect: odata, groups: independent");
    let items = json!([
        item("a", "PUT", "a", Some("g")),
        item("b", "PUT", "b", Some("g")),
        item("c", "PUT", "c", Some("alone")),
    ]);
    let reply =
        gateway.send(&Request::post("/batch", "application/json", json!({"requests": items}).to_string()));
    assert_eq!(reply.status, 200);
    let responses = reply.json()["responses"].as_array().unwrap().clone();
    let groups: Vec<_> = responses.iter().map(|response| response["atomicityGroup"].as_str()).collect();
    assert_eq!(groups, [None, None, Some("alone")]);
}

#[test]
fn a_batch_that_stops_at_errors_stops_after_the_set_and_not_within_it() {
    let upstream = upstream();
    let parts = [
        part("1", "GET /before"),
        change_set(&[part("2", "PUT /a/409"), part("3", "DELETE /b")]),
        part("4", "GET /after"),
    ];
    for (members, expected) in [
        ("changesets: nested", "1 200 ( 2 409 3 200 )"),
        ("changesets: flat", "1 200 2 409 3 200"),
        ("on_error: continue", "1 200 ( 2 409 3 200 ) 4 200"),
        ("changesets: flat, on_error: continue", "1 200 2 409 3 200 4 200"),
    ] {
        let gateway = gateway(&upstream, &format!("dialect: odata, groups: independent, {members}"));
        assert_eq!(outline(&gateway.send(&multipart(&parts))), expected, "{members}");
    }
    assert_eq!(upstream.most_in_flight(), 1);
}

#[test]
fn a_member_can_refer_to_one_before_it() {
    let upstream = Upstream::answering(|request: &Recorded| {
        let answer = Answer::json(if request.method == "POST" { 201 } else { 200 }, "{}");
        answer.header("Location", "/orders/7")
    });
    let gateway = gateway(&upstream, "dialect: odata, groups: independent, changesets: flat");
    let parts = [change_set(&[part("1", "POST /orders"), part("2", "PATCH $1/lines")])];
    assert_eq!(outline(&gateway.send(&multipart(&parts))), "1 201 2 200");
    assert_eq!(targets(&upstream), ["/orders", "/orders/7/lines"]);
}

/// A batch with nothing in it but refused groups, in each of its formats.
fn refused_batches() -> Vec<Request> {
    let items = json!({"requests": [
        item("a", "PUT", "/a", Some("g")), item("b", "DELETE", "/b", Some("g")),
        {"id": "c", "method": "GET", "url": "/c", "dependsOn": ["g"]},
    ]});
    let json = || Request::post("/batch", "application/json", items.to_string());
    let set = multipart(&[change_set(&[part("1", "PUT /a"), part("2", "DELETE /b")])]);
    vec![
        json(),
        json().header("Accept", "application/xml"),
        json().header("Accept", "application/x-ndjson"),
        set,
    ]
}

#[test]
fn a_batch_in_which_nothing_ran_but_refused_groups_is_itself_refused() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "");
    for request in refused_batches() {
        let reply = gateway.send(&request);
        assert_eq!(reply.status, 501, "{}", reply.text());
        assert!(reply.text().contains("nothing of the batch was sent"), "{}", reply.text());
    }
    assert!(upstream.requests().is_empty());
    let metrics = gateway.metrics();
    let refused = |method| {
        metrics
            .count("batchgate_items_total", &[("method", method), ("code", "501"), ("outcome", "rejected")])
    };
    assert_eq!((refused("PUT"), refused("DELETE")), (4, 4));
    assert_eq!(metrics.count("batchgate_items_total", &[("code", "424")]), 3);
    assert_eq!(metrics.count("batchgate_rejections_total", &[("reason", "not_implemented")]), 4);
    assert_eq!(metrics.count("batchgate_batches_total", &[("outcome", "refused")]), 4);
}

#[test]
fn the_refusal_has_the_shape_of_the_dialect() {
    let upstream = upstream();
    let parts = [change_set(&[part("1", "PUT /a"), part("2", "DELETE /b")])];
    for (dialect, pointer) in [
        ("odata", "/error/message"),
        ("odata-3", "/error/message/value"),
        ("odata-3", "/odata.error/message/value"),
        ("google", "/error/errors/0/message"),
        ("batchgate", "/error/message"),
    ] {
        let gateway = gateway(&upstream, &format!("dialect: {dialect}"));
        let reply = gateway.send(&multipart(&parts));
        let message = reply.json().pointer(pointer).map(ToString::to_string);
        assert_eq!(reply.status, 501);
        assert!(
            message.is_some_and(|text| text.contains("nothing of the batch was sent")),
            "{}",
            reply.text()
        );
    }
}

#[test]
fn beside_items_that_ran_a_refused_set_is_one_part_or_one_for_each_request() {
    let upstream = upstream();
    let parts = [part("1", "GET /a"), change_set(&[part("2", "PUT /a"), part("3", "DELETE /b")])];
    for (members, expected) in [
        ("", "1 200 501"),
        ("changesets: flat", "1 200 2 501 3 501"),
        ("dialect: odata", "1 200 501"),
        ("dialect: odata, changesets: flat", "1 200 2 501 3 501"),
    ] {
        let gateway = gateway(&upstream, members);
        assert_eq!(outline(&gateway.send(&multipart(&parts))), expected, "{members}");
        let rejected = [("code", "501"), ("outcome", "rejected")];
        gateway.wait_for_metric("batchgate_items_total", &rejected, 2.0);
        gateway.log_line(&[("kind", "item"), ("method", "DELETE"), ("status", "501")]);
    }
}

#[test]
fn the_endpoint_says_what_becomes_of_groups() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "groups: independent, changesets: flat");
    let limits = gateway.send(&Request::get("/batch")).json();
    assert_eq!((&limits["groups"], &limits["changesets"]), (&json!("independent"), &json!("flat")));
    let items = json!({"requests": [item("a", "PUT", "/a", Some("g")), item("b", "PUT", "/b", Some("g"))]});
    let explained = gateway.send(&Request::batch(&items).header("Prefer", "handling=explain")).json();
    assert_eq!(explained["groups"], "independent");
    assert_eq!(
        (&explained["items"][0]["follows"], &explained["items"][1]["follows"]),
        (&Value::Null, &json!(1))
    );
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_explanation_says_that_a_batch_is_refused_for_its_groups() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "");
    let explained = |items: Value| {
        let batch = Request::batch(&json!({"requests": items})).header("Prefer", "handling=explain");
        gateway.send(&batch).json()["refused"].clone()
    };
    let group = [item("a", "PUT", "/a", Some("g")), item("b", "PUT", "/b", Some("g"))];
    let refused = gateway.send(&Request::batch(&json!({"requests": group}))).json();
    assert_eq!(explained(json!(group)), refused["detail"]);
    let [a, b] = group;
    assert_eq!(explained(json!([a, b, item("c", "GET", "/c", None)])), Value::Null);
}
