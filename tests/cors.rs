//! Pages of other origins at batch endpoints: preflights, and what replies say.

use serde_json::json;

use crate::harness::client::Reply;
use crate::harness::{Config, Gateway, Request, Upstream};

fn gateway(upstream: &Upstream, cors: &str) -> Gateway {
    Config::all_to("orders", upstream.url()).raw(format!("cors: {{ {cors} }}")).start()
}

fn preflight(gateway: &Gateway, target: &str, origin: &str) -> Reply {
    let asks = Request::new("OPTIONS", target).header("Origin", origin);
    gateway.send(
        &asks
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "prefer"),
    )
}

const APP: &str = "https://app.example";

#[test]
fn an_allowed_page_may_ask_and_send() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "allow_origins: [\"https://app.example\"]");
    let reply = preflight(&gateway, "/batch", APP);
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("Access-Control-Allow-Origin", APP),
        ("Access-Control-Allow-Methods", "GET, HEAD, POST"),
        ("Access-Control-Allow-Headers", "content-type, prefer"),
        ("Access-Control-Max-Age", "600"),
        ("Vary", "Origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]});
    for request in [
        Request::batch(&batch),
        Request::lines("{\"method\":\"GET\",\"url\":\"/a\"}"),
        Request::get("/batch"),
        Request::post("/batch", "application/json", "["),
    ] {
        let reply = gateway.send(&request.header("Origin", APP));
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some(APP), "{}", reply.status);
        assert!(reply.header("Access-Control-Expose-Headers").unwrap().contains("Retry-After"));
    }
}

#[test]
fn another_page_learns_nothing() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "allow_origins: [\"https://app.example\"], allow_credentials: true");
    for origin in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"] {
        let asked = preflight(&gateway, "/batch", origin);
        let sent = gateway.send(&Request::batch(&json!({"requests": []})).header("Origin", origin));
        for reply in [&asked, &sent] {
            assert_eq!(reply.header("Access-Control-Allow-Origin"), None, "{origin}");
            assert_eq!(reply.header("Access-Control-Allow-Credentials"), None, "{origin}");
            assert_eq!(reply.header("Vary"), Some("Origin"));
        }
        assert_eq!(asked.status, 405);
    }
    let allowed = preflight(&gateway, "/batch", APP);
    assert_eq!(allowed.header("Access-Control-Allow-Credentials"), Some("true"));
}

#[test]
fn without_origins_nothing_is_said() {
    let upstream = Upstream::start();
    let reply = preflight(&Gateway::before(&upstream), "/batch", APP);
    assert_eq!(
        (reply.status, reply.header("Vary"), reply.header("Access-Control-Allow-Origin")),
        (405, None, None)
    );
}

#[test]
fn elsewhere_the_services_say_who_may_read() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, "allow_origins: [\"https://app.example\"]");
    let reply = preflight(&gateway, "/orders", APP);
    assert_eq!((reply.status, reply.header("Access-Control-Allow-Origin")), (200, None));
    assert_eq!(upstream.only_request().method, "OPTIONS");
}

#[test]
fn a_preflight_needs_no_credential() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.txt");
    std::fs::write(&file, format!("a:{}", "0".repeat(64))).unwrap();
    let cors = format!(
        "allow_origins: [\"https://app.example\"] }}\nauth: {{ api_keys: {{ file: {} }}",
        file.display()
    );
    let gateway = gateway(&upstream, &cors);
    assert_eq!(preflight(&gateway, "/batch", APP).status, 204);
    let refused = gateway.send(&Request::batch(&json!({"requests": []})).header("Origin", APP));
    assert_eq!((refused.status, refused.header("Access-Control-Allow-Origin")), (401, Some(APP)));
}
