//! The dashboard: a real Prometheus has something for each of its queries, once everything has happened that it shows.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificate::Certificate;
use crate::harness::client::Connection;
use crate::harness::prometheus::Prometheus;
use crate::harness::raw::RawServer;
use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Config, Gateway, Request, Upstream, until};

use super::{all_metrics, metrics_in, read};

/// A stream of events that stays open.
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";

#[test]
fn it_has_a_row_for_each_part() {
    let panels = panels();
    let rows = panels.iter().filter(|panel| panel["type"] == "row").map(|row| row["title"].as_str().unwrap());
    let parts = ["Batches", "Items", "Upstreams and targets", "Limits", "Memory", "Identity", "Process"];
    assert_eq!(rows.collect::<Vec<_>>(), parts);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{} has no unit", panel["title"]);
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
    }
}

#[test]
fn every_metric_is_in_a_query() {
    let shown = metrics_in(&queries().join("\n"));
    let only_in_tables = "batchgate_build_info";
    let missing: Vec<_> = all_metrics()
        .into_iter()
        .filter(|name| name.starts_with("batchgate_") && name != only_in_tables && !shown.contains(name))
        .collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
}

#[test]
fn every_query_has_something_to_show_under_load() {
    let scene = Scene::start();
    let mut events = Connection::open(scene.gateway.address());
    events.write(&Request::get("/events").to_bytes(scene.gateway.address()));
    assert_eq!(events.head().status, 200);
    let prometheus = Prometheus::scraping(scene.gateway.admin());
    let queries = queries();
    assert!(queries.len() >= 40, "{}", queries.len());
    for query in queries {
        // What is not a number is not equal to itself.
        let numbers = format!("count(({query}) == ({query}))");
        until(&format!("an answer to {query}"), || {
            let count = prometheus.query(&numbers);
            if count.is_none() {
                scene.load();
            }
            count
        });
    }
}

/// A gateway to whose requests everything happens that the dashboard shows.
struct Scene {
    gateway: Gateway,
    _orders: Upstream,
    _gone: Refusing,
    _plain: RawServer,
    _files: (TempDir, Certificate),
}

impl Scene {
    fn start() -> Self {
        let orders = Upstream::start();
        orders
            .on("/lost", Answer::close())
            .on("/slow", Answer::empty(204).delayed(Duration::from_millis(50)));
        orders.on("/events", Answer::raw(EVENTS).then_hang());
        orders.on("/rpc", Answer::of(200, "application/grpc", "").header("grpc-status", "0"));
        let gone = Refusing::start();
        let plain = RawServer::start(|mut connection| connection.write("this is not TLS\r\n"));
        let config = Config::new()
            .upstream("orders", orders.url())
            .with("concurrency: 4, client_share: 25%")
            .upstream("gone", gone.url())
            .with("breaker: { base: 100ms, max: 100ms }")
            .upstream("plain", plain.url().replace("http:", "https:"));
        let open = [("/", "orders"), ("/plain", "plain"), ("/gone", "gone"), ("/limited", "orders")];
        let config = open
            .iter()
            .fold(config, |config, (path, upstream)| config.route(path, upstream).with("auth: off"));
        let config = config.route("/who", "orders").with("auth: who").route("/shared", "orders");
        let config = config.with("auth: off, coalesce: true, undo: { POST: 'DELETE {location}' }");
        let config = config.batch("/batch").with("auth: who, groups: compensate");
        let limit = "{ name: clients, per: all, rate: 1/m, burst: 1, routes: [/limited] }";
        let (folder, certificate) = (tempfile::tempdir().unwrap(), Certificate::for_loopback());
        let passwords = folder.path().join("passwords");
        fs::write(&passwords, format!("ann:{}\n", bcrypt::hash("a", 4).unwrap())).unwrap();
        let who = format!(
            "auth: {{ named: {{ who: {{ basic: {{ file: {} }}, forward: {{ upstream: orders, path: /check, cache: {{}} }},
             jwt: {{ jwks: \"{}/keys\", issuer: a, audience: b }} }} }} }}",
            passwords.display(),
            orders.url()
        );
        let config = config.raw(format!("rate_limits: [{limit}]")).raw(who);
        let gateway = config.setup().with_tls(&certificate).start();
        Self { gateway, _orders: orders, _gone: gone, _plain: plain, _files: (folder, certificate) }
    }

    /// Two batches at once of one client, with good items and bad ones, a batch that is refused, and single requests.
    fn load(&self) {
        let urls = ["/orders/1", "/slow", "/lost", "/gone", "/plain", "/limited"];
        let items: Vec<Value> =
            urls.iter().cycle().take(60).map(|url| json!({ "method": "GET", "url": url })).collect();
        let ann = |request: Request| request.header("Authorization", "Basic YW5uOmE=");
        let batch = ann(Request::batch(&json!({ "requests": items }))).to_bytes(self.gateway.address());
        let mut clients = [(); 2].map(|()| Connection::open(self.gateway.address()));
        for client in &mut clients {
            client.write(&batch);
        }
        for client in &mut clients {
            assert_eq!(client.reply_to("POST").status, 207);
        }
        self.gateway.send(&ann(Request::post("/batch", "application/json", "{")));
        for url in ["/orders/1", "/gone"] {
            self.gateway.send(&Request::get(url));
        }
        self.gateway.send(&Request::post("/rpc", "application/grpc", "\0\0\0\0\0"));
        // A stream that ends.
        let mut events = Connection::open(self.gateway.address());
        events.write(&Request::get("/events").to_bytes(self.gateway.address()));
        assert_eq!(events.head().status, 200);
    }
}

/// The queries, as Grafana would send them for all gateways.
fn queries() -> Vec<String> {
    let panels = panels();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries = targets.map(|target| target["expr"].as_str().unwrap());
    let filled = |query: &str| {
        query.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "10s")
    };
    queries.map(filled).collect()
}

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&read("deploy/dashboard.json")).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}
