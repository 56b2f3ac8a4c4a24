//! Attack 18: multipart with many parts, long heads, and what looks like a boundary. What is refused, and why: the
//! `multipart-*` of `tests/cases/refused`; parts and bodies in any pieces: `gateway/format/multipart/tests.rs`.

use super::send_cheaply;
use crate::harness::{Gateway, Request, Upstream};

#[test]
fn multipart_as_large_as_may_be_costs_little() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let boundary = "b".repeat(70);
    let part = "Content-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\n\r\n\r\n";
    let (almost, long) = (format!("\r\n--{}", &boundary[1..]), "a".repeat(4 << 20));
    let bodies = [
        ("parts", format!("--{boundary}\r\n{part}").repeat(30_000)),
        ("empty parts", format!("--{boundary}\r\n\r\n").repeat(50_000)),
        ("a preamble", format!("{long}\r\n--{boundary}\r\n{part}")),
        ("almost boundaries", almost.repeat(50_000)),
        ("dashes", "\r\n--".repeat(1 << 20)),
        ("line breaks", "\r\n".repeat(2 << 20)),
        ("a field without end", format!("--{boundary}\r\nX: {long}")),
        ("fields without end", format!("--{boundary}\r\n{}", "X: y\r\n".repeat(500_000))),
        ("boundaries with a tail", format!("--{boundary}x\r\n").repeat(50_000)),
    ];
    let content_type = format!("multipart/mixed; boundary={boundary}");
    for (what, body) in &bodies {
        let reply = send_cheaply(&gateway, what, &Request::post("/batch", &content_type, body));
        assert!([400, 413].contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    }
    assert_eq!(upstream.requests(), []);
}
