//! gRPC between grpcio and itself, over HTTP/2 on both sides.

use serde_json::{Value, json};

use super::services::{Service, gateway, grpc_client};

fn seen(members: &str, arguments: &[&str]) -> Value {
    let service = Service::grpc();
    let gateway = gateway(&service.url("h2c"), members);
    grpc_client(&gateway, arguments)
}

#[test]
fn a_call_has_its_answer_its_metadata_and_its_status() {
    let expected = json!({"answer": "hello", "first": "1", "last": "2", "binary": "00ff", "code": "OK"});
    assert_eq!(seen("", &["unary"]), expected);
}

#[test]
fn streams_of_every_kind_go_through() {
    let expected = json!({"count": 100, "last": "99", "joined": 190, "echoed": 100});
    assert_eq!(seen("", &["streams"]), expected);
}

#[test]
fn a_stream_in_both_directions_goes_on_message_by_message() {
    let answers: Vec<_> = (0..20).map(|n: u32| n.to_string()).collect();
    assert_eq!(seen("", &["in_turn"]), json!({"answers": answers, "rest": 0}));
}

#[test]
fn large_messages_go_through() {
    assert_eq!(seen("", &["big"]), json!({"same": true}));
}

#[test]
fn many_calls_at_the_same_time_keep_apart() {
    assert_eq!(seen("", &["many"]), json!({"same": 500}));
}

#[test]
fn an_error_without_messages_keeps_its_code_details_and_trailers() {
    for (code, name) in [("5", "NOT_FOUND"), ("14", "UNAVAILABLE"), ("3", "INVALID_ARGUMENT")] {
        let seen = seen("", &["fail", code]);
        assert_eq!((&seen["code"], &seen["details"]), (&json!(name), &json!("not today")), "{seen}");
        assert_eq!(seen["trailers"]["x-why"], "because", "{seen}");
    }
}

#[test]
fn a_clients_deadline_is_its_own() {
    let seen = seen("", &["deadline"]);
    assert_eq!((&seen["code"], &seen["soon"]), (&json!("DEADLINE_EXCEEDED"), &json!(true)), "{seen}");
}

#[test]
fn a_call_that_takes_too_long_for_the_gateway_is_over_its_deadline() {
    let seen = seen("timeout: { idle: 1s }, retry: { attempts: 1 }", &["sleep", "5"]);
    assert!(["DEADLINE_EXCEEDED", "UNAVAILABLE"].contains(&seen["code"].as_str().unwrap()), "{seen}");
}

#[test]
fn a_stream_may_be_quiet_for_longer_than_an_item() {
    let seen = seen("timeout: { item: 1s }", &["quiet", "2.5"]);
    assert_eq!(seen, json!({"got": ["before", "after"], "code": "OK"}));
}

#[test]
fn a_service_that_dies_is_unavailable() {
    let seen = seen("retry: { attempts: 1 }", &["die", "now"]);
    assert_eq!((&seen["code"], &seen["got"]), (&json!("UNAVAILABLE"), &json!([])), "{seen}");
}

#[test]
fn a_service_that_dies_in_the_midst_of_a_stream_is_unavailable() {
    let seen = seen("retry: { attempts: 1 }", &["die", "later"]);
    assert_eq!((&seen["code"], &seen["got"]), (&json!("UNAVAILABLE"), &json!(["begun"])), "{seen}");
}

#[test]
fn a_service_that_is_not_there_is_unavailable() {
    let nobody = crate::harness::upstream::Refusing::start();
    let gateway = gateway(&nobody.url().replace("http:", "h2c:"), "retry: { attempts: 1 }");
    let seen = grpc_client(&gateway, &["fail", "0"]);
    assert_eq!(seen["code"], "UNAVAILABLE", "{seen}");
}
