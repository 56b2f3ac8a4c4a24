//! A gRPC call that failed is counted as a failure, and what the gateway itself has to say to a gRPC
//! client is said in gRPC's words.

use h2::Reason;

use super::services::gateway;
use crate::harness::Gateway;
use crate::harness::http2::{Broken, Call, Http2Answer, Http2Client, Http2Reply, Http2Upstream};

/// gRPC's codes and the names that they count as.
const CODES: [(&str, &str); 9] = [
    ("0", "OK"),
    ("3", "INVALID_ARGUMENT"),
    ("4", "DEADLINE_EXCEEDED"),
    ("5", "NOT_FOUND"),
    ("7", "PERMISSION_DENIED"),
    ("8", "RESOURCE_EXHAUSTED"),
    ("12", "UNIMPLEMENTED"),
    ("14", "UNAVAILABLE"),
    ("16", "UNAUTHENTICATED"),
];

fn grpc(answer: Http2Answer) -> Http2Answer {
    answer.header("content-type", "application/grpc")
}

fn call(gateway: &Gateway) -> Http2Reply {
    let call = Call::new("POST", "/test.Test/Call").header("content-type", "application/grpc");
    let call = call.header("te", "trailers").body(b"\0\0\0\0\0");
    Http2Client::connect(gateway.address()).call(&call)
}

fn status(reply: &Http2Reply) -> Option<&str> {
    reply.trailer("grpc-status").or_else(|| reply.header("grpc-status"))
}

fn assert_counted(gateway: &Gateway, status: &str) {
    gateway.wait_for_metric("batchgate_grpc_requests_total", &[("grpc_status", status)], 1.0);
    let metrics = gateway.metrics();
    assert_eq!(metrics.count("batchgate_grpc_requests_total", &[]), 1, "{status}");
}

#[test]
fn a_call_counts_by_the_status_in_its_trailers() {
    for (code, counted) in CODES {
        let answer = grpc(Http2Answer::of(200, b"\0\0\0\0\0")).trailers(&[("grpc-status", code)]);
        let upstream = Http2Upstream::answering(move |_| answer.clone());
        let gateway = gateway(&upstream.url(), "retry: { attempts: 1 }");
        let reply = call(&gateway);
        assert_eq!((reply.status, status(&reply)), (200, Some(code)), "{reply:?}");
        assert_counted(&gateway, counted);
    }
}

#[test]
fn a_call_without_messages_counts_by_its_status_too() {
    for (code, counted) in CODES {
        let answer = grpc(Http2Answer::of(200, "")).header("grpc-status", code);
        let upstream = Http2Upstream::answering(move |_| answer.clone());
        let gateway = gateway(&upstream.url(), "retry: { attempts: 1 }");
        assert_eq!(status(&call(&gateway)), Some(code));
        assert_counted(&gateway, counted);
    }
}

#[test]
fn a_call_that_is_reset_before_its_reply_is_unavailable() {
    for reason in [Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let upstream = Http2Upstream::answering(move |_| Http2Answer::reset(reason));
        let gateway = gateway(&upstream.url(), "retry: { attempts: 1 }");
        let reply = call(&gateway);
        assert_eq!((reply.status, status(&reply)), (200, Some("14")), "{reason:?} {reply:?}");
        assert!(reply.header("content-type").is_some_and(|t| t.starts_with("application/grpc")), "{reply:?}");
    }
}

#[test]
fn a_call_that_is_reset_in_its_midst_is_not_called_cancelled() {
    let begun = b"\0\0\0\0\x01x";
    let upstream = Http2Upstream::answering(move |_| {
        grpc(Http2Answer::of(200, begun)).then_reset(Reason::INTERNAL_ERROR)
    });
    let gateway = gateway(&upstream.url(), "retry: { attempts: 1 }");
    let reply = call(&gateway);
    assert_eq!(reply.body, begun, "{reply:?}");
    let told = reply.broken == Some(Broken::Reset(Reason::INTERNAL_ERROR)) || status(&reply) == Some("14");
    assert!(told, "{reply:?}");
}

/// A service that never answers.
#[test]
fn a_call_that_takes_too_long_is_over_its_deadline() {
    let pause = std::time::Duration::from_secs(5);
    let upstream = Http2Upstream::answering(move |_| {
        std::thread::sleep(pause);
        Http2Answer::of(200, "")
    });
    let gateway = gateway(&upstream.url(), "timeout: { idle: 1s }, retry: { attempts: 1 }");
    let reply = call(&gateway);
    assert_eq!((reply.status, status(&reply)), (200, Some("4")), "{reply:?}");
}
