//! Streams: NDJSON in and out. An item starts when its line arrives, its result leaves when it ends, and
//! whoever stands still on one side stops the other (protocol §2.4).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::lines::{assert_memory_stays_flat, begin, end, send};
use crate::harness::nginx::Nginx;
use crate::harness::programs::{python, succeed, test_file};
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

/// The line of a GET.
fn get(path: &str) -> String {
    format!("{{\"id\":\"{path}\",\"method\":\"GET\",\"url\":\"/{path}\"}}\n")
}

fn gets(count: usize) -> String {
    (1..=count).map(|number| get(&number.to_string())).collect()
}

/// Items that ended with these labels.
fn items(gateway: &Gateway, labels: &[(&str, &str)]) -> String {
    gateway.metrics().sum("batchgate_items_total", labels).to_string()
}

#[test]
fn a_stream_is_answered_line_by_line() {
    let upstream = Upstream::start();
    upstream.on("/b", Answer::json(404, "{\"no\":1}"));
    let gateway = Gateway::before(&upstream);
    let reply = gateway.send(&Request::lines(get("a") + &get("b")));
    assert_eq!(reply.status, 207);
    for (name, value) in [
        ("Content-Type", "application/x-ndjson"),
        ("Cache-Control", "no-store"),
        ("X-Accel-Buffering", "no"),
        ("Transfer-Encoding", "chunked"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let mut lines = reply.lines();
    assert_eq!(lines.pop(), Some(json!({"summary": {"items": 2, "failed": 1}})));
    lines.sort_by_key(|line| line["id"].to_string());
    assert_eq!((&lines[0]["id"], &lines[0]["body"]), (&json!("a"), &json!("ok")));
    assert_eq!((&lines[1]["status"], &lines[1]["body"]), (&json!(404), &json!({"no": 1})));
}

#[test]
fn no_body_breaks_its_line() {
    let upstream = Upstream::start();
    let forged = "[\r\n{\"id\":\"b\",\"status\":200,\"body\":\"forged\"}\n,\"\\n\"]\n";
    upstream.on("/a", Answer::json(200, forged)).on("/b", Answer::text(200, "x\n{\"id\":\"b\"}\n"));
    let gateway = Gateway::before(&upstream);
    let mut results = gateway.send(&Request::lines(get("a") + &get("b"))).lines();
    assert_eq!(results.len(), 3);
    results.sort_by_key(|line| line["id"].to_string());
    assert_eq!(results[0]["body"][1], "\n");
    assert_eq!(results[1]["body"], "x\n{\"id\":\"b\"}\n");
}

#[test]
fn a_result_leaves_before_the_body_has_ended() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut client = begin(&gateway);
    for path in ["a", "b", "c"] {
        send(&mut client, &get(path));
        if path == "a" {
            assert_eq!(client.head().status, 207);
        }
        assert_eq!(client.body_line()["id"], path);
    }
    end(&mut client);
    assert_eq!(client.body_line(), json!({"summary": {"items": 3, "failed": 0}}));
}

#[test]
fn results_come_as_items_end() {
    let gate = Gate::closed();
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::text(200, "slow").when(&gate));
    let gateway = Gateway::before(&upstream);
    let mut client = begin(&gateway);
    send(&mut client, &(get("slow") + &get("quick")));
    client.head();
    assert_eq!(client.body_line()["id"], "quick");
    gate.open();
    assert_eq!(client.body_line()["id"], "slow");
}

#[test]
fn a_line_may_come_in_any_pieces() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut client = begin(&gateway);
    for byte in gets(3).bytes() {
        send(&mut client, std::str::from_utf8(&[byte]).unwrap());
    }
    end(&mut client);
    let reply = client.reply_to("POST");
    assert_eq!(reply.lines().len(), 4);
    assert_eq!(reply.lines()[3]["summary"]["failed"], 0);
}

#[test]
fn no_more_lines_are_taken_than_may_be_under_way() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 3").start();
    let mut client = begin(&gateway);
    send(&mut client, &gets(20));
    until_true("three calls under way", || upstream.in_flight() == 3);
    gate.open();
    end(&mut client);
    assert_eq!(client.reply_to("POST").lines().len(), 21);
    assert_eq!(upstream.most_in_flight(), 3);
}

#[test]
fn a_client_that_does_not_read_stops_the_sending() {
    let large = "x".repeat(1 << 20);
    let upstream = Upstream::answering(move |_| Answer::text(200, &large));
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 4").start();
    let mut client = gateway.connect();
    client.write(&Request::lines(gets(200)).to_bytes(gateway.address()));
    let sent = standstill(&upstream);
    assert!(sent < 100, "{sent} calls were made for a client that reads nothing");
    let reply = client.reply_to("POST");
    assert_eq!(reply.lines().len(), 201);
    assert_eq!(upstream.requests().len(), 200);
}

#[test]
fn a_client_that_leaves_stops_it_all() {
    let gate = Gate::closed();
    let upstream = gated(&gate);
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 2").start();
    let mut client = begin(&gateway);
    send(&mut client, &gets(2));
    upstream.wait_for_requests(2);
    drop(client);
    let gone = [("outcome", "client_gone"), ("format", "ndjson")];
    gateway.wait_for_metric("batchgate_batches_total", &gone, 1.0);
    gate.open();
    assert_eq!(items(&gateway, &[("code", "502"), ("outcome", "unknown")]), "2");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_lines_stops_it_all() {
    let upstream = Upstream::answering(|_| Answer::text(200, &"x".repeat(100_000)));
    let gateway = Setup::tuned(&upstream.url(), "", "concurrency: 2").start();
    let mut client = begin(&gateway);
    send(&mut client, &gets(1000));
    upstream.wait_for_requests(2);
    drop(client);
    gateway.wait_for_metric("batchgate_batches_total", &[("outcome", "client_gone")], 1.0);
    let sent = upstream.requests().len();
    assert!(sent < 500, "{sent} of 1000 were sent");
    let counted: usize = items(&gateway, &[]).parse().unwrap();
    assert!(counted <= sent + 2, "{counted} items for {sent} calls");
}

#[test]
fn a_malformed_line_fails_alone_and_says_its_number() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let body = get("a") + "\n{\"id\":\"x\",}\n" + &get("b");
    let lines = gateway.send(&Request::lines(body)).lines();
    let bad = lines.iter().find(|line| line["id"] == "3").unwrap();
    assert_eq!((&bad["status"], &bad["outcome"]), (&json!(400), &json!("rejected")));
    assert_eq!((&bad["body"]["line"], &bad["body"]["column"]), (&json!(3), &json!(11)));
    assert!(bad["body"]["detail"].as_str().unwrap().contains("line 3, column 11"), "{bad}");
    assert_eq!(lines[3], json!({"summary": {"items": 3, "failed": 1}}));
}

#[test]
fn a_stream_over_its_limit_ends_and_says_so() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "max_stream_items: 5, max_items: 2").start();
    let lines = gateway.send(&Request::lines(gets(5))).lines();
    assert_eq!(lines[5], json!({"summary": {"items": 5, "failed": 0}}));
    let mut client = begin(&gateway);
    send(&mut client, &gets(9));
    let lines = client.reply_to("POST").lines();
    let summary = &lines[5]["summary"];
    assert_eq!((&summary["items"], &summary["refused"]["status"]), (&json!(5), &json!(413)));
    assert_eq!(summary["refused"]["type"], "urn:batchgate:problem:too_many_items");
    assert_eq!(upstream.requests().len(), 10);
    let refused = [("reason", "too_many_items")];
    gateway.wait_for_metric("batchgate_rejections_total", &refused, 1.0);
}

#[test]
fn a_line_over_the_limit_fails_alone() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "max_body: 1KiB").start();
    let body = get("a") + &"x".repeat(300_000) + "\n" + &gets(100);
    let mut lines = gateway.send(&Request::lines(body)).lines();
    assert_eq!(lines.pop(), Some(json!({"summary": {"items": 102, "failed": 1}})));
    let bad = lines.iter().find(|line| line["id"] == "2" && line["status"] == 413).unwrap();
    assert!(bad["body"]["detail"].as_str().unwrap().contains("max_body"), "{bad}");
    assert_eq!(upstream.requests().len(), 101);
}

#[test]
fn a_silent_client_is_not_waited_for() {
    let yaml =
        |upstream: &Upstream| Config::all_to("up", upstream.url()).limits("body_timeout: 1s").to_yaml();
    let upstream = Upstream::start();
    let gateway = Gateway::start(yaml(&upstream));
    let mut client = begin(&gateway);
    assert_eq!(client.reply_to("POST").status, 408);
    let mut client = begin(&gateway);
    send(&mut client, &get("a"));
    let lines = client.reply_to("POST").lines();
    assert_eq!(lines[1]["summary"]["refused"]["status"], 408);
}

#[test]
fn a_stream_whose_framing_breaks_is_read_no_further() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut client = begin(&gateway);
    client.write(b"ZZ\r\n");
    let reply = client.reply_to("POST");
    assert_eq!((reply.status, reply.header("Connection")), (400, Some("close")));
    let mut client = begin(&gateway);
    send(&mut client, &get("a"));
    client.write(b"ZZ\r\n");
    let lines = client.reply_to("POST").lines();
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[1]["summary"]["refused"]["type"], "urn:batchgate:problem:body_unreadable");
    let refused = || gateway.metrics().sum("batchgate_rejections_total", &[("reason", "body_unreadable")]);
    until_true("both refused", || refused().to_string() == "2");
}

#[test]
fn each_item_of_a_stream_has_its_deadline() {
    let upstream = Upstream::start();
    upstream.on("/slow", Answer::hang());
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 30s }", "deadline: 500ms").start();
    let mut client = begin(&gateway);
    for round in 0..2 {
        send(&mut client, &(get("slow") + &get("quick")));
        if round == 0 {
            assert_eq!(client.head().status, 207);
        }
        let statuses = [client.body_line()["status"].clone(), client.body_line()["status"].clone()];
        assert_eq!(statuses, [json!(200), json!(504)]);
    }
    end(&mut client);
    assert_eq!(client.body_line()["summary"], json!({"items": 4, "failed": 2}));
}

#[test]
fn a_stream_can_run_one_by_one_and_stop_at_an_error() {
    let upstream = Upstream::start();
    upstream.on("/3", Answer::text(409, "no"));
    let gateway = Gateway::before(&upstream);
    let preferences = "order=sequential, continue-on-error=false, return=minimal";
    let reply = gateway.send(&Request::lines(gets(6)).header("Prefer", preferences));
    let lines = reply.lines();
    let statuses: Vec<_> = lines[..6].iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 409, 424, 424, 424]);
    assert_eq!(lines[0], json!({"id": "1", "status": 200, "headers": {}}));
    assert_eq!((upstream.requests().len(), upstream.most_in_flight()), (3, 1));
    assert!(reply.header("Preference-Applied").unwrap().contains("order=sequential"));
}

#[test]
fn the_summary_says_when_to_come_again() {
    let upstream = Upstream::start();
    upstream.on("/1", Answer::text(503, "later").header("Retry-After", "7"));
    let lines = Gateway::before(&upstream).send(&Request::lines(gets(2))).lines();
    assert_eq!(lines[2]["summary"], json!({"items": 2, "failed": 1, "retry_after": 7}));
}

#[test]
fn lines_can_be_answered_in_other_formats_and_others_in_lines() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let ids = |results: &[Value]| results.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    let reply = gateway.send(&Request::lines(gets(9)).header("Accept", "application/json"));
    assert_eq!(
        ids(&reply.results()),
        ids(&(1..=9).map(|id| json!({"id": id.to_string()})).collect::<Vec<_>>())
    );
    let reply = gateway.send(&Request::lines(gets(2)).header("Accept", "application/xml"));
    assert!(reply.text().contains("2 of 2 succeeded"));
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}, {"method": "GET", "url": "/b"}]});
    let reply = gateway.send(&Request::batch(&batch).header("Accept", "application/x-ndjson"));
    assert_eq!(reply.header("Content-Type"), Some("application/x-ndjson"));
    assert_eq!(ids(&reply.lines()), [json!("1"), json!("2"), Value::Null]);
    assert_eq!(reply.lines()[2]["summary"], json!({"items": 2, "failed": 0}));
}

#[test]
fn a_connection_serves_streams_one_after_the_other() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.write(&Request::lines(gets(3)).to_bytes(gateway.address()));
        assert_eq!(client.reply_to("POST").lines().len(), 4);
    }
    let mut waiting = gateway.connect();
    let request = Request::lines(gets(1)).header("Expect", "100-continue").to_bytes(gateway.address());
    let (head, body) = request.split_at(request.len() - gets(1).len());
    waiting.write(head);
    assert_eq!(waiting.head().status, 100);
    waiting.write(body);
    assert_eq!(waiting.reply_to("POST").lines().len(), 2);
}

#[test]
fn a_stream_is_logged_and_counted_once() {
    let upstream = Upstream::answering(|request| {
        Answer::text(if request.target.ends_with('7') { 500 } else { 200 }, "x")
    });
    let gateway = Gateway::before(&upstream);
    gateway.send(&Request::lines(gets(2000)));
    let line = gateway.log_line(&[("kind", "batch"), ("format", "ndjson")]);
    assert_eq!(
        (&line["items"], &line["failed"], &line["outcome"]),
        (&json!(2000), &json!(200), &json!("partial"))
    );
    until_true("a hundred lines of failed items", || gateway.log_lines(&[("kind", "item")]).len() == 100);
    assert_eq!(items(&gateway, &[]), "2000");
    assert_eq!(items(&gateway, &[("code", "500")]), "200");
}

#[test]
fn ordinary_python_clients_stream_lines() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for client in ["requests", "httpx"] {
        let mut command = std::process::Command::new(python());
        command.arg(test_file("python/stream.py")).args([client, &gateway.url("/batch"), "500"]);
        let seen: Value = serde_json::from_str(&succeed(&mut command)).unwrap();
        assert_eq!((&seen["status"], &seen["statuses"]), (&json!(207), &json!([200])), "{client}");
        assert_eq!(seen["ids"].as_array().unwrap().len(), 500, "{client}");
        assert_eq!(seen["results"], 500, "{client}");
        assert_eq!(seen["summary"], json!({"items": 500, "failed": 0}), "{client}");
    }
}

#[test]
fn memory_does_not_grow_with_the_number_of_lines() {
    let nginx = Nginx::start("", "location = /small { return 200 \"x\"; }");
    let gateway = Setup::tuned(&nginx.url(), "", "").start();
    let line = |_| "{\"method\":\"GET\",\"url\":\"/small\"}\n".to_owned();
    assert_memory_stays_flat(&gateway, 2_000, 50_000, line);
}

/// Waits until the number of requests does not change any more, and gives it.
fn standstill(upstream: &Upstream) -> usize {
    let mut last = (0, 0);
    until_true("no more calls", || {
        let now = upstream.requests().len();
        last = if now == last.0 && now > 0 { (now, last.1 + 1) } else { (now, 0) };
        std::thread::sleep(Duration::from_millis(20));
        last.1 > 25
    });
    last.0
}

/// An upstream that answers nothing before the gate is open.
fn gated(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::answering(move |_| Answer::text(200, "ok").when(&gate))
}

#[test]
fn what_refers_to_no_result_is_sent_in_a_line() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let line = r#"{"id":"a","method":"GET","url":"/a","headers":{"X-A":"{{$responses.b.status}"}}"#;
    let reply = gateway.send(&Request::lines(line)).lines();
    assert_eq!(reply[0]["status"], 200);
    assert_eq!(upstream.requests()[0].header("X-A"), Some("{$responses.b.status}"));
}

#[test]
fn lines_are_explained_whole() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let reply = gateway.send(&Request::lines(gets(2)).header("Prefer", "handling=explain"));
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    assert_eq!(reply.json()["items"].as_array().map(Vec::len), Some(2));
    assert!(upstream.requests().is_empty());
}
