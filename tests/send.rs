//! `batchgate send`: large files become batches, what is retryable is sent once more, and the exit code says how it went.

mod signals;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificate::Certificate;
use crate::harness::gateway::batchgate;
use crate::harness::ports::{free_port, loopback};
use crate::harness::process::Process;
use crate::harness::programs::{run, text};
use crate::harness::wait::{PATIENCE, until_true};
use crate::harness::{Answer, Gate, Gateway, Setup, Upstream};

/// A file to send, in a folder of its own.
struct Sent {
    _folder: TempDir,
    file: PathBuf,
    results: PathBuf,
}

impl Sent {
    fn new(name: &str, content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, results) = (folder.path().join(name), folder.path().join("results"));
        fs::write(&file, content).unwrap();
        Self { _folder: folder, file, results }
    }

    /// Sends it to this gateway.
    fn to(&self, url: &str, arguments: &[&str]) -> Output {
        let mut command = batchgate();
        command.args(["send", "--url", url]).args(arguments);
        run(command.arg("--results").arg(&self.results).arg(&self.file))
    }

    /// The results, by their numbers.
    fn results(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.results).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|line| line["number"].as_u64());
        lines
    }
}

fn url(gateway: &Gateway) -> String {
    format!("http://{}", gateway.address())
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

const RECORDS: [&str; 4] = ["--method", "PATCH", "--path", "/orders/{id}"];

#[test]
fn rows_of_csv_become_items_of_several_batches() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut csv = "id,status\n".to_owned();
    (1..=250).for_each(|id| writeln!(csv, "{id},\"paid, {id}\"").unwrap());
    let sent = Sent::new("orders.csv", &csv);
    let output = sent.to(&url(&gateway), &[&RECORDS[..], &["-H", "X-Run: 7"]].concat());
    assert_eq!(code(&output), Some(0), "{}", text(&output));
    assert!(text(&output).contains("250 items in 3 batches, 0 failed, 0 resent"), "{}", text(&output));
    let results = sent.results();
    assert_eq!(results.len(), 250);
    assert!((1..).zip(&results).all(|(number, result)| {
        (&result["number"], &result["status"], &result["attempts"])
            == (&json!(number), &json!(200), &json!(1))
    }));
    let request = &upstream.requests_to("/orders/77")[0];
    assert_eq!((request.method.as_str(), request.header("x-run")), ("PATCH", Some("7")));
    assert_eq!(
        serde_json::from_str::<Value>(&request.text()).unwrap(),
        json!({"id": "77", "status": "paid, 77"})
    );
    assert_eq!(upstream.requests().len(), 250);
}

#[test]
fn what_the_reply_calls_retryable_is_sent_once_more() {
    let calls = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |request| match request.target.as_str() {
        "/busy" if calls.fetch_add(1, Ordering::Relaxed) < 2 => Answer::text(503, "busy"),
        "/broken" => Answer::text(500, "broken"),
        _ => Answer::text(200, "ok"),
    });
    let gateway = Gateway::before(&upstream);
    let lines = "{\"id\":\"a\",\"method\":\"POST\",\"url\":\"/busy\"}\n{\"method\":\"GET\",\"url\":\"/broken\"}\n\n{\"method\":\"GET\",\"url\":\"/fine\"}\n";
    let sent = Sent::new("items.ndjson", lines);
    let output = sent.to(&url(&gateway), &[]);
    assert_eq!(code(&output), Some(1), "{}", text(&output));
    assert!(text(&output).contains("3 items in 1 batch, 1 failed, 2 resent"), "{}", text(&output));
    assert!(text(&output).contains("1 of 3 items failed"), "{}", text(&output));
    let results = sent.results();
    let what = |index: usize| (results[index]["status"].clone(), results[index]["attempts"].clone());
    assert_eq!(what(0), (json!(200), json!(3)));
    assert_eq!(what(1), (json!(500), json!(1)));
    assert_eq!(what(2), (json!(200), json!(1)));
    assert_eq!((&results[0]["id"], results[1].get("id")), (&json!("a"), None));
    assert_eq!(upstream.requests_to("/busy").len(), 3);
    let once = sent.to(&url(&gateway), &["--retries", "0"]);
    assert!(text(&once).contains("0 resent"), "{}", text(&once));
}

#[test]
fn a_refused_batch_is_sent_again_only_if_that_helps() {
    let upstream = Upstream::start();
    let limited = Setup::tuned(&upstream.url(), "timeout: { item: 5s }", "max_items: 2").start();
    let sent = Sent::new("items.ndjson", &"{\"method\":\"GET\",\"url\":\"/a\"}\n".repeat(3));
    let output = sent.to(&url(&limited), &[]);
    assert_eq!(code(&output), Some(1), "{}", text(&output));
    let results = sent.results();
    assert!(results.iter().all(|result| result["status"] == 413 && result["attempts"] == 1), "{results:?}");
    assert!(results[0]["problem"].as_str().unwrap().contains("max_items"), "{results:?}");
    assert!(upstream.requests().is_empty());
    assert_eq!(code(&sent.to(&url(&limited), &["--batch-size", "2"])), Some(0));
    let nobody = format!("http://{}", loopback(free_port()));
    let output = sent.to(&nobody, &["--retries", "1"]);
    assert_eq!(code(&output), Some(1));
    let result = &sent.results()[0];
    assert_eq!((&result["status"], &result["attempts"]), (&Value::Null, &json!(2)));
    assert!(result["problem"].as_str().unwrap().contains("no connection"), "{result}");
}

#[test]
fn retryable_items_of_a_batch_file_are_sent_once_more_alone() {
    let calls = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |request| match request.target.as_str() {
        "/busy" if calls.fetch_add(1, Ordering::Relaxed) < 2 => Answer::text(503, "busy"),
        "/always-busy" => Answer::text(503, "busy"),
        "/broken" => Answer::text(500, "broken"),
        _ => Answer::text(200, "ok"),
    });
    let gateway = Gateway::before(&upstream);
    let batch = json!({ "requests": [
        { "method": "POST", "url": "/fine" },
        { "method": "GET", "url": "/broken" },
        { "method": "POST", "url": "/busy" },
        { "id": "last", "method": "GET", "url": "/always-busy", "dependsOn": ["1"] },
    ] });
    let sent = Sent::new("batch.json", &batch.to_string());
    let output = sent.to(&url(&gateway), &[]);
    assert_eq!(code(&output), Some(1), "{}", text(&output));
    assert!(text(&output).contains("items sent once more: 2"), "{}", text(&output));
    let reply: Value = serde_json::from_str(&fs::read_to_string(&sent.results).unwrap()).unwrap();
    let results: Vec<_> = reply["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["id"].clone(), r["status"].clone()))
        .collect();
    assert_eq!(
        results,
        [
            (json!("1"), json!(200)),
            (json!("2"), json!(500)),
            (json!("3"), json!(200)),
            (json!("last"), json!(503))
        ]
    );
    assert_eq!(reply["summary"], json!({ "items": 4, "failed": 2 }));
    assert_eq!((upstream.requests_to("/busy").len(), upstream.requests_to("/fine").len()), (3, 1));
    // In their order, or not at all.
    upstream.take_requests();
    let output = sent.to(&url(&gateway), &["-H", "Prefer: order=sequential"]);
    assert!(!text(&output).contains("once more"), "{}", text(&output));
    assert_eq!(upstream.requests_to("/always-busy").len(), 1);
}

#[test]
fn a_batch_file_is_sent_as_it_is() {
    let upstream = Upstream::start();
    upstream.on("/missing", Answer::text(404, "no"));
    let gateway = Gateway::before(&upstream);
    let json = r#"{"requests":[{"id":"x","method":"GET","url":"/a"},{"id":"y","method":"GET","url":"/b","dependsOn":["x"]}]}"#;
    let xml = "<batch><request method='GET' href='/missing'/><request method='GET' href='/a'/></batch>";
    for (name, content, expected, failed) in
        [("batch.json", json, 0, "0 of 2"), ("batch.xml", xml, 1, "1 of 2")]
    {
        let sent = Sent::new(name, content);
        let output = sent.to(&url(&gateway), &[]);
        assert_eq!(code(&output), Some(expected), "{}", text(&output));
        assert!(expected == 0 || text(&output).contains(failed), "{}", text(&output));
        let reply: Value = serde_json::from_str(&fs::read_to_string(&sent.results).unwrap()).unwrap();
        assert_eq!(reply["responses"].as_array().unwrap().len(), 2);
    }
    let refused = Sent::new("batch.json", "{").to(&url(&gateway), &[]);
    assert_eq!(code(&refused), Some(1));
    assert!(text(&refused).contains("the batch was refused"), "{}", text(&refused));
}

#[test]
fn a_record_that_cannot_be_read_ends_it_after_those_before_it() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let sent = Sent::new(
        "items.ndjson",
        "{\"method\":\"GET\",\"url\":\"/a\"}\n{\"method\":\"GET\",\"url\":\"/b\"}\n{oops\n",
    );
    let output = sent.to(&url(&gateway), &["--batch-size", "1"]);
    assert_eq!(code(&output), Some(1));
    assert!(text(&output).contains("record 3: "), "{}", text(&output));
    assert_eq!(sent.results().len(), 2);
}

#[test]
fn a_wrong_command_line_sends_nothing() {
    let csv = Sent::new("orders.csv", "id\n1\n");
    for (arguments, part) in [
        (&[][..], "need --method and --path"),
        (&["--method", "PATCH"], "--path"),
        (&["--batch-size", "0"], "write a number, 1 or more"),
        (&["--retries", "often"], "write a number; 0 means"),
        (&["--timeout", "5s"], "write a number of seconds"),
        (&["--content-type", "ndjson"], "write a media type"),
        (&["-H", "nothing"], "Name: value"),
        (&["-H", "accept: text/html"], "send reads results as JSON"),
        (&["-H", "Content-Length: 7"], "where a batch ends"),
        (&["--method", "PATCH", "--path", "/orders/{order}"], "the header line has no `order`"),
        (&["--method", "PUT", "--path", "/orders/{id}", "--body", "id,status"], "has no `status`"),
        (&["--content-type", "application/xml", "--method", "PUT", "--path", "/a"], "for records"),
    ] {
        let output = csv.to("http://127.0.0.1:1", arguments);
        assert_eq!(code(&output), Some(2), "{}", text(&output));
        assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
    }
    let file = csv.file.display().to_string();
    for (arguments, part) in [
        (&["/nowhere.json"][..], "/nowhere.json can't be read: No such file"),
        (&["/nowhere"], "add --content-type"),
        (
            &["--content-type", "text/plain", "--results", "/nowhere/r", &file],
            "--results /nowhere/r can't be",
        ),
        (&["--url", "https://a", "--ca", "/no.pem", "--content-type", "a/b", &file], "--ca /no.pem can't be"),
    ] {
        let output = run(batchgate().arg("send").args(arguments));
        assert_eq!(code(&output), Some(2), "{}", text(&output));
        assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
    }
}

#[test]
fn a_results_file_is_not_destroyed() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let line = "{\"method\":\"GET\",\"url\":\"/a\"}\n";
    let sent = Sent::new("items.ndjson", line);
    std::os::unix::fs::symlink(&sent.file, &sent.results).unwrap();
    let output = sent.to(&url(&gateway), &[]);
    assert_eq!(code(&output), Some(2), "{}", text(&output));
    assert!(text(&output).contains("the file to send"), "{}", text(&output));
    assert_eq!(fs::read_to_string(&sent.file).unwrap(), line);
    assert!(upstream.requests().is_empty());
    let unreadable = Sent::new("items.ndjson", "{oops\n");
    fs::write(&unreadable.results, "an earlier run").unwrap();
    assert_eq!(code(&unreadable.to(&url(&gateway), &[])), Some(1));
    assert_eq!(fs::read_to_string(&unreadable.results).unwrap(), "an earlier run");
}

#[test]
fn results_that_cant_be_written_end_it_after_what_is_under_way() {
    let (second_arrives, gate) = (Gate::closed(), Gate::closed());
    let (first_ends, second_ends) = (second_arrives.clone(), gate.clone());
    let upstream = Upstream::answering(move |request| {
        let answer = Answer::text(200, "ok");
        if request.target == "/1" {
            return answer.when(&first_ends);
        }
        second_arrives.open();
        answer.when(&second_ends)
    });
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 1m }", "deadline: 1m").start();
    let lines = ["/1", "/2", "/3"].map(|url| format!("{{\"method\":\"GET\",\"url\":\"{url}\"}}\n")).concat();
    let sent = Sent::new("items.ndjson", &lines);
    let mut command = batchgate();
    command.args(["send", "--url", &url(&gateway), "--batch-size", "1", "--concurrency", "2"]);
    command.args(["--results", "/dev/full"]).arg(&sent.file);
    let process = Process::start("send", command);
    process.line_with(&["the results can't be written: ", "waiting for the replies to what is under way"]);
    assert!(process.is_running());
    gate.open();
    assert_eq!(process.wait().code(), Some(1));
    let said = process.final_output();
    assert!(said.contains("records that were sent and may have no result: 1-2"), "{said}");
    assert!(upstream.requests_to("/3").is_empty());
}

/// A server that answers a batch without being a gateway, or does not answer.
#[test]
fn what_stands_in_the_way_is_said() {
    let moving =
        Upstream::answering(|_| Answer::text(307, "").header("Location", "https://new.example/batch"));
    let busy_until = Upstream::answering(|_| {
        Answer::text(503, "busy").header("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")
    });
    let page = Upstream::answering(|_| Answer::text(200, "<h1>Hello</h1>"));
    let refused = format!("http://{}", loopback(free_port()));
    let no_tls = page.url().replace("http:", "https:");
    let line = "{\"method\":\"GET\",\"url\":\"/a\"}\n";
    let batch = r#"{"requests":[{"method":"GET","url":"/a"}]}"#;
    for (url, part) in [
        (refused.as_str(), "no connection to 127.0.0.1:"),
        (&moving.url(), "307 Temporary Redirect, Location: https://new.example/batch; --url and --endpoint"),
        (&busy_until.url(), "but send waits 60 s at most"),
        (&page.url(), "(200 OK) is not that of a batch endpoint"),
        (&page.url(), "text/plain: <h1>Hello</h1>"),
        (&no_tls, "write http in place of https"),
    ] {
        let sent = Sent::new("items.ndjson", line);
        let output = sent.to(url, &["--retries", "1"]);
        assert_eq!(code(&output), Some(1), "{}", text(&output));
        let result = &sent.results()[0];
        assert!(result["problem"].as_str().unwrap().contains(part), "{result}");
        let output = Sent::new("batch.json", batch).to(url, &["--retries", "1"]);
        assert_eq!(code(&output), Some(1), "{}", text(&output));
        assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
    }
    assert_eq!((moving.requests().len(), busy_until.requests().len()), (2, 2));
}

#[test]
fn a_gateway_with_tls_has_to_be_the_right_one() {
    let certificate = Certificate::for_loopback();
    let upstream = Upstream::start();
    let gateway = Setup::routing_to(&[upstream.url()]).with_tls(&certificate).start();
    let sent = Sent::new("items.ndjson", "{\"method\":\"GET\",\"url\":\"/a\"}\n");
    let url = format!("https://{}", gateway.tls_address());
    let authority = certificate.authority().display().to_string();
    let trusted = sent.to(&url, &["--ca", &authority]);
    assert_eq!(code(&trusted), Some(0), "{}", text(&trusted));
    let unknown = sent.to(&url, &["--retries", "0"]);
    assert_eq!(code(&unknown), Some(1), "{}", text(&unknown));
    assert!(sent.results()[0]["problem"].as_str().unwrap().contains("certificate"));
    assert_eq!(upstream.requests().len(), 1);
}
