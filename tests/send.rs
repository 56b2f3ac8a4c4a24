//! `batchgate send`: large files become batches, what is retryable is sent once more, and the exit code says how it went.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificate::Certificate;
use crate::harness::gateway::batchgate;
use crate::harness::ports::{free_port, loopback};
use crate::harness::programs::{run, text};
use crate::harness::{Answer, Gateway, Setup, Upstream};

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
    assert!(text(&output).contains("3 items in 1 batches, 1 failed, 2 resent"), "{}", text(&output));
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
    assert!(text(&output).contains("2 items were sent once more"), "{}", text(&output));
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
        (&["--batch-size", "0"], "batch-size"),
        (&["-H", "nothing"], "Name: value"),
        (&["--content-type", "application/xml", "--method", "PUT", "--path", "/a"], "for records"),
    ] {
        let output = csv.to("http://127.0.0.1:1", arguments);
        assert_eq!(code(&output), Some(2), "{}", text(&output));
        assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
    }
    for arguments in [["send", "/nowhere.json"], ["send", "/nowhere"]] {
        let output = run(batchgate().args(arguments));
        assert_eq!(code(&output), Some(2), "{}", text(&output));
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
