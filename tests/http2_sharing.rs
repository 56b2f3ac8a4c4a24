//! HTTP/2 towards services: batches share connections, a cold burst opens few, and what a service says of its connections and
//! their streams (GOAWAY, the most streams at once) costs no item its reply, nor anything a second call.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Barrier;

use serde_json::{Value, json};

use crate::harness::apache::Apache;
use crate::harness::http2::{Http2Answer, Http2Upstream};
use crate::harness::nginx::Nginx;
use crate::harness::wait::until_true;
use crate::harness::{Config, Gate, Gateway};

const RETRIES: &str = "batchgate_upstream_retries_total";
const OPENED: &str = "batchgate_upstream_connections_opened_total";

/// A gateway with so many threads, each of which has connections of its own.
fn gateway(target: &str, threads: usize) -> Gateway {
    let config = Config::all_to("service", target).batch("/batch").with("max_items: 2000, deadline: 60s");
    config.raw(format!("threads: {threads}")).start()
}

fn items(count: usize, item: impl Fn(usize) -> Value) -> Value {
    json!({"requests": (0..count).map(item).collect::<Vec<_>>()})
}

fn get(url: &str) -> Value {
    json!({"method": "GET", "url": url})
}

/// Every third one is a POST, which must not be made twice.
fn mixed(number: usize) -> Value {
    match number % 3 {
        0 => json!({"method": "POST", "url": format!("/{number}"), "body": "b"}),
        _ => get(&format!("/{number}")),
    }
}

/// How often each url was served, by a log with lines of `METHOD URL VERSION STATUS PROTOCOL`.
fn served(log: &str) -> BTreeMap<String, usize> {
    let mut served = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains(" 200 HTTP/2.0")) {
        *served.entry(line.split(' ').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    served
}

/// Every item of so many batches after each other was served once, and has its own reply.
fn assert_each_is_served_once(gateway: &Gateway, log: impl Fn() -> String, batches: usize) {
    const ITEMS: usize = 300;
    for batch in 0..batches {
        let results = gateway.batch(&items(ITEMS, |number| mixed(batch * ITEMS + number))).results();
        for (number, result) in results.iter().enumerate() {
            let expected = (json!(200), json!(format!("/{}", batch * ITEMS + number)));
            assert_eq!((result["status"].clone(), result["body"].clone()), expected, "{result}");
        }
    }
    // A server writes its line after its reply.
    until_true("all items in the server's log", || served(&log()).values().sum::<usize>() >= batches * ITEMS);
    let served = served(&log());
    let again: Vec<_> = served.iter().filter(|(_, times)| **times != 1).collect();
    assert!(served.len() == batches * ITEMS && again.is_empty(), "{} {again:?}", served.len());
}

#[test]
fn a_cold_burst_of_batches_opens_few_connections() {
    const BATCHES: usize = 16;
    const THREADS: usize = 2;
    /// Calls that may look for a connection at once, each of which may open one.
    const SEEKING: usize = 4;
    let upstream = Http2Upstream::answering(|_| Http2Answer::of(200, "ok"));
    let gateway = gateway(&upstream.url(), THREADS);
    let start = Barrier::new(BATCHES);
    std::thread::scope(|scope| {
        for _ in 0..BATCHES {
            scope.spawn(|| {
                start.wait();
                assert_eq!(gateway.batch(&items(50, |_| get("/a"))).statuses(), [200; 50]);
            });
        }
    });
    assert_eq!(upstream.requests().len(), BATCHES * 50);
    assert!(upstream.connections() <= SEEKING * THREADS, "{} connections", upstream.connections());
}

#[test]
fn two_batches_share_a_connection_while_both_are_under_way() {
    let gate = Gate::closed();
    let waiting = gate.clone();
    let upstream = Http2Upstream::answering(move |request| {
        if request.target == "/held" {
            waiting.pass();
        }
        Http2Answer::of(200, &request.target)
    });
    let gateway = gateway(&upstream.url(), 1);
    assert_eq!(gateway.item(&get("/first"))["status"], 200);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| gateway.batch(&items(3, |_| get("/held"))).statuses());
        until_true("the held items", || upstream.requests().len() == 4);
        assert_eq!(gateway.batch(&items(20, |_| get("/free"))).statuses(), [200; 20]);
        assert!(!held.is_finished());
        gate.open();
        assert_eq!(held.join().unwrap(), [200; 3]);
    });
    assert_eq!((upstream.requests().len(), upstream.connections()), (24, 1));
}

#[test]
fn an_nginx_that_says_goaway_after_a_few_streams_serves_every_item_once() {
    let nginx = Nginx::start(
        "http2",
        "keepalive_requests 20; default_type text/plain; location / { return 200 $request_uri; }",
    );
    let gateway = gateway(&format!("h2c://{}", nginx.address()), 2);
    assert_each_is_served_once(&gateway, || nginx.access_log(), 4);
    let opened = gateway.metrics().count(OPENED, &[]);
    assert!(opened >= 50, "{opened} connections for 1200 streams");
}

#[test]
fn an_nginx_that_takes_eight_streams_at_once_refuses_none() {
    let nginx = Nginx::start(
        "http2",
        "http2_max_concurrent_streams 8; default_type text/plain; location / { return 200 $request_uri; }",
    );
    let gateway = gateway(&format!("h2c://{}", nginx.address()), 2);
    assert_each_is_served_once(&gateway, || nginx.access_log(), 4);
    assert_eq!(gateway.metrics().count(RETRIES, &[]), 0);
}

/// Every item of a batch has its own reply. Only a POST may be lost with its connection instead, and then the result says that
/// nobody knows whether it was served. Returns how many were.
fn lost_posts(gateway: &Gateway, numbers: std::ops::Range<usize>) -> usize {
    let first = numbers.start;
    let results = gateway.batch(&items(numbers.len(), |number| mixed(first + number))).results();
    let is_lost = |(number, result): (usize, &Value)| {
        let is_lost = number.is_multiple_of(3) && result["outcome"] == "unknown";
        let expected = (json!(200), json!(format!("/{number}")));
        assert!(is_lost || (result["status"].clone(), result["body"].clone()) == expected, "{result}");
        is_lost
    };
    numbers.zip(&results).filter(|item| is_lost(*item)).count()
}

/// Apache does not always say GOAWAY before it closes a connection.
#[test]
fn an_apache_that_is_restarted_gracefully_in_mid_batch_serves_no_post_twice() {
    const BATCHES: usize = 8;
    const ITEMS: usize = 300;
    let apache = Apache::with_workers(
        &["http2", "lua"],
        "Protocols h2c\nLuaMapHandler ^/([0-9]+)$ $FOLDER/reply.lua\nStartServers 1\n",
    );
    let lua = "function handle(r) r.content_type = 'text/plain' r:write(r.uri) return apache2.OK end\n";
    fs::write(apache.folder().join("reply.lua"), lua).unwrap();
    apache.take_over_files();
    let gateway = gateway(&format!("h2c://{}", apache.address()), 2);
    let lost = std::thread::scope(|scope| {
        let batch = |batch: usize| lost_posts(&gateway, batch * ITEMS..(batch + 1) * ITEMS);
        let sending = scope.spawn(move || (0..BATCHES).map(batch).sum::<usize>());
        for served_before in [100, 700, 1300] {
            until_true("the batches to get on", || {
                sending.is_finished() || served(&apache.access_log()).len() >= served_before
            });
            apache.restart_gracefully();
        }
        sending.join().unwrap()
    });
    // A server writes its line after its reply.
    until_true("all items in the server's log", || {
        served(&apache.access_log()).len() + lost >= BATCHES * ITEMS
    });
    let is_post = |url: &str| url[1..].parse::<usize>().unwrap().is_multiple_of(3);
    let served = served(&apache.access_log());
    let twice: Vec<_> = served.iter().filter(|(url, times)| is_post(url) && **times > 1).collect();
    assert!(twice.is_empty() && lost < ITEMS, "{twice:?}, {lost} lost");
    // Each restart has ended the connections before it.
    let opened = gateway.metrics().count(OPENED, &[]);
    assert!(opened >= 3, "{opened} connections\n{}", apache.output());
}
