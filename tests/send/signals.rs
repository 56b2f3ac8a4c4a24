//! SIGINT and SIGTERM during a run of `batchgate send`.

use super::*;

/// A run of three batches with an item each. The first has its result, and the second waits at the gate.
fn run_until_the_second(gate: &Gate) -> (Upstream, Gateway, Sent, Process) {
    let waiting = gate.clone();
    let (arrives, arrival) = mpsc::channel();
    let upstream = Upstream::answering(move |request| {
        if request.target == "/2" {
            arrives.send(()).unwrap();
            waiting.pass();
        }
        Answer::text(200, "ok")
    });
    // Whatever the machine does meanwhile, the item does not run out of time.
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 1m }", "deadline: 1m").start();
    let lines = ["/1", "/2", "/3"].map(|url| format!("{{\"method\":\"GET\",\"url\":\"{url}\"}}\n")).concat();
    let sent = Sent::new("items.ndjson", &lines);
    let mut command = batchgate();
    command.args(["send", "--url", &url(&gateway), "--batch-size", "1", "--concurrency", "1"]);
    command.arg("--results").arg(&sent.results).arg(&sent.file);
    let process = Process::start("send", command);
    arrival.recv_timeout(PATIENCE).unwrap();
    (upstream, gateway, sent, process)
}

#[test]
fn what_is_under_way_ends_first() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let gate = Gate::closed();
        let (upstream, _gateway, sent, process) = run_until_the_second(&gate);
        process.signal(signal);
        process.line_with(&[signal, "nothing more is sent"]);
        gate.open();
        assert_eq!(process.wait().code(), Some(code));
        let said = process.final_output();
        assert!(said.contains("2 items in 2 batches, 0 failed"), "{said}");
        assert!(said.contains(&format!("ended by SIG{signal}; the records without results")), "{said}");
        let results: Vec<_> = sent.results().iter().map(|result| result["status"].clone()).collect();
        assert_eq!(results, [json!(200), json!(200)]);
        assert!(upstream.requests_to("/3").is_empty());
    }
}

#[test]
fn a_second_signal_leaves_what_is_under_way_and_says_so() {
    let gate = Gate::closed();
    let (_upstream, _gateway, sent, process) = run_until_the_second(&gate);
    process.signal("INT");
    process.line_with(&["SIGINT: "]);
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(130));
    gate.open();
    let results = sent.results();
    assert_eq!((results.len(), &results[1]["status"]), (2, &Value::Null), "{results:?}");
    assert!(results[1]["problem"].as_str().unwrap().contains("nobody can say"), "{results:?}");
    assert!(process.final_output().contains("2 items in 2 batches, 1 failed"), "{}", process.output());
}

#[test]
fn a_run_that_waits_for_its_input_or_for_a_pause_can_be_ended() {
    let upstream = Upstream::answering(|_| Answer::text(503, "busy").header("Retry-After", "50"));
    let gateway = Gateway::before(&upstream);
    let mut command = batchgate();
    command.args(["send", "--url", &url(&gateway), "--content-type", "application/x-ndjson", "-"]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    command.stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let item = "{\"method\":\"GET\",\"url\":\"/a\"}\n".repeat(100);
    writer.write_all(item.as_bytes()).unwrap();
    // Its batch waits for 50 seconds, and the next one has no end yet.
    until_true("the batch", || !upstream.requests().is_empty());
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    drop(writer);
    assert_eq!(code(&output), Some(143), "{}", text(&output));
    assert!(text(&output).contains("100 items in 1 batch, 100 failed"), "{}", text(&output));
    let results = String::from_utf8_lossy(&output.stdout).into_owned();
    let known = |line: &str| serde_json::from_str::<Value>(line).unwrap()["status"] == 503;
    assert!(results.lines().count() == 100 && results.lines().all(known), "{results}");
}

/// Items that may be sent once more, and a batch that may be.
#[test]
fn a_batch_file_that_waits_to_be_sent_once_more_ends_like_others() {
    let busy = || Answer::text(503, "busy").header("Retry-After", "50");
    let upstream = Upstream::answering(move |_| busy());
    let gateway = Gateway::before(&upstream);
    let is_busy = Upstream::answering(move |_| busy());
    for (url, server, said, results) in [
        (url(&gateway), &upstream, "ended by SIGINT; 1 of 1 items failed", 1),
        (is_busy.url(), &is_busy, "ended by SIGINT before the batch was sent once more; ", 0),
    ] {
        let sent = Sent::new("batch.json", r#"{"requests":[{"method":"GET","url":"/a"}]}"#);
        let mut command = batchgate();
        command.args(["send", "--url", &url, "--results"]).arg(&sent.results).arg(&sent.file);
        let process = Process::start("send", command);
        until_true("the batch", || !server.requests().is_empty());
        process.signal("INT");
        assert_eq!(process.wait().code(), Some(130), "{said}");
        assert!(process.final_output().contains(said), "{}", process.output());
        let written = fs::read_to_string(&sent.results).unwrap_or_default();
        assert_eq!(written.matches("\"status\":503").count(), results, "{written}");
    }
}
