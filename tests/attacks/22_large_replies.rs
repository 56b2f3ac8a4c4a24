//! Attack 22: replies that are larger than memory. One reply and all replies of a batch:
//! `tests/upstream_faults.rs`; a thousand long ones: `tests/batch_bodies.rs`.

use serde_json::json;

use super::count;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Upstream};

/// A gateway whose batches may hold so much together. What is under way at the upstream has to fit into the
/// quarter of memory that is kept for it: how large replies are is not known before they come.
fn with_memory(upstream: &Upstream, memory: &str) -> Gateway {
    let legacy = Config::new().upstream("legacy", upstream.url()).with("concurrency: 16");
    let endpoint = legacy.route("/", "legacy").batch("/batch").with("max_body: 1MiB");
    endpoint.limits(&format!("memory: {memory}")).start()
}

#[test]
fn a_batch_for_which_there_is_no_memory_is_refused_and_told_when_to_come_again() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    upstream.on("/slow", Answer::text(200, "at last").when(&gate));
    let gateway = with_memory(&upstream, "4MiB");
    let large = json!({"requests": [{"method": "POST", "url": "/slow", "body": "x".repeat(1_000_000)}]});
    let mut held: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    for connection in &mut held {
        connection.write(&Request::batch(&large).to_bytes(gateway.address()));
    }
    upstream.wait_for_requests(2);
    assert!(gateway.metrics().sum("batchgate_buffer_bytes", &[]) >= 2e6);
    assert_eq!(count(&gateway, "batchgate_buffer_limit_bytes", &[]), "4194304");
    let refused = gateway.batch(&large);
    assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("1")));
    assert_eq!(refused.json()["type"], "urn:batchgate:problem:memory_budget");
    assert_eq!(count(&gateway, "batchgate_rejections_total", &[("reason", "memory_budget")]), "1");
    gate.open();
    for connection in &mut held {
        assert_eq!(connection.reply_to("POST").statuses(), [200]);
    }
    assert_eq!(gateway.batch(&large).statuses(), [200]);
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}

#[test]
fn batches_whose_replies_do_not_fit_together_take_turns() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(64 << 10)));
    let gateway = with_memory(&upstream, "16MiB");
    let items = vec![json!({"method": "GET", "url": "/big"}); 48];
    let batch = json!({ "requests": items });
    let address = gateway.address();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let request = Request::batch(&batch);
            std::thread::spawn(move || request.send(address).statuses())
        })
        .collect();
    let mut most = 0.0_f64;
    while clients.iter().any(|client| !client.is_finished()) {
        most = most.max(gateway.metrics().sum("batchgate_buffer_bytes", &[]));
    }
    for client in clients {
        assert_eq!(client.join().unwrap(), [200; 48]);
    }
    assert!(most <= f64::from(16 << 20), "{most}");
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}

#[test]
fn a_reply_for_which_there_is_no_memory_costs_its_item_only() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(5 << 20)));
    upstream.on("/small", Answer::text(200, "small"));
    let gateway = with_memory(&upstream, "4MiB");
    let batch = json!({"requests": [{"method": "POST", "url": "/big"}, {"method": "GET", "url": "/small"}]});
    let results = gateway.batch(&batch).results();
    assert_eq!((&results[0]["status"], &results[0]["outcome"]), (&json!(503), &json!("unknown")));
    assert_eq!(results[0]["body"]["type"], "urn:batchgate:problem:memory_budget");
    assert_eq!(results[0]["retryable"], json!(null));
    assert_eq!(results[1]["status"], 200);
    assert_eq!(count(&gateway, "batchgate_item_failures_total", &[("reason", "memory_budget")]), "1");
}

#[test]
fn streams_hold_what_is_under_way_and_give_it_back() {
    let upstream = Upstream::start();
    upstream.on("/big", Answer::text(200, &"x".repeat(64 << 10)));
    let gateway = with_memory(&upstream, "4MiB");
    let lines = "{\"method\":\"GET\",\"url\":\"/big\"}\n".repeat(300);
    let reply = gateway.send(&Request::lines(&lines));
    assert_eq!(reply.lines().last().unwrap()["summary"], json!({"items": 300, "failed": 0}));
    until_true("all to be given back", || gateway.metrics().sum("batchgate_buffer_bytes", &[]) == 0.0);
}
