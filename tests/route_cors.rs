//! Pages of other origins at a route with `cors`: its preflights, its replies, and a real browser.

use serde_json::{Value, json};

use crate::harness::http2::{Call, Http2Client};
use crate::harness::programs::{node, program, succeed};
use crate::harness::{Answer, Config, Gateway, Request, Upstream};

const APP: &str = "https://app.example";
const CORS: &str = "cors: { allow_origins: ['https://app.example'], allow_headers: [Content-Type, X-App], \
                    expose_headers: [X-Total], allow_credentials: true, max_age: 5m }";

/// A service that lets every page in, as many do.
fn upstream() -> Upstream {
    Upstream::answering(|_| {
        let answer =
            Answer::text(200, "ok").header("Access-Control-Allow-Origin", "*").header("X-Total", "7");
        answer.header("Access-Control-Max-Age", "1").header("Vary", "Accept, origin")
    })
}

fn gateway(upstream: &Upstream, more: &str) -> Gateway {
    let config = Config::all_to("orders", upstream.url())
        .route("/orders", "orders")
        .with("methods: [GET, PUT], max_body: 9B");
    config.with(CORS).respond("/fixed", "status: 404").with(CORS).raw(more).start()
}

fn preflight(path: &str, origin: &str) -> Request {
    let asks = Request::new("OPTIONS", path).header("Origin", origin);
    asks.header("Access-Control-Request-Method", "PUT").header("Access-Control-Request-Headers", "x-app")
}

#[test]
fn the_gateway_answers_the_preflights_of_the_route() {
    let upstream = upstream();
    let keys = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), format!("a:{}", "0".repeat(64))).unwrap();
    let auth = format!("auth: {{ api_keys: {{ file: {} }} }}", keys.path().display());
    for more in ["", auth.as_str()] {
        let gateway = gateway(&upstream, more);
        let allowed = gateway.send(&preflight("/orders/1", APP));
        assert_eq!(allowed.status, 204);
        for (name, value) in [
            ("Access-Control-Allow-Origin", APP),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Methods", "GET, PUT, HEAD"),
            ("Access-Control-Allow-Headers", "content-type, x-app"),
            ("Access-Control-Max-Age", "300"),
            ("Vary", "Origin"),
        ] {
            assert_eq!(allowed.header(name), Some(value), "{name}");
        }
        let refused = gateway.send(&preflight("/orders/1", "https://evil.example"));
        assert_eq!((refused.status, refused.header("Vary")), (204, Some("Origin")));
        assert!(
            !refused.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control"))
        );
    }
    assert!(upstream.requests().is_empty());
    let gateway = gateway(&upstream, "");
    assert_eq!(gateway.send(&preflight("/elsewhere", APP)).header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(
        gateway.send(&Request::new("OPTIONS", "/orders/1").header("Origin", APP)).status,
        405,
        "no preflight"
    );
}

/// A preflight says which method and which fields the request will have, but not their values.
#[test]
fn what_a_page_asks_for_chooses_the_route() {
    let upstream = upstream();
    let of = |origin: &str| CORS.replace(APP, origin);
    let config = Config::all_to("orders", upstream.url()).with(of("https://read.example"));
    let config =
        config.route("/", "orders").with("match: { methods: [PUT] }").with(of("https://write.example"));
    let config = config
        .route("/", "orders")
        .with("match: { headers: { X-App: '1' } }")
        .with(of("https://one.example"));
    let gateway = config.start();
    for (method, fields, origin) in [
        ("GET", "", "https://read.example"),
        ("PUT", "", "https://write.example"),
        ("GET", "x-app", "https://one.example"),
        ("GET", "content-type,x-app", "https://one.example"),
        ("GET", "content-type", "https://read.example"),
    ] {
        let asks = |origin: &str| {
            let asks = Request::new("OPTIONS", "/x").header("Origin", origin);
            asks.header("Access-Control-Request-Method", method)
                .header("Access-Control-Request-Headers", fields)
        };
        for other in ["https://read.example", "https://write.example", "https://one.example"] {
            let allowed = (other == origin).then_some(origin);
            let said = gateway.send(&asks(other));
            assert_eq!(said.header("Access-Control-Allow-Origin"), allowed, "{method} {fields}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn every_reply_of_the_route_says_what_the_gateway_says() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "");
    let too_large = Request::new("PUT", "/orders/1").body("more than 9 bytes");
    for (request, status) in [
        (Request::get("/orders/1"), 200),
        (too_large, 413),
        (Request::new("DELETE", "/orders/1"), 405),
        (Request::get("/fixed"), 404),
    ] {
        let reply = gateway.send(&request.clone().header("Origin", APP));
        assert_eq!(reply.status, status);
        let all = |wanted: &str| {
            let of_name = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(wanted);
            reply.headers.iter().filter(of_name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(all("Access-Control-Allow-Origin"), [APP], "{status}");
        assert_eq!(all("Access-Control-Allow-Credentials"), ["true"]);
        assert!(all("Access-Control-Expose-Headers")[0].ends_with(", x-total"));
        assert_eq!(reply.header("Access-Control-Max-Age"), None);
        let vary = if status == 200 { "Accept, origin" } else { "Origin" };
        assert_eq!(all("Vary"), [vary], "said once");
        let other = gateway.send(&request.header("Origin", "https://evil.example"));
        assert_eq!(other.header("Access-Control-Allow-Origin"), None, "{status}");
        assert!(other.header("Vary").unwrap().to_ascii_lowercase().contains("origin"));
    }
    let call = Call::new("GET", "/orders/1").header("origin", APP);
    let over_http2 = Http2Client::connect(gateway.address()).call(&call);
    assert_eq!(over_http2.header("access-control-allow-origin"), Some(APP));
    let free = gateway.send(&Request::get("/elsewhere").header("Origin", APP));
    assert_eq!(free.header("Access-Control-Allow-Origin"), Some("*"), "the service's own");
}

#[test]
fn a_browser_agrees() {
    let (page, api) = (Upstream::start(), upstream());
    page.on("/page", Answer::of(200, "text/html", "<!doctype html><title>a page</title>"));
    let cors = CORS.replace(APP, &page.url());
    let config = Config::all_to("api", api.url())
        .route("/orders", "api")
        .with("methods: [GET, PUT], max_body: 9B")
        .with(cors);
    let gateway = config.respond("/private", "status: 200, body: private").start();
    let mut client = node("chromium_cors.cjs");
    let (page, to) = (format!("{}/page", page.url()), gateway.url(""));
    let told = succeed(client.env("CHROMIUM", program("chromium")).arg(page).arg(to));
    let seen: Value = serde_json::from_str(&told).unwrap();
    for name in ["put", "get"] {
        assert_eq!((&seen[name]["status"], &seen[name]["text"]), (&json!(200), &json!("ok")), "{seen}");
        assert_eq!((&seen[name]["x-total"], &seen[name]["x-hidden"]), (&json!("7"), &Value::Null), "{seen}");
        assert!(seen[name]["x-request-id"].is_string(), "{seen}");
    }
    assert_eq!(seen["tooLarge"]["status"], 413, "{seen}");
    for name in ["wrongMethod", "wrongField", "otherRoute"] {
        assert_eq!(seen[name], json!({"error": "TypeError"}), "{name}: {seen}");
    }
}
