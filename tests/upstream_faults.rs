//! What upstreams do wrong, and what an item then says: the status, the outcome, whether it is safe to
//! send again, and RFC 9209's name for it (protocol §3). Neighbours never notice.

use serde_json::{Value, json};

use crate::harness::upstream::{Refusing, Unreachable};
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

#[test]
fn a_refused_connection_is_not_sent() {
    let upstream = Refusing::start();
    let gateway = Setup::routing_to(&[upstream.url()]).start();
    for method in ["GET", "POST"] {
        let result = gateway.item(&json!({"method": method, "url": "/a"}));
        assert_failed(&result, 502, "not_sent", true);
        assert_proxy_status(&result, "error=connection_refused");
    }
}

#[test]
fn a_connection_that_is_never_set_up_is_not_sent() {
    let upstream = Unreachable::start();
    let gateway = Setup::tuned(&upstream.url(), "timeout: { connect: 200ms, item: 20s }", "").start();
    let result = gateway.item(&json!({"method": "POST", "url": "/a"}));
    assert_failed(&result, 504, "not_sent", true);
    assert_proxy_status(&result, "error=connection_timeout");
}

#[test]
fn an_upstream_that_closes_without_an_answer_leaves_the_outcome_unknown() {
    let upstream = Upstream::answering(|_| Answer::close());
    assert_lost(&upstream, "error=connection_terminated");
}

#[test]
fn an_answer_that_ends_within_its_head_is_lost() {
    let upstream = Upstream::answering(|_| Answer::raw("HTTP/1.1 200 OK\r\nContent-"));
    assert_lost(&upstream, "error=");
}

#[test]
fn an_answer_that_ends_within_its_body_is_lost() {
    let upstream = Upstream::answering(|_| Answer::text(200, "0123456789").claiming(20));
    assert_lost(&upstream, "error=");
}

#[test]
fn an_answer_that_ends_within_a_chunk_is_lost() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upstream = Upstream::answering(move |_| Answer::raw(format!("{head}a\r\n01234")));
    assert_lost(&upstream, "error=");
}

#[test]
fn an_answer_that_is_no_http_is_lost() {
    let upstream = Upstream::answering(|_| Answer::raw("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"));
    assert_lost(&upstream, "error=http_protocol_error");
}

#[test]
fn an_answer_with_a_broken_chunk_is_lost() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upstream = Upstream::answering(move |_| Answer::raw(format!("{head}zz\r\nxx\r\n0\r\n\r\n")));
    assert_lost(&upstream, "error=");
}

#[test]
fn a_head_beyond_all_measure_is_lost() {
    let upstream = Upstream::answering(|_| Answer::text(200, "x").header("X-Giant", &"g".repeat(3 << 20)));
    assert_lost(&upstream, "error=");
}

#[test]
fn interim_answers_are_passed_over() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(200, "a").after_interim(103));
    upstream.on("/b", Answer::text(201, "b").after_interim(100).after_interim(102).after_interim(103));
    assert_eq!(bodies(&upstream, &["/a", "/b", "/a"]), ["a", "b", "a"]);
}

#[test]
fn every_framing_of_an_answer_is_read_whole() {
    let upstream = Upstream::start();
    let body = "a body that takes more than one chunk";
    upstream.on("/length", Answer::text(200, body)).on("/chunked", Answer::text(200, body).chunked());
    upstream.on("/until-close", Answer::text(200, body).until_close());
    upstream.on("/old", Answer::text(200, body).http10());
    upstream.on("/old-until-close", Answer::text(200, body).until_close().http10());
    upstream.on("/drip", Answer::text(200, body).dripping(9, std::time::Duration::from_millis(1)));
    let paths = ["/length", "/chunked", "/until-close", "/old", "/old-until-close", "/drip"];
    assert_eq!(bodies(&upstream, &paths), [body; 6]);
    assert_eq!(bodies(&upstream, &paths), [body; 6], "and again, on whatever connections were kept");
}

#[test]
fn an_answer_to_head_and_a_bodiless_status_do_not_shift_the_next_answer() {
    let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
    upstream.on("/204", Answer::empty(204)).on("/304", Answer::empty(304));
    let gateway = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    let results = gateway.batch(&json!({"requests": [
        {"method": "HEAD", "url": "/head"}, {"method": "GET", "url": "/1"}, {"method": "GET", "url": "/204"},
        {"method": "GET", "url": "/2"}, {"method": "GET", "url": "/304"}, {"method": "GET", "url": "/3"},
    ]})).results();
    assert_eq!([&results[1]["body"], &results[3]["body"], &results[5]["body"]], ["/1", "/2", "/3"]);
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 204, 200, 304, 200]);
}

#[test]
fn what_follows_an_answer_is_never_taken_for_the_next_one() {
    let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    upstream.on("/two", Answer::raw_kept(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none{forged}")));
    upstream.on("/204", Answer::raw_kept(format!("HTTP/1.1 204 No Content\r\n\r\n{forged}")));
    let gateway = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    let results = gateway
        .batch(&json!({"requests": [
            {"method": "GET", "url": "/two"}, {"method": "GET", "url": "/1"},
            {"method": "GET", "url": "/204"}, {"method": "GET", "url": "/2"},
        ]}))
        .results();
    assert_eq!((&results[1]["body"], &results[3]["body"]), (&json!("/1"), &json!("/2")), "{results:?}");
}

#[test]
fn a_kept_connection_that_has_gone_is_replaced() {
    let upstream = Upstream::answering(|_| Answer::text(200, "ok").then_close());
    let gateway = Setup::tuned(&upstream.url(), "", "order: sequential").start();
    let items = json!({"requests": vec![json!({"method": "GET", "url": "/a"}); 6]});
    assert_eq!(gateway.batch(&items).statuses(), [200; 6]);
    assert_eq!(gateway.batch(&items).statuses(), [200; 6]);
}

#[test]
fn what_a_server_says_before_the_next_call_is_sent_is_not_its_answer() {
    // Which of two waiting calls goes first is not promised. If the second one of the leaving server does,
    // that server reads it never, and it ends in 504: then the question was not put.
    let answers: Vec<_> = (0..5).map(|_| third_answer_after_a_408_for_idleness()).collect();
    let put: Vec<_> = answers.into_iter().filter(|status| *status != 504).collect();
    assert!(!put.is_empty() && put.iter().all(|status| *status == 200), "{put:?}");
}

/// The status of a call whose connection was told 408, and closed, while the call waited for its turn.
fn third_answer_after_a_408_for_idleness() -> u64 {
    let (idle, slow) = (Gate::closed(), Gate::closed());
    let (leaving, other) = (Upstream::start(), Upstream::start());
    let timed_out = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = Answer::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none{timed_out}"));
    leaving.on("/l/1", answer.pause_after("one", &idle));
    other.on("/o", Answer::text(200, "ok").when(&slow));
    let gateway = Config::new()
        .upstream("l", leaving.url())
        .with("timeout: { item: 1s }")
        .upstream("o", other.url())
        .route("/l/", "l")
        .route("/o", "o")
        .batch("/batch")
        .with("concurrency: 1")
        .start();
    let items = ["/l/1", "/o", "/l/2"].map(|url| json!({"method": "POST", "url": url}));
    let mut client = gateway.connect();
    client.write(&Request::batch(&json!({ "requests": items })).to_bytes(gateway.address()));
    other.wait_for_requests(1);
    idle.open();
    leaving.wait_for_close();
    slow.open();
    let results = client.reply_to("POST").results();
    results[2]["status"].as_u64().unwrap_or_default()
}

#[test]
fn faults_stay_with_their_items() {
    let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
    upstream.on("/close", Answer::close()).on("/garbage", Answer::raw("no http\r\n\r\n"));
    upstream
        .on("/cut", Answer::text(200, "0123456789").cut_after(70))
        .on("/fail", Answer::text(500, "sorry"));
    let faults = ["/close", "/garbage", "/cut", "/fail"];
    let urls = (0..40).map(|n| if n % 5 == 4 { format!("/{n}") } else { faults[n % 5].to_owned() });
    let items: Vec<_> = urls.map(|url| json!({"method": "POST", "url": url})).collect();
    let reply = Gateway::before(&upstream).batch(&json!({ "requests": items }));
    for (position, result) in reply.results().iter().enumerate() {
        let expected = [502, 502, 502, 500, 200][position % 5];
        assert_eq!(result["status"], expected, "{result}");
        if expected == 200 {
            assert_eq!(result["body"], format!("/{position}"));
        }
    }
    assert_eq!(upstream.requests().len(), 40, "a POST is sent once");
}

#[test]
fn a_reply_over_its_size_limit_fails_its_item_only() {
    let upstream = Upstream::start();
    upstream.on("/long", Answer::text(200, &"x".repeat(2000)));
    upstream.on("/long-chunked", Answer::text(200, &"x".repeat(2000)).chunked());
    let gateway = Setup::tuned(&upstream.url(), "", "max_item_reply: 1KiB").start();
    let reply = gateway.batch(&json!({"requests": [
        {"method": "GET", "url": "/long"}, {"method": "GET", "url": "/short"}, {"method": "GET", "url": "/long-chunked"},
    ]}));
    assert_eq!(reply.statuses(), [502, 200, 502]);
    assert_proxy_status(&reply.results()[0], "error=http_response_body_size");
}

#[test]
fn replies_over_the_batchs_limit_fail_and_the_batch_is_answered() {
    let upstream = Upstream::answering(|_| Answer::text(200, &"x".repeat(1000)));
    let gateway = Setup::tuned(&upstream.url(), "", "max_reply: 4KiB, order: sequential").start();
    let statuses =
        gateway.batch(&json!({"requests": vec![json!({"method": "GET", "url": "/a"}); 8]})).statuses();
    // The heads count too, so the fourth body may be the one that does not fit any more.
    assert_eq!((&statuses[..3], &statuses[4..]), (&[200; 3][..], &[502; 4][..]), "{statuses:?}");
}

#[test]
fn an_upstream_that_asks_for_patience_makes_its_items_retryable() {
    let upstream = Upstream::start();
    upstream.on("/503", Answer::text(503, "later").header("Retry-After", "7"));
    upstream.on("/429", Answer::text(429, "slower").header("Retry-After", "30"));
    upstream.on("/500", Answer::text(500, "never"));
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"method": "POST", "url": "/503"}, {"method": "GET", "url": "/429"}, {"method": "GET", "url": "/500"},
    ]}));
    let retryable: Vec<_> = reply.results().iter().map(|result| result["retryable"] == true).collect();
    assert_eq!(retryable, [true, true, false]);
    assert_eq!(reply.header("Retry-After"), Some("30"));
    assert!(reply.results().iter().all(|result| result.get("outcome").is_none()), "the upstream answered");
}

#[test]
fn an_error_of_the_upstream_is_passed_on_as_it_is() {
    let upstream = Upstream::start();
    for status in [400, 401, 404, 409, 422, 500, 501, 502, 503, 504] {
        upstream.on(&format!("/{status}"), Answer::json(status, r#"{"from":"upstream"}"#));
        let result = Gateway::before(&upstream).item(&json!({"method": "GET", "url": format!("/{status}")}));
        assert_eq!((&result["status"], &result["body"]["from"]), (&json!(status), &json!("upstream")));
        assert!(
            result["headers"].get("Proxy-Status").is_none() && result.get("outcome").is_none(),
            "{result}"
        );
    }
}

/// An answer that broke off: 502, unknown, safe to send again only where the method says so.
fn assert_lost(upstream: &Upstream, error: &str) {
    let gateway = Gateway::before(upstream);
    let get = gateway.item(&json!({"method": "GET", "url": "/a"}));
    assert_failed(&get, 502, "unknown", true);
    assert_proxy_status(&get, error);
    let before = upstream.requests().len();
    let post = gateway.item(&json!({"method": "POST", "url": "/a", "body": 1}));
    assert_failed(&post, 502, "unknown", false);
    assert_eq!(upstream.requests().len(), before + 1, "a POST is sent once");
}

fn assert_failed(result: &Value, status: u16, outcome: &str, retryable: bool) {
    assert_eq!(result["status"], status, "{result}");
    assert_eq!(result["outcome"], outcome, "{result}");
    assert_eq!(result["retryable"] == true, retryable, "{result}");
    assert_eq!(result["headers"]["Content-Type"], "application/problem+json", "{result}");
    assert_proxy_status(result, &format!("outcome={outcome}"));
}

fn assert_proxy_status(result: &Value, part: &str) {
    let proxy_status = result["headers"]["Proxy-Status"].as_str().unwrap().replace('"', "");
    assert!(proxy_status.contains(part), "{part} is not in {proxy_status}");
}

fn bodies(upstream: &Upstream, paths: &[&str]) -> Vec<String> {
    let items: Vec<_> = paths.iter().map(|path| json!({"method": "GET", "url": path})).collect();
    let results = Gateway::before(upstream).batch(&json!({ "requests": items })).results();
    results
        .iter()
        .map(|result| result["body"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned())
        .collect()
}
