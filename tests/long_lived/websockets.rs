//! `WebSocket`s between the websockets library and itself.

use std::process::Command;

use serde_json::json;

use super::services::{Service, gateway, upgrade_to, websocket_client};
use crate::harness::certificate::Certificate;
use crate::harness::nginx::Nginx;
use crate::harness::process::Process;
use crate::harness::programs::{program, succeed};
use crate::harness::{Gateway, Setup};

#[test]
fn messages_pings_and_close_codes_go_through() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "");
    let seen = websocket_client(&gateway, &["talk"]);
    assert_eq!(seen, json!({"pong": true, "text": "Łukasz", "binary": "00ff", "code": 4002}));
    service.process.line_with(&["closed 4002"]);
    let seen = websocket_client(&gateway, &["closed"]);
    let codes = [(1000, "as you like"), (1011, "as you like"), (4001, "as you like")];
    assert_eq!(seen, json!({ "codes": codes }));
}

#[test]
fn large_messages_go_through_both_ways() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "");
    let seen = websocket_client(&gateway, &["big", "5000000"]);
    assert_eq!(seen, json!({"same": vec![true; 8]}));
}

#[test]
fn a_websocket_may_be_quiet_for_longer_than_an_item() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "timeout: { item: 1s }");
    let seen = websocket_client(&gateway, &["idle", "3500"]);
    assert_eq!(seen, json!({"answer": "still here"}));
}

#[test]
fn a_websocket_outlives_the_time_of_a_request() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "timeout: { item: 1s, request: 1s }");
    let seen = websocket_client(&gateway, &["idle", "3500"]);
    assert_eq!(seen, json!({"answer": "still here"}));
}

/// Has a process run on the first core only.
fn pin(process: &Process) {
    let id = process.id().to_string();
    succeed(Command::new(program("taskset")).args(["--all-tasks", "--cpu-list", "--pid", "0", &id]));
}

fn busy_loop() -> Process {
    let mut command = Command::new(program("taskset"));
    command.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]);
    Process::start("a busy loop", command)
}

#[test]
fn no_websocket_is_torn_down_while_a_core_is_busy() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"), "");
    pin(gateway.process());
    let _busy = [busy_loop(), busy_loop()];
    let seen = websocket_client(&gateway, &["many", "200"]);
    assert_eq!(seen, json!({"failures": []}));
}

/// The first message comes with the upgrade, and the answer before the client has read that it was upgraded.
#[test]
fn what_is_sent_together_with_the_upgrade_arrives() {
    let upstream = super::services::upper_case();
    let gateway = gateway(&upstream.url(), "");
    for number in 0..300 {
        let mut client = gateway.connect();
        client.write(format!("{}hello {number}\n", upgrade_to("websocket")).as_bytes());
        assert_eq!(client.head().status, 101, "{number}");
        client.through(format!("HELLO {number}\n").as_bytes());
    }
}

/// What an operator has: nginx with TLS that offers HTTP/2, and hands upgrades on.
fn behind_nginx(service: &Service, certificate: &Certificate) -> Nginx {
    let (chain, key, target) = (certificate.chain(), certificate.key(), service.url("http"));
    Nginx::start(
        "ssl http2",
        &format!(
            "ssl_certificate {};\nssl_certificate_key {};\n\
             location / {{ proxy_pass {target}; proxy_http_version 1.1;\n\
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; }}",
            chain.display(),
            key.display()
        ),
    )
}

fn before_tls(nginx: &Nginx, certificate: &Certificate) -> Gateway {
    let members = format!("tls: {{ ca: {} }}", certificate.authority().display());
    Setup::tuned(&format!("https://{}", nginx.address()), &members, "").start()
}

#[test]
fn a_websocket_reaches_a_target_that_offers_http2_by_tls() {
    let (service, certificate) = (Service::websockets(), Certificate::for_loopback());
    let nginx = behind_nginx(&service, &certificate);
    let gateway = before_tls(&nginx, &certificate);
    for _ in 0..2 {
        let seen = websocket_client(&gateway, &["talk"]);
        assert_eq!(seen["text"], "Łukasz", "{seen}");
        assert_eq!(gateway.send(&crate::harness::Request::get("/plain")).text(), "plain\n");
    }
}
