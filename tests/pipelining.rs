//! `pipeline`: requests leave ahead of the replies, over real servers and over ones that misbehave.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::apache::Apache;
use crate::harness::nginx::Nginx;
use crate::harness::raw::RawServer;
use crate::harness::{Answer, Config, Gate, Gateway, Upstream};

fn gateway(target: impl AsRef<str>, upstream: &str) -> Gateway {
    let config = Config::new().upstream("service", target).with(upstream);
    config.route("/", "service").batch("/batch").with("max_items: 2000, deadline: 60s").start()
}

fn gets(count: usize, url: impl Fn(usize) -> String) -> Value {
    json!({"requests": (0..count).map(|number| json!({"method": "GET", "url": url(number)})).collect::<Vec<_>>()})
}

fn results(reply: &Value) -> Vec<(Value, Value)> {
    let results = reply["responses"].as_array().unwrap();
    results.iter().map(|result| (result["status"].clone(), result["body"].clone())).collect()
}

/// Every item has the reply to its own request, whose body is its url.
fn assert_own_replies(reply: &Value, url: impl Fn(usize) -> String) {
    for (number, result) in results(reply).into_iter().enumerate() {
        assert_eq!(result, (json!(200), json!(url(number))));
    }
}

/// Answers heads one by one, and says how many came with each read.
fn counting(counts: &std::sync::mpsc::Sender<usize>) -> RawServer {
    let counts = counts.clone();
    RawServer::start(move |mut connection| {
        let mut unanswered = Vec::new();
        loop {
            let piece = connection.some()?;
            if piece.is_empty() {
                return Ok(());
            }
            unanswered.extend_from_slice(&piece);
            let text = String::from_utf8_lossy(&unanswered).into_owned();
            let heads = text.matches("\r\n\r\n").count();
            let _ = counts.send(heads);
            let end = text.rfind("\r\n\r\n").map_or(0, |end| end + 4);
            unanswered.drain(..end);
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".repeat(heads))?;
        }
    })
}

#[test]
fn many_requests_leave_in_one_write() {
    let (counts, seen) = std::sync::mpsc::channel();
    let server = counting(&counts);
    let gateway = gateway(server.url(), "pipeline: { depth: 8 }");
    let reply = gateway.batch(&gets(64, |number| format!("/{number}")));
    assert_eq!(reply.statuses(), [200; 64]);
    let counts: Vec<usize> = seen.try_iter().collect();
    assert_eq!(counts.iter().sum::<usize>(), 64);
    assert_eq!(counts.iter().max(), Some(&8), "{counts:?}");
    assert!(counts.len() <= 32, "{counts:?}");
}

#[test]
fn a_post_never_leaves_ahead() {
    let (counts, seen) = std::sync::mpsc::channel();
    let server = counting(&counts);
    let gateway = gateway(server.url(), "pipeline: {}");
    let post = |number| json!({"method": "POST", "url": format!("/{number}"), "body": "x"});
    let reply = gateway.batch(&json!({"requests": (0..20).map(post).collect::<Vec<_>>()}));
    assert_eq!(reply.statuses(), [200; 20]);
    assert!(seen.try_iter().all(|heads| heads <= 1));
}

#[test]
fn a_slow_item_holds_up_no_other() {
    let (gate, upstream) =
        (Gate::closed(), Upstream::answering(|request| Answer::text(200, &request.target)));
    upstream.on("/slow", Answer::text(200, "slow").when(&gate));
    let gateway = gateway(upstream.url(), "pipeline: { depth: 32, patience: 20ms }");
    let batch = gets(20, |number| if number == 3 { "/slow".to_owned() } else { format!("/{number}") });
    let sending = std::thread::scope(|scope| {
        let reply = scope.spawn(|| gateway.batch(&batch));
        // All others reach the service, on other connections, while the slow one waits.
        upstream.wait_for_requests(20);
        gate.open();
        reply.join().unwrap()
    });
    assert_eq!(sending.statuses(), [200; 20]);
    let expected: Vec<String> =
        (0..20).map(|number| if number == 3 { "slow".to_owned() } else { format!("/{number}") }).collect();
    let bodies: Vec<Value> = results(&sending.json()).into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn a_service_that_stops_reading_until_its_replies_are_read_locks_nothing_up() {
    // It answers each request with more than the buffers between hold, before it reads the next one.
    let body = "x".repeat(1 << 20);
    let upstream = Upstream::answering(move |_| Answer::text(200, &body));
    let gateway = gateway(upstream.url(), "pipeline: { patience: 10s }");
    let long = "y".repeat(3000);
    let reply = gateway.batch(&gets(40, |number| format!("/{number}?{long}")));
    assert_eq!(reply.statuses(), [200; 40]);
}

#[test]
fn a_service_that_closes_after_a_few_replies_answers_every_item_once() {
    let upstream = Upstream::answering(|request| {
        let answer = Answer::text(200, &request.target);
        if request.target.ends_with('7') { answer.header("Connection", "close").then_close() } else { answer }
    });
    let gateway = gateway(upstream.url(), "pipeline: {}");
    let reply = gateway.batch(&gets(200, |number| format!("/{number}"))).json();
    assert_own_replies(&reply, |number| format!("/{number}"));
}

#[test]
fn a_service_that_breaks_every_connection_gets_few_items_twice() {
    const SEATS: usize = 16;
    let upstream = Upstream::answering(|_| Answer::close());
    let gateway = gateway(upstream.url(), "concurrency: 16, pipeline: { depth: 16 }, retry: { attempts: 1 }");
    let reply = gateway.batch(&gets(200, |number| format!("/{number}")));
    assert_eq!(reply.statuses(), [502; 200]);
    let again = gateway.metrics().count("batchgate_upstream_retries_total", &[]);
    assert!((1..=SEATS).contains(&again), "{again} items were sent again");
    assert!(upstream.requests().len() <= 200 + SEATS, "{}", upstream.requests().len());
}

#[test]
fn a_batch_that_ends_at_its_deadline_leaves_nothing_for_the_next() {
    let (gate, upstream) =
        (Gate::closed(), Upstream::answering(|request| Answer::text(200, &request.target)));
    upstream.on("/held", Answer::text(200, "held").when(&gate));
    let gateway = gateway(upstream.url(), "timeout: { item: 300ms }, pipeline: { patience: 10s }");
    let reply = gateway
        .batch(&gets(10, |number| if number == 2 { "/held".to_owned() } else { format!("/a{number}") }));
    assert_eq!(reply.statuses()[2], 504);
    gate.open();
    let reply = gateway.batch(&gets(50, |number| format!("/b{number}"))).json();
    assert_own_replies(&reply, |number| format!("/b{number}"));
}

/// Files of many sizes, some of which are missing. They are old: Apache has weak entity tags for a file that was written
/// in the second in which it is asked for.
fn fill(folder: &std::path::Path) {
    for number in 0..40_usize {
        let text: String = "abcdefghijklmnopqrstuvw".chars().cycle().take(number * number * 7).collect();
        let mut file = fs::File::create(folder.join(format!("{number}.txt"))).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    }
}

/// The results of the same batches with and without `pipeline`.
fn same_from(target: &str) {
    let (alone, ahead) = (gateway(target, ""), gateway(target, "pipeline: { depth: 32 }"));
    let methods = ["GET", "HEAD", "GET", "OPTIONS", "GET"];
    let item = |number: usize| json!({"method": methods[number % 5], "url": format!("/webdav/{}.txt", (number * 7) % 45)});
    let batch = json!({"requests": (0..500).map(item).collect::<Vec<_>>()});
    let seen = |gateway: &Gateway| -> Vec<Value> {
        let mut reply = gateway.batch(&batch).json();
        for result in reply["responses"].as_array_mut().unwrap() {
            if let Some(headers) = result["headers"].as_object_mut() {
                headers.remove("Date");
            }
        }
        reply["responses"].as_array().unwrap().clone()
    };
    let (expected, found) = (seen(&alone), seen(&ahead));
    assert!(expected.iter().any(|result| result["status"] == 404));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
}

#[test]
fn nginx_and_apache_give_the_same_bytes() {
    let nginx = Nginx::with_dav();
    fill(&nginx.files());
    same_from(&format!("http://{}", nginx.address()));
    let apache = Apache::with_dav();
    fill(&apache.files());
    same_from(&format!("http://{}", apache.address()));
}

#[test]
fn those_behind_an_item_that_gives_up_are_sent_again() {
    let (gate, upstream) =
        (Gate::closed(), Upstream::answering(|request| Answer::text(200, &request.target)));
    upstream.on("/never", Answer::text(200, "late").when(&gate));
    let gateway = gateway(upstream.url(), "pipeline: { patience: 30s }");
    let get = |url: &str| json!({"method": "GET", "url": url});
    let mut never = get("/never");
    never["timeout"] = json!(200);
    let batch = json!({"requests": [get("/1"), never, get("/2"), get("/3")]});
    // It is far from `patience`, and within the time that every item has.
    let statuses = gateway.batch(&batch).statuses();
    gate.open();
    assert_eq!(statuses, [200, 504, 200, 200]);
}
