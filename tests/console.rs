//! The console: what an operator does in a real browser, and who may use it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::client::Reply;
use crate::harness::programs::{node, program, succeed};
use crate::harness::{Answer, Config, Gateway, Request, Upstream};

fn gateway(upstream: &Upstream) -> Gateway {
    Config::all_to("orders", upstream.url()).start()
}

fn send(gateway: &Gateway, items: &Value) {
    assert_eq!(gateway.send(&Request::batch(&json!({ "requests": items }))).status, 207);
}

#[test]
fn an_operator_filters_clicks_composes_sends_and_takes_a_target_out() {
    let upstream = Upstream::start();
    upstream.on("/broken", Answer::of(500, "text/plain", ""));
    let gateway = gateway(&upstream);
    send(
        &gateway,
        &json!([
            {"id": "a", "method": "GET", "url": "/orders/1"},
            {"id": "b", "method": "GET", "url": "/broken", "dependsOn": ["a"]},
            {"id": "c", "method": "DELETE", "url": "//elsewhere"},
        ]),
    );
    send(&gateway, &json!([{"method": "GET", "url": "/orders/2"}]));
    let mut browser = node("console.cjs");
    let url = format!("http://{}/", gateway.admin());
    let seen = succeed(browser.env("CHROMIUM", program("chromium")).arg(url));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&seen["wrong"], &seen["violations"]), (&json!([]), &json!([])), "{seen:#}");
    let regions = ["Traffic", "Batches", "Compose", "Targets", "Routes", "Configuration"];
    assert_eq!(seen["regions"], json!(regions));
    see_batches(&seen["batches"], &upstream, &gateway);
    let Value::Object(composed) = &seen["compose"] else { panic!("{seen:#}") };
    assert_eq!(composed["explanation"]["items"][0]["call"]["upstream"], "orders");
    assert_eq!(composed["reply"]["summary"]["items"], 2);
    assert!(seen["targets"].as_str().unwrap().contains("taken out"), "{seen:#}");
    let requests = upstream.requests();
    assert!(requests.iter().any(|request| request.target == "/orders/9"), "{requests:?}");
}

fn see_batches(batches: &Value, upstream: &Upstream, gateway: &Gateway) {
    assert_eq!(
        (&batches["all"], &batches["filtered"], &batches["arrows"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let names: Vec<_> = batches["names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let target = upstream.address().to_string();
    for (name, begin) in names.iter().zip(["a: 200, ", "b: 500, ", "c: 400, "]) {
        assert!(name.starts_with(begin) && name.contains(" ms, "), "{name}");
    }
    assert!(names[0].ends_with(&target) && names[2].ends_with("no target"), "{names:?}");
    assert!(batches["detail"].as_str().unwrap().contains("500 (answered)"), "{batches:#}");
    assert_eq!(batches["curl"], format!("curl -i -X GET {}", gateway.url("/broken")));
}

/// A request to the admin listener with this Host, and perhaps from a page of this origin.
fn ask(admin: SocketAddr, request: Request, host: &str, origin: Option<&str>) -> Reply {
    let request = request.header("Host", host);
    let request = match origin {
        Some(origin) => request.header("Origin", origin).header("Sec-Fetch-Site", "same-origin"),
        None => request,
    };
    request.send(admin)
}

#[test]
fn other_pages_may_neither_read_nor_write() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let (admin, evil) = (gateway.admin(), "evil.example:9901");
    let own = admin.to_string();
    let page = || Request::get("/").header("Accept", "text/html");
    assert!(ask(admin, page(), &own, None).text().contains("<title>batchgate console"));
    let policy = ask(admin, page(), &own, None).header("Content-Security-Policy").unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(Request::get("/").send(admin).text().contains("/metrics"));
    for (path, accept, expected) in [
        ("/", "text/html;q=0, text/plain", "text/plain; charset=utf-8"),
        ("/", "*/*", "text/plain; charset=utf-8"),
        ("/config", "application/json, text/plain, */*", "application/json"),
        ("/config", "application/json;q=0.1, application/yaml", "application/yaml"),
        ("/config", "*/*", "application/yaml"),
    ] {
        let reply = Request::get(path).header("Accept", accept).send(admin);
        assert_eq!(reply.header("Content-Type"), Some(expected), "{path} {accept}");
    }
    for path in ["/batches", "/console/console.js"] {
        assert_eq!(ask(admin, Request::get(path), &own, None).status, 200);
        assert_eq!(ask(admin, Request::get(path), evil, None).status, 403, "{path}");
    }
    let out = || Request::new("POST", &format!("/targets/orders/{}/out", upstream.address()));
    let batch = json!({"path": "/batch", "headers": [], "body": "{}"}).to_string();
    let composed = || Request::post("/send", "application/json", &batch);
    let own_origin = format!("http://{own}");
    for (host, origin, expected) in [
        (evil, "http://evil.example:9901", 403),
        (own.as_str(), "http://evil.example", 403),
        (own.as_str(), "null", 403),
        (own.as_str(), own_origin.as_str(), 200),
    ] {
        assert_eq!(ask(admin, out(), host, Some(origin)).status, expected, "{origin}");
        assert_eq!(ask(admin, composed(), host, Some(origin)).status, expected, "{origin}");
    }
}

#[test]
fn what_can_not_be_sent_says_why() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let refused = Request::get("/send").send(gateway.admin());
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("POST")));
    for (body, expected) in [
        (json!({"path": "/batch", "headers": [["Content-Type", "application/json"]], "body": "{"}), 200),
        (json!({"path": "no path", "headers": [], "body": ""}), 400),
        (json!({"path": "/batch", "headers": [["a b", ""]], "body": ""}), 400),
        (json!({"path": "/batch", "headers": [["Content-Length", "99"]], "body": "{}"}), 400),
        (json!({"path": "/batch", "headers": [["transfer-encoding", "chunked"]], "body": "{}"}), 400),
        (json!({"unknown": 1}), 400),
        (json!(7), 400),
    ] {
        let reply = Request::post("/send", "application/json", body.to_string()).send(gateway.admin());
        assert_eq!(reply.status, expected, "{body}: {}", reply.text());
        if expected == 200 {
            assert_eq!(reply.json()["status"], 400, "{}", reply.text());
        }
    }
}
