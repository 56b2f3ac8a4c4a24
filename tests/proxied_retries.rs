//! Requests that are no batch and are sent once more, and those that never are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Gateway, Request, Setup, Upstream};

const RETRIES: &str = "batchgate_upstream_retries_total";

fn gateway(upstream: &Upstream, retry: &str) -> Gateway {
    Setup::tuned(&upstream.url(), &format!("retry: {{ {retry} }}"), "").start()
}

/// One that fails in this way once, then answers.
fn failing_once(answer: Answer) -> Upstream {
    let upstream = Upstream::start();
    upstream.on("/a", answer).on("/a", Answer::text(200, "here"));
    upstream
}

fn retries(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metrics().sum(RETRIES, &[("reason", reason)])
}

#[test]
fn what_was_lost_is_asked_once_more_if_that_is_safe() {
    for (method, status) in [("GET", 200), ("PUT", 200), ("PROPFIND", 200), ("POST", 502), ("PATCH", 502)] {
        let upstream = failing_once(Answer::close());
        let gateway = gateway(&upstream, "attempts: 2");
        let reply = gateway.send(&Request::new(method, "/a").body("the whole body"));
        assert_eq!(reply.status, status, "{method}");
        let bodies: Vec<_> = upstream.requests().iter().map(|request| request.body.clone()).collect();
        let times = if status == 200 { 2 } else { 1 };
        assert_eq!(bodies, vec![b"the whole body".to_vec(); times], "{method}");
        assert_eq!(retries(&gateway, "lost").to_string(), (times - 1).to_string(), "{method}");
    }
}

#[test]
fn another_target_is_asked_first() {
    let (broken, well) = (Upstream::answering(|_| Answer::close()), Upstream::start());
    let gateway = Setup::routing_to(&[broken.url(), well.url()]).start();
    for _ in 0..8 {
        assert_eq!(gateway.send(&Request::get("/a")).status, 200);
    }
    assert_eq!(well.requests().len(), 8);
    assert_eq!(retries(&gateway, "lost").to_string(), broken.requests().len().to_string());
}

#[test]
fn a_reply_of_which_something_was_handed_on_is_not_asked_for_again() {
    let upstream = failing_once(Answer::text(200, "a body that breaks off").claiming(1000));
    let gateway = gateway(&upstream, "attempts: 3");
    let mut client = gateway.connect();
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    assert!(client.rest().ends_with(b"breaks off"));
    assert_eq!(upstream.requests().len(), 1);
    gateway.wait_for_metric("batchgate_request_failures_total", &[("reason", "connection_lost")], 1.0);
}

#[test]
fn a_status_is_asked_again_only_where_that_is_wanted_and_safe() {
    for (method, retry, status) in
        [("GET", "status: [503]", 200), ("POST", "status: [503]", 503), ("GET", "status: [502]", 503)]
    {
        let upstream = failing_once(Answer::text(503, "busy"));
        let gateway = gateway(&upstream, retry);
        let reply = gateway.send(&Request::new(method, "/a"));
        let expected = if status == 200 { "here" } else { "busy" };
        assert_eq!((reply.status, reply.text().as_str()), (status, expected), "{method} {retry}");
        assert_eq!(upstream.requests().len(), if status == 200 { 2 } else { 1 });
    }
}

#[test]
fn the_last_answer_stands_and_a_retry_after_that_is_too_long_is_not_waited_for() {
    let upstream = Upstream::answering(|_| Answer::text(503, "busy"));
    let gateway = gateway(&upstream, "attempts: 3, status: [503]");
    assert_eq!(gateway.send(&Request::get("/a")).text(), "busy");
    assert_eq!(upstream.requests().len(), 3);
    upstream.on("/later", Answer::text(503, "later").header("Retry-After", "60"));
    assert_eq!(gateway.send(&Request::get("/later")).text(), "later");
    assert_eq!(upstream.requests_to("/later").len(), 1);
}

#[test]
fn an_answer_stands_if_the_attempt_after_it_brings_none() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(503, "busy")).on("/a", Answer::hang());
    let members = "retry: { status: [503] }, timeout: { connect: 200ms, item: 1s }";
    let gateway = Setup::tuned(&upstream.url(), members, "").start();
    let reply = gateway.send(&Request::get("/a"));
    assert_eq!((reply.status, reply.text().as_str()), (503, "busy"));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn another_target_is_asked_after_a_status_too() {
    let (busy, well) = (Upstream::answering(|_| Answer::text(503, "busy")), Upstream::start());
    let members = "retry: { status: [503] }";
    let gateway = Setup::tuned(&format!("{}, {}", busy.url(), well.url()), members, "").start();
    for _ in 0..4 {
        assert_eq!(gateway.send(&Request::get("/a")).status, 200);
        assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 200);
    }
    assert_eq!(well.requests().len(), 8);
}

#[test]
fn requests_and_items_share_one_budget() {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let upstream = Upstream::answering(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        Answer::close()
    });
    let gateway = gateway(&upstream, "budget: 0%");
    for _ in 0..20 {
        let reply = gateway.send(&Request::get("/a"));
        assert_eq!(reply.status, 502);
        let proxy_status = reply.header("Proxy-Status").unwrap();
        assert!(proxy_status.contains("error=connection_terminated; outcome=unknown"), "{proxy_status}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 20 + 10);
    gateway.wait_for_metric("batchgate_upstream_retry_budget_exhausted_total", &[], 10.0);
}

#[test]
fn a_target_that_refuses_is_asked_again_by_any_method() {
    let refusing = Refusing::start();
    let gateway =
        Setup::tuned(&refusing.url(), "retry: { attempts: 3 }, breaker: { max_ejected: 0% }", "").start();
    let reply = gateway.send(&Request::post("/a", "text/plain", "x"));
    assert_eq!(reply.status, 502);
    let proxy_status = reply.header("Proxy-Status").unwrap();
    assert!(proxy_status.contains("error=connection_refused; outcome=not_sent"), "{proxy_status}");
    assert_eq!(retries(&gateway, "connect").to_string(), "2");
}
