//! Trailers (RFC 9110 §6.5) reach whoever takes them: a client that says `TE: trailers`, or HTTP/2. For
//! others they are dropped together with the field that announces them.

use crate::harness::http2::{Call, Ending, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::{Answer, Gateway, Reply, Request, Setup, Upstream};

const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
     2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n";

fn before_http1() -> (Upstream, Gateway) {
    let upstream = Upstream::answering(|_| Answer::raw_kept(CHUNKS));
    let gateway = Gateway::before(&upstream);
    (upstream, gateway)
}

fn before_http2() -> (Http2Upstream, Gateway) {
    let upstream = Http2Upstream::answering(|_| {
        Http2Answer::of(200, "ok").header("trailer", "x-sum").trailers(&[("x-sum", "9")])
    });
    let gateway = Setup::routing_to(&[upstream.url()]).start();
    (upstream, gateway)
}

/// The second reply on a connection: the first has left nothing on it.
fn reply_over_http1(gateway: &Gateway, request: &Request) -> Reply {
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.write(&request.to_bytes(gateway.address()));
        let reply = client.reply_to("GET");
        assert_eq!((reply.status, &*reply.text()), (200, "ok"));
    }
    client.write(&request.to_bytes(gateway.address()));
    client.reply_to("GET")
}

fn trailer<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let found = reply.trailers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn assert_taken_over_http1(gateway: &Gateway) {
    let request = Request::get("/a").header("TE", "trailers").header("Connection", "TE");
    let reply = reply_over_http1(gateway, &request);
    assert_eq!(trailer(&reply, "X-Sum"), Some("9"), "{reply:?}");
    assert!(reply.header("Trailer").is_some(), "{reply:?}");
}

fn assert_dropped_over_http1(gateway: &Gateway) {
    let reply = reply_over_http1(gateway, &Request::get("/a"));
    assert_eq!((reply.header("Trailer"), &reply.trailers[..]), (None, &[][..]), "{reply:?}");
}

fn assert_taken_over_http2(gateway: &Gateway) {
    let client = Http2Client::connect(gateway.address());
    for call in [Call::new("GET", "/a"), Call::new("GET", "/a").header("te", "trailers")] {
        let reply = client.call(&call);
        assert_eq!((reply.status, &*reply.text(), reply.broken), (200, "ok", None));
        assert_eq!(reply.trailer("x-sum"), Some("9"), "{reply:?}");
    }
}

#[test]
fn trailers_of_http1_reach_a_client_of_http1_that_takes_them() {
    let (_upstream, gateway) = before_http1();
    assert_taken_over_http1(&gateway);
}

#[test]
fn trailers_of_http1_are_dropped_with_their_announcement_where_nobody_takes_them() {
    let (_upstream, gateway) = before_http1();
    assert_dropped_over_http1(&gateway);
}

#[test]
fn trailers_of_http1_reach_a_client_of_http2() {
    let (_upstream, gateway) = before_http1();
    assert_taken_over_http2(&gateway);
}

#[test]
fn trailers_of_http2_reach_a_client_of_http1_that_takes_them() {
    let (_upstream, gateway) = before_http2();
    assert_taken_over_http1(&gateway);
}

#[test]
fn trailers_of_http2_are_dropped_with_their_announcement_where_nobody_takes_them() {
    let (_upstream, gateway) = before_http2();
    assert_dropped_over_http1(&gateway);
}

#[test]
fn trailers_of_http2_reach_a_client_of_http2() {
    let (_upstream, gateway) = before_http2();
    assert_taken_over_http2(&gateway);
}

/// RFC 9110 §6.5.1: framing, routing and credentials are no trailers.
#[test]
fn trailers_that_could_change_a_message_are_dropped() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\
         Content-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nHost: x\r\nX-Sum: 9\r\n\r\n";
    let upstream = Upstream::answering(move |_| Answer::raw_kept(chunks));
    let gateway = Gateway::before(&upstream);
    let request = Request::get("/a").header("TE", "trailers").header("Connection", "TE");
    let reply = reply_over_http1(&gateway, &request);
    assert_eq!(reply.trailers.len(), 1, "{:?}", reply.trailers);
    assert_eq!(trailer(&reply, "X-Sum"), Some("9"));
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/a"));
    assert_eq!((reply.trailers.len(), reply.trailer("x-sum")), (1, Some("9")), "{reply:?}");
}

#[test]
fn trailers_of_a_request_end_at_the_gateway() {
    let (upstream, gateway) = before_http2();
    let trailers = Ending::Trailers(vec![("x-check".to_owned(), "7".to_owned())]);
    let call = Call::new("POST", "/a").body(b"body").ending(trailers);
    assert_eq!(Http2Client::connect(gateway.address()).call(&call).status, 200);
    let requests = upstream.requests();
    assert_eq!((requests.len(), &*requests[0].body), (1, &b"body"[..]));
    // nginx ends the connection over them, which other clients share.
    assert!(requests[0].trailers.is_empty(), "{:?}", requests[0].trailers);
}

#[test]
fn trailers_without_a_body_end_a_reply_too() {
    let upstream = Http2Upstream::answering(|_| Http2Answer::of(200, "").trailers(&[("x-sum", "0")]));
    let gateway = Setup::routing_to(&[upstream.url()]).start();
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("GET", "/a"));
    assert_eq!((reply.status, reply.trailer("x-sum"), reply.broken), (200, Some("0"), None), "{reply:?}");
}
