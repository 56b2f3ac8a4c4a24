//! Targets that fail, are left alone, and come back: what is sent once more and what never is, what a retry may cost,
//! and what items say while nobody is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::nginx::Nginx;
use crate::harness::upstream::Refusing;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

const RETRIES: &str = "batchgate_upstream_retries_total";

fn items(method: &str, count: usize) -> Value {
    json!({"requests": vec![json!({"method": method, "url": "/a"}); count]})
}

#[test]
fn what_was_lost_at_one_target_is_asked_of_another_if_that_is_safe() {
    let (broken, well) = (Upstream::answering(|_| Answer::close()), Upstream::start());
    let gateway = Setup::routing_to(&[broken.url(), well.url()]).start();
    assert_eq!(gateway.batch(&items("GET", 8)).statuses(), [200; 8]);
    let lost = broken.requests().len();
    assert!(lost > 0);
    assert_eq!(gateway.metrics().count(RETRIES, &[("reason", "lost")]), lost);
    let posted = gateway.batch(&items("POST", 8)).results();
    let unknown = posted.iter().filter(|result| result["outcome"] == "unknown").count();
    assert_eq!(broken.requests().len() + well.requests().len(), 8 + lost + 8, "a POST is sent once");
    assert_eq!(broken.requests().len(), lost + unknown);
}

#[test]
fn retries_stay_within_the_budget() {
    let upstream = Upstream::answering(|_| Answer::close());
    let gateway = Setup::tuned(&upstream.url(), "retry: { attempts: 3, budget: 10% }", "").start();
    let statuses = gateway.batch(&items("GET", 200)).statuses();
    assert_eq!(statuses, [502; 200]);
    let (metrics, attempts) = (gateway.metrics(), upstream.requests().len());
    assert!((201..=230).contains(&attempts), "200 items and {} retries", attempts - 200);
    assert_eq!(metrics.count("batchgate_upstream_attempts_total", &[]), attempts);
    assert_eq!(metrics.count(RETRIES, &[]), attempts - 200);
    assert!(metrics.count("batchgate_upstream_retry_budget_exhausted_total", &[]) > 0);
}

#[test]
fn a_status_is_asked_again_only_where_that_is_wanted_and_safe() {
    let upstream = Upstream::start();
    let script = || upstream.on("/a", Answer::text(503, "busy")).on("/a", Answer::text(200, "ok"));
    script();
    let gateway = Setup::tuned(&upstream.url(), "retry: { status: [503] }", "").start();
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 200);
    assert_eq!(gateway.metrics().count(RETRIES, &[("reason", "status")]), 1);
    let fresh = Upstream::start();
    fresh.on("/a", Answer::text(503, "busy")).on("/a", Answer::text(200, "ok"));
    let careful = Setup::tuned(&fresh.url(), "retry: { status: [503] }", "").start();
    assert_eq!(careful.item(&json!({"method": "POST", "url": "/a"}))["status"], 503, "a POST is sent once");
    let plain = Upstream::start();
    plain.on("/a", Answer::text(503, "busy")).on("/a", Answer::text(200, "ok"));
    assert_eq!(Gateway::before(&plain).item(&json!({"method": "GET", "url": "/a"}))["status"], 503);
}

#[test]
fn no_retry_comes_before_the_upstream_wants_one() {
    let upstream = Upstream::answering(|_| Answer::text(503, "busy").header("Retry-After", "60"));
    let gateway = Setup::tuned(&upstream.url(), "retry: { status: [503] }", "").start();
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 503);
    assert_eq!(upstream.requests().len(), 1);
    let soon = Upstream::start();
    soon.on("/a", Answer::text(503, "busy").header("Retry-After", "1")).on("/a", Answer::text(200, "ok"));
    let gateway = Setup::tuned(&soon.url(), "retry: { status: [503] }", "").start();
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 200);
}

#[test]
fn an_answer_stands_if_the_attempt_after_it_brings_none() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(503, "busy")).on("/a", Answer::hang());
    let members = "retry: { status: [503] }, timeout: { connect: 200ms, item: 1s }";
    let result =
        Setup::tuned(&upstream.url(), members, "").start().item(&json!({"method": "GET", "url": "/a"}));
    assert_eq!((&result["status"], &result["body"]), (&json!(503), &json!("busy")));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_slow_attempt_is_given_up_for_another() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::hang()).on("/a", Answer::text(200, "ok"));
    let gateway = Setup::tuned(&upstream.url(), "retry: { on: [timeout], timeout: 300ms }", "").start();
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 200);
    assert_eq!(gateway.metrics().count(RETRIES, &[("reason", "timeout")]), 1);
}

#[test]
fn a_service_that_starts_again_is_waited_for_within_the_items_time() {
    let address = Upstream::start().die();
    let members =
        "retry: { attempts: 10 }, breaker: { max_ejected: 0% }, timeout: { connect: 500ms, item: 20s }";
    let gateway = Setup::tuned(&format!("http://{address}"), members, "").start();
    let mut client = gateway.connect();
    client.write(&Request::batch(&items("POST", 1)).to_bytes(gateway.address()));
    gateway.wait_for_metric(RETRIES, &[("reason", "connect")], 1.0);
    let _again = Upstream::start_at(address);
    assert_eq!(client.reply_to("POST").statuses(), [200], "nothing was sent, so a POST may be made again");
}

#[test]
fn where_nobody_is_items_fail_fast_and_those_of_others_go_on() {
    let (down, well) = (Refusing::start(), Upstream::start());
    let gateway = Config::new()
        .upstream("down", down.url())
        .with("retry: { attempts: 1 }, breaker: { base: 20s }")
        .upstream("well", well.url())
        .route("/d", "down")
        .route("/w", "well")
        .batch("/batch")
        .with("order: sequential")
        .start();
    let item = |n: usize| json!({"method": "POST", "url": (["/d", "/w"][n % 2])});
    let reply = gateway.batch(&json!({"requests": (0..40).map(item).collect::<Vec<_>>()}));
    let results = reply.results();
    assert!(results.iter().skip(1).step_by(2).all(|result| result["status"] == 200), "{results:?}");
    let of_down: Vec<_> = results.iter().step_by(2).collect();
    assert!(of_down[..5].iter().all(|result| result["status"] == 502), "{of_down:?}");
    for result in &of_down[5..] {
        assert_eq!((&result["status"], &result["outcome"]), (&json!(503), &json!("not_sent")), "{result}");
        assert_eq!(
            (&result["retryable"], &result["body"]["type"]),
            (&json!(true), &json!("urn:batchgate:problem:circuit_open"))
        );
    }
    assert!(reply.header("Retry-After").is_some_and(|after| after.parse::<u64>().unwrap() <= 20));
    assert_ejected(&gateway, down.url().trim_start_matches("http://"));
}

#[test]
fn a_request_that_an_open_circuit_refuses_counts_at_its_upstream() {
    let down = Refusing::start();
    let dead = Config::new().upstream("down", down.url());
    let config = dead.with("retry: { attempts: 1 }, breaker: { base: 20s }").route("/d", "down");
    let gateway = config.start();
    for _ in 0..5 {
        assert_eq!(gateway.send(&Request::get("/d")).status, 502);
    }
    let refused = gateway.send(&Request::get("/d"));
    assert_eq!(refused.json()["type"], "urn:batchgate:problem:circuit_open");
    gateway.wait_for_metric("batchgate_requests_total", &[("upstream", "down"), ("code", "503")], 1.0);
    assert_eq!(gateway.metrics().count("batchgate_requests_total", &[("upstream", "down")]), 6);
}

fn assert_ejected(gateway: &Gateway, target: &str) {
    let metrics = gateway.metrics();
    let is = |name: &str, labels: &[(&str, &str)]| metrics.count(name, labels);
    assert_eq!(is("batchgate_upstream_connect_errors_total", &[("upstream", "down")]), 5);
    assert_eq!(is("batchgate_upstream_ejections_total", &[("upstream", "down")]), 1);
    assert_eq!(is("batchgate_item_failures_total", &[("reason", "circuit_open")]), 15);
    let labels = [("upstream", "down"), ("target", target), ("state", "open")];
    assert_eq!(is("batchgate_upstream_circuit_state", &labels), 1);
    assert_eq!(
        (
            is("batchgate_upstream_target_up", &labels[..2]),
            is("batchgate_upstream_target_up", &[("upstream", "well")])
        ),
        (0, 1)
    );
}

#[test]
fn an_upstream_that_dies_within_a_batch_is_left_alone_until_it_is_back() {
    let (gate, upstream) = (Gate::closed(), Upstream::start());
    upstream.on("/last", Answer::text(200, "ok").when(&gate));
    let members = "breaker: { failures: 2, base: 100ms, max: 100ms }";
    let gateway = Setup::tuned(&upstream.url(), members, "order: sequential").start();
    let urls = (0..30).map(|n| if n == 9 { "/last".to_owned() } else { format!("/{n}") });
    let batch: Vec<_> = urls.map(|url| json!({"method": "POST", "url": url})).collect();
    let mut client = gateway.connect();
    client.write(&Request::batch(&json!({ "requests": batch })).to_bytes(gateway.address()));
    upstream.wait_for_requests(10);
    let address = upstream.die();
    gate.open();
    let results = client.reply_to("POST").results();
    assert!(results[..9].iter().all(|result| result["status"] == 200), "{results:?}");
    assert_eq!((&results[9]["status"], &results[9]["outcome"]), (&json!(502), &json!("unknown")));
    assert!(
        results[10..].iter().all(|result| result["outcome"] == "not_sent" && result["retryable"] == true)
    );
    assert!(results[10..].iter().any(|result| result["status"] == 503), "{results:?}");
    let again = Upstream::start_at(address);
    until_true("a call that goes through", || gateway.batch(&items("GET", 1)).statuses() == [200]);
    assert_eq!(gateway.batch(&items("GET", 20)).statuses(), [200; 20]);
    assert!(again.requests().len() >= 21);
}

#[test]
fn a_service_that_says_503_by_habit_is_not_cut_off() {
    let upstream = Upstream::answering(|_| Answer::text(503, "again"));
    let gateway = Gateway::before(&upstream);
    assert_eq!(gateway.batch(&items("GET", 50)).statuses(), [503; 50]);
    assert_eq!(upstream.requests().len(), 50);
    let wanted = Upstream::answering(|_| Answer::text(503, "again"));
    let strict =
        Setup::tuned(&wanted.url(), "breaker: { status: [503], base: 20s }", "order: sequential").start();
    assert_eq!(strict.batch(&items("GET", 50)).statuses(), [503; 50]);
    assert_eq!(wanted.requests().len(), 5, "those of the gateway come after five of the upstream");
}

#[test]
fn an_item_that_wants_to_be_quick_ejects_nobody() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let upstream = Upstream::answering(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::text(200, "late").delayed(Duration::from_millis(300))
    });
    let gateway =
        Setup::tuned(&upstream.url(), "breaker: { failures: 1, on: [timeout] }", "order: sequential").start();
    let impatient = vec![json!({"method": "GET", "url": "/a", "timeout": 50}); 3];
    assert_eq!(gateway.batch(&json!({ "requests": impatient })).statuses(), [504; 3]);
    assert_eq!(gateway.batch(&items("GET", 1)).statuses(), [200]);
    let slow = Upstream::answering(|_| Answer::hang());
    let members =
        "breaker: { failures: 1, on: [timeout], base: 20s }, timeout: { connect: 100ms, item: 300ms }";
    let gateway = Setup::tuned(&slow.url(), members, "order: sequential").start();
    assert_eq!(gateway.batch(&items("GET", 3)).statuses(), [504, 503, 503]);
}

#[test]
fn a_real_nginx_may_be_killed_and_started_again() {
    let serve = "location / { return 200 ok; }";
    let (mut first, second) = (Nginx::start("", serve), Nginx::start("", serve));
    let members = "breaker: { failures: 3, base: 100ms, max: 200ms }";
    let targets = format!("{}, {}", first.url(), second.url());
    let gateway = Setup::tuned(&targets, members, "").start();
    assert_eq!(gateway.batch(&items("GET", 50)).statuses(), [200; 50]);
    first.kill();
    for _ in 0..5 {
        assert_eq!(gateway.batch(&items("GET", 100)).statuses(), [200; 100]);
        assert!(gateway.send(&Request::get("/single")).status == 200);
    }
    let before = first.access_log().lines().count();
    first.restart();
    until_true("calls at the nginx that is back", || {
        assert_eq!(gateway.batch(&items("GET", 20)).statuses(), [200; 20]);
        first.access_log().lines().count() > before
    });
}

#[test]
fn proxied_requests_fail_fast_and_find_the_target_that_is_left() {
    let (down, well) = (Refusing::start(), Upstream::start());
    let alone = Setup::tuned(&down.url(), "breaker: { base: 20s }", "").start();
    let statuses: Vec<_> = (0..7).map(|_| alone.send(&Request::get("/single")).status).collect();
    // Two connections each (`retry.attempts`), and the fifth that fails opens the circuit.
    assert_eq!(statuses, [502, 502, 502, 503, 503, 503, 503]);
    let reply = alone.send(&Request::post("/single", "text/plain", "x"));
    assert!(reply.header("Proxy-Status").unwrap().contains("outcome=not_sent"), "{reply:?}");
    assert!(reply.header("Retry-After").is_some_and(|after| after.parse::<u64>().unwrap() <= 20));
    let targets = format!("{}, {}", down.url(), well.url());
    let gateway = Setup::tuned(&targets, "breaker: { base: 20s }", "").start();
    assert!((0..20).all(|_| gateway.send(&Request::get("/single")).status == 200));
    let errors = gateway.metrics().count("batchgate_upstream_connect_errors_total", &[]);
    assert_eq!(errors, 5, "then its circuit was open");
}

#[test]
fn streams_of_http2_are_made_again_elsewhere() {
    let serve = "location / { return 200 ok; }";
    let (first, second) = (Nginx::start("http2", serve), Nginx::start("http2", serve));
    let targets = [&first, &second].map(|nginx| nginx.url().replace("http://", "h2c://"));
    let gateway = Setup::routing_to(&targets).start();
    assert_eq!(gateway.batch(&items("GET", 50)).statuses(), [200; 50]);
    first.kill();
    assert_eq!(gateway.batch(&items("GET", 50)).statuses(), [200; 50]);
    assert_eq!(gateway.batch(&items("POST", 10)).statuses().len(), 10);
}
