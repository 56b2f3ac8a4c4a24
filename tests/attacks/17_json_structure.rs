//! Attack 17: JSON that is deep, wide, long, or read in two ways. What is refused, and why: the `json-*` of
//! `tests/cases/refused`.

use super::send_cheaply;
use crate::harness::{Gateway, Request, Upstream};

#[test]
fn json_as_large_as_may_be_is_refused_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let many = |text: &dyn Fn(usize) -> String| (0..200_000).map(text).collect::<Vec<_>>().join(",");
    let item = |body: &str| format!("{{\"requests\":[{{\"method\":\"PUT\",\"url\":\"/a\",\"body\":{body}}}]");
    let documents = [
        ("arrays", "[".repeat(4 << 20)),
        ("objects", "{\"a\":".repeat(500_000)),
        ("arrays of a body", item(&"[".repeat(1 << 20))),
        ("members", format!("{{{}}}", many(&|n| format!("\"a{n}\":1")))),
        ("members of an item", format!("{{\"requests\":[{{{}}}", many(&|n| format!("\"a{n}\":1")))),
        ("a member again and again", format!("{{{}}}", many(&|_| "\"requests\":[]".to_owned()))),
        ("items", format!("{{\"requests\":[{}]}}", many(&|_| "{}".to_owned()))),
        ("numbers", format!("{{\"requests\":[{}]}}", many(&|_| "1e999999".to_owned()))),
        ("a number", format!("{{\"requests\":{}}}", "9".repeat(4 << 20))),
        ("a string without end", format!("{{\"requests\":[{{\"url\":\"{}", "a".repeat(4 << 20))),
        ("escapes without end", format!("{{\"requests\":[{{\"url\":\"{}", "\\u0041".repeat(700_000))),
        ("blanks", " ".repeat(4 << 20)),
    ];
    for (what, document) in &documents {
        let reply = send_cheaply(&gateway, what, &Request::post("/batch", "application/json", document));
        assert!([400, 413].contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    }
    assert_eq!(upstream.requests(), []);
}
