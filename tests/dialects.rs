//! What the dialects do otherwise than the gateway's own format, from raw requests. Their real clients
//! are in `dialect_clients.rs`.

use serde_json::{Value, json};

use crate::harness::gateway::batchgate;
use crate::harness::programs::{run, text};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

const ODATA: &str = "/svc/$batch";
const GRAPH: &str = "/v1.0/$batch";
const MULTIPART: &str = "multipart/mixed; boundary=b";

/// An upstream that echoes bodies, and answers `/…/404` with that status.
fn upstream() -> Upstream {
    Upstream::answering(|request: &Recorded| {
        let status = request.target.rsplit('/').next().and_then(|last| last.parse().ok());
        match status {
            Some(status) if status >= 400 => Answer::json(status, r#"{"no": true}"#),
            _ if request.body.is_empty() => Answer::json(200, r#"{"ok": true}"#),
            _ => Answer::of(200, request.header("Content-Type").unwrap_or("x/x"), &request.body),
        }
    })
}

/// A gateway with an endpoint for each dialect.
fn gateway(upstream: &Upstream) -> Gateway {
    let odata = Config::all_to("legacy", upstream.url()).batch(ODATA).with("dialect: odata");
    odata.batch(GRAPH).with("dialect: graph").start()
}

fn json_batch(endpoint: &str, items: &Value) -> Request {
    Request::post(endpoint, "application/json", json!({ "requests": items }).to_string())
}

/// The results of a JSON batch that was accepted.
fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 1, "no member beside `responses`: {json}");
    json["responses"].as_array().unwrap().clone()
}

fn members<'a>(results: &'a [Value], name: &str) -> Vec<&'a Value> {
    results.iter().map(|result| &result[name]).collect()
}

/// Parts between boundaries.
fn bounded(parts: &[String], boundary: &str) -> String {
    let bounded = parts.iter().flat_map(|part| ["--", boundary, "\r\n", part, "\r\n"]).collect::<String>();
    format!("{bounded}--{boundary}--\r\n")
}

/// A batch in multipart of these parts.
fn multipart(parts: &[String]) -> Request {
    Request::post(ODATA, MULTIPART, bounded(parts, "b"))
}

fn part(id: &str, request: &str) -> String {
    format!("Content-Type: application/http\r\nContent-ID: {id}\r\n\r\n{request} HTTP/1.1\r\n\r\n")
}

fn change_set(parts: &[String]) -> String {
    format!("Content-Type: multipart/mixed; boundary=c\r\n\r\n{}", bounded(parts, "c"))
}

/// The lines of a multipart reply that say what its parts are: ids, statuses, nested multiparts.
fn outline(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("Content-Type").unwrap().starts_with("multipart/mixed; boundary="));
    let text = reply.text();
    let lines = text.lines().filter_map(|line| {
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let set = line.starts_with("Content-Type: multipart/mixed").then_some("set");
        status.or(line.strip_prefix("Content-ID: ")).or(set)
    });
    lines.map(str::to_owned).collect()
}

#[test]
fn odatas_json_has_its_shape_and_the_order_of_the_request() {
    let upstream = upstream();
    let items = json!([
        {"id": "a", "method": "get", "url": "Orders(1)"},
        {"id": "b", "method": "PATCH", "url": "/svc/Orders(2)", "atomicityGroup": "g", "body": {"n": 1}},
        {"id": "c", "method": "put", "url": "/x", "headers": {"content-type": "image/png"}, "body": "-__-"},
        {"id": "d", "method": "GET", "url": "Orders/404"},
    ]);
    let reply = gateway(&upstream).send(&json_batch(ODATA, &items));
    let results = results(&reply);
    assert_eq!(members(&results, "id"), ["a", "b", "c", "d"]);
    assert_eq!(members(&results, "status"), [200, 200, 200, 404]);
    assert_eq!((&results[1]["atomicityGroup"], &results[1]["body"]), (&json!("g"), &json!({"n": 1})));
    assert_eq!(results[2]["body"], "-__-");
    assert_eq!(upstream.requests_to("/svc/Orders(1)").len(), 1);
    assert_eq!(upstream.requests_to("/x")[0].body, [0xfb, 0xff, 0xfe]);
    let own = ["outcome", "retryable", "encoding"];
    assert!(results.iter().all(|result| own.iter().all(|name| result.get(name).is_none())), "{results:?}");
}

#[test]
fn a_group_of_several_is_not_run_by_odata() {
    let upstream = upstream();
    let item = |id: &str, group: &str| json!({"id": id, "method": "PUT", "url": "x", "atomicityGroup": group, "body": 1});
    let gateway = gateway(&upstream);
    let alone = json!({"id": "c", "method": "GET", "url": "x"});
    let reply = gateway.send(&json_batch(ODATA, &json!([item("a", "g"), item("b", "g"), alone])));
    let results = results(&reply);
    assert_eq!(members(&results, "status"), [501, 501, 200]);
    assert_eq!(members(&results, "atomicityGroup"), [&json!("g"), &json!("g"), &Value::Null]);
    assert_eq!(results[0]["headers"]["Content-Type"], "application/json");
    assert_eq!(results[0]["body"]["error"].as_object().unwrap().len(), 2, "{results:?}");
    assert!(results[0]["headers"]["Proxy-Status"].as_str().unwrap().ends_with("; outcome=rejected"));
    let apart = gateway.send(&json_batch(ODATA, &json!([item("a", "g"), item("b", "h"), item("c", "g")])));
    assert_eq!((apart.status, apart.header("Content-Type")), (400, Some("application/json")));
    assert_eq!(apart.json()["error"]["code"], "bad_group");
    let named_as_an_item = gateway.send(&json_batch(ODATA, &json!([item("a", "a")])));
    assert_eq!(named_as_an_item.status, 400);
    let nothing = gateway.send(&json_batch(ODATA, &json!([item("a", "g"), item("b", "g")])));
    assert_eq!((nothing.status, &nothing.json()["error"]["code"]), (501, &json!("not_implemented")));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn odatas_json_stops_only_where_it_is_asked_to_and_leaves_out_the_rest() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let items = json!([
        {"id": "a", "method": "GET", "url": "404"},
        {"id": "b", "method": "GET", "url": "x"},
        {"id": "c", "method": "GET", "url": "y"},
    ]);
    let request = json_batch(ODATA, &items);
    assert_eq!(members(&results(&gateway.send(&request)), "status"), [404, 200, 200]);
    let request = request.header("Prefer", "odata.continue-on-error=false, order=sequential");
    let reply = gateway.send(&request);
    assert_eq!(members(&results(&reply), "status"), [404]);
    assert_eq!(reply.header("Preference-Applied"), Some("order=sequential, continue-on-error=false"));
    assert_eq!(upstream.requests().len(), 4);
    gateway.wait_for_metric("batchgate_items_total", &[], 6.0);
    gateway.wait_for_metric("batchgate_items_total", &[("outcome", "skipped")], 2.0);
}

#[test]
fn odatas_multipart_runs_in_order_up_to_the_first_error() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let parts = [part("1", "GET x"), part("2", "GET /y/404"), part("3", "GET z")];
    assert_eq!(outline(&gateway.send(&multipart(&parts))), ["1", "200", "2", "404"]);
    assert_eq!(upstream.most_in_flight(), 1);
    let targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/svc/x", "/y/404"]);
    for preference in ["continue-on-error", "odata.continue-on-error", "continue-on-error=true"] {
        let reply = gateway.send(&multipart(&parts).header("Prefer", preference));
        assert_eq!(outline(&reply), ["1", "200", "2", "404", "3", "200"], "{preference}");
    }
    gateway.wait_for_metric("batchgate_items_total", &[], 12.0);
}

#[test]
fn odatas_change_sets_are_answered_as_sets_only_if_they_are_good() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let good = change_set(&[part("1", "PUT x")]);
    let failed = change_set(&[part("1", "PUT /y/409")]);
    let two = change_set(&[part("1", "PUT x"), part("2", "PUT y")]);
    let last = part("9", "GET x");
    assert_eq!(outline(&gateway.send(&multipart(&[good, last.clone()]))), ["set", "1", "200", "9", "200"]);
    assert_eq!(outline(&gateway.send(&multipart(&[failed, last.clone()]))), ["1", "409"]);
    let sent = upstream.requests().len();
    let reply = gateway.send(&multipart(&[part("8", "GET x"), two.clone(), last.clone()]));
    assert_eq!(outline(&reply), ["8", "200", "501"]);
    assert!(reply.text().contains("Content-Type: application/json\r\n"), "{}", reply.text());
    assert!(reply.text().contains("{\"error\":{\"code\":"), "{}", reply.text());
    assert_eq!(gateway.send(&multipart(&[two, last])).status, 501);
    assert_eq!(upstream.requests().len(), sent + 1);
}

#[test]
fn odata_answers_multipart_in_multipart_and_json_as_it_is_accepted() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let parts = [part("1", "GET x")];
    let reply = gateway.send(&multipart(&parts).header("Accept", "application/json"));
    assert_eq!(outline(&reply), ["1", "200"]);
    let json = json_batch(ODATA, &json!([{"id": "a", "method": "GET", "url": "x"}]));
    let reply = gateway.send(&json.header("Accept", "multipart/mixed"));
    assert_eq!(outline(&reply), ["a", "200"]);
}

#[test]
fn odatas_items_inherit_what_the_batch_accepts_and_prefers() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let own = json!({"Accept": "image/png", "Prefer": "return=minimal"});
    let items = json!([
        {"id": "a", "method": "GET", "url": "/plain"},
        {"id": "b", "method": "GET", "url": "/own", "headers": own}
    ]);
    let outer = |request: Request| {
        let preferences = "continue-on-error, include-annotations=\"*\", wait=9";
        let request = request.header("Accept", "multipart/mixed;q=0.5, application/json");
        request.header("Prefer", preferences).header("Accept-Language", "de").header("Content-Language", "fr")
    };
    results(&gateway.send(&outer(json_batch(ODATA, &items))));
    results(&gateway.send(&outer(json_batch(GRAPH, &items))));
    let sent = |path: &str, name| {
        let fields = |request: &Recorded| {
            let same = request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            same.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("; ")
        };
        let in_graph = upstream.requests_to(&format!("/v1.0{path}"));
        upstream.requests_to(path).iter().chain(&in_graph).map(fields).collect::<Vec<_>>()
    };
    assert_eq!(sent("/plain", "Accept"), ["application/json", ""], "of OData, and of Graph");
    assert_eq!(sent("/own", "Accept"), ["image/png", "image/png"]);
    assert_eq!(sent("/plain", "Prefer"), ["include-annotations=\"*\"", ""]);
    assert_eq!(sent("/own", "Prefer"), ["return=minimal; include-annotations=\"*\"", "return=minimal"]);
    assert_eq!(
        [sent("/plain", "Accept-Language"), sent("/plain", "Content-Language")],
        [["de", "de"], ["fr", ""]]
    );
}

#[test]
fn odatas_replies_say_their_version() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let request = json_batch(ODATA, &json!([{"id": "a", "method": "GET", "url": "x"}]));
    let version = |request: &Request| {
        let reply = gateway.send(request);
        (reply.status, reply.header("OData-Version").map(str::to_owned))
    };
    let of = |status, version: &str| (status, Some(version.to_owned()));
    assert_eq!(version(&request), of(200, "4.01"));
    assert_eq!(version(&request.clone().header("OData-Version", "4.0")), of(200, "4.0"));
    let request = request.header("OData-MaxVersion", "4.0");
    assert_eq!(version(&request), of(200, "4.0"));
    assert_eq!(version(&request.clone().header("OData-Version", "3.0")), of(400, "4.01"));
    assert_eq!(version(&request.header("Isolation", "snapshot")), of(412, "4.01"));
    let graph = json_batch(GRAPH, &json!([{"id": "a", "method": "GET", "url": "x"}]));
    assert_eq!(version(&graph), (200, None));
}

#[test]
fn a_refused_batch_has_its_dialects_error() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let xml = |endpoint| Request::post(endpoint, "application/xml", "<batch/>");
    let accept = |endpoint, accept| json_batch(endpoint, &json!([])).header("Accept", accept);
    for (request, status, code) in [
        (Request::post(ODATA, "application/json", "{"), 400, "malformed"),
        (Request::post(ODATA, MULTIPART, "--b\r\n").header("Accept", "multipart/mixed"), 400, "malformed"),
        (xml(ODATA), 415, "unsupported_media_type"),
        (xml(GRAPH), 415, "unsupported_media_type"),
        (Request::post(GRAPH, MULTIPART, "--b--"), 415, "unsupported_media_type"),
        (Request::post(ODATA, "application/x-ndjson", "{}"), 415, "unsupported_media_type"),
        (accept(ODATA, "application/xml"), 406, "not_acceptable"),
        (accept(GRAPH, "multipart/mixed"), 406, "not_acceptable"),
        (Request::new("PUT", GRAPH), 405, "method_not_allowed"),
    ] {
        let reply = gateway.send(&request);
        assert_eq!((reply.status, reply.header("Content-Type")), (status, Some("application/json")));
        let error = reply.json();
        assert_eq!((error.as_object().unwrap().len(), &error["error"]["code"]), (1, &json!(code)));
        assert!(error["error"]["message"].is_string(), "{error}");
    }
}

#[test]
fn graphs_ids_are_alike_in_any_case() {
    let upstream = upstream();
    let item = |id: &str, more: Value| {
        let mut item = json!({"id": id, "method": "GET", "url": "/x"});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let gateway = gateway(&upstream);
    let twice = json!([item("a", json!({})), item("A", json!({}))]);
    let reply = gateway.send(&json_batch(GRAPH, &twice));
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("duplicate_id")));
    assert!(upstream.requests().is_empty());
    assert_eq!(members(&results(&gateway.send(&json_batch(ODATA, &twice))), "status"), [200, 200]);
    let named = json!([
        item("First", json!({})),
        item("B", json!({"dependsOn": ["first"]})),
        item("C", json!({"dependsOn": ["b"], "url": "/y?status={$responses.FIRST.status}"})),
        item("d", json!({"if": "$fIRST/$succeeded"})),
        item("e", json!({"if": "$firsT/$succeeded eq false"})),
    ]);
    let reply = results(&gateway.send(&json_batch(GRAPH, &named)));
    assert_eq!(members(&reply, "status"), [200, 200, 200, 200, 424]);
    assert_eq!(members(&reply, "id"), ["First", "B", "C", "d", "e"], "as they were written");
    assert_eq!(gateway.send(&json_batch(ODATA, &named)).status, 400);
}

#[test]
fn graph_takes_text_in_base64_and_urls_without_a_slash() {
    let upstream = upstream();
    let put = |id: &str, kind: &str, body: &str| json!({"id": id, "method": "PUT", "url": id, "headers": {"content-type": kind}, "body": body});
    let items = json!([
        put("t", "text/plain", "xYF1a2Fzeg=="),
        put("b", "image/png", "-__-"),
        put("bad", "text/plain", "Łukasz")
    ]);
    let results = results(&gateway(&upstream).send(&json_batch(GRAPH, &items)));
    assert_eq!(members(&results, "status"), [200, 200, 400]);
    assert_eq!((&results[0]["body"], &results[1]["body"]), (&json!("Łukasz"), &json!("+//+")));
    assert_eq!(results[2]["body"]["error"]["code"], "bad_body");
    assert_eq!(upstream.requests_to("/v1.0/t")[0].text(), "Łukasz");
    assert_eq!(upstream.requests_to("/v1.0/b")[0].body, [0xfb, 0xff, 0xfe]);
}

#[test]
fn graph_skips_all_that_depends_on_a_failure() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let items = json!([
        {"id": "a", "method": "GET", "url": "/404"},
        {"id": "b", "method": "GET", "url": "/b", "dependsOn": ["a"]},
        {"id": "c", "method": "GET", "url": "/c", "dependsOn": ["b"]},
        {"id": "d", "method": "GET", "url": "/d"},
    ]);
    let results = results(&gateway.send(&json_batch(GRAPH, &items)));
    assert_eq!(members(&results, "status"), [404, 424, 424, 200]);
    assert!(results[2]["body"]["error"]["message"].is_string(), "{results:?}");
    assert_eq!(upstream.requests().len(), 2);
    gateway.wait_for_metric("batchgate_items_total", &[("outcome", "skipped")], 2.0);
}

#[test]
fn an_endpoint_tells_its_dialect() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let told = gateway.send(&Request::get(ODATA)).json();
    assert_eq!((&told["dialect"], &told["replyStatus"]), (&json!("odata"), &json!(200)));
    assert_eq!(told["formats"], json!(["application/json", "multipart/mixed"]));
    assert_eq!((&told["order"], &told["continueOnError"]), (&json!("parallel"), &json!(true)));
    assert_eq!(told["multipart"], json!({"order": "sequential", "continueOnError": false}));
    let told = gateway.send(&Request::get(GRAPH)).json();
    assert_eq!((&told["dialect"], &told["formats"]), (&json!("graph"), &json!(["application/json"])));
    assert_eq!(told.get("multipart"), None);
}

#[test]
fn explain_shows_the_dialects_order() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let request = multipart(&[part("1", "GET x")]).header("Prefer", "handling=explain");
    let told = gateway.send(&request).json();
    assert_eq!((&told["order"], &told["continueOnError"]), (&json!("sequential"), &json!(false)), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batch.json");
    std::fs::write(&file, r#"{"requests": [{"id": "a", "method": "GET", "url": "Orders(1)"}]}"#).unwrap();
    let mut explain = batchgate();
    explain.args(["explain", "--endpoint", ODATA, "--config"]).arg(gateway.config_file()).arg(&file);
    let output = text(&run(&mut explain));
    assert!(output.contains("/svc/Orders(1)") && output.contains("in parallel"), "{output}");
}
