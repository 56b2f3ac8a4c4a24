//! Attack 6: line breaks and control characters in what becomes a line of HTTP. In requests, format by format:
//! `header-injection` and `methods-that-are-none` in `tests/cases/item` and `tests/cases/ndjson`, and
//! `nothing_in_an_item_makes_a_second_request` in `tests/batch.rs`.

use serde_json::json;

use crate::harness::{Answer, Gateway, Request, Upstream};

#[test]
fn what_clients_and_services_name_makes_no_line_of_a_reply() {
    let upstream = Upstream::answering(|_| {
        Answer::raw(
            "HTTP/1.1 200 O\rInjected: K\r\nX-Folded: a\r\n Injected: b\r\nX-Kept: c\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let gateway = Gateway::before(&upstream);
    let id = |text: &str| json!({"id": text, "method": "GET", "url": "/a"});
    let ids = [
        "a\r\nInjected: 1",
        "b\r\n\r\nHTTP/1.1 200 OK\r\nInjected: 1\r\n\r\n",
        "c\nInjected: 1",
        "d\rInjected: 1",
    ];
    for accept in ["multipart/mixed", "application/json", "application/xml", "application/x-ndjson"] {
        let batch = Request::batch(&json!({"requests": ids.map(id)})).header("Accept", accept);
        let text = gateway.send(&batch).text();
        let lines = text.split(['\r', '\n']);
        assert_eq!(lines.filter(|line| line.starts_with("Injected")).count(), 0, "{accept}: {text}");
    }
    for field in ["X-Request-Id", "Accept", "Prefer", "traceparent"] {
        let request = Request::get("/single").header(field, "a\rInjected: 1");
        let reply = gateway.send(&request);
        assert!(reply.headers.iter().all(|(name, _)| name != "Injected"), "{field}: {reply:?}");
    }
}
