//! Which target is chosen: in rotation, by load, by a key, and only if it takes calls at all.

use std::collections::HashMap;

use prometheus::Opts;

use super::*;
use crate::config::parse;
use crate::telemetry::Metrics;

async fn targets(members: &str, count: usize) -> Targets {
    with(members, count, None).await
}

async fn with(members: &str, count: usize, before: Option<&Targets>) -> Targets {
    let urls: Vec<_> = (1..=count).map(|n| format!("http://127.0.0.{n}:80")).collect();
    at(&urls, members, before).await
}

async fn at(urls: &[String], members: &str, before: Option<&Targets>) -> Targets {
    let text = format!(
        "listen: 127.0.0.1:1\nupstreams: {{ a: {{ targets: [{}], {members} }} }}\nroutes: [{{ path: /, upstream: a }}]\n",
        urls.join(", ")
    );
    let settings = parse(&text, "test.yaml", std::path::Path::new(""), &|_| None).unwrap().settings;
    let shared =
        SharedSettings { idle_timeout: settings.limits.idle_timeout, name_servers: &settings.resolver };
    let counts = Counts {
        ejections: IntCounter::new("ejections", "ejections").unwrap(),
        lookup_failures: IntCounterVec::new(Opts::new("a", "a"), &["upstream", "reason"]).unwrap(),
        targets: Metrics::new("0").unwrap().targets.clone(),
    };
    Targets::new(&settings.upstreams[0], shared, counts, before).await
}

fn last_octet(lease: &Lease) -> usize {
    lease.peer().address.to_string().split(['.', ':']).nth(3).unwrap().parse().unwrap()
}

fn counts(targets: &Targets, calls: usize) -> HashMap<usize, usize> {
    let mut counts = HashMap::new();
    for _ in 0..calls {
        *counts.entry(last_octet(&targets.next(&[], b"").unwrap())).or_insert(0) += 1;
    }
    counts
}

fn owners(targets: &Targets) -> Vec<usize> {
    let key = |n: usize| format!("/orders/{n}");
    (0..2000).map(|n| last_octet(&targets.next(&[], key(n).as_bytes()).unwrap())).collect()
}

fn fail(targets: &Targets, times: usize) {
    for _ in 0..times {
        let mut lease = targets.next(&[], b"").unwrap();
        targets.failed(&mut lease, CallFailure::ConnectionRefused);
    }
}

#[tokio::test]
async fn each_has_its_turn_and_those_tried_are_left_out() {
    let targets = targets("", 3).await;
    assert_eq!(counts(&targets, 30), HashMap::from([(1, 10), (2, 10), (3, 10)]));
    let tried = ["127.0.0.1:80", "127.0.0.3:80"].map(|text| TargetAddress::Tcp(text.parse().unwrap()));
    assert_eq!(last_octet(&targets.next(&tried, b"").unwrap()), 2);
    assert!(targets.has_other(&tried));
}

#[tokio::test]
async fn the_least_busy_gets_the_call() {
    let targets = targets("balance: least_busy", 3).await;
    let held: Vec<_> = (0..9).map(|_| targets.next(&[], b"").unwrap()).collect();
    let of = |octet| held.iter().filter(|lease| last_octet(lease) == octet).count();
    assert_eq!((of(1), of(2), of(3)), (3, 3, 3));
    let busy: Vec<_> = held.into_iter().filter(|lease| last_octet(lease) != 2).collect();
    assert_eq!(counts(&targets, 5), HashMap::from([(2, 5)]));
    drop(busy);
    assert!(counts(&targets, 30).len() == 3, "an upstream without calls does not wear out its first target");
}

#[tokio::test]
async fn a_key_stays_with_its_target_and_a_target_that_is_back_takes_only_its_own() {
    let targets = targets("balance: consistent_hash", 4).await;
    let before = owners(&targets);
    for octet in 1..=4 {
        let share = before.iter().filter(|owner| **owner == octet).count();
        assert!((250..800).contains(&share), "{octet} has {share} of 2000 keys");
    }
    assert_eq!(before, owners(&targets));
    assert!(targets.switch("127.0.0.2", ByHand::Out));
    let during = owners(&targets);
    for (was, is) in before.iter().zip(&during) {
        assert!(*is != 2 && (was == is || *was == 2), "the key of {was} went to {is}");
    }
    assert!(targets.switch("127.0.0.2", ByHand::In));
    assert_eq!(before, owners(&targets));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_keeps_failing_is_left_alone_and_tried_again() {
    let targets = targets("breaker: { failures: 3, base: 2s }", 1).await;
    fail(&targets, 3);
    assert_eq!(targets.next(&[], b"").err(), Some(CallFailure::CircuitOpen { seconds: 2 }));
    assert_eq!(targets.counts.ejections.get(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut probe = targets.next(&[], b"").unwrap();
    assert_eq!(targets.next(&[], b"").err(), Some(CallFailure::CircuitOpen { seconds: 1 }));
    targets.answered(&mut probe, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        counts(&targets, 3),
        HashMap::from([(1, 3)]),
        "503 is an answer, unless the breaker counts it"
    );
}

#[tokio::test]
async fn the_terms_say_what_a_failure_is() {
    let targets = targets("breaker: { failures: 1, on: [timeout], status: [503] }", 1).await;
    for failure in [CallFailure::ConnectionRefused, CallFailure::ConnectionLost, CallFailure::ReplyMalformed]
    {
        targets.failed(&mut targets.next(&[], b"").unwrap(), failure);
    }
    targets.answered(&mut targets.next(&[], b"").unwrap(), StatusCode::BAD_GATEWAY);
    assert!(targets.has_other(&[]));
    targets.answered(&mut targets.next(&[], b"").unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!targets.has_other(&[]));
}

#[tokio::test]
async fn no_more_are_ejected_than_may_be() {
    for (most, left) in [("0%", 4), ("49%", 3), ("50%", 2), ("100%", 0)] {
        let targets = targets(&format!("breaker: {{ failures: 1, max_ejected: {most} }}"), 4).await;
        for _ in 0..50 {
            if let Ok(mut lease) = targets.next(&[], b"") {
                targets.failed(&mut lease, CallFailure::ConnectionRefused);
            }
        }
        assert_eq!(targets.peers().iter().filter(|peer| peer.is_up()).count(), left, "{most}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_share_of_a_target_that_is_back_grows() {
    let targets = targets("slow_start: 10s", 2).await;
    assert!(targets.switch("127.0.0.2", ByHand::Out) && targets.switch("127.0.0.2", ByHand::In));
    let share = |targets: &Targets| counts(targets, 4000).get(&2).copied().unwrap_or(0);
    let first = share(&targets);
    assert!((80..400).contains(&first), "{first} of 4000 at first");
    tokio::time::advance(Duration::from_secs(5)).await;
    let half = share(&targets);
    assert!((800..1200).contains(&half), "{half} of 4000 after half of the time");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(share(&targets), 2000);
}

#[tokio::test]
async fn the_state_of_targets_outlives_a_reload() {
    let targets = targets("breaker: { failures: 1 }", 3).await;
    assert!(targets.switch("127.0.0.1", ByHand::Out));
    fail(&targets, 1);
    let again = with("breaker: { failures: 1 }, concurrency: 9", 3, Some(&targets)).await;
    assert_eq!(counts(&again, 10).len(), 1);
    assert!(!again.switch("127.0.0.9", ByHand::Out), "there is no such target");
    let without = with("breaker: { max_ejected: 0% }", 3, Some(&again)).await;
    assert_eq!(counts(&without, 10).len(), 2, "without a breaker none is ejected");
}

#[tokio::test]
async fn sockets_are_targets_like_others() {
    let urls = ["unix:/run/a", "unix:/run/b", "http://127.0.0.1:81"].map(str::to_owned);
    let hashed = at(&urls, "balance: consistent_hash, breaker: { failures: 1 }", None).await;
    let owner = |targets: &Targets, n: usize| {
        targets.next(&[], n.to_string().as_bytes()).unwrap().peer().address.to_string()
    };
    let owners: Vec<_> = (0..900).map(|n| owner(&hashed, n)).collect();
    for address in ["unix:/run/a", "unix:/run/b", "127.0.0.1:81"] {
        let share = owners.iter().filter(|owner| *owner == address).count();
        assert!((150..500).contains(&share), "{address} has {share} of 900 keys");
    }
    let lease = hashed.next(&[], b"").unwrap();
    assert!(hashed.elsewhere(lease.peer(), &[]).is_none(), "a socket has no other address");
    assert!(hashed.switch("unix:/run/a", ByHand::Out) && !hashed.switch("/run/a", ByHand::Out));
    let again = at(&urls[..2], "", Some(&hashed)).await;
    let all: Vec<_> = (0..10).map(|n| owner(&again, n)).collect();
    assert_eq!(all, ["unix:/run/b"; 10], "the other one is still out");
    assert!(again.go_by("localhost") && again.go_by("LOCALHOST:80") && !again.go_by("unix:/run/a"));
}

#[tokio::test]
async fn each_socket_has_its_own_part_of_the_pool() {
    let urls = ["unix:/run/a", "unix:/run/b"].map(str::to_owned);
    let before = at(&urls, "", None).await;
    let after = at(&urls, "concurrency: 9", Some(&before)).await;
    let keys =
        [before, after].map(|targets| targets.peers().iter().map(|peer| peer.pool_key).collect::<Vec<_>>());
    assert_ne!(keys[0][0], keys[0][1]);
    assert_eq!(keys[0], keys[1], "a reload changes nothing");
}

#[test]
fn a_target_that_closes_idle_connections_gets_new_ones_and_is_tried_again_now_and_then() {
    let standing = TargetState::new(Arc::default(), Metrics::new("0").unwrap().targets.of("u", "t"));
    (0..2).for_each(|_| standing.idle_was_gone());
    assert!(standing.keeps_idle());
    standing.idle_was_gone();
    let tried = (0..100).filter(|_| standing.keeps_idle()).count();
    assert_eq!(tried, 3, "one call in 32");
    standing.idle_served();
    assert!((0..100).all(|_| standing.keeps_idle()));
}
