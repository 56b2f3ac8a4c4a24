//! What would happen to a batch, told by the command and by a batch endpoint; nothing is sent.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::harness::gateway::batchgate;
use crate::harness::programs::{run, text};
use crate::harness::{Config, Gateway, Request, Upstream};

const CONFIGURATION: &str = "listen: 127.0.0.1:8080\n\
    upstreams: { orders: { targets: ['http://10.0.0.1:9001'], headers: { set: { Authorization: s3cret } } } }\n\
    routes: [{ path: /orders, upstream: orders, methods: [GET, PATCH, DELETE] }]\n\
    bulk: [{ path: /orders, methods: [PATCH, DELETE], each: '/orders/{id}' }]\n";

/// An endpoint that takes only requests with a certain query.
const BY_QUERY: &str =
    "batch: [{ path: /blob, query: { comp: batch, 'a b': 'é&' }, other_methods: route }]\n";

const BATCH: &str = r#"{"requests":[{"id":"a","method":"GET","url":"/orders/1"},{"id":"b","method":"PUT","url":"/orders/2"},{"id":"c","method":"GET","url":"/x"}]}"#;

/// Explains a batch from a file of this name, or from stdin.
fn explain(arguments: &[&str], name: &str, batch: &str) -> Output {
    explain_with(CONFIGURATION, arguments, name, batch)
}

fn explain_with(configuration: &str, arguments: &[&str], name: &str, batch: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.yaml");
    fs::write(&config, configuration).unwrap();
    let mut command = batchgate();
    command.arg("explain").arg("--config").arg(config).args(arguments);
    if name == "-" {
        command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        return child.wait_with_output().unwrap();
    }
    let file = folder.path().join(name);
    fs::write(&file, batch).unwrap();
    run(command.arg(file))
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What becomes of each item: the call's path, or the rejection's status.
fn fates(document: &Value) -> Vec<Value> {
    let fate = |item: &Value| {
        let place = if item["call"].is_null() { "/rejected/status" } else { "/call/path" };
        item.pointer(place).unwrap().clone()
    };
    document["items"].as_array().unwrap().iter().map(fate).collect()
}

#[test]
fn the_command_says_what_would_happen() {
    let output = explain(&[], "batch.json", BATCH);
    assert!(output.status.success());
    let shown = text(&output);
    for part in [
        "1. a  GET /orders/1",
        "orders (http://10.0.0.1:9001)",
        "405 method_not_allowed",
        "404 no_route",
        "***",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn machines_read_json_from_stdin() {
    let document = document(&explain(&["--json", "-H", "Prefer: order=sequential"], "-", BATCH));
    assert_eq!(fates(&document), [json!("/orders/1"), json!(405), json!(404)]);
    assert_eq!((&document["order"], &document["format"]), (&json!("sequential"), &json!("json")));
}

#[test]
fn the_format_follows_the_ending_or_the_option() {
    let csv = "id,status\n7,paid\n../8,paid\n";
    let bulk = ["--json", "--endpoint", "/orders", "--method", "patch"];
    assert_eq!(fates(&document(&explain(&bulk, "orders.csv", csv))), [json!("/orders/7"), json!(400)]);
    let forced = [&bulk[..], &["--content-type", "text/csv"]].concat();
    assert_eq!(fates(&document(&explain(&forced, "orders", csv))).len(), 2);
    let xml = "<batch><request method='GET' href='/orders/1'/></batch>";
    assert_eq!(document(&explain(&["--json"], "batch.xml", xml))["format"], "xml");
    let query = ["--json", "--endpoint", "/orders?id=1,2", "--method", "DELETE"];
    assert_eq!(fates(&document(&explain(&query, "-", ""))), [json!("/orders/1"), json!("/orders/2")]);
}

#[test]
fn what_would_be_refused_says_so() {
    let cases: [(&[&str], &str, &str); 4] = [
        (&[], "{\"requests\":[}", "line 1, column 14"),
        (&["--endpoint", "/nowhere"], BATCH, "/batch, /orders"),
        (&["-H", "no field"], BATCH, "no field"),
        (&["--endpoint", "/orders", "--method", "DELETE"], "", "pass through"),
    ];
    for (arguments, batch, part) in cases {
        let output = explain(arguments, "batch.json", batch);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
    }
}

#[test]
fn multipart_needs_its_boundary_and_the_message_has_it() {
    let part = "--b_1\r\nContent-Type: application/http\r\n\r\nGET /orders/1 HTTP/1.1\r\n\r\n--b_1--\r\n";
    let needed = "--content-type 'multipart/mixed; boundary=b_1'";
    let missing: [&[&str]; 2] = [&[], &["-H", "Content-Type: multipart/mixed"]];
    for arguments in missing {
        let output = explain(arguments, "batch.multipart", part);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(needed), "{}", text(&output));
    }
    let given = ["--json", "--content-type", "multipart/mixed; boundary=b_1"];
    assert_eq!(fates(&document(&explain(&given, "batch.multipart", part))), [json!("/orders/1")]);
}

#[test]
fn an_endpoint_with_a_query_is_found_by_its_path() {
    let configuration = format!("{CONFIGURATION}{BY_QUERY}");
    let explain = |arguments: &[&str]| explain_with(&configuration, arguments, "batch.json", BATCH);
    let arguments: [&[&str]; 4] = [
        &["--json"],
        &["--json", "--endpoint", "/blob"],
        &["--json", "--endpoint", "/blob?a%20b=%C3%A9%26&comp=batch"],
        &["--json", "--endpoint", "/blob/below?comp=batch&a%20b=%C3%A9%26"],
    ];
    for arguments in arguments {
        assert_eq!(document(&explain(arguments))["endpoint"], "/blob", "{arguments:?}");
    }
    let wrong = explain(&["--endpoint", "/blob?comp=other"]);
    let said = text(&wrong);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(said.contains("--endpoint can be: '/blob?a%20b=%C3%A9%26&comp=batch', /orders"), "{said}");
}

#[test]
fn a_batch_endpoint_explains_and_sends_nothing() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/a?b"}, {"method": "GET", "url": "//c"}]});
    let reply = gateway.send(&Request::batch(&batch).header("Prefer", "handling=explain").header("X-A", "b"));
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    assert_eq!(reply.header("Preference-Applied"), Some("handling=explain"));
    assert_eq!(fates(&reply.json()), [json!("/a?b"), json!(400)]);
    let call = &reply.json()["items"][0]["call"];
    assert_eq!((&call["headers"]["x-a"], &call["upstream"]), (&json!("b"), &json!("legacy")));
    assert!(!reply.text().contains(&upstream.address().to_string()), "{}", reply.text());
    assert_eq!(upstream.requests().len(), 0);
    let labels = [("endpoint", "/batch"), ("outcome", "explained")];
    assert_eq!(gateway.metrics().count("batchgate_batches_total", &labels), 1);
}

#[test]
fn a_bulk_explains_too() {
    let upstream = Upstream::start();
    let gateway = Config::new().upstream("up", upstream.url()).route("/o", "up").bulk("/o", "PUT");
    let request = Request::new("PUT", "/o").body("[{\"id\":1},{}]").header("Prefer", "handling=explain");
    let reply = gateway.start().send(&request);
    assert_eq!((reply.status, fates(&reply.json())), (200, vec![json!("/o/1"), json!(400)]));
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn what_became_of_an_item_is_told() {
    let upstream = Upstream::start();
    let graph = Config::all_to("svc", upstream.url()).batch("/v1.0/$batch").with("dialect: graph");
    let gateway = graph.batch("/batch").start();
    let explained = |endpoint: &str, content_type: &str, body: String| {
        let request = Request::post(endpoint, content_type, body).header("Prefer", "handling=explain");
        gateway.send(&request).json()["items"][0].clone()
    };
    let item = json!({"id": "1", "method": "GET", "url": "/me?$filter=a eq 'é'", "depends_on": [], "x": 1});
    let item = explained("/v1.0/$batch", "application/json", json!({ "requests": [item] }).to_string());
    assert_eq!(item["url"], "/me?$filter=a eq 'é'");
    assert_eq!(item["resolvedUrl"], "/v1.0/me?$filter=a eq 'é'");
    assert_eq!(item["call"]["path"], "/v1.0/me?$filter=a%20eq%20'%C3%A9'");
    assert_eq!((&item["encoded"], &item["ignoredMembers"]), (&json!([" ", "é"]), &json!(["x"])));
    assert_eq!(item["takenFor"], json!({"depends_on": "dependsOn"}));
    let host = gateway.address();
    let message =
        format!("GET /a HTTP/1.1\r\nHost: {host}\r\nMIME-Version: 1.0\r\nContent-Length: 0\r\n\r\n");
    let part = format!("--b\r\nContent-Type: application/http\r\n\r\n{message}\r\n--b--\r\n");
    let item = explained("/batch", "multipart/mixed; boundary=b", part);
    assert_eq!(item["droppedHeaders"], json!(["Host", "Content-Length", "MIME-Version"]));
    assert_eq!(
        (&item["resolvedUrl"], &item["encoded"], &item["takenFor"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn the_text_says_it_too() {
    let batch = r#"{"requests":[{"method":"GET","url":"/orders/a b","note":1}]}"#;
    let said = text(&explain(&[], "batch.json", batch));
    assert!(said.contains("   encoded   ` ` (sent percent-encoded)\n"), "{said}");
    assert!(said.contains("   ignored   note (an item has no such member)\n"), "{said}");
    assert!(said.contains("   path      /orders/a%20b\n"), "{said}");
}
