//! Attack 29: the operators' pages. Their own address, secrets in `/config`: `tests/metrics.rs`; the address they
//! have where none is given: `config/batchgate.yaml` and its test in `tests/documents.rs`.

use serde_json::json;

use super::exchange;
use crate::harness::{Answer, Gateway, Request, Upstream};

#[test]
fn no_client_finds_the_operators_pages_by_another_spelling() {
    let upstream = Upstream::answering(|_| Answer::text(404, "of the service"));
    let gateway = Gateway::before(&upstream);
    let admin = gateway.admin();
    for page in ["metrics", "config", "healthz", "readyz", "debug/pprof"] {
        for target in [
            format!("/{page}/"),
            format!("/%6{}", &page[1..]),
            format!("http://{admin}/{page}"),
            format!("/{page}?x"),
        ] {
            let host = admin.to_string();
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let reply = exchange(&gateway, request);
            assert!(reply.contains("of the service") || reply.starts_with("HTTP/1.1 4"), "{target}: {reply}");
        }
        let item =
            json!({"method": "GET", "url": format!("/{page}"), "headers": {"X-Original-URL": "/config"}});
        assert_eq!(gateway.item(&item)["body"], "of the service");
        let absolute = json!({"method": "GET", "url": format!("http://{admin}/{page}")});
        assert_eq!(gateway.item(&absolute)["status"], 400);
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let reply = Request::new(method, "/config").send(admin);
        assert!(reply.status >= 400, "{method} {} {}", reply.status, reply.text());
    }
}
