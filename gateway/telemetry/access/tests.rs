//! The lines of the access log: their fields, forms and levels.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::batch::{ItemForm, ItemId, ItemResult, OutcomeKind, ResultBody, Subject};
use crate::clock::Stopwatch;
use crate::config::{self, Settings};
use crate::header::field::Fields;
use crate::header::spelling::Spellings;
use crate::route::RouteIndex;
use crate::stitch::ItemReport;
use crate::telemetry::log_writer;

/// Two bytes of UTF-8, and one of Latin-1.
const AGENT: &[u8] = b"curl/8 \"x\"\xc3\xa9\xe9";

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(log: &str) -> Settings {
    let text = format!(
        "listen: 127.0.0.1:1\nupstreams: {{ shop: {{ targets: [\"http://127.0.0.1:81\"] }} }}\n\
         routes: [{{ path: /, name: all, upstream: shop }}]\nbatch: [{{ path: /batch }}]\nlog: {log}\n"
    );
    config::parse(&text, "test.yaml", Path::new(""), &|_| None).unwrap().settings
}

fn head(uri: &str) -> Parts {
    let request = http::Request::builder().method("PATCH").uri(uri).header("user-agent", AGENT);
    request.header("referer", "https://a.example/b?secret=1").body(()).unwrap().into_parts().0
}

fn failed_item() -> ItemRecord {
    let subject = Subject {
        id: ItemId::from("a\nb"),
        method: http::Method::GET,
        href: "/x?secret=1".into(),
        form: ItemForm::default(),
    };
    let result = ItemResult {
        subject,
        status: StatusCode::NOT_FOUND,
        headers: Fields::new(),
        spellings: Spellings::default(),
        body: ResultBody::Absent,
        gateway: None,
        retryable: false,
        retry_after: None,
    };
    let report = ItemReport {
        route: Some(RouteIndex(0)),
        upstream: None,
        method: "GET",
        status: StatusCode::NOT_FOUND,
        outcome: OutcomeKind::Answered,
        timeline: Timeline::not_started(Stopwatch::start()),
        reason: None,
        coalesced: false,
        limit: None,
        undone: None,
    };
    ItemRecord::new(3, &result, &report, Names(&settings("{}")))
}

/// What is written with these settings: a request with this status, and a batch that ended well or has a failed item.
fn written(log: &str, status: u16, batch_fails: bool) -> String {
    let (settings, output) = (settings(log), Output::default());
    let (writer, thread) =
        log_writer::start(output.clone(), Duration::ZERO, Arc::default(), |_, _| {}).unwrap();
    let access = AccessLog::new(&settings.log, writer);
    let (request_id, head) = (RequestId::from_headers(&http::HeaderMap::new()), head("/a/b?secret=1"));
    let sender = Sender {
        request_id: &request_id,
        trace: TraceContext::default(),
        client: "192.0.2.1",
        client_name: Some("ann b"),
        scheme: "http",
        host: "shop.example",
        head: &head,
        asked: None,
    };
    let request = RequestRecord {
        route: Some(RouteIndex(0)),
        status: StatusCode::from_u16(status).ok(),
        bytes_in: 5,
        bytes_out: 17,
        elapsed: Duration::from_micros(12_034),
        ..RequestRecord::default()
    };
    access.log_request(&sender, &request, Names(&settings));
    let mut batch =
        BatchRecord::new(&settings.batch[0], &settings, Stopwatch::start(), TraceContext::default());
    batch.end = BatchEnd::Ok;
    if batch_fails {
        batch.end = BatchEnd::Partial;
        batch.kept.records.push(failed_item());
    }
    access.log_batch(&sender, &batch);
    drop(thread);
    String::from_utf8(output.0.lock().clone()).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_have_all_fields_and_no_query() {
    let text = written("{}", 200, true);
    let [request, batch, item] = lines(&text).try_into().unwrap();
    for (field, value) in [
        ("kind", json!("request")),
        ("client", json!("192.0.2.1")),
        ("client_name", json!("ann b")),
        ("protocol", json!("HTTP/1.1")),
        ("host", json!("shop.example")),
        ("method", json!("PATCH")),
        ("path", json!("/a/b")),
        ("agent", json!("curl/8 \"x\"\u{e9}\u{fffd}")),
        ("referer", json!("https://a.example/b")),
        ("route", json!("all")),
        ("target", json!("")),
        ("status", json!(200)),
        ("bytes_in", json!(5)),
        ("bytes_out", json!(17)),
        ("duration_ms", json!(12.034)),
    ] {
        assert_eq!(request[field], value, "{field}: {request}");
    }
    assert_eq!((&batch["endpoint"], &batch["outcome"]), (&json!("/batch"), &json!("partial")));
    assert_eq!((&item["id"], &item["path"], &item["position"]), (&json!("a\nb"), &json!("/x"), &json!(3)));
    assert!(item.get("queued_ms").is_none() && item.get("client").is_none(), "{item}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn each_level_has_its_lines() {
    for (level, status, batch_fails, kinds) in [
        ("off", 500, true, &[][..]),
        ("failed", 200, false, &[]),
        ("failed", 404, true, &["request", "batch", "item"]),
        ("requests", 200, false, &["request", "batch"]),
        ("requests", 200, true, &["request", "batch", "item"]),
        // The items were logged when they ended.
        ("items", 200, true, &["request", "batch"]),
    ] {
        let lines = lines(&written(&format!("{{ access: {{ level: {level} }} }}"), status, batch_fails));
        let found: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(found, kinds, "{level}");
    }
    for (log, count) in
        [("{ level: warn }", 0), ("{ level: \"off\" }", 0), ("{ level: \"warn,batchgate=info\" }", 2)]
    {
        assert_eq!(written(log, 200, false).lines().count(), count, "{log}");
    }
    assert_eq!(written("{ level: warn, access: { level: requests } }", 200, false).lines().count(), 2);
}

#[test]
fn lines_have_the_chosen_fields_in_their_order() {
    let text = written("{ access: { fields: [status, path, endpoint, kind] } }", 200, false);
    assert_eq!(
        text,
        "{\"status\":200,\"path\":\"/a/b\",\"kind\":\"request\"}\n\
         {\"status\":207,\"path\":\"/a/b\",\"endpoint\":\"/batch\",\"kind\":\"batch\"}\n"
    );
}

#[test]
fn text_is_pairs_with_quotes_where_they_are_needed() {
    let fields = "fields: [kind, id, agent, client_name, reason, duration_ms]";
    let text = written(&format!("{{ access: {{ format: text, {fields} }} }}"), 200, true);
    assert_eq!(
        text,
        "kind=request agent=\"curl/8 \\\"x\\\"\u{e9}\u{fffd}\" client_name=\"ann b\" reason=\"\" duration_ms=12.034\n\
         kind=batch agent=\"curl/8 \\\"x\\\"\u{e9}\u{fffd}\" client_name=\"ann b\" reason=\"\" duration_ms=0.000\n\
         kind=item id=\"a\\nb\" reason=\"\" duration_ms=0.000\n"
    );
}

#[test]
fn the_combined_form_is_apaches() {
    let text = written("{ access: { format: combined } }", 404, true);
    let [request, batch] = text.lines().collect::<Vec<_>>().try_into().unwrap();
    let (before, after) = request.split_once('[').unwrap();
    assert_eq!(before, "192.0.2.1 - ann\\x20b ");
    let (time, after) = after.split_once("] ").unwrap();
    assert_eq!(time.len(), "10/Oct/2000:13:55:36 +0000".len());
    assert_eq!(
        after,
        "\"PATCH /a/b HTTP/1.1\" 404 17 \"https://a.example/b\" \"curl/8 \\\"x\\\"\\xc3\\xa9\\xe9\""
    );
    assert!(batch.ends_with(" 207 - \"https://a.example/b\" \"curl/8 \\\"x\\\"\\xc3\\xa9\\xe9\""), "{batch}");
}

#[test]
fn control_characters_beyond_ascii_are_escaped() {
    let mut line = Line::new(Form::Text);
    line.at(AccessField::Id);
    line.text("é\u{9b}31m\u{2028}\"\\");
    assert_eq!(String::from_utf8(line.end()).unwrap(), "id=\"é\\u009b31m\\u2028\\\"\\\\\"\n");
}
