//! Services that SRV records find (`http+srv://`): priorities and weights, instances that come and go, and what a failed
//! look-up changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::certificate::Certificate;
use crate::harness::dns::{NameServer, Says};
use crate::harness::ports::free_port;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gateway, Request, Upstream};

const NAME: &str = "_http._tcp.orders.test";

/// Two hosts, at 127.0.0.1 and 127.0.0.2.
fn names() -> NameServer {
    let names = NameServer::start();
    for (host, address) in [("a.test", "127.0.0.1"), ("b.test", "127.0.0.2")] {
        names.says(host, Says::Addresses(vec![address.parse().unwrap()], 1));
    }
    names
}

/// An instance that answers with its name.
fn instance(address: [u8; 4], name: &'static str) -> Upstream {
    Upstream::answering_at(SocketAddr::from((address, 0)), move |_| Answer::text(200, name))
}

fn runs_at(names: &NameServer, instances: &[(u16, u16, &Upstream, &str)]) {
    let record = |(priority, weight, upstream, host): &(u16, u16, &Upstream, &str)| {
        (*priority, *weight, upstream.address().port(), (*host).to_owned())
    };
    names.says(NAME, Says::Instances(instances.iter().map(record).collect(), 1));
}

fn gateway(names: &NameServer, members: &str) -> Gateway {
    Config::new()
        .upstream("orders", format!("\"http+srv://{NAME}\""))
        .with(members)
        .route("/", "orders")
        .batch("/batch")
        .raw(format!("resolver: {{ servers: [\"{}\"] }}", names.address()))
        .start()
}

fn get(gateway: &Gateway) -> Value {
    gateway.item(&json!({"method": "GET", "url": "/a"}))
}

/// Who answered, and how often. Single requests have one turn each.
fn answers(gateway: &Gateway, calls: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        *counts.entry(gateway.send(&Request::get("/a")).text()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn calls_are_shared_by_weight_among_those_that_come_first() {
    let (names, [one, two, three]) = (
        names(),
        [instance([127, 0, 0, 1], "one"), instance([127, 0, 0, 2], "two"), instance([127, 0, 0, 1], "three")],
    );
    runs_at(&names, &[(10, 3, &one, "a.test"), (10, 1, &two, "b.test"), (20, 9, &three, "a.test")]);
    let gateway = gateway(&names, "");
    assert_eq!(answers(&gateway, 40), BTreeMap::from([("one".to_owned(), 30), ("two".to_owned(), 10)]));
    let request = &one.requests()[0];
    assert_eq!(request.header("Host"), Some("orders.test"), "{request:?}");
    let targets = gateway.admin_get("/targets").json();
    assert!(targets.to_string().contains(NAME), "{targets}");
}

#[test]
fn the_next_priority_takes_over_while_the_first_does_not_answer() {
    let (names, [spare, other]) =
        (names(), [instance([127, 0, 0, 2], "spare"), instance([127, 0, 0, 1], "other")]);
    let (dead, spare_port, other_port) = (free_port(), spare.address().port(), other.address().port());
    let record = |priority, port, host: &str| (priority, 1, port, host.to_owned());
    let instances = vec![
        record(1, dead, "a.test"),
        record(2, spare_port, "b.test"),
        record(2, other_port, "a.test"),
        record(0, 80, "nowhere.test"),
    ];
    names.says(NAME, Says::Instances(instances, 1));
    let gateway = gateway(&names, "retry: { attempts: 2 }");
    assert_eq!(answers(&gateway, 20), BTreeMap::from([("other".to_owned(), 10), ("spare".to_owned(), 10)]));
}

#[test]
fn instances_come_and_go_and_a_failed_look_up_changes_nothing() {
    let (names, [one, two]) = (names(), [instance([127, 0, 0, 1], "one"), instance([127, 0, 0, 2], "two")]);
    let gateway = gateway(&names, "");
    assert_eq!(get(&gateway)["status"], 503);
    runs_at(&names, &[(0, 0, &one, "a.test")]);
    until_true("the first instance", || get(&gateway)["body"] == "one");
    for (says, reason) in [
        (Says::Error(3), "no_such_name"),
        (Says::Error(2), "server_failure"),
        (Says::Instances(vec![(0, 0, 0, ".".to_owned())], 1), "no_address"),
    ] {
        names.says(NAME, says);
        gateway.wait_for_metric(
            "batchgate_upstream_lookup_failures_total",
            &[("upstream", "orders"), ("reason", reason)],
            1.0,
        );
        assert_eq!(get(&gateway)["body"], "one", "{reason}");
    }
    runs_at(&names, &[(0, 0, &two, "b.test")]);
    until_true("the second instance", || get(&gateway)["body"] == "two");
}

/// What a record says is not authenticated, so its host is not the one that a certificate has to be for (RFC 9525 §6.1).
#[test]
fn a_certificate_is_for_the_domain_of_the_service() {
    let authority = Certificate::for_loopback();
    let certificate = authority.client("/CN=orders", "DNS:orders.test");
    for (name, expected) in [("_http._tcp.orders.test", 200), ("_http._tcp.a.test", 502)] {
        let names = names();
        let behind =
            Config::new().respond("/", "status: 200, body: behind").setup().with_tls(&certificate).start();
        names.says(name, Says::Instances(vec![(0, 0, behind.tls_address().port(), "a.test".to_owned())], 1));
        let gateway = Config::new()
            .upstream("orders", format!("\"https+srv://{name}\""))
            .with(format!("tls: {{ ca: {} }}", authority.authority().display()))
            .route("/", "orders")
            .batch("/batch")
            .raw(format!("resolver: {{ servers: [\"{}\"] }}", names.address()))
            .start();
        assert_eq!(get(&gateway)["status"], expected, "{name}");
    }
}
