//! Requests that an HTTP/2 upstream says it has not processed (RFC 9113 §8.7, §6.8) are sent again, or
//! said to be not sent; whatever their method.

use std::sync::atomic::{AtomicUsize, Ordering};

use h2::Reason;

use crate::harness::http2::{Call, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::nginx::Nginx;
use crate::harness::{Gateway, Request, Setup};

const RETRY: &str = "retry: { attempts: 3, budget: 100% }";

/// Refuses so many requests, then answers.
fn refusing_first(count: usize) -> Http2Upstream {
    let refused = AtomicUsize::new(0);
    Http2Upstream::answering(move |request| {
        if refused.fetch_add(1, Ordering::SeqCst) < count {
            return Http2Answer::reset(Reason::REFUSED_STREAM);
        }
        Http2Answer::of(200, format!("{} {}", request.method, request.body.len()))
    })
}

#[test]
fn a_post_that_was_refused_is_sent_again() {
    let upstream = refusing_first(1);
    let gateway = Setup::tuned(&upstream.url(), RETRY, "").start();
    let reply = gateway.send(&Request::post("/a", "text/plain", "body"));
    assert_eq!((reply.status, &*reply.text()), (200, "POST 4"), "{reply:?}");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_post_over_http2_that_was_refused_is_sent_again() {
    let upstream = refusing_first(1);
    let gateway = Setup::tuned(&upstream.url(), RETRY, "").start();
    let reply = Http2Client::connect(gateway.address()).call(&Call::new("POST", "/a").body(b"body"));
    assert_eq!((reply.status, &*reply.text()), (200, "POST 4"), "{reply:?}");
}

#[test]
fn a_post_that_is_refused_again_and_again_is_not_sent() {
    let upstream = refusing_first(usize::MAX);
    let gateway = Setup::tuned(&upstream.url(), RETRY, "").start();
    let reply = gateway.send(&Request::post("/a", "text/plain", "body"));
    assert!(matches!(reply.status, 502 | 503), "{reply:?}");
    let proxy_status = reply.header("Proxy-Status").unwrap();
    assert!(proxy_status.contains("outcome=not_sent"), "{proxy_status}");
    assert!(upstream.requests().len() <= 10, "{}", upstream.requests().len());
}

#[test]
fn a_post_on_a_connection_that_goes_away_is_sent_on_another() {
    let upstream = Http2Upstream::going_away_first(|request| Http2Answer::of(200, &request.body));
    let gateway = Setup::tuned(&upstream.url(), RETRY, "").start();
    let reply = gateway.send(&Request::post("/a", "text/plain", "body"));
    assert_eq!((reply.status, &*reply.text()), (200, "body"), "{reply:?}");
    assert_eq!((upstream.requests().len(), upstream.connections()), (1, 2));
}

/// Posts at the same time; each is answered, or was not sent.
fn assert_posts_are_answered_or_not_sent(gateway: &Gateway) {
    let client = Http2Client::connect(gateway.address());
    let calls: Vec<_> =
        (0..40).map(|n| client.start(&Call::new("POST", &format!("/a/{n}")).body(b"body"))).collect();
    let mut answered = 0;
    for call in calls {
        let reply = call.reply();
        answered += usize::from(reply.status == 200);
        let says_not_sent = reply.header("proxy-status").is_some_and(|s| s.contains("outcome=not_sent"));
        assert!(reply.status == 200 || says_not_sent, "{reply:?}");
    }
    assert!(answered > 0);
}

#[test]
fn an_nginx_with_one_stream_at_once_answers_or_was_not_sent() {
    let nginx = Nginx::start(
        "http2",
        "http2_max_concurrent_streams 1;\nlocation /a { client_max_body_size 1m; return 200 ok; }",
    );
    let gateway = Setup::routing_to(&[format!("h2c://{}", nginx.address())]).start();
    for _ in 0..5 {
        assert_posts_are_answered_or_not_sent(&gateway);
    }
}
