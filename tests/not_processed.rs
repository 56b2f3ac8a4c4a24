//! What an HTTP/2 service says it did not process is sent again, whatever its method (RFC 9113 §8.7, §6.8), and never
//! counts as sent.

use serde_json::{Value, json};

use crate::harness::h2_upstream::{Answers, H2Upstream};
use crate::harness::nginx::Nginx;
use crate::harness::{Gateway, Setup, until};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;
const RETRIES: &str = "batchgate_upstream_retries_total";

fn before(upstream: &H2Upstream) -> Gateway {
    Setup::tuned(&upstream.url(), "retry: { attempts: 1 }", "").start()
}

fn post(gateway: &Gateway) -> Value {
    gateway.item(&json!({"method": "POST", "url": "/a", "body": "b"}))
}

#[test]
fn a_post_that_was_not_processed_is_made_again() {
    let ways = [
        Answers::Reset(REFUSED_STREAM),
        Answers::GoAway(NO_ERROR),
        Answers::GoAway(INTERNAL_ERROR),
        Answers::GoAway(ENHANCE_YOUR_CALM),
    ];
    for way in ways {
        for script in [vec![way], vec![Answers::Ok, way], vec![way, way, way]] {
            let upstream = H2Upstream::start(&script);
            let gateway = before(&upstream);
            let refused = script.iter().filter(|answer| !matches!(answer, Answers::Ok)).count();
            for _ in refused..=script.len() {
                let result = post(&gateway);
                assert_eq!(result["status"], 200, "{script:?} {result}");
            }
            assert_eq!(gateway.metrics().count(RETRIES, &[("reason", "refused")]), refused, "{script:?}");
        }
    }
}

#[test]
fn what_is_never_processed_is_not_sent_and_retryable() {
    for way in [Answers::Reset(REFUSED_STREAM), Answers::GoAway(INTERNAL_ERROR)] {
        let upstream = H2Upstream::start(&[way; 100]);
        let gateway = before(&upstream);
        let result = post(&gateway);
        let outcome = (&result["status"], &result["outcome"], &result["retryable"]);
        assert_eq!(outcome, (&json!(503), &json!("not_sent"), &json!(true)), "{way:?} {result}");
        assert_eq!(upstream.requests(), 9, "{way:?}");
    }
}

#[test]
fn what_may_have_been_processed_is_sent_once() {
    for way in [Answers::Reset(INTERNAL_ERROR), Answers::ResetAfterHead(REFUSED_STREAM)] {
        let upstream = H2Upstream::start(&[way]);
        let result = post(&before(&upstream));
        assert_eq!(
            (&result["status"], &result["outcome"]),
            (&json!(502), &json!("unknown")),
            "{way:?} {result}"
        );
        assert_eq!(upstream.requests(), 1, "{way:?}");
    }
}

#[test]
fn an_nginx_that_takes_one_stream_at_a_time_serves_a_batch_of_posts() {
    let nginx = Nginx::start("http2", "http2_max_concurrent_streams 1; location / { return 200 ok; }");
    let gateway = Setup::routing_to(&[format!("h2c://{}", nginx.address())]).start();
    for _ in 0..5 {
        let items = vec![json!({"method": "POST", "url": "/a", "body": "b"}); 40];
        let results = gateway.batch(&json!({ "requests": items })).results();
        assert!(results.iter().all(|result| result["status"] == 200), "{results:?}");
    }
    let served = || nginx.access_log().lines().filter(|line| line.contains(" 200 ")).count();
    until("all calls in nginx's log", || (served() >= 200).then_some(()));
    assert_eq!(served(), 200, "each was processed once");
}
