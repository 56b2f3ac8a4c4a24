//! Batches in multipart/mixed: the clients that speak it, and the bytes they get back.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::programs::{python, succeed, test_file};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Gateway, Reply, Request, Upstream};

const TYPE: &str = "multipart/mixed; boundary=b";

/// What the gateway in front of `upstream` answers to these parts.
fn post(upstream: &Upstream, parts: &[&str], accept: &str) -> Reply {
    let mut body = parts.iter().flat_map(|part| ["--b\r\n", part, "\r\n"]).collect::<String>();
    body.push_str("--b--\r\n");
    Gateway::before(upstream).send(&Request::post("/batch", TYPE, body).header("Accept", accept))
}

/// The parts of a reply, as Python's email parser finds them.
fn parts_of(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 207, "{}", reply.text());
    let head =
        format!("MIME-Version: 1.0\r\nContent-Type: {}\r\n\r\n", reply.header("Content-Type").unwrap());
    let mut reader = Command::new(python())
        .arg(test_file("python/multipart_reply.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(&[head.as_bytes(), &reply.body].concat()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", reply.text());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn in_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn answer_google(request: &Recorded) -> Answer {
    match request.target.as_str() {
        "/fine" => Answer::json(200, r#"{"kind": "fine"}"#),
        "/gone" => Answer::empty(204),
        "/echo" => Answer::json(201, &request.body),
        status => Answer::json(
            status.rsplit('/').next().unwrap().parse().unwrap(),
            r#"{"error": {"message": "no"}}"#,
        ),
    }
}

#[test]
fn googles_client_gets_every_callback() {
    let upstream = Upstream::answering(answer_google);
    let gateway = Gateway::before(&upstream);
    let mut client = Command::new(python());
    let told = succeed(client.arg(test_file("python/google_batch.py")).arg(gateway.url("")));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["fine"], json!({"response": {"kind": "fine"}, "status": null}));
    let echoed = &told[format!("an id, with + and % {}", "x".repeat(40))];
    assert_eq!(echoed["response"], json!({"name": "Łukasz & Søn"}), "{told}");
    assert_eq!(told["empty"]["status"], Value::Null);
    for status in [404, 409, 500] {
        assert_eq!(told[status.to_string()]["status"], status, "{told}");
    }
    assert_eq!(told["refused"]["status"], 400);
    assert_eq!(upstream.requests().len(), 6);
}

#[test]
fn binary_bodies_come_back_to_the_byte() {
    let binary: Vec<u8> =
        (0..=255).chain(*b"\r\n--b--\r\n--batchresponse_\r\n\0").cycle().take(70_000).collect();
    let upstream = Upstream::start();
    upstream.on("/one", Answer::of(200, "image/png", &binary));
    upstream.on("/two", Answer::of(200, "image/png", "\r\n"));
    let item = |path: &str| {
        format!("Content-Type: application/http\r\nContent-ID: {path}\r\n\r\nGET /{path} HTTP/1.1\r\n")
    };
    let reply = post(&upstream, &[&item("one"), &item("two")], "*/*");
    let parts = parts_of(&reply);
    assert_eq!(parts[0]["body"], in_base64(&binary));
    assert_eq!((&parts[1]["id"], &parts[1]["body"]), (&json!("two"), &json!(in_base64(b"\r\n"))));
}

#[test]
fn binary_bodies_are_sent_to_the_byte() {
    let upstream = Upstream::start();
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\n").collect();
    let mut batch =
        b"--b\nContent-Type: application/http\n\nPUT /x HTTP/1.1\nContent-Length: 260\n\n".to_vec();
    batch.extend(&body);
    batch.extend(b"\n--b--");
    let reply = Gateway::before(&upstream).send(&Request::post("/batch", TYPE, batch));
    assert_eq!(reply.status, 207);
    assert_eq!(upstream.only_request().body, body);
}

#[test]
fn a_change_set_is_answered_as_one() {
    let upstream = Upstream::start();
    let request = |id: usize| {
        format!(
            "--c\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\nPUT /x HTTP/1.1\r\n\r\nx\r\n"
        )
    };
    let set = |requests: usize| {
        let requests: String = (1..=requests).map(request).collect();
        format!("Content-Type: multipart/mixed; boundary=c\r\n\r\n{requests}--c--")
    };
    let reply = post(&upstream, &[&set(1), &set(2)], "multipart/mixed");
    assert_eq!(reply.text().matches("Content-Type: multipart/mixed; boundary=changesetresponse_").count(), 1);
    let parts = parts_of(&reply);
    assert_eq!((&parts[0]["id"], &parts[0]["status"]), (&json!("1"), &json!("HTTP/1.1 200 OK")));
    assert_eq!(
        (&parts[1]["id"], &parts[1]["status"]),
        (&Value::Null, &json!("HTTP/1.1 501 Not Implemented"))
    );
    assert_eq!(parts[1]["fields"]["Content-Type"], "application/problem+json");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_part_without_an_id_takes_nobodys() {
    let upstream = Upstream::start();
    upstream.on("/new", Answer::json(201, "{}").header("Location", "/orders/7"));
    let item = |fields: &str, line: &str| format!("Content-Type: application/http\r\n{fields}\r\n{line}\r\n");
    let first = item("", "GET /x HTTP/1.1");
    let second = item("Content-ID: 1\r\n", "POST /new HTTP/1.1");
    let third = item("Content-ID: 2\r\n", "GET $1/lines HTTP/1.1");
    let reply = post(&upstream, &[&first, &second, &third], "multipart/mixed");
    let ids: Vec<_> = parts_of(&reply).iter().map(|part| part["id"].clone()).collect();
    assert_eq!(ids, [Value::Null, json!("1"), json!("2")]);
    assert_eq!(upstream.requests_to("/orders/7/lines").len(), 1);
}

#[test]
fn the_reply_is_in_the_format_that_is_accepted() {
    let upstream = Upstream::start();
    let item = "Content-Type: application/http\r\nContent-ID: <a>\r\n\r\nGET /x HTTP/1.1\r\n";
    assert_eq!(post(&upstream, &[item], "application/json").only_result()["id"], "a");
    assert!(post(&upstream, &[item], "text/xml").text().contains("<b:item id=\"a\" status=\"200\">"));
    assert_eq!(parts_of(&post(&upstream, &[item], "*/*"))[0]["id"], "<response-a>");
    let json = Request::batch(&json!({"requests": [{"id": "j", "method": "GET", "url": "/x"}]}));
    let reply = Gateway::before(&upstream).send(&json.header("Accept", "multipart/mixed"));
    assert_eq!(parts_of(&reply)[0]["id"], "j");
}

#[test]
fn a_refused_batch_is_answered_with_a_problem_in_json() {
    let gateway = Gateway::before(&Upstream::start());
    let reply = gateway.send(&Request::post("/batch", TYPE, "--b\r\n").header("Accept", "multipart/mixed"));
    assert_eq!((reply.status, reply.header("Content-Type")), (400, Some("application/problem+json")));
    assert_eq!(reply.json()["line"], 2);
    gateway.wait_for_metric(
        "batchgate_batches_total",
        &[("format", "multipart"), ("outcome", "refused")],
        1.0,
    );
}

#[test]
fn the_worked_example_works() {
    let upstream = Upstream::start();
    upstream.on("/orders/7", Answer::json(200, "{}")).on("/orders/99", Answer::json(404, "{}"));
    let batch = std::fs::read(test_file("../config/examples/batch.multipart")).unwrap();
    let request = Request::post("/batch", "multipart/mixed; boundary=batch_1", batch);
    let parts = parts_of(&Gateway::before(&upstream).send(&request));
    assert_eq!((&parts[0]["id"], &parts[0]["status"]), (&json!("pay"), &json!("HTTP/1.1 200 OK")));
    assert_eq!(
        (&parts[1]["id"], &parts[1]["status"]),
        (&json!("<response-miss>"), &json!("HTTP/1.1 404 Not Found"))
    );
    assert_eq!(upstream.requests_to("/orders/7")[0].body, br#"{"status":"paid"}"#);
}
