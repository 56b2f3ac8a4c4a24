//! Which target gets a call: by turns, by what is under way, by a key; and who is left out because it is not well, or
//! because an operator took it out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Reply, Request, Setup, Upstream};

fn before(upstreams: &[&Upstream], members: &str) -> Gateway {
    let urls: Vec<_> = upstreams.iter().map(|upstream| upstream.url()).collect();
    Setup::tuned(&urls.join(", "), members, "").start()
}

fn gets(count: usize) -> Value {
    json!({"requests": vec![json!({"method": "GET", "url": "/a"}); count]})
}

#[test]
fn the_same_key_meets_the_same_target_in_batches_and_beside_them() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let gateway = before(&[&one, &other], "balance: consistent_hash, hash_header: X-Tenant");
    let item = |n: usize| json!({"method": "GET", "url": format!("/{n}"), "headers": {"X-Tenant": format!("tenant-{}", n % 20)}});
    let items: Vec<_> = (0..100).map(item).collect();
    assert_eq!(gateway.batch(&json!({ "requests": items })).statuses(), [200; 100]);
    for n in 0..20 {
        gateway.send(&Request::get("/single").header("X-Tenant", &format!("tenant-{n}")));
    }
    let tenants = |upstream: &Upstream| {
        let tenant =
            |request: &crate::harness::upstream::Recorded| request.header("X-Tenant").unwrap().to_owned();
        upstream.requests().iter().map(tenant).collect::<std::collections::BTreeSet<_>>()
    };
    let (ones, others) = (tenants(&one), tenants(&other));
    assert!(ones.is_disjoint(&others) && !ones.is_empty() && !others.is_empty(), "{ones:?} {others:?}");
    assert_eq!(one.requests().len() + other.requests().len(), 120);
}

#[test]
fn the_least_busy_target_gets_what_comes() {
    let (gate, free) = (Gate::closed(), Upstream::start());
    let held = gate.clone();
    let slow = Upstream::answering(move |_| Answer::text(200, "slow").when(&held));
    let gateway = before(&[&slow, &free], "balance: least_busy");
    let mut waiting = gateway.connect();
    while slow.requests().is_empty() {
        let answered = free.requests().len();
        waiting.write(&Request::batch(&gets(1)).to_bytes(gateway.address()));
        until_true("a call", || !slow.requests().is_empty() || free.requests().len() > answered);
        if slow.requests().is_empty() {
            assert_eq!(waiting.reply_to("POST").statuses(), [200]);
        }
    }
    for _ in 0..10 {
        assert_eq!(gateway.batch(&gets(1)).statuses(), [200]);
    }
    assert_eq!(slow.requests().len(), 1);
    gate.open();
    assert_eq!(waiting.reply_to("POST").statuses(), [200]);
}

#[test]
fn a_target_that_is_not_well_gets_no_calls_until_it_is() {
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_well);
    let ill = Upstream::answering(move |request| {
        let well = request.target != "/health" || asked.load(Ordering::SeqCst);
        Answer::text(if well { 200 } else { 500 }, "so it is")
    });
    let well = Upstream::start();
    let check = "health_check: { path: /health, interval: 20ms, healthy: 2, unhealthy: 2 }";
    let gateway = before(&[&ill, &well], check);
    wait_until_up(&gateway, &ill, false);
    assert_eq!(gateway.batch(&gets(20)).statuses(), [200; 20]);
    assert_eq!((ill.requests_to("/a").len(), well.requests_to("/a").len()), (0, 20));
    assert_eq!(ill.requests_to("/health")[0].header("Host"), Some(ill.address().to_string().as_str()));
    is_well.store(true, Ordering::SeqCst);
    wait_until_up(&gateway, &ill, true);
    assert_eq!(gateway.batch(&gets(20)).statuses(), [200; 20]);
    assert!(!ill.requests_to("/a").is_empty());
}

#[test]
fn where_no_target_is_well_items_are_not_sent() {
    let upstream = Upstream::answering(|_| Answer::text(404, "no health here"));
    let gateway = before(&[&upstream], "health_check: { path: /health, interval: 20ms, unhealthy: 1 }");
    wait_until_up(&gateway, &upstream, false);
    let result = gateway.item(&json!({"method": "POST", "url": "/a"}));
    assert_eq!(
        (&result["status"], &result["outcome"], &result["retryable"]),
        (&json!(503), &json!("not_sent"), &json!(true))
    );
    assert_eq!(gateway.send(&Request::get("/single")).status, 503);
    assert!(upstream.requests_to("/a").is_empty());
    gateway.write_config(&Config::all_to("legacy", upstream.url()).to_yaml());
    wait_until_up(&gateway, &upstream, true);
}

#[test]
fn http2_targets_are_asked_in_http2() {
    let nginx = crate::harness::nginx::Nginx::start(
        "http2",
        "location /health { return 204; } location / { return 200 ok; }",
    );
    let target = nginx.url().replace("http://", "h2c://");
    let check = "health_check: { path: /health, interval: 20ms, unhealthy: 1, status: [204] }";
    let gateway = Setup::tuned(&target, check, "").start();
    until_true("a check over HTTP/2", || nginx.access_log().contains("GET /health HTTP/2.0 204"));
    assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 200);
}

#[test]
fn a_target_that_was_taken_out_ends_its_calls_and_gets_no_more() {
    let (gate, other) = (Gate::closed(), Upstream::start());
    let held = gate.clone();
    let leaving = Upstream::answering(move |_| Answer::text(200, "held").when(&held));
    let gateway = before(&[&leaving, &other], "");
    let mut client = gateway.connect();
    client.write(&Request::batch(&gets(4)).to_bytes(gateway.address()));
    until_true("all calls are where they go", || leaving.requests().len() + other.requests().len() == 4);
    assert_eq!(switch(&gateway, &leaving, "out").status, 200);
    let before_out = leaving.requests().len();
    assert_eq!(gateway.batch(&gets(20)).statuses(), [200; 20]);
    gate.open();
    assert_eq!(client.reply_to("POST").statuses(), [200; 4], "what was under way ends as it would");
    gateway.signal("HUP");
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    assert_eq!(gateway.batch(&gets(20)).statuses(), [200; 20]);
    assert_eq!(leaving.requests().len(), before_out);
    assert_eq!(gateway.metrics().count("batchgate_upstream_target_up", &[]), 1);
    assert_eq!(switch(&gateway, &leaving, "in").status, 200);
    assert_eq!(gateway.batch(&gets(20)).statuses(), [200; 20]);
    assert!(leaving.requests().len() > before_out);
}

#[test]
fn targets_are_shown_and_only_operators_switch_them() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let gateway = before(&[&one, &other], "");
    let shown = gateway.admin_get("/targets").json();
    assert_eq!(shown.as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(
        (&shown[0]["upstream"], &shown[0]["target"]),
        (&json!("legacy"), &json!(one.address().to_string()))
    );
    assert_eq!((&shown[0]["up"], &shown[0]["addresses"][0]["circuit"]), (&json!(true), &json!("closed")));
    for path in
        ["legacy/127.0.0.1:1/out", "nothing/x/out", "legacy/out", &format!("legacy/{}/away", one.address())]
    {
        let posted = Request::new("POST", &format!("/targets/{path}")).send(gateway.admin());
        assert_eq!(posted.status, 404, "{path}");
    }
    let path = format!("/targets/legacy/{}/out", one.address());
    let from_a_page =
        Request::new("POST", &path).header("Origin", "https://evil.example").send(gateway.admin());
    assert_eq!(from_a_page.status, 403);
    assert_eq!(gateway.admin_get("/targets").json()[0]["taken_out"], false);
    assert_eq!(switch(&gateway, &one, "out").status, 200);
    assert_eq!(gateway.admin_get("/targets").json()[0]["taken_out"], true);
}

#[test]
fn an_upstream_that_a_reload_leaves_without_a_target_is_said() {
    let (one, other) = (Upstream::start(), Upstream::start());
    let targets = |urls: &[&Upstream]| {
        let urls: Vec<_> = urls.iter().map(|upstream| format!("\"{}\"", upstream.url())).collect();
        Config::all_to("legacy", urls.join(", ")).batch("/batch")
    };
    let gateway = targets(&[&one, &other]).start();
    assert_eq!(switch(&gateway, &one, "out").text(), "out: it gets no more calls\n");
    let said = [("kind", "target"), ("level", "WARN"), ("upstream", "legacy")];
    let lines = gateway.log_lines(&said).len();
    gateway.write_config(&targets(&[&one]).to_yaml());
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    until_true("a warning", || gateway.log_lines(&said).len() > lines);
    assert_eq!(gateway.batch(&gets(1)).statuses(), [503]);
    assert_eq!(switch(&gateway, &one, "in").status, 200);
    let alone = switch(&gateway, &one, "out").text();
    assert_eq!(alone, "out: it gets no more calls; the upstream has no target left that does\n");
}

fn switch(gateway: &Gateway, target: &Upstream, action: &str) -> Reply {
    Request::new("POST", &format!("/targets/legacy/{}/{action}", target.address())).send(gateway.admin())
}

fn wait_until_up(gateway: &Gateway, target: &Upstream, up: bool) {
    let target = target.address().to_string();
    let labels = [("upstream", "legacy"), ("target", target.as_str())];
    let is_up = || gateway.metrics().count("batchgate_upstream_target_up", &labels) == 1;
    until_true(&format!("{target} up: {up}"), || is_up() == up);
}
