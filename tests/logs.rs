//! The log: one line a batch, one a failed item, with ids and trace context; nobody writes lines into it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::gateway::batchgate;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_batch_is_one_line_and_a_failed_item_is_one() {
    let upstream = Upstream::start();
    upstream.on("/bad", Answer::text(500, "no"));
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [
        {"id": "good", "method": "GET", "url": "/good"}, {"id": "bad", "method": "GET", "url": "/bad"},
        {"id": "lost", "method": "GET", "url": "//nowhere"},
    ]});
    let reply = gateway.send(&Request::batch(&batch).header("X-Request-Id", "batch-77"));
    assert_eq!(reply.results().len(), 3);
    gateway.log_line(&[("id", "lost")]);
    until_true("the line of the batch", || lines_with(&gateway, "batch-77").len() >= 3);
    let lines = lines_with(&gateway, "batch-77");
    assert_eq!(lines.len(), 3, "one for the batch, two for its failed items: {lines:#?}");
    let batches: Vec<_> = lines.iter().filter(|line| has_number(line, "items", 3)).collect();
    assert_eq!(batches.len(), 1, "{lines:#?}");
    assert!(has_number(batches[0], "failed", 2), "{}", batches[0]);
    assert_eq!(gateway.log_lines(&[("id", "bad"), ("status", "500")]).len(), 1);
}

#[test]
fn every_line_is_json() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    gateway.send(&Request::get("/a"));
    gateway.send(&Request::post("/batch", "application/json", "{"));
    gateway.item(&json!({"method": "GET", "url": "/b"}));
    gateway.signal("TERM");
    gateway.wait_for_exit();
    for line in gateway.process().final_output().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
    }
}

#[test]
fn each_item_is_a_span_of_its_own_in_the_clients_trace() {
    let upstream = Upstream::start();
    let items: Vec<_> = (0..5).map(|n| json!({"method": "GET", "url": format!("/{n}")})).collect();
    let request = Request::batch(&json!({ "requests": items })).header("traceparent", PARENT);
    let reply = Gateway::before(&upstream).send(&request.header("tracestate", "vendor=1"));
    assert_eq!(reply.statuses(), [200; 5]);
    let requests = upstream.requests();
    let mut spans = BTreeSet::new();
    for request in &requests {
        let parts: Vec<_> = request.header("traceparent").unwrap().split('-').collect();
        assert_eq!((parts.len(), parts[0], parts[1], parts[3]), (4, "00", TRACE, "01"));
        assert_eq!(request.header("tracestate"), Some("vendor=1"));
        spans.insert(parts[2].to_owned());
    }
    assert_eq!(spans.len(), 5, "a span id for each item: {spans:?}");
    assert!(!spans.contains("00f067aa0ba902b7"));
}

#[test]
fn where_the_client_began_no_trace_nobody_gets_one() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}, {"method": "GET", "url": "//b"}]});
    for parent in [None, Some("00-not-a-trace")] {
        for (kind, request) in [
            ("batch", Request::batch(&batch)),
            ("request", Request::get("/a")),
            ("batch", Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}\n")),
        ] {
            let id = format!("{kind}-{}", parent.is_some());
            let request = request.header("X-Request-Id", &id).header("tracestate", "vendor=1");
            gateway
                .send(&parent.into_iter().fold(request, |request, text| request.header("traceparent", text)));
            let line = gateway.log_line(&[("kind", kind), ("request_id", &id)]);
            assert!(line.get("trace_id").is_none() && line.get("span_id").is_none(), "{line}");
        }
    }
    for request in upstream.requests() {
        assert_eq!((request.header("traceparent"), request.header("tracestate")), (None, None));
    }
    assert_eq!(upstream.requests().len(), 6);
}

#[test]
fn a_single_request_stays_in_the_clients_trace() {
    let upstream = Upstream::start();
    let request = Request::get("/a").header("traceparent", PARENT).header("tracestate", "vendor=1");
    let gateway = Gateway::before(&upstream);
    gateway.send(&request.header("X-Request-Id", "traced"));
    let request = upstream.only_request();
    let parts: Vec<_> = request.header("traceparent").unwrap().split('-').collect();
    assert_eq!((parts.len(), parts[0], parts[1], parts[3]), (4, "00", TRACE, "01"));
    assert!(parts[2] != "00f067aa0ba902b7" && request.header("tracestate") == Some("vendor=1"));
    gateway.log_line(&[("request_id", "traced"), ("trace_id", TRACE)]);
}

#[test]
fn the_log_names_the_trace() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]});
    gateway.send(&Request::batch(&batch).header("traceparent", PARENT));
    let line = gateway.process().line_with(&[TRACE]);
    assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
}

#[test]
fn nobody_writes_lines_into_the_log() {
    for format in ["json", "text"] {
        let upstream = Upstream::answering(|_| Answer::text(500, "no\nforged: body"));
        let config = Config::all_to("legacy", upstream.url()).batch("/batch");
        let gateway = config.raw(format!("log: {{ format: {format} }}")).start();
        let id = "id\nforged: id\u{1b}[31m\r\u{2028}\u{202e}";
        gateway.batch(&json!({"requests": [
            {"id": id, "method": "GET", "url": "/a?x=%0Aforged: query"}, {"id": "x", "method": "GET\nforged: x", "url": "/b"},
            {"id": "y", "method": "GET", "url": "/c\nforged: url"}, {"id": "last-one", "method": "GET", "url": "/d"},
        ]}));
        gateway.process().line_with(&["last-one"]);
        for line in gateway.process().lines() {
            assert!(!line.trim_start().starts_with("forged"), "{format}: {line}");
            assert!(!line.contains(['\u{1b}', '\r', '\u{2028}', '\u{202e}']), "{format}: {line:?}");
        }
    }
}

#[test]
fn secrets_stay_out_of_the_log() {
    let upstream = Upstream::answering(|_| Answer::text(500, "no"));
    let members = "headers: { set: { X-Api-Key: \"${KEY}\" } }";
    let gateway =
        Setup::tuned(&upstream.url(), members, "").with_variable("KEY", "the-upstreams-key").start();
    let batch = json!({"requests": [{"id": "last", "method": "GET", "url": "/a", "headers": {"Authorization": "Bearer item-secret"}}]});
    gateway.send(&Request::batch(&batch).header("Cookie", "session=outer-secret"));
    gateway.process().line_with(&["last"]);
    let log = gateway.process().output();
    assert!(
        !log.contains("the-upstreams-key") && !log.contains("item-secret") && !log.contains("outer-secret"),
        "{log}"
    );
}

#[test]
fn a_slow_items_line_says_where_its_time_went() {
    let upstream = Upstream::start();
    upstream.on("/slow?secret=1", Answer::text(200, "ok").delayed(Duration::from_millis(60)));
    let config = Config::all_to("legacy", upstream.url()).batch("/batch").with("trace: { slow: 50ms }");
    let gateway = config.start();
    let batch = json!({"requests": [
        {"id": "fast", "method": "GET", "url": "/fast"}, {"id": "tortoise", "method": "GET", "url": "/slow?secret=1"},
    ]});
    assert_eq!(gateway.send(&Request::batch(&batch).header("traceparent", PARENT)).statuses(), [200; 2]);
    let line =
        gateway.log_line(&[("kind", "item"), ("id", "tortoise"), ("path", "/slow"), ("status", "200")]);
    assert_eq!(line["target"], json!(upstream.url().trim_start_matches("http://")), "{line}");
    assert_eq!((&line["attempts"], line["span_id"].as_str().map(str::len)), (&json!(1), Some(16)), "{line}");
    let span = upstream.requests_to("/slow?secret=1")[0].header("traceparent").unwrap().to_owned();
    assert!(span.contains(line["span_id"].as_str().unwrap()), "{span}: {line}");
    let time = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(time("first_byte_ms") >= 60.0 && time("duration_ms") >= time("first_byte_ms"), "{line}");
    assert!(time("queued_ms") >= 0.0 && time("connect_ms") > 0.0, "{line}");
    let line = gateway.log_line(&[("kind", "batch"), ("slow", "1"), ("failed", "0")]);
    assert!(line.get("omitted").is_none(), "{line}");
    assert!(gateway.log_lines(&[("id", "fast")]).is_empty());
}

#[test]
fn items_without_a_line_of_their_own_are_counted() {
    let upstream = Upstream::answering(|_| Answer::text(500, "no"));
    let gateway = Gateway::before(&upstream);
    let items: Vec<_> =
        (0..120).map(|n| json!({"id": format!("n{n}"), "method": "GET", "url": "/a"})).collect();
    gateway.batch(&json!({ "requests": items }));
    gateway.log_line(&[("kind", "batch"), ("failed", "120"), ("omitted", "20")]);
    gateway.log_line(&[("kind", "item"), ("id", "n99")]);
    assert_eq!(gateway.log_lines(&[("kind", "item")]).len(), 100);
}

#[test]
fn a_requests_line_says_where_it_went_and_how_long_it_took() {
    let upstream = Upstream::answering(|_| Answer::text(200, "hello"));
    let gateway = Gateway::before(&upstream);
    let request = Request::post("/a/b?secret=1", "text/plain", "abc").header("User-Agent", "tests/1");
    gateway.send(&request.header("traceparent", PARENT));
    let line = gateway.log_line(&[("kind", "request"), ("path", "/a/b")]);
    let target = upstream.url().trim_start_matches("http://").to_owned();
    for (field, value) in [
        ("target", json!(target)),
        ("host", json!(gateway.address().to_string())),
        ("protocol", json!("HTTP/1.1")),
        ("agent", json!("tests/1")),
        ("bytes_in", json!(3)),
        ("bytes_out", json!(5)),
        ("attempts", json!(1)),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    let times = ["queued_ms", "connect_ms", "first_byte_ms", "duration_ms"];
    assert!(times.iter().all(|name| line[*name].as_f64().is_some_and(|time| time > 0.0)), "{line}");
}

#[test]
fn the_access_log_has_a_file_that_may_be_rotated() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let access = format!("{{ format: combined, file: '{}' }}", file.display());
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let gateway = config
        .raw(format!("log: {{ level: warn, flush: 0s, access: {{ level: requests, {} }}", &access[1..]))
        .start();
    let has =
        |path: &std::path::Path, part: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(part));
    gateway.send(&Request::get("/first?secret=1"));
    until_true("the first line", || has(&file, "\"GET /first HTTP/1.1\" 200"));
    let old = folder.path().join("access.log.1");
    fs::rename(&file, &old).unwrap();
    gateway.item(&json!({"method": "GET", "url": "/item"}));
    until_true("the second line", || has(&file, "\"POST /batch HTTP/1.1\" 207"));
    assert!(!has(&file, "/first") && !has(&old, "POST") && !has(&old, "secret") && !has(&file, "/item"));
    assert!(gateway.process().lines().is_empty(), "{:?}", gateway.process().lines());
}

#[test]
fn lines_that_the_disk_does_not_take_are_counted_and_said() {
    let upstream = Upstream::start();
    let config = Config::all_to("legacy", upstream.url());
    let gateway = config.raw("log: { flush: 0s, access: { level: requests, file: /dev/full } }").start();
    gateway.send(&Request::get("/"));
    gateway.process().line_with(&["\"kind\":\"log\"", "\"dropped\":1", "No space left on device"]);
    assert_eq!(gateway.metrics().count("batchgate_log_lines_dropped_total", &[]), 1);
}

#[test]
fn no_line_has_a_password_of_a_url() {
    let upstream = Upstream::start();
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let gateway = config.raw("log: { access: { level: items } }").start();
    for url in ["http://ann:s3cret@other/x", "//ann:s3cret@h/x", "ftp://ann:s3cret@h/", "https://s3cret@h"] {
        gateway.item(&json!({"method": "GET", "url": url}));
    }
    gateway.send(&Request::get("//ann:s3cret@h/last"));
    gateway.process().line_with(&["//h/last"]);
    let lines = gateway.process().lines();
    assert!(!lines.iter().any(|line| line.contains("s3cret")), "{lines:?}");
    let batches = gateway.admin_get("/batches").text();
    assert!(batches.contains("//h/x") && !batches.contains("s3cret"), "{batches}");
}

#[test]
fn an_access_log_that_cant_be_opened_keeps_the_gateway_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batchgate.yaml");
    let text = "listen: 127.0.0.1:0\nadmin: off\nroutes: [{ path: /, respond: { status: 404 } }]\nlog: { access: { file: missing/access.log } }\n";
    fs::write(&file, text).unwrap();
    let output = crate::harness::programs::run(batchgate().arg("run").arg("--config").arg(&file));
    let said = crate::harness::programs::text(&output);
    assert!(!output.status.success() && said.contains("missing/access.log could not be opened"), "{said}");
}

#[test]
fn every_item_may_have_a_line() {
    let upstream = Upstream::start();
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let gateway = config
        .raw("log: { access: { level: items, format: text, fields: [kind, id, status, method] } }")
        .start();
    let items = [("a", "GET", "/a"), ("b", "GET", "//b"), ("d", "G<T", "/d"), ("e", "BREW", "/e")];
    let items = items.map(|(id, method, url)| json!({"id": id, "method": method, "url": url}));
    gateway.batch(&json!({ "requests": items }));
    gateway.process().line_with(&["kind=batch"]);
    gateway.send(&Request::lines("{\"id\":\"c\",\"method\":\"GET\",\"url\":\"/c\"}\n"));
    gateway.process().line_with(&["kind=item id=c status=200 method=GET"]);
    let lines = gateway.process().lines();
    for line in [
        "kind=item id=a status=200 method=GET",
        "kind=item id=b status=400 method=GET",
        "kind=item id=d status=400 method=_OTHER",
        "kind=item id=e status=200 method=_OTHER",
    ] {
        assert_eq!(lines.iter().filter(|found| *found == line).count(), 1, "{line}: {lines:?}");
    }
}

#[test]
fn the_first_line_names_the_addresses_and_counts() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let counts = [("upstreams", "1"), ("targets", "1"), ("routes", "1"), ("endpoints", "1")];
    let line = gateway
        .log_line(&[&[("kind", "start"), ("admin", &gateway.admin().to_string())], &counts[..]].concat());
    assert!(line["listen"].as_str().unwrap().contains(&gateway.address().to_string()), "{line}");
}

/// The names of a line's members, in their order.
fn names(line: &str) -> Vec<String> {
    let members = line.trim_matches(['{', '}']).split(",\"");
    let names = members.map(|member| member.split(':').next().unwrap().trim_matches('"').to_owned());
    // Whether a connection had to be opened is not the same in each run.
    names.filter(|name| name != "connect_ms").collect()
}

#[test]
fn the_lines_that_the_document_shows_have_the_members_of_real_ones() {
    let upstream = Upstream::start();
    upstream.on("/orders/99", Answer::text(404, "no"));
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.txt");
    // The SHA-256 of `secret`.
    fs::write(&keys, "alice:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n").unwrap();
    let config = Config::new().upstream("orders", upstream.url()).route("/orders", "orders").batch("/batch");
    let config = config
        .raw("rate_limits: [{ name: clients, per: all, rate: 1/m, burst: 2, routes: [/orders] }]")
        .raw(format!("auth: {{ api_keys: {{ file: {} }} }}", keys.display()));
    let gateway = config.start();
    let batch = json!({"requests": [
        {"id": "good", "method": "GET", "url": "/orders/1"}, {"id": "miss", "method": "GET", "url": "/orders/99"},
        {"id": "late", "method": "GET", "url": "/orders/1"},
    ]});
    let request = Request::batch(&batch).header("X-API-Key", "secret").header("traceparent", PARENT);
    gateway.send(&request.header("X-Request-Id", "shown-1").header("Prefer", "order=sequential"));
    let lines = || {
        let lines = gateway.process().lines().into_iter();
        lines.filter(|line| line.contains("shown-1")).collect::<Vec<_>>()
    };
    until_true("the line of the batch and two of items", || lines().len() == 3);
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/operations.md")).unwrap();
    let shown: Vec<_> = document.lines().filter(|line| line.starts_with("{\"timestamp\"")).collect();
    assert_eq!(shown.len(), 3);
    let real = lines();
    for (shown, part) in shown.into_iter().zip(["\"kind\":\"batch\"", "\"id\":\"miss\"", "\"id\":\"late\""]) {
        let real = real.iter().find(|line| line.contains(part)).unwrap();
        assert!(shown.contains(part), "{shown}");
        assert_eq!(names(shown), names(real), "a real line is {real}");
    }
}

/// The log lines that have this text.
fn lines_with(gateway: &Gateway, text: &str) -> Vec<Value> {
    let lines = gateway.process().lines();
    let with_text = lines.iter().filter(|line| line.contains(text));
    with_text.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Whether a member with this name, at any depth, is this number.
fn has_number(line: &Value, name: &str, number: u64) -> bool {
    let Value::Object(members) = line else { return false };
    members
        .iter()
        .any(|(member, value)| (member == name && *value == number) || has_number(value, name, number))
}
