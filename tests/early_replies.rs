//! Replies that begin while later items are under way: when they do, that their bytes are those of a reply that leaves at
//! once, and what becomes of the rest.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::http2::{Call, Http2Client};
use crate::harness::wait::{until, until_true};
use crate::harness::{Answer, Config, Connection, Gate, Gateway, Reply, Request, Setup, Upstream};

const MULTIPART: &str = "multipart/mixed; boundary=b";

fn get(path: &str) -> Value {
    json!({"method": "GET", "url": path})
}

fn batch(paths: &[&str]) -> Value {
    json!({"requests": paths.iter().map(|path| get(path)).collect::<Vec<_>>()})
}

/// An upstream that answers `/slow` once the gate is open.
fn upstream(gate: &Gate) -> Upstream {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::json(200, r#"{"late":true}"#).when(gate));
    upstream.on("/bad", Answer::json(404, r#"{"no":"such"}"#));
    upstream.on("/zip", Answer::text(200, &"zip ".repeat(3000)));
    upstream.on("/busy", Answer::text(503, "busy").header("Retry-After", "7"));
    upstream.on("/later", Answer::text(503, "busy").header("Retry-After", "9").when(gate));
    upstream
}

fn start(upstream: &Upstream, members: &str) -> Gateway {
    Setup::tuned(&upstream.url(), "timeout: { item: 20s }", members).start()
}

fn send(gateway: &Gateway, request: &Request) -> Connection {
    let mut client = gateway.connect();
    client.write(&request.to_bytes(gateway.address()));
    client
}

/// The results of a reply whose end has still to be read.
fn statuses(body: &str) -> Vec<u64> {
    let json: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"));
    json["responses"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

/// Reads chunks until the body has this in it.
fn chunks_with(client: &mut Connection, text: &str) -> String {
    let mut body = String::new();
    while !body.contains(text) {
        let chunk = client.chunk().unwrap_or_else(|| panic!("the body ended without {text}: {body}"));
        body += &String::from_utf8(chunk).unwrap();
    }
    body
}

fn rest(client: &mut Connection) -> String {
    String::from_utf8(std::iter::from_fn(|| client.chunk()).flatten().collect()).unwrap()
}

#[test]
fn results_leave_while_a_later_item_is_under_way() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    let gateway = start(&upstream, "");
    let mut client = send(&gateway, &Request::batch(&batch(&["/a", "/bad", "/slow", "/b"])));
    let head = client.head();
    assert_eq!((head.status, head.header("Content-Length")), (207, None));
    for (name, value) in
        [("Transfer-Encoding", "chunked"), ("X-Accel-Buffering", "no"), ("Content-Type", "application/json")]
    {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    let begin = chunks_with(&mut client, "such");
    assert!(begin.starts_with(r#"{"responses":[{"id":"1","status":200"#), "{begin}");
    assert!(!begin.contains(r#""id":"3""#), "{begin}");
    let under_way = [("outcome", "partial")];
    assert_eq!(gateway.metrics().sum("batchgate_batches_total", &under_way).to_string(), "0");
    gate.open();
    let body = begin + &rest(&mut client);
    assert_eq!(statuses(&body), [200, 404, 200, 200]);
    gateway.wait_for_metric("batchgate_batches_total", &under_way, 1.0);
    let line = gateway.log_line(&[("kind", "batch"), ("outcome", "partial")]);
    assert_eq!((&line["status"], &line["items"], &line["failed"]), (&json!(207), &json!(4), &json!(1)));
    assert_eq!(line["bytes_out"], body.len());
    // The connection goes on.
    client.write(&Request::batch(&batch(&["/a"])).to_bytes(gateway.address()));
    assert_eq!(client.reply_to("POST").statuses(), [200]);
}

#[test]
fn a_fast_batch_has_its_reply_at_once() {
    let upstream = upstream(&Gate::closed());
    let gateway = start(&upstream, "");
    // On a machine that is busy, an item may take long after all.
    let reply = until("a fast batch", || {
        let reply = gateway.batch(&batch(&["/a", "/b", "/bad"]));
        assert_eq!(reply.statuses(), [200, 200, 404]);
        Some(reply).filter(|reply| reply.header("Transfer-Encoding").is_none())
    });
    assert_eq!(reply.header("Content-Length"), Some(reply.body.len().to_string().as_str()));
}

/// A batch to an endpoint, once for each dialect and each format that is not streamed line by line.
fn requests() -> Vec<(&'static str, Request)> {
    let items = r#"[{"id":"1","method":"GET","url":"/a"},{"id":"2","method":"GET","url":"/bad"},{"id":"3","method":"GET","url":"/zip"},
        {"id":"4","method":"GET","url":"/slow"},{"id":"5","method":"GET","url":"/none/b","dependsOn":["2"]},{"id":"6","method":"DELETE","url":"/c"}]"#;
    let json = |path: &str| Request::post(path, "application/json", format!("{{\"requests\":{items}}}"));
    let part =
        |line: &str| format!("--b\r\nContent-Type: application/http\r\n\r\n{line} HTTP/1.1\r\n\r\n\r\n");
    let parts: String = ["GET /a", "GET /zip", "GET /slow", "GET /bad", "DELETE /c"].map(part).concat();
    let multipart = |path: &str| Request::post(path, MULTIPART, format!("{parts}--b--\r\n"));
    let set = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\nDELETE /x HTTP/1.1\r\n\r\n\r\n--c--\r\n";
    let sets = format!("{set}{}{}{set}--b--\r\n", part("GET /slow"), part("GET /a"));
    let tyk = r#"{"requests":[{"method":"GET","relative_url":"/a"},{"method":"GET","relative_url":"/slow"},{"method":"GET","relative_url":"/bad"}]}"#;
    let apisix = r#"{"pipeline":[{"path":"/a"},{"path":"/slow"},{"path":"/bad"}]}"#;
    vec![
        ("batchgate", json("batchgate")),
        // Without any body.
        ("batchgate", json("batchgate").header("Prefer", "return=minimal")),
        ("batchgate", json("batchgate").header("Accept", "application/x-ndjson")),
        ("batchgate", json("batchgate").header("Accept", "multipart/mixed")),
        ("batchgate", multipart("batchgate")),
        ("odata", json("odata")),
        ("odata", multipart("odata")),
        ("odata", Request::post("odata", MULTIPART, sets.clone())),
        ("odata-3", multipart("odata-3")),
        ("odata-3", Request::post("odata-3", MULTIPART, sets)),
        ("graph", json("graph")),
        ("google", multipart("google")),
        ("azure", multipart("azure")),
        ("apisix", Request::post("apisix", "application/json", apisix)),
        ("tyk", Request::post("tyk", "application/json", tyk)),
    ]
}

/// A body with the random part of its boundaries left out.
fn comparable(reply: &Reply) -> String {
    let random = reply.header("Content-Type").and_then(|value| value.split_once("batchresponse_"));
    let text = reply.text();
    random.map_or(text.clone(), |(_, random)| text.replace(random, ""))
}

#[test]
fn the_bytes_are_those_of_a_reply_that_leaves_at_once() {
    let names = ["batchgate", "odata", "odata-3", "graph", "google", "azure", "apisix", "tyk"];
    for (number, (name, request)) in requests().into_iter().enumerate() {
        assert!(names.contains(&name));
        let gate = Gate::closed();
        let upstream = upstream(&gate);
        let endpoint = |reply: &str| {
            let config = Config::all_to("legacy", upstream.url()).batch("/batch");
            config.with(format!("dialect: {name}, reply: {reply}")).start()
        };
        let (early, whole) = (endpoint("stream"), endpoint("whole"));
        let bytes = |gateway: &Gateway| {
            let bytes = request.to_bytes(gateway.address());
            String::from_utf8(bytes).unwrap().replacen(&format!("POST {name} "), "POST /batch ", 1)
        };
        let mut client = early.connect();
        client.write(bytes(&early).as_bytes());
        let mut reply = client.head();
        assert_eq!(reply.header("Transfer-Encoding"), Some("chunked"), "{name} {number}");
        gate.open();
        reply.body = rest(&mut client).into_bytes();
        let mut client = whole.connect();
        client.write(bytes(&whole).as_bytes());
        let expected = client.reply_to("POST");
        assert_eq!(expected.header("Content-Length"), Some(expected.body.len().to_string().as_str()));
        assert_eq!(
            (reply.status, comparable(&reply)),
            (expected.status, comparable(&expected)),
            "{name} {number}"
        );
        assert!(number == 1 || comparable(&reply).contains("late"), "{name} {number}: {}", reply.text());
    }
}

#[test]
fn records_are_answered_early_too_and_xml_is_not() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    upstream.on("/orders/2", Answer::json(200, "{}").when(&gate));
    let config = Config::all_to("legacy", upstream.url()).bulk("/orders", "PATCH").batch("/batch");
    let gateway = config.start();
    let records = Request::new("PATCH", "/orders").header("Content-Type", "application/json");
    let mut early = send(&gateway, &records.clone().body(r#"[{"id":1},{"id":2}]"#));
    assert_eq!(early.head().header("Transfer-Encoding"), Some("chunked"));
    let mut xml =
        send(&gateway, &Request::batch(&batch(&["/a", "/slow"])).header("Accept", "application/xml"));
    upstream.wait_for_requests(4);
    gate.open();
    assert_eq!(statuses(&rest(&mut early)), [200, 200]);
    assert!(xml.reply_to("POST").header("Content-Length").is_some());
}

#[test]
fn a_reply_waits_for_all_if_it_is_told_to_or_the_client_knows_no_chunks() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    let (whole, early) = (start(&upstream, "reply: whole"), start(&upstream, ""));
    let request = Request::batch(&batch(&["/a", "/slow", "/later"]));
    let mut told = send(&whole, &request);
    let mut old = early.connect();
    let bytes = String::from_utf8(request.to_bytes(early.address())).unwrap();
    old.write(bytes.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes());
    upstream.wait_for_requests(6);
    gate.open();
    for client in [&mut told, &mut old] {
        let reply = client.reply_to("POST");
        assert_eq!((reply.statuses(), reply.header("Retry-After")), (vec![200, 200, 503], Some("9")));
        assert!(reply.header("Content-Length").is_some());
    }
}

#[test]
fn the_head_has_the_retry_after_of_all_items_that_have_ended() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    let gateway = start(&upstream, "");
    let mut client = send(&gateway, &Request::batch(&batch(&["/a", "/slow", "/busy", "/later"])));
    let head = client.head();
    assert_eq!(head.header("Retry-After"), Some("7"), "that of an item behind the one under way");
    gate.open();
    assert_eq!(statuses(&rest(&mut client)), [200, 200, 503, 503]);
}

#[test]
fn the_deadline_ends_a_reply_that_has_begun() {
    let upstream = upstream(&Gate::closed());
    let gateway = start(&upstream, "deadline: 1s");
    let mut client = send(&gateway, &Request::batch(&batch(&["/a", "/slow", "/b"])));
    assert_eq!(client.head().status, 207);
    let body = rest(&mut client);
    assert_eq!(statuses(&body), [200, 504, 200]);
    gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "partial")], 1.0);
}

#[test]
fn a_client_that_leaves_in_the_middle_ends_its_batch() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    let gateway = start(&upstream, "concurrency: 1");
    let mut client = send(&gateway, &Request::batch(&batch(&["/a", "/slow", "/b", "/b", "/b", "/b"])));
    assert_eq!(client.head().status, 207);
    let begin = chunks_with(&mut client, r#""id":"1""#);
    drop(client);
    gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "client_gone")], 1.0);
    let line = gateway.log_line(&[("kind", "batch"), ("outcome", "client_gone")]);
    assert_eq!((&line["status"], &line["items"], &line["failed"]), (&json!(207), &json!(6), &json!(5)));
    assert_eq!(line["bytes_out"], begin.len());
    let metrics = gateway.metrics();
    assert_eq!(metrics.count("batchgate_items_total", &[("outcome", "answered")]), 1);
    assert_eq!(metrics.count("batchgate_item_failures_total", &[("reason", "client_gone")]), 5);
    assert_eq!(metrics.sum("batchgate_buffer_bytes", &[]).to_string(), "0");
    gate.open();
}

#[test]
fn a_group_that_may_be_undone_holds_up_the_reply() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    upstream.on("/orders", Answer::json(201, "{}").header("Location", "/orders/7"));
    let undo = "undo: { POST: \"DELETE {location}\" }";
    let config = Config::all_to("legacy", upstream.url()).with(undo).batch("/batch");
    let gateway = config.with("groups: compensate").start();
    let member = |method: &str, url: &str| json!({"method": method, "url": url, "atomicityGroup": "g"});
    let items =
        [get("/a"), member("POST", "/orders"), member("GET", "/slow"), member("GET", "/bad"), get("/b")];
    let mut client = send(&gateway, &Request::batch(&json!({"requests": items})));
    assert_eq!(client.head().status, 207);
    let begin = chunks_with(&mut client, r#""id":"1""#);
    assert!(!begin.contains(r#""id":"2""#), "{begin}");
    gate.open();
    assert_eq!(statuses(&(begin + &rest(&mut client))), [200, 424, 424, 404, 200]);
    assert_eq!(upstream.requests_to("/orders/7").len(), 1, "it was undone");
}

#[test]
fn what_the_client_has_is_not_held_any_more() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    upstream.on("/large", Answer::text(200, &"x".repeat(3_000_000)));
    let gateway = start(&upstream, "");
    let mut client = send(&gateway, &Request::batch(&batch(&["/large", "/large", "/slow"])));
    assert_eq!(client.head().status, 207);
    let begin = chunks_with(&mut client, r#""id":"2""#);
    until_true("memory to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) < 1e5);
    gate.open();
    assert_eq!(statuses(&(begin + &rest(&mut client))), [200; 3]);
}

#[test]
fn a_client_that_stands_still_holds_up_the_calls_and_not_more_memory_than_there_is() {
    let upstream = Upstream::start();
    let text = "x".repeat(400_000);
    upstream.on("/large", Answer::text(200, &text));
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let config = config.with("concurrency: 2, max_body: 1MiB");
    let gateway = config.limits("memory: 16MiB").start();
    let mut client = send(&gateway, &Request::batch(&batch(&["/large"; 150])));
    assert_eq!(client.head().status, 207);
    // Longer than the eldest batch waits for room before it gives up.
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(100));
        let held = gateway.metrics().sum("batchgate_buffer_bytes", &[]);
        assert!(held <= f64::from(16 << 20), "{held} bytes");
    }
    assert!(upstream.requests().len() < 150, "the calls wait for the client");
    assert_eq!(statuses(&rest(&mut client)), [200; 150]);
}

#[test]
fn results_leave_early_over_http2_too() {
    let gate = Gate::closed();
    let upstream = upstream(&gate);
    let gateway = start(&upstream, "");
    let client = Http2Client::connect(gateway.address());
    let body = batch(&["/a", "/slow", "/bad"]).to_string();
    let call = Call::new("POST", "/batch").header("content-type", "application/json").body(body.as_bytes());
    let under_way = client.start(&call);
    until_true("the head", || under_way.has_head());
    assert!(!under_way.is_over());
    gate.open();
    let reply = under_way.reply();
    assert_eq!((reply.status, reply.header("content-length"), &reply.broken), (207, None, &None));
    assert_eq!(statuses(&reply.text()), [200, 200, 404]);
    let under_way = client.start(&call);
    assert_eq!(statuses(&under_way.reply().text()), [200, 200, 404]);
}
