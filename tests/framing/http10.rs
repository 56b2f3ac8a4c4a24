//! Replies in HTTP/1.0 leave in our own version and framing (RFC 9110 §2.5, RFC 9112 §6.1).

use crate::harness::http2::{Call, Http2Client};
use crate::harness::{Answer, Gateway, Request, Upstream};

/// What an upstream says, and the status and body that come of it.
const REPLIES: [(&str, u16, &str); 9] = [
    ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
    ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
    ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
    ("HTTP/1.0 200 OK\r\n\r\nuntil it closes", 200, "until it closes"),
    ("HTTP/1.0 200 OK\r\n\r\n", 200, ""),
    ("HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nnot here", 404, "not here"),
    ("HTTP/1.0 204 No Content\r\n\r\n", 204, ""),
    ("HTTP/1.0 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304, ""),
    ("HTTP/1.0 302 Found\r\nLocation: /there\r\nContent-Length: 2\r\n\r\nxx", 302, "xx"),
];

fn gateway(reply: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    upstream.on("/old", Answer::raw(reply));
    let gateway = Gateway::before(&upstream);
    (upstream, gateway)
}

#[test]
fn a_reply_of_http10_leaves_as_http11_and_the_connection_goes_on() {
    for (reply, status, body) in REPLIES {
        let (_upstream, gateway) = gateway(reply);
        let mut client = gateway.connect();
        client.write(&Request::get("/old").to_bytes(gateway.address()));
        let got = client.reply_to("GET");
        assert_eq!((&*got.version, got.status, &*got.text()), ("HTTP/1.1", status, body), "{reply:?}");
        assert_eq!(got.header("Connection").filter(|value| !value.contains("keep-alive")), None, "{reply:?}");
        let is_bodiless = [204, 304].contains(&status);
        let framings = ["Content-Length", "Transfer-Encoding"].iter().filter(|n| got.header(n).is_some());
        assert_eq!(framings.count(), usize::from(!is_bodiless), "{reply:?} {got:?}");
        client.write(&Request::get("/next").to_bytes(gateway.address()));
        assert_eq!(client.reply_to("GET").text(), "ok", "{reply:?}");
    }
}

#[test]
fn a_reply_of_http10_is_whole_over_http2() {
    for (reply, status, body) in REPLIES {
        let (_upstream, gateway) = gateway(reply);
        let got = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/old"));
        assert_eq!((got.status, &*got.text(), got.broken), (status, body, None), "{reply:?}");
    }
}

#[test]
fn chunks_in_http10_are_a_broken_reply() {
    let chunks = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let (_upstream, gateway) = gateway(chunks);
    let mut client = gateway.connect();
    client.write(&Request::get("/old").to_bytes(gateway.address()));
    let reply = client.reply_to("GET");
    assert_eq!((&*reply.version, reply.status), ("HTTP/1.1", 502), "{reply:?}");
    let http2 = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/old"));
    assert_eq!(http2.status, 502, "{http2:?}");
}

#[test]
fn the_answer_to_head_in_http10_keeps_its_length_and_has_no_body() {
    let upstream = Upstream::start();
    upstream.on("/old", Answer::raw("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.write(&Request::new("HEAD", "/old").to_bytes(gateway.address()));
        let reply = client.reply_to("HEAD");
        assert_eq!((&*reply.version, reply.header("Content-Length")), ("HTTP/1.1", Some("5")));
    }
}

#[test]
fn a_client_of_http10_gets_no_chunks_and_the_end_of_its_connection() {
    let upstream = Upstream::start();
    upstream.on("/chunks", Answer::text(200, "in chunks").chunked());
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(b"GET /chunks HTTP/1.0\r\nHost: x\r\n\r\n");
    let reply = String::from_utf8(client.rest()).unwrap();
    assert!(reply.ends_with("\r\n\r\nin chunks"), "{reply}");
    assert!(!reply.to_lowercase().contains("transfer-encoding"), "{reply}");
}
