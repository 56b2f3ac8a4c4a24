//! Attack 2: guesses by the hundred in one batch, past a limit on requests. How limits count otherwise:
//! `tests/rate_limits.rs`.

use serde_json::json;

use crate::harness::{Config, Request, Upstream};

#[test]
fn five_hundred_log_ins_are_ten_whatever_they_come_in() {
    let upstream = Upstream::start();
    let gateway = Config::new()
        .upstream("orders", upstream.url())
        .route("/login", "orders")
        .route("/pin", "orders")
        .with("batch: false")
        .raw("rate_limits: [{ name: logins, per: address, rate: 10/d, burst: 10, routes: [/login] }]")
        .start();
    let guess = |number| json!({"method": "POST", "url": "/login", "body": {"password": number}});
    let guesses: Vec<_> = (0..500).map(guess).collect();
    let statuses = gateway.batch(&json!({ "requests": guesses })).statuses();
    let let_through = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((let_through, statuses.iter().filter(|status| **status == 429).count()), (10, 490));
    let lines: Vec<_> = (0..20).map(|number| guess(number).to_string()).collect();
    let stream = gateway.send(&Request::lines(lines.join("\n"))).lines();
    assert!(stream.iter().take(20).all(|line| line["status"] == 429), "{stream:?}");
    assert_eq!(gateway.send(&Request::post("/login", "application/json", "{}")).status, 429);
    assert_eq!(upstream.requests().len(), 10);
    let item = gateway.item(&json!({"method": "POST", "url": "/pin", "body": {}}));
    assert_eq!(item["status"], 403, "a route can be kept out of batches altogether");
}
