//! Real servers that are killed and started again in the middle of a batch.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::apache::Apache;
use crate::harness::nginx::Nginx;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Upstream};

/// A gateway before a real server at `/webdav` and a scripted one at `/gate`. Batches run one by one, so that a
/// test knows which item is under way.
fn gateway(server: SocketAddr, scripted: &Upstream) -> Gateway {
    let upstreams =
        Config::new().upstream("real", format!("http://{server}")).upstream("scripted", scripted.url());
    let routes = upstreams.route("/webdav", "real").route("/gate", "scripted");
    routes.batch("/batch").with("order: sequential").start()
}

/// A file is asked for, then the gate is waited at, then it is asked for twice more, once not idempotently.
fn batch() -> Value {
    let item = |method, url| json!({"method": method, "url": url});
    json!({"requests": [
        item("GET", "/webdav/a"), item("GET", "/gate"), item("OPTIONS", "/webdav/a"), item("GET", "/webdav/a"),
    ]})
}

/// Has `meddle` done while a batch waits at the gate; gives its statuses.
fn statuses_with(server: SocketAddr, meddle: impl FnOnce()) -> (Gateway, Vec<u64>) {
    let (gate, scripted) = (Gate::closed(), Upstream::start());
    scripted.on("/gate", Answer::text(200, "passed").when(&gate)).on("/gate", Answer::text(200, "passed"));
    let gateway = gateway(server, &scripted);
    let mut client = gateway.connect();
    client.write(&Request::batch(&batch()).to_bytes(gateway.address()));
    scripted.wait_for_requests(1);
    meddle();
    gate.open();
    let statuses = client.reply_to("POST").statuses();
    (gateway, statuses)
}

#[test]
fn an_nginx_that_is_killed_costs_what_comes_after_and_once_it_is_back_nothing() {
    let mut nginx = Nginx::with_dav();
    fs::write(nginx.files().join("a"), "of nginx").unwrap();
    let (_, restarted) = statuses_with(nginx.address(), || nginx.restart());
    assert_eq!(restarted, [200; 4]);
    let (gateway, killed) = statuses_with(nginx.address(), || nginx.kill());
    assert_eq!(killed, [200, 200, 502, 502]);
    let refused = gateway.metrics().sum("batchgate_item_failures_total", &[("reason", "connection_refused")]);
    assert_eq!(refused.to_string(), "2");
    nginx.restart();
    assert_eq!(
        gateway.batch(&json!({"requests": [{"method": "GET", "url": "/webdav/a"}]})).statuses(),
        [200]
    );
}

#[test]
fn an_apache_that_is_killed_costs_what_comes_after_and_once_it_is_back_nothing() {
    let mut apache = Apache::with_dav();
    fs::write(apache.files().join("a"), "of Apache").unwrap();
    apache.take_over_files();
    let (_, restarted) = statuses_with(apache.address(), || apache.restart());
    assert_eq!(restarted, [200; 4]);
    let (gateway, killed) = statuses_with(apache.address(), || apache.kill());
    assert_eq!(killed, [200, 200, 502, 502]);
    apache.restart();
    assert_eq!(
        gateway.batch(&json!({"requests": [{"method": "GET", "url": "/webdav/a"}]})).statuses(),
        [200]
    );
}
