//! Attack 8: requests whose end two servers see in two places. More of it: `tests/proxy.rs`,
//! `tests/proxy_rules.rs`.

use crate::harness::{Config, Upstream};

use super::exchange;

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n";

/// Heads whose body is `SMUGGLED`, or is empty and followed by it, as one looks at them.
const HEADS: [&str; 22] = [
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: \u{b}chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    " Transfer-Encoding: chunked\r\n",
    "X: y\r\n Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "Content-Length: 0\r\nContent-Length: 44\r\n",
    "Content-Length: +44\r\n",
    "Content-Length: 0, 44\r\n",
    "Content-Length: 0x2c\r\n",
    "Content-Length: 4 4\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 18446744073709551660\r\n",
    "Content-Length\r\n: 44\r\n",
    "Content-Length: 44\n\n",
    "X\0: Content-Length: 44\r\n",
    "Content_Length: 44\r\nContent-Length: \r\n",
];

#[test]
fn no_ambiguous_request_hides_another() {
    let upstream = Upstream::start();
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let gateway = config.limits("header_timeout: 500ms, body_timeout: 500ms, keepalive_timeout: 1s").start();
    for fields in HEADS {
        for line in ["POST /a HTTP/1.1", "POST /batch HTTP/1.1", "GET /a HTTP/1.0"] {
            for end in ["", "0\r\n\r\n"] {
                let request = format!("{line}\r\nHost: gateway\r\n{fields}\r\n{end}{SMUGGLED}");
                let reply = exchange(&gateway, &request);
                let answers = reply.matches("HTTP/1.1 2").count();
                assert!(answers <= 1, "{request:?} is answered {reply:?}");
            }
        }
    }
    let targets: Vec<_> = upstream.requests().into_iter().map(|request| request.target).collect();
    assert!(!targets.iter().any(|target| target == "/smuggled"), "{targets:?}");
}
