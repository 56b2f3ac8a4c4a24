//! Interim replies (RFC 9110 §15.2) reach the client, in order, before the final one.

use crate::harness::http2::{Call, Http2Client};
use crate::harness::{Answer, Gateway, Reply, Request, Upstream};

/// 103 with a field of its own and one of the hop, then 102, then the reply.
const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n\
     HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const LINK: &str = "</a.css>; rel=preload";

fn before_http1() -> (Upstream, Gateway) {
    let upstream = Upstream::answering(|_| Answer::raw_kept(INTERIM));
    let gateway = Gateway::before(&upstream);
    (upstream, gateway)
}

/// The interim replies to a client of HTTP/1.1, twice on one connection.
fn interim_over_http1(gateway: &Gateway) -> Vec<Reply> {
    let mut client = gateway.connect();
    let mut interim = Vec::new();
    for _ in 0..2 {
        interim.clear();
        client.write(&Request::get("/a").to_bytes(gateway.address()));
        let mut head = client.head();
        while head.status < 200 {
            interim.push(head);
            head = client.head();
        }
        assert_eq!((head.status, head.header("Content-Length")), (200, Some("2")));
        assert_eq!(client.through(b"ok"), b"ok");
    }
    interim
}

fn assert_told_over_http1(gateway: &Gateway) {
    let interim = interim_over_http1(gateway);
    let statuses: Vec<_> = interim.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [103, 102]);
    assert_eq!(interim[0].header("Link"), Some(LINK), "{interim:?}");
}

fn assert_told_over_http2(gateway: &Gateway) {
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/a"));
    assert_eq!((reply.status, &*reply.text()), (200, "ok"));
    let statuses: Vec<_> = reply.interim.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [103, 102]);
    assert!(reply.interim[0].1.contains(&("link".to_owned(), LINK.to_owned())), "{:?}", reply.interim);
    assert!(!reply.interim[0].1.iter().any(|(name, _)| name == "x-hop"), "{:?}", reply.interim);
}

#[test]
fn interim_replies_of_http1_reach_a_client_of_http1() {
    let (_upstream, gateway) = before_http1();
    assert_told_over_http1(&gateway);
}

#[test]
fn interim_replies_of_http1_reach_a_client_of_http2() {
    let (_upstream, gateway) = before_http1();
    assert_told_over_http2(&gateway);
}

#[test]
fn fields_of_the_hop_end_here_in_interim_replies_too() {
    let (_upstream, gateway) = before_http1();
    let interim = interim_over_http1(&gateway);
    let hints = interim.iter().find(|reply| reply.status == 103).unwrap();
    for name in ["X-Hop", "Connection", "Keep-Alive", "Transfer-Encoding"] {
        assert_eq!(hints.header(name), None, "{hints:?}");
    }
}

#[test]
fn a_client_of_http10_gets_the_final_reply_only() {
    let (_upstream, gateway) = before_http1();
    let mut client = gateway.connect();
    client.write(b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n");
    let reply = String::from_utf8(client.rest()).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 ") || reply.starts_with("HTTP/1.0 200 "), "{reply}");
    assert!(!reply.contains("Early Hints") && reply.ends_with("\r\n\r\nok"), "{reply}");
}
