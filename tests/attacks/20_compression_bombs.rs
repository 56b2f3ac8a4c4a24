//! Attack 20: little that becomes much. Of clients: `coding-*` in `tests/cases/refused`, `tests/batch_bodies.rs`;
//! of services, one at a time: `tests/faults/table.txt`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::{Answer, Setup, Upstream};

fn gzipped(mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..mebibytes {
        encoder.write_all(&vec![b'0'; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn bombs_of_a_service_burst_one_by_one_within_an_items_limit() {
    let bomb = gzipped(64);
    let upstream = Upstream::answering(move |_| {
        Answer::of(200, "application/json", &bomb).header("Content-Encoding", "gzip")
    });
    upstream.on("/good", Answer::text(200, "unharmed"));
    let gateway = Setup::tuned(&upstream.url(), "", "max_item_reply: 1MiB").start();
    let mut items = vec![json!({"method": "GET", "url": "/bomb"}); 30];
    items.push(json!({"method": "GET", "url": "/good"}));
    let results = gateway.batch(&json!({ "requests": items })).results();
    assert!(results[..30].iter().all(|result| result["status"] == 502), "{}", results[0]);
    assert_eq!(results[30]["body"], "unharmed");
    let peak = gateway.process().peak_memory();
    assert!(peak < 150 << 20, "{} MiB", peak >> 20);
}
