//! SIGTERM: exchanges that stay are told, and the process ends by its deadline.

use std::time::Duration;

use super::services::{Service, client, upgraded, upper_case};
use crate::harness::http2::{Call, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::process::Process;
use crate::harness::{Config, Gateway, Setup, until};

const DEADLINE: &str = "drain: { deadline: 4s }";

fn gateway(target: &str) -> Gateway {
    Config::all_to("legacy", target).raw(DEADLINE).start()
}

#[test]
fn a_websocket_is_told_that_the_gateway_goes_away() {
    let service = Service::websockets();
    let gateway = gateway(&service.url("http"));
    let url = format!("ws://{}", gateway.address());
    let client = Process::start("a WebSocket client", client("websocket_client.py", &url, &["stay"]));
    client.line_with(&["open"]);
    gateway.signal("TERM");
    let ended = client.line_with(&["ended"]);
    // 1001 in a close frame; or the end of the connection, which the library calls 1006.
    assert!(ended.contains("1001") || ended.contains("1006"), "{ended}");
    assert!(gateway.wait_for_exit().code().is_some());
}

#[test]
fn a_raw_upgrade_ends_by_the_deadline_of_the_drain() {
    let upstream = upper_case();
    let gateway = gateway(&upstream.url());
    let mut client = upgraded(&gateway, "tcp");
    gateway.signal("TERM");
    client.rest();
    drop(client);
    assert!(gateway.wait_for_exit().code().is_some());
}

#[test]
fn a_connection_of_http2_is_told_to_go_away_and_its_call_ends_whole() {
    let upstream = Http2Upstream::answering(|_| {
        let pause = Duration::from_millis(1500);
        let answer = Http2Answer::of(200, b"\0\0\0\0\x01x").header("content-type", "application/grpc");
        answer.pausing(pause).trailers(&[("grpc-status", "0")])
    });
    let gateway = Setup::tuned(&upstream.url(), "", "").start();
    let client = Http2Client::connect(gateway.address());
    let call = client.start(&Call::new("POST", "/test.Test/Slow").header("content-type", "application/grpc"));
    until("the call at the service", || (!upstream.requests().is_empty()).then_some(()));
    gateway.signal("TERM");
    let reply = call.reply();
    assert_eq!((reply.trailer("grpc-status"), reply.broken), (Some("0"), None), "{reply:?}");
    until("the connection's end", || client.is_closed().then_some(()));
    assert!(gateway.wait_for_exit().success());
}
