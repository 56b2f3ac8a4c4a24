//! Attack 1: many calls for one request. Limits of items: `too-many-items` in `tests/cases/refused`; turns and
//! queues: `tests/queue.rs`.

use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::json;

use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Request, Upstream};

#[test]
fn large_batches_for_a_slow_service_cost_it_its_turns_only_and_others_nothing() {
    let (gate, quick) = (Gate::closed(), Upstream::start());
    let opened = gate.clone();
    let slow = Upstream::answering(move |_| Answer::text(200, "ok").when(&opened));
    let slow_one = Config::new().upstream("slow", slow.url()).with("concurrency: 4, client_share: 100%");
    let both = slow_one.upstream("quick", quick.url());
    let gateway = both.route("/slow", "slow").route("/quick", "quick").batch("/batch").start();
    let attack = json!({"requests": vec![json!({"method": "GET", "url": "/slow"}); 1000]});
    let mut attackers: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    for attacker in &mut attackers {
        attacker.write(&Request::batch(&attack).to_bytes(gateway.address()));
    }
    until_true("all batches to be under way", || {
        gateway.metrics().count("batchgate_batches_in_flight", &[]) == 20
    });
    let watch = Stopwatch::start();
    for _ in 0..20 {
        assert_eq!(gateway.item(&json!({"method": "GET", "url": "/quick"}))["status"], 200);
    }
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    assert_eq!(slow.most_in_flight(), 4);
    drop(attackers);
    gate.open();
    until_true("the attack to end", || gateway.metrics().count("batchgate_batches_in_flight", &[]) == 0);
}
