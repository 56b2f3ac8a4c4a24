//! What a route decides about its requests and replies, for single requests and for items alike: fields, time limits, the size of
//! bodies.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::http2::{Call, Ending, Http2Client};
use crate::harness::{Answer, Config, Gate, Gateway, Reply, Request, Upstream};

const HEADERS: &str = "headers: { set: { X-Tenant: upstream, X-Both: upstream }, remove: [X-Secret] }";
const REQUEST: &str = "request_headers: { set: { x-From: '{client}', X-Both: route, X-Id: 'id {request_id}', \
                       X-Host: '{host}', X-Json: '{\"a\":1}' }, remove: [X-Gone] }";
const RESPONSE: &str = "response_headers: { set: { Strict-Transport-Security: max-age=1, X-Served-For: '{client}' }, \
                        remove: [X-Powered-By] }";

/// A gateway with rules on `/ruled`, and none on `/free`.
fn gateway(upstream: &Upstream) -> Gateway {
    let config = Config::new().upstream("orders", upstream.url()).with(HEADERS);
    let config = config.route("/ruled", "orders").with(REQUEST).with(RESPONSE).route("/free", "orders");
    let config = config.respond("/fixed", "status: 200, body: fixed").with(RESPONSE);
    let config = config.route("/dead", "dead").with(RESPONSE).upstream("dead", "http://127.0.0.1:1");
    config.batch("/batch").bulk("/ruled", "PATCH").start()
}

fn item(path: &str) -> Value {
    json!({"method": "GET", "url": path, "headers": {"X-Both": "item", "X-Gone": "item", "X-Secret": "item", "X-From": "item"}})
}

/// Sends a request to a path in every way; the statuses are those of the request or of its item.
fn send_in_every_way(gateway: &Gateway, path: &str) -> Vec<u64> {
    let names = ["X-Both", "X-Gone", "X-Secret", "X-From"];
    let with_fields =
        |request: Request| names.iter().fold(request, |request, name| request.header(name, "client"));
    let single = gateway.send(&with_fields(Request::get(path)));
    let http2 = Http2Client::connect(gateway.address());
    let call =
        Call::new("GET", path).header("x-both", "client").header("x-gone", "client").header("x-secret", "c");
    let over_http2 = http2.call(&call.header("x-from", "client"));
    let batch = gateway.send(&with_fields(Request::batch(&json!({"requests": [item(path)]}))));
    let line = gateway.send(&with_fields(Request::lines(item(path).to_string())));
    let status = |result: &Value| result["status"].as_u64().unwrap();
    vec![
        single.status.into(),
        over_http2.status.into(),
        status(&batch.only_result()),
        status(&line.lines()[0]),
    ]
}

#[test]
fn a_route_changes_the_fields_of_its_requests_in_every_way() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    assert_eq!(send_in_every_way(&gateway, "/ruled/1"), [200; 4]);
    let record =
        Request::new("PATCH", "/ruled").header("Content-Type", "application/json").body("[{\"id\":1}]");
    gateway.send(&record);
    let requests = upstream.take_requests();
    assert_eq!(requests.len(), 5);
    for request in requests {
        let host = gateway.address().to_string();
        for (name, value) in [
            ("X-Tenant", Some("upstream")),
            ("X-Both", Some("route")),
            ("x-From", Some("127.0.0.1")),
            ("X-Host", Some(host.as_str())),
            ("X-Json", Some("{\"a\":1}")),
            ("X-Gone", None),
            ("X-Secret", None),
        ] {
            assert_eq!(request.header(name), value, "{name} of {}", request.target);
        }
        let id = format!("id {}", request.header("X-Request-Id").unwrap());
        assert_eq!(request.header("X-Id"), Some(id.as_str()));
        assert!(String::from_utf8_lossy(&request.head).contains("\r\nx-From: "), "its own spelling");
        assert_eq!(request.all("X-Both").count(), 1);
    }
    send_in_every_way(&gateway, "/free/1");
    for request in upstream.take_requests() {
        assert_eq!((request.header("X-Id"), request.header("X-Both")), (None, Some("upstream")));
        assert!(request.header("X-Gone").is_some() && request.header("X-Secret").is_none());
    }
}

#[test]
fn a_route_changes_the_fields_of_its_replies_in_every_way() {
    let upstream =
        Upstream::answering(|_| Answer::text(200, "ok").header("X-Powered-By", "php").header("X-Kept", "1"));
    let gateway = gateway(&upstream);
    let changed = |get: &dyn Fn(&str) -> Option<String>, path: &str| {
        let kept = ["/ruled", "/free"].contains(&path).then(|| "1".to_owned());
        assert_eq!(get("X-Kept"), kept, "{path}");
        let (security, client, by) = match path {
            "/free" => (None, None, Some("php".to_owned())),
            _ => (Some("max-age=1".to_owned()), Some("127.0.0.1".to_owned()), None),
        };
        assert_eq!(get("Strict-Transport-Security"), security, "{path}");
        assert_eq!((get("X-Served-For"), get("X-Powered-By")), (client, by), "{path}");
    };
    for path in ["/ruled", "/free", "/fixed", "/dead"] {
        let reply = gateway.send(&Request::get(path));
        changed(&|name| reply.header(name).map(str::to_owned), path);
        let http2 = Http2Client::connect(gateway.address()).call(&Call::new("GET", path));
        changed(&|name| http2.header(&name.to_ascii_lowercase()).map(str::to_owned), path);
        let result = gateway.item(&json!({"method": "GET", "url": path}));
        changed(&|name| result["headers"][name].as_str().map(str::to_owned), path);
    }
    let batch = gateway.batch(&json!({"requests": []}));
    assert_eq!(batch.header("Strict-Transport-Security"), None, "not the endpoint's");
}

#[test]
fn an_endpoint_changes_the_fields_of_its_own_replies() {
    let upstream = Upstream::start();
    let config = Config::all_to("orders", upstream.url()).batch("/batch").with(RESPONSE);
    let gateway = config.bulk("/bulk", "POST").with(RESPONSE).start();
    let item = json!({"method": "GET", "url": "/a"});
    let refused = Request::post("/batch", "application/json", "[");
    let records = Request::post("/bulk", "application/json", "[{\"id\":1}]");
    let batch = Request::batch(&json!({"requests": [item]}));
    for request in [batch, Request::lines(item.to_string()), refused, records, Request::get("/batch")] {
        let reply = gateway.send(&request);
        assert_eq!(reply.header("Strict-Transport-Security"), Some("max-age=1"), "{request:?}");
    }
    let result = gateway.item(&item);
    assert_eq!(result["headers"]["Strict-Transport-Security"], Value::Null);
}

#[test]
fn a_route_may_be_more_patient_or_less_than_its_upstream() {
    let upstream = Upstream::start();
    let gate = Gate::closed();
    upstream.on("/hasty", Answer::text(200, "ok").when(&gate));
    upstream.on("/patient", Answer::text(200, "ok").delayed(Duration::from_millis(600)));
    let config = Config::new()
        .upstream("orders", upstream.url())
        .with("timeout: { item: 300ms }, retry: { attempts: 1 }");
    let config = config.route("/patient", "orders").with("timeout: { item: 20s }");
    let config = config.route("/hasty", "orders").with("timeout: { item: 200ms, request: 500ms }");
    let gateway = config.batch("/batch").start();
    assert_eq!(send_in_every_way(&gateway, "/patient"), [200; 4]);
    assert_eq!(send_in_every_way(&gateway, "/hasty"), [504; 4]);
    let explained = gateway
        .send(&Request::batch(&json!({"requests": [item("/patient")]})).header("Prefer", "handling=explain"));
    assert!(explained.text().contains("20000"), "{}", explained.text());
    gate.open();
}

/// A problem of a body that is too large, wherever it is.
fn names_the_limit(status: u16, problem: &Value) {
    assert_eq!(status, 413, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("16 bytes (routes.max_body)"), "{problem}");
}

#[test]
fn a_body_over_the_routes_limit_never_reaches_the_service() {
    let upstream = Upstream::start();
    let config =
        Config::new().upstream("orders", upstream.url()).route("/small", "orders").with("max_body: 16B");
    let gateway = config.respond("/fixed", "status: 200").with("max_body: 16B").batch("/batch").start();
    for path in ["/small", "/fixed"] {
        for (bytes, fits) in [(16, true), (17, false)] {
            let body = "x".repeat(bytes);
            let single = gateway.send(&Request::post(path, "text/plain", &body));
            let posted = json!({"method": "POST", "url": path, "headers": {"Content-Type": "text/plain"}, "body": body});
            let result = gateway.item(&posted);
            if fits {
                assert_eq!((single.status, &result["status"]), (200, &json!(200)));
                upstream.take_requests();
                continue;
            }
            names_the_limit(single.status, &single.json());
            names_the_limit(413, &result["body"]);
            assert_eq!(result["status"], 413);
        }
    }
    let waiting = Request::post("/small", "text/plain", "")
        .header("Content-Length", "17")
        .header("Expect", "100-continue");
    let mut client = gateway.connect();
    client.write(&waiting.to_bytes(gateway.address()));
    assert_eq!(client.head().status, 413, "before the body was sent");
    let filled = json!({"requests": [
        {"id": "a", "method": "GET", "url": "/small"},
        {"method": "POST", "url": "/small", "body": {"status": "{$responses.a.status}", "text": "more than that"}},
    ]});
    let results = gateway.batch(&filled).results();
    names_the_limit(413, &results[1]["body"]);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_body_without_a_length_is_cut_off_at_the_limit() {
    let upstream = Upstream::start();
    let config = Config::new().upstream("orders", upstream.url()).route("/", "orders").with("max_body: 16B");
    let gateway = config.batch("/batch").start();
    let chunked = |size: usize| -> Reply {
        let mut client = gateway.connect();
        client.write(b"POST /a HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n");
        client.write(format!("{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size)).as_bytes());
        client.reply_to("POST")
    };
    assert_eq!(chunked(8).status, 200);
    upstream.take_requests();
    let refused = chunked(9);
    names_the_limit(refused.status, &refused.json());
    let http2 = Http2Client::connect(gateway.address());
    let call = Call::new("POST", "/a").pieces([&b"12345678"[..], b"123456789"]).ending(Ending::EmptyData);
    let refused = http2.call(&call);
    names_the_limit(refused.status, &serde_json::from_str(&refused.text()).unwrap());
    assert!(upstream.requests().is_empty(), "a request that broke off is never complete");
    gateway.log_line(&[("kind", "request"), ("reason", "body_too_large"), ("limit", "routes.max_body")]);
}
