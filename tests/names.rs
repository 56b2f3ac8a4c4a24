//! Names of targets: what a failed look-up changes, how soon an address is followed, and that one dead address of a name
//! costs no call.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::{Value, json};

use crate::harness::dns::{NameServer, Says};
use crate::harness::upstream::Unreachable;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gateway, Setup, Upstream};

const FAILURES: &str = "batchgate_upstream_lookup_failures_total";

fn addresses(addresses: &[&str]) -> Says {
    Says::Addresses(addresses.iter().map(|address| address.parse().unwrap()).collect(), 1)
}

/// A gateway whose only target is `svc.test` at this port, as a name server says.
fn gateway(names: &NameServer, port: u16, members: &str) -> Gateway {
    Config::new()
        .upstream("svc", format!("\"http://svc.test:{port}\""))
        .with(members)
        .route("/", "svc")
        .batch("/batch")
        .raw(format!("resolver: {{ servers: [\"{}\"] }}", names.address()))
        .start()
}

fn get(gateway: &Gateway) -> Value {
    gateway.item(&json!({"method": "GET", "url": "/a"}))
}

#[test]
fn a_failed_look_up_leaves_the_last_addresses() {
    let (upstream, names) = (Upstream::start(), NameServer::start());
    names.says("svc.test", addresses(&["127.0.0.1"]));
    let gateway = gateway(&names, upstream.address().port(), "");
    assert_eq!(get(&gateway)["status"], 200);
    let ways = [
        (Says::Error(3), "no_such_name"),
        (Says::Error(2), "server_failure"),
        (addresses(&[]), "no_address"),
        (Says::Silence, "timeout"),
    ];
    for (says, reason) in ways {
        names.says("svc.test", says);
        gateway.wait_for_metric(FAILURES, &[("upstream", "svc"), ("reason", reason)], 1.0);
        assert_eq!(get(&gateway)["status"], 200, "{reason}");
    }
    let line = gateway.log_line(&[("kind", "lookup"), ("reason", "no_such_name")]);
    assert_eq!((&line["host"], &line["upstream"]), (&json!("svc.test"), &json!("svc")), "{line}");
}

#[test]
fn a_reload_while_names_fail_keeps_the_last_addresses() {
    let (upstream, names) = (Upstream::start(), NameServer::start());
    names.says("svc.test", addresses(&["127.0.0.1"]));
    let gateway = gateway(&names, upstream.address().port(), "");
    names.says("svc.test", Says::Error(2));
    gateway.signal("HUP");
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    assert_eq!(get(&gateway)["status"], 200);
}

#[test]
fn a_name_that_moves_is_followed_as_soon_as_its_answer_ends() {
    let names = NameServer::start();
    let old = Upstream::answering(|_| Answer::text(200, "old"));
    let port = old.address().port();
    let new = Upstream::answering_at(SocketAddr::from(([127, 0, 0, 2], port)), |_| Answer::text(200, "new"));
    names.says("svc.test", addresses(&["127.0.0.1"]));
    let gateway = gateway(&names, port, "");
    assert_eq!(get(&gateway)["body"], "old");
    names.says("svc.test", addresses(&["127.0.0.2"]));
    until_true("the new address", || get(&gateway)["body"] == "new");
    assert!(!new.requests().is_empty() && names.questions() >= 4);
}

#[test]
fn a_name_that_is_not_there_at_the_start_is_found_later() {
    let (upstream, names) = (Upstream::start(), NameServer::start());
    let gateway = gateway(&names, upstream.address().port(), "");
    assert_eq!(get(&gateway)["status"], 503);
    names.says("svc.test", addresses(&["127.0.0.1"]));
    until_true("the address", || get(&gateway)["status"] == 200);
}

/// One at `::1`, and the port.
fn six() -> (Upstream, u16) {
    let upstream = Upstream::start_at(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let port = upstream.address().port();
    (upstream, port)
}

#[test]
fn a_dead_address_of_one_family_costs_no_call() {
    let ((upstream, port), names) = (six(), NameServer::start());
    names.says("svc.test", addresses(&["127.0.0.2", "::1"]));
    let gateway = gateway(&names, port, "retry: { attempts: 1 }, breaker: { max_ejected: 0% }");
    let items = vec![json!({"method": "POST", "url": "/a"}); 20];
    assert_eq!(gateway.batch(&json!({ "requests": items })).statuses(), [200; 20]);
    assert_eq!(upstream.requests().len(), 20);
}

#[test]
fn an_address_that_never_answers_is_not_waited_for() {
    let (silent, names) = (Unreachable::start(), NameServer::start());
    let port = silent.address().port();
    let _upstream = Upstream::start_at(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    names.says("svc.test", addresses(&["127.0.0.1", "::1"]));
    let gateway = gateway(&names, port, "retry: { attempts: 1 }, timeout: { connect: 20s, item: 30s }");
    let since = Stopwatch::start();
    assert_eq!(get(&gateway)["status"], 200);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[test]
fn localhost_is_whichever_family_the_service_listens_on() {
    for address in [IpAddr::from([127, 0, 0, 1]), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let upstream = Upstream::start_at(SocketAddr::new(address, 0));
        upstream.on("/lost", Answer::close()).on("/lost", Answer::text(200, "ok"));
        let target = format!("http://localhost:{}", upstream.address().port());
        let gateway = Setup::tuned(&target, "retry: { attempts: 2 }", "").start();
        assert_eq!(gateway.item(&json!({"method": "POST", "url": "/a"}))["status"], 200, "{address}");
        assert_eq!(
            gateway.item(&json!({"method": "GET", "url": "/lost"}))["status"],
            200,
            "{address}, a retry"
        );
    }
}
