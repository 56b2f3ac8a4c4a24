//! Upgrades to other protocols (RFC 9110 §7.8): Docker's, Kubernetes', anybody's.

use super::services::{field, gateway, upgrade_to, upgraded, upper_case};
use crate::harness::raw::RawServer;
use crate::harness::{Answer, Gateway, Request, Upstream};

#[test]
fn any_protocol_may_be_upgraded_to() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    for protocol in ["tcp", "SPDY/3.1", "websocket", "WebSocket", "x-own/1"] {
        let mut client = gateway.connect();
        client.write(upgrade_to(protocol).as_bytes());
        let head = client.head();
        assert_eq!((head.status, head.header("Upgrade")), (101, Some(protocol)), "{head:?}");
        client.write(b"hello");
        assert_eq!(client.through(b"HELLO"), b"HELLO", "{protocol}");
    }
}

/// Docker's client attaches by POST; its connection is raw from then on.
#[test]
fn a_post_may_ask_for_an_upgrade() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    let mut client = gateway.connect();
    client.write(
        b"POST /containers/x/attach?stream=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\
          Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    let head = client.head();
    assert_eq!((head.status, head.header("Upgrade")), (101, Some("tcp")), "{head:?}");
    client.write(b"\0\x01raw\r\n\r\n");
    assert_eq!(client.through(b"\r\n\r\n"), b"\0\x01RAW\r\n\r\n");
}

#[test]
fn one_side_may_end_before_the_other() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    let mut client = upgraded(&gateway, "tcp");
    client.write(b"last words");
    client.through(b"LAST WORDS");
    client.finish_writing();
    assert_eq!(client.rest(), b"bye");
}

#[test]
fn many_bytes_go_through_both_ways() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url(), "");
    let mut client = upgraded(&gateway, "tcp");
    let piece = vec![b'a'; 100_000];
    for _ in 0..50 {
        client.write(&piece);
        client.write(b"|");
        assert_eq!(client.through(b"|").len(), piece.len() + 1);
    }
}

#[test]
fn the_service_may_refuse_an_upgrade_and_the_connection_goes_on() {
    let upstream = Upstream::start();
    upstream.on("/echo", Answer::text(403, "no"));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.write(upgrade_to("tcp").as_bytes());
        let reply = client.reply_to("GET");
        assert_eq!((reply.status, &*reply.text()), (403, "no"));
    }
    client.write(&Request::get("/next").to_bytes(gateway.address()));
    assert_eq!(client.reply_to("GET").text(), "ok");
}

/// A service gets what the upgrade needs, and no other field of the hop.
#[test]
fn the_request_for_an_upgrade_arrives_whole() {
    let (heads, got) = std::sync::mpsc::channel();
    let upstream = RawServer::start(move |mut connection| {
        drop(heads.send(connection.head()?));
        connection.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        connection.close_lingering()
    });
    let gateway = gateway(&upstream.url(), "");
    let mut client = gateway.connect();
    let head = upgrade_to("tcp").replace("Connection: Upgrade", "Connection: Upgrade, X-Hop\r\nX-Hop: 1");
    client.write(head.as_bytes());
    assert_eq!(client.reply_to("GET").status, 400);
    let head = got.recv().unwrap();
    assert_eq!(field(&head, "upgrade"), Some("tcp"), "{head}");
    assert!(field(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")), "{head}");
    assert_eq!(field(&head, "sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="), "{head}");
    assert_eq!(field(&head, "x-hop"), None, "{head}");
}

/// Without a request for it there is no switching: the reply is broken.
#[test]
fn a_101_that_nobody_asked_for_is_a_broken_reply() {
    let upstream = Upstream::start();
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw";
    upstream.on("/a", Answer::raw(switching));
    let gateway = Gateway::before(&upstream);
    assert_eq!(gateway.send(&Request::get("/a")).status, 502);
}
