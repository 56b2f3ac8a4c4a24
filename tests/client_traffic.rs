//! What clients of batches really send, recorded from each as its registry has it, and the reply to the
//! byte: the cases of `cases/clients/`. The clients themselves are in `dialect_clients.rs`.

use crate::case::{Case, read_folder};
use crate::harness::programs::test_file;
use crate::harness::upstream::Recorded;
use crate::harness::{Config, Gateway, Reply, Request, Setup, Upstream, services};

/// What the random part of a boundary is written as in a file.
const RANDOM: &str = "RANDOM";

/// The endpoints of all clients, each at the path that its client posts to.
const ENDPOINTS: [&str; 9] = [
    "path: /batch, dialect: google",
    "path: /batch/storage/v1, dialect: google",
    "path: /acct, query: { comp: batch }, dialect: azure",
    "path: /acct/$batch, dialect: odata, groups: independent, reply_status: 202",
    "path: /v1.0/$batch, dialect: graph",
    "path: /sites/team/_api/$batch, dialect: odata-3, groups: independent, changesets: flat",
    "path: /v2/$batch, dialect: odata, reply_status: 202",
    "path: /svc/$batch, dialect: odata",
    "path: /api/data/v9.2/$batch, dialect: odata",
];

/// The gateway before all services of [`services`].
pub(crate) fn gateway(upstream: &Upstream) -> Gateway {
    setup(upstream).start()
}

/// What that gateway is started with.
pub(crate) fn setup(upstream: &Upstream) -> Setup {
    let endpoints = ENDPOINTS.map(|endpoint| format!("  - {{ {endpoint} }}")).join("\n");
    let config = Config::all_to("services", upstream.url()).with("encoded_slashes: pass");
    config.respond("/storage/v1/b/denied", "status: 403").raw(format!("batch:\n{endpoints}")).setup()
}

#[test]
fn what_clients_send_is_answered_to_the_byte() {
    let cases = read_folder(&test_file("cases/clients")).unwrap_or_else(|error| panic!("{error}"));
    assert!(cases.len() >= 64, "only {} cases", cases.len());
    let upstream = services::start();
    let gateway = gateway(&upstream);
    let faults: Vec<_> = cases.iter().filter_map(|case| fault(case, &gateway, &upstream)).collect();
    assert!(faults.is_empty(), "{} of {} cases:\n\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// If a case is wrong, what its end would have to be.
fn fault(case: &Case, gateway: &Gateway, upstream: &Upstream) -> Option<String> {
    upstream.take_requests();
    let request = Request::new(&case.method, &case.target).body(&case.body);
    let request = case.fields.iter().fold(request, |request, (name, value)| request.header(name, value));
    let reply = gateway.send(&request);
    let line = |request: &Recorded| format!("{} {}", request.method, request.target);
    let sent: Vec<_> = upstream.take_requests().iter().map(line).collect();
    let media = reply.header("Content-Type").unwrap_or_default().split(';').next().unwrap_or_default();
    let body = without_random(&reply);
    let expected = &case.expected;
    let is_right = expected.status == reply.status
        && expected.content_type.as_deref() == Some(media)
        && same(&expected.sent, &sent)
        && expected.reply.as_deref() == Some(&body[..]);
    let end = || {
        let mut lines = vec![format!("status {}", reply.status), format!("content-type {media}")];
        lines.extend(sent.iter().map(|line| format!("sent {line}")));
        let (lines, body) = (lines.join("\n"), escaped(&body));
        format!("{} ({}) would end:\n--- expect\n{lines}\n--- reply\n{body}\n", case.name, case.about)
    };
    (!is_right).then(end)
}

/// Whether these are the same requests: those of one batch may arrive in any order.
fn same(expected: &[String], sent: &[String]) -> bool {
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    sorted(expected) == sorted(sent)
}

/// The body with a word in place of the random part of its boundaries.
fn without_random(reply: &Reply) -> Vec<u8> {
    let boundary = reply.header("Content-Type").and_then(|kind| kind.split_once("boundary=batchresponse_"));
    match boundary {
        Some((_, random)) => reply.text().replace(random, RANDOM).into_bytes(),
        None => reply.body.clone(),
    }
}

/// The body as a case's file has it.
fn escaped(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).replace('\\', "\\\\");
    text.replace('\r', "\\r").replace('\t', "\\t").replace("{{", "{\\x7b")
}
