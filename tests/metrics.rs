//! Metrics and the admin listener: names that dashboards rely on, labels from closed sets, and the
//! judgement of promtool and a real Prometheus.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::metrics::Series;
use crate::harness::programs::program;
use crate::harness::prometheus::Prometheus;
use crate::harness::upstream::Refusing;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

/// The names of configuration.md, as they are exposed.
const NAMES: [&str; 7] = [
    "batchgate_items_total",
    "batchgate_item_duration_seconds_count",
    "batchgate_batches_total",
    "batchgate_batch_items_count",
    "batchgate_rejections_total",
    "batchgate_items_in_flight",
    "batchgate_upstream_attempts_total",
];

#[test]
fn promtool_finds_nothing_to_say() {
    let upstream = Upstream::start();
    let gateway = gateway_with_traffic(&upstream);
    let text = gateway.admin_get("/metrics").text();
    let mut promtool = Command::new(program("promtool"));
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = crate::harness::programs::text(&output);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_promised_names_are_there() {
    let upstream = Upstream::start();
    let metrics = gateway_with_traffic(&upstream).metrics();
    for name in NAMES {
        assert!(metrics.has(name), "{name} is missing");
    }
    assert!(metrics.has("process_resident_memory_bytes"));
    assert!(metrics.has("batchgate_build_info"));
}

#[test]
fn every_item_counts_once_by_how_it_ended() {
    let upstream = Upstream::start();
    let metrics = gateway_with_traffic(&upstream).metrics();
    let items = |code: &str, outcome: &str| {
        metrics.count("batchgate_items_total", &[("code", code), ("outcome", outcome)])
    };
    assert_eq!((items("200", "answered"), items("404", "answered"), items("500", "answered")), (3, 1, 1));
    assert_eq!((items("404", "rejected"), items("502", "not_sent")), (1, 1));
    assert_eq!(metrics.count("batchgate_items_total", &[]), 7);
    assert_eq!(metrics.count("batchgate_items_total", &[("method", "_OTHER")]), 1);
    let reached = [("route", "/orders/"), ("upstream", "orders"), ("method", "GET"), ("code", "200")];
    assert_eq!(metrics.count("batchgate_items_total", &reached), 1);
    assert_eq!(metrics.count("batchgate_items_total", &[("upstream", ""), ("outcome", "rejected")]), 1);
    let timed = |labels: &[(&str, &str)]| metrics.count("batchgate_item_duration_seconds_count", labels);
    assert_eq!(timed(&[("route", "/orders/")]), 5);
    assert_eq!(metrics.count("batchgate_batch_items_sum", &[("endpoint", "/batch")]), 7);
}

#[test]
fn batches_and_rejections_count_by_endpoint() {
    let upstream = Upstream::start();
    let metrics = gateway_with_traffic(&upstream).metrics();
    assert_eq!(
        metrics.count("batchgate_batches_total", &[("endpoint", "/batch"), ("outcome", "partial")]),
        1
    );
    assert_eq!(metrics.count("batchgate_rejections_total", &[("endpoint", "/batch")]), 1);
    let attempts = |labels: &[(&str, &str)]| metrics.count("batchgate_upstream_attempts_total", labels);
    assert_eq!(attempts(&[("upstream", "orders"), ("code", "200")]), 3);
    assert!(metrics.count("batchgate_upstream_connect_errors_total", &[("upstream", "down")]) >= 1);
}

#[test]
fn each_target_has_its_own_series_until_it_is_removed() {
    let (good, bad) = (Upstream::start(), Upstream::answering(|_| Answer::text(500, "no")));
    let down = Refusing::start();
    let name = |url: String| url.trim_start_matches("http://").to_owned();
    let targets = |urls: &[String]| Config::all_to("shop", urls.join(", ")).batch("/batch");
    let gateway = targets(&[good.url(), bad.url(), down.url()]).start();
    for _ in 0..3 {
        gateway.batch(&json!({"requests": vec![json!({"method": "GET", "url": "/a"}); 8]}));
    }
    gateway.send(&Request::get("/single"));
    let metrics = gateway.metrics();
    let count = |name: &str, target: &str, labels: &[(&str, &str)]| {
        metrics.count(name, &[labels, &[("upstream", "shop"), ("target", target)]].concat())
    };
    for (upstream, code) in [(&good, "200"), (&bad, "500")] {
        let target = name(upstream.url());
        let made = upstream.requests().len();
        assert_eq!(count("batchgate_target_attempts_total", &target, &[("code", code)]), made);
        assert_eq!(count("batchgate_target_attempt_duration_seconds_count", &target, &[]), made);
        let opened = count("batchgate_target_connections_opened_total", &target, &[]);
        assert_eq!(opened, upstream.connections());
        assert_eq!(count("batchgate_target_connections_reused_total", &target, &[]), made - opened);
    }
    assert!(count("batchgate_target_failures_total", &name(down.url()), &[]) > 0);
    assert_eq!(metrics.count("batchgate_batch_straggler_ratio_count", &[("endpoint", "/batch")]), 3);
    gateway.write_config(&targets(&[good.url()]).to_yaml());
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    assert_eq!(gateway.metrics().label_values("target"), [name(good.url())]);
}

#[test]
fn items_in_flight_go_up_and_down_again() {
    let gate = Gate::closed();
    let held = gate.clone();
    let upstream = Upstream::answering(move |_| Answer::text(200, "ok").when(&held));
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": vec![json!({"method": "GET", "url": "/a"}); 3]});
    let mut client = gateway.connect();
    client.write(&Request::batch(&batch).to_bytes(gateway.address()));
    gateway.wait_for_metric("batchgate_items_in_flight", &[("upstream", "legacy")], 3.0);
    gate.open();
    assert_eq!(client.reply_to("POST").statuses(), [200; 3]);
    until_true("no item in flight", || gateway.metrics().count("batchgate_items_in_flight", &[]) == 0);
}

#[test]
fn prometheus_counts_what_the_upstream_saw() {
    let upstream = Upstream::start();
    upstream.on("/gone", Answer::text(410, "gone"));
    let gateway = Gateway::before(&upstream);
    let prometheus = Prometheus::scraping(gateway.admin());
    for _ in 0..5 {
        let mut items = vec![json!({"method": "GET", "url": "/a"}); 4];
        items.push(json!({"method": "DELETE", "url": "/gone"}));
        assert_eq!(gateway.batch(&json!({ "requests": items })).results().len(), 5);
    }
    let seen = |code: &str| format!("sum(batchgate_items_total{{outcome=\"answered\",code=\"{code}\"}})");
    let is = |query: &str, count: usize| prometheus.query(query) == format!("{count}").parse().ok();
    let (good, gone) = (upstream.requests_to("/a").len(), upstream.requests_to("/gone").len());
    assert_eq!((good, gone), (20, 5));
    until_true("Prometheus counts the 200s", || is(&seen("200"), good));
    until_true("Prometheus counts the 410s", || is(&seen("410"), gone));
    let quantile = "histogram_quantile(0.99, sum by (le) (batchgate_item_duration_seconds_bucket)) > 0";
    until_true("a quantile of the latency", || prometheus.query(quantile).is_some());
}

#[test]
fn a_thousand_paths_and_methods_make_no_new_series() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let item = |n: usize| json!({"method": format!("METHOD{n}"), "url": format!("/path/{n}?q={n}"), "id": format!("id-{n}")});
    let batch = |from: usize, count: usize| json!({"requests": (from..from + count).map(item).collect::<Vec<Value>>()});
    assert_eq!(gateway.batch(&batch(0, 10)).results().len(), 10);
    for n in 0..3 {
        gateway.send(&Request::new(&format!("SINGLE{n}"), &format!("/single/{n}")));
    }
    let before = gateway.metrics();
    assert_eq!(gateway.batch(&batch(10, 990)).results().len(), 990);
    for n in 3..30 {
        gateway.send(&Request::new(&format!("SINGLE{n}"), &format!("/single/{n}")));
    }
    let after = gateway.metrics();
    assert_eq!(after.new_since(&before), Vec::<&Series>::new());
    let methods: BTreeSet<_> = after.label_values("method").into_iter().collect();
    assert!(
        methods.iter().all(|method| !method.starts_with("METHOD") && !method.starts_with("SINGLE")),
        "{methods:?}"
    );
}

#[test]
fn health_and_readiness_are_told() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    assert_eq!(gateway.admin_get("/healthz").status, 200);
    assert_eq!(gateway.admin_get("/readyz").status, 200);
    assert_eq!(gateway.admin_get("/nothing").status, 404);
}

#[test]
fn the_configuration_is_told_without_its_secrets() {
    let members = "headers: { set: { Authorization: \"Bearer ${TOKEN}\", X-Api-Key: literal-secret } }";
    let setup = Setup::tuned(&Upstream::start().url(), members, "").with_variable("TOKEN", "variable-secret");
    let told = setup.start().admin_get("/config");
    assert_eq!(told.status, 200);
    let text = told.text();
    assert!(text.contains("legacy") && text.contains("/batch"), "{text}");
    assert!(!text.contains("variable-secret") && !text.contains("literal-secret"), "{text}");
}

#[test]
fn the_admin_listeners_pages_are_not_for_clients() {
    let upstream = Upstream::answering(|_| Answer::text(404, "of the upstream"));
    let gateway = Gateway::before(&upstream);
    for path in ["/metrics", "/config", "/healthz", "/readyz"] {
        assert_eq!(gateway.send(&Request::get(path)).text(), "of the upstream", "{path}");
    }
}

/// One batch of seven items that end in every way, and a batch that is refused.
fn gateway_with_traffic(upstream: &Upstream) -> Gateway {
    upstream.on("/orders/404", Answer::text(404, "no")).on("/orders/500", Answer::text(500, "no"));
    let down = Refusing::start();
    let upstreams = Config::new().upstream("orders", upstream.url()).upstream("down", down.url());
    let gateway = upstreams.route("/orders/", "orders").route("/down/", "down").batch("/batch").start();
    let item = |method: &str, url: &str| json!({"method": method, "url": url});
    let reply = gateway.batch(&json!({"requests": [
        item("GET", "/orders/1"), item("PUT", "/orders/2"), item("BREW", "/orders/3"), item("GET", "/orders/404"),
        item("GET", "/orders/500"), item("GET", "/nowhere"), item("GET", "/down/1"),
    ]}));
    assert_eq!(reply.statuses(), [200, 200, 200, 404, 500, 404, 502]);
    assert_eq!(gateway.send(&Request::post("/batch", "application/json", "{")).status, 400);
    gateway.wait_for_metric("batchgate_items_total", &[], 7.0);
    gateway.wait_for_metric("batchgate_rejections_total", &[], 1.0);
    gateway
}

#[test]
fn memory_is_told_by_purpose() {
    let upstream = Upstream::start();
    let gate = Gate::closed();
    upstream.on("/held", Answer::text(200, &"x".repeat(100_000)));
    upstream.on("/slow", Answer::text(200, "late").when(&gate));
    let config = Config::all_to("orders", upstream.url()).batch("/batch").with("reply: whole");
    let gateway = config.start();
    let item = |path: &str| json!({"method": "POST", "url": path, "body": "y".repeat(50_000)});
    let mut client = gateway.connect();
    let batch = json!({"requests": [item("/held"), item("/slow")]});
    client.write(&Request::batch(&batch).to_bytes(gateway.address()));
    let held = |purpose: &str| gateway.metrics().sum("batchgate_memory_bytes", &[("purpose", purpose)]);
    until_true("a body and a reply", || held("request_bodies") >= 1e5 && held("replies") >= 1e5);
    assert_eq!(held("stream_window").to_string(), "0");
    gate.open();
    assert_eq!(client.reply_to("POST").statuses(), [200, 200]);
    for purpose in ["request_bodies", "replies", "stream_window", "encoders"] {
        until_true(purpose, || held(purpose) < 1.0);
    }
}

#[test]
fn the_retry_budget_says_what_is_left() {
    let upstream = Upstream::answering(|_| Answer::text(503, "busy"));
    let gateway = Config::new()
        .upstream("orders", upstream.url())
        .with("retry: { status: [503], attempts: 4 }")
        .route("/", "orders")
        .start();
    let left = || gateway.metrics().sum("batchgate_upstream_retry_budget_left", &[("upstream", "orders")]);
    assert!(left() > 9.0);
    gateway.send(&Request::get("/a"));
    assert!(left() < 9.0);
}
