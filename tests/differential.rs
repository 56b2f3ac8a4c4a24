//! The gateway against nginx as a plain proxy: the same random requests to both, before upstreams that
//! answer alike. What arrives and what comes back is the same, but for what [`allowed`] lists.

mod allowed;
mod dice;

use std::collections::BTreeMap;

use allowed::{HOP, in_replies, in_requests, refused_by_us};
use dice::{Dice, Sent};

use crate::harness::nginx::Nginx;
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Connection, Gateway, Reply, Setup, Upstream};

const REQUESTS: u64 = 2000;

/// One proxy, its upstream, and a client's connection to it.
struct Side {
    name: &'static str,
    upstream: Upstream,
    address: std::net::SocketAddr,
    client: Option<Connection>,
    allowed_in_requests: fn(&str) -> bool,
    allowed_in_replies: fn(&str) -> bool,
    _proxy: Box<dyn std::any::Any>,
}

/// Fields by name, each with all its values.
type Fields = BTreeMap<String, String>;

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Method, target, fields and body as they arrived, for each request that did.
    arrived: Vec<(String, String, Fields, Vec<u8>)>,
    status: u16,
    fields: Fields,
    body: Vec<u8>,
}

/// One value for each name: fields that came more than once are one list (RFC 9110 §5.3), but Set-Cookie.
fn joined(fields: &[(String, String)], is_allowed: fn(&str) -> bool) -> Fields {
    let mut joined = Fields::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        if HOP.contains(&&*name) || is_allowed(&name) {
            continue;
        }
        let separator = if name == "set-cookie" { "\n" } else { ", " };
        joined
            .entry(name)
            .and_modify(|values: &mut String| values.extend([separator, value]))
            .or_insert_with(|| value.clone());
    }
    joined
}

fn upstream() -> Upstream {
    Upstream::answering(|request: &Recorded| {
        let case = request.header("X-Case").and_then(|case| case.parse().ok()).unwrap_or(0);
        Dice::new(case ^ 0x5eed).answer()
    })
}

fn batchgate() -> Side {
    let upstream = upstream();
    let gateway: Gateway = Setup::tuned(&upstream.url(), "retry: { attempts: 1 }", "").start();
    Side {
        name: "the gateway",
        address: gateway.address(),
        upstream,
        client: None,
        allowed_in_requests: |name| in_requests(name, "gateway"),
        allowed_in_replies: |name| in_replies(name, "gateway"),
        _proxy: Box::new(gateway),
    }
}

fn nginx() -> Side {
    let upstream = upstream();
    let nginx = Nginx::start(
        "",
        &format!(
            "keepalive_requests 100000; client_max_body_size 0; merge_slashes off; underscores_in_headers on;\n\
             location / {{ proxy_pass {}; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
             proxy_pass_header Server; proxy_redirect off; proxy_buffering off; proxy_intercept_errors off; }}",
            upstream.url()
        ),
    );
    Side {
        name: "nginx",
        address: nginx.address(),
        upstream,
        client: None,
        allowed_in_requests: |name| in_requests(name, "nginx"),
        allowed_in_replies: |name| in_replies(name, "nginx"),
        _proxy: Box::new(nginx),
    }
}

impl Side {
    fn outcome(&mut self, sent: &Sent) -> Outcome {
        let mut client = self.client.take().unwrap_or_else(|| Connection::open(self.address));
        client.write(&sent.bytes);
        let reply = client.reply_to(sent.method);
        if !closes(&reply) {
            self.client = Some(client);
        }
        let arrived = self.upstream.take_requests().into_iter().map(|request| {
            let fields = joined(&request.headers, self.allowed_in_requests);
            (request.method, request.target, fields, request.body)
        });
        Outcome {
            arrived: arrived.collect(),
            status: reply.status,
            fields: joined(&reply.headers, self.allowed_in_replies),
            body: reply.body,
        }
    }
}

fn closes(reply: &Reply) -> bool {
    reply.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// The first members in which two outcomes differ.
fn differences(ours: &Outcome, theirs: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.push(format!("{what}:\n  gateway {ours:.600}\n  nginx   {theirs:.600}"));
        }
    };
    compare("status", ours.status.to_string(), theirs.status.to_string());
    compare("requests that arrived", ours.arrived.len().to_string(), theirs.arrived.len().to_string());
    for (ours, theirs) in ours.arrived.iter().zip(&theirs.arrived) {
        compare("method and target", format!("{} {}", ours.0, ours.1), format!("{} {}", theirs.0, theirs.1));
        compare("fields that arrived", format!("{:?}", ours.2), format!("{:?}", theirs.2));
        compare("body that arrived", text(&ours.3), text(&theirs.3));
    }
    compare("fields of the reply", format!("{:?}", ours.fields), format!("{:?}", theirs.fields));
    compare("body of the reply", text(&ours.body), text(&theirs.body));
    found
}

fn text(body: &[u8]) -> String {
    format!("{} bytes {:?}", body.len(), String::from_utf8_lossy(body))
}

#[test]
fn random_requests_become_of_the_gateway_what_becomes_of_them_with_nginx() {
    let (mut ours, mut theirs) = (batchgate(), nginx());
    let (mut differing, mut refused) = (Vec::new(), 0);
    for case in 0..REQUESTS {
        let sent = Dice::new(case).request(case);
        let (our, their) = (ours.outcome(&sent), theirs.outcome(&sent));
        if refused_by_us(&sent.target) {
            assert_eq!((our.status, our.arrived.len()), (400, 0), "{}", sent.target);
            refused += 1;
            continue;
        }
        let found = differences(&our, &their);
        if !found.is_empty() {
            differing.push(format!("case {case}, {} {}\n{}", sent.method, sent.target, found.join("\n")));
        }
    }
    let shown = &differing[..differing.len().min(8)];
    assert!(
        differing.is_empty(),
        "{} differ between {} and {}:\n{}",
        differing.len(),
        ours.name,
        theirs.name,
        shown.join("\n")
    );
    assert!(refused < REQUESTS / 5, "{refused} of {REQUESTS} refused: what is left says little");
}

/// Both sides see the same: else the comparison would be of nothing.
#[test]
fn the_comparison_sees_a_difference() {
    let outcome = |status, body: &str| Outcome {
        arrived: vec![("GET".to_owned(), "/".to_owned(), Fields::new(), Vec::new())],
        status,
        fields: Fields::new(),
        body: body.as_bytes().to_vec(),
    };
    assert!(differences(&outcome(200, "a"), &outcome(200, "a")).is_empty());
    assert_eq!(differences(&outcome(200, "a"), &outcome(404, "b")).len(), 2);
    let answers: Vec<Answer> = (0..2).map(|_| Dice::new(7).answer()).collect();
    assert_eq!(format!("{:?}", answers[0]), format!("{:?}", answers[1]));
}
