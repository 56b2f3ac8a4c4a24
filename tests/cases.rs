//! Golden cases: every malformed or hostile batch of `cases/` against the running gateway. What is
//! refused leaves no trace at the upstream. `cases/README.md` says what a file looks like.

use std::fmt::Debug;

use serde_json::Value;

use crate::case::{Case, ExpectedEnd, ExpectedItem, read_folder};
use crate::harness::programs::test_file;
use crate::harness::{Config, Gateway, Reply, Request, Upstream};

#[test]
fn refused_batches_are_refused_and_nothing_is_sent() {
    run_folder("refused", 190, |case, reply, sent| {
        let mut faults = problem_faults(case, reply);
        faults.extend(differs("requests at the upstream", &sent.len(), &0));
        faults
    });
}

#[test]
fn refused_items_fail_alone() {
    run_folder("item", 60, result_faults);
}

#[test]
fn refused_lines_fail_alone_where_the_batch_is_read_whole() {
    run_folder("ndjson", 30, result_faults);
}

#[test]
fn refused_lines_fail_alone_in_a_stream() {
    let stream = |case: &Case| request(case).header("Accept", "application/x-ndjson");
    run_folder_as(stream, "ndjson", 30, |case, reply, sent| {
        let mut lines = reply.lines();
        let summary = lines.pop().unwrap_or_default();
        let position = |line: &Value| case.expected.items.iter().position(|item| line["id"] == item.id);
        lines.sort_by_key(position);
        let mut faults = all_item_faults(&case.expected.items, &lines, sent);
        faults.extend(differs("summary", &summary["summary"]["items"], &lines.len().into()));
        faults
    });
}

#[test]
fn lines_of_a_stream_wait_for_earlier_ones() {
    let stream = |case: &Case| request(case).header("Prefer", "order=sequential");
    run_folder_as(stream, "stream", 5, |case, reply, sent| {
        let mut lines = reply.lines();
        lines.pop();
        all_item_faults(&case.expected.items, &lines, sent)
    });
}

fn result_faults(case: &Case, reply: &Reply, sent: &[String]) -> Vec<String> {
    let results = reply.json()["responses"].as_array().cloned().unwrap_or_default();
    all_item_faults(&case.expected.items, &results, sent)
}

fn all_item_faults(expected: &[ExpectedItem], results: &[Value], sent: &[String]) -> Vec<String> {
    let mut faults = differs("results", &results.len(), &expected.len());
    for (item, result) in expected.iter().zip(results) {
        faults.extend(item_faults(item, result));
    }
    let due = expected.iter().filter(|item| item.end == ExpectedEnd::Sent).count();
    faults.extend(differs(&format!("requests at the upstream ({sent:?})"), &sent.len(), &due));
    faults
}

/// Sends each case of a folder and fails with the faults of all of them together. Results are read as
/// JSON where the case does not say otherwise.
fn run_folder(folder: &str, at_least: usize, judge: impl Fn(&Case, &Reply, &[String]) -> Vec<String>) {
    let as_json = |case: &Case| {
        let accepts = case.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept"));
        let default = !accepts && !case.expected.items.is_empty();
        if default { request(case).header("Accept", "application/json") } else { request(case) }
    };
    run_folder_as(as_json, folder, at_least, judge);
}

fn run_folder_as(
    request: impl Fn(&Case) -> Request,
    folder: &str,
    at_least: usize,
    judge: impl Fn(&Case, &Reply, &[String]) -> Vec<String>,
) {
    let cases = read_folder(&test_file("cases").join(folder)).unwrap_or_else(|error| panic!("{error}"));
    assert!(cases.len() >= at_least, "only {} cases in {folder}", cases.len());
    let (upstream, gateway) = start();
    let mut failed = Vec::new();
    for case in &cases {
        let before = upstream.requests().len();
        let reply = gateway.send(&request(case));
        let sent: Vec<_> =
            upstream.requests()[before..].iter().map(|request| request.target.clone()).collect();
        let mut faults = differs("status", &reply.status, &case.expected.status);
        faults.extend(case.expected.content_type.iter().flat_map(|expected| {
            let got = reply.header("Content-Type").unwrap_or_default().split(';').next().unwrap_or_default();
            differs("Content-Type", &got, &expected.as_str())
        }));
        if faults.is_empty() {
            faults.extend(judge(case, &reply, &sent));
        }
        if !faults.is_empty() {
            failed.push(format!(
                "{folder}/{} ({}): {}\n{}",
                case.name,
                case.about,
                faults.join("; "),
                start_of(&reply)
            ));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases:\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
}

/// The gateway that `cases/README.md` describes.
fn start() -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    let config = Config::new()
        .upstream("up", upstream.url())
        .route("/up/", "up")
        .route("/up/records/archive", "up")
        .batch("/batch")
        .bulk("/up/records", "PATCH, PUT, POST, GET, DELETE");
    (upstream, config.start())
}

/// The case's request.
fn request(case: &Case) -> Request {
    let request = Request::new(&case.method, &case.target).body(&case.body);
    case.fields.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// What is wrong with the problem that a refused batch is answered with.
fn problem_faults(case: &Case, reply: &Reply) -> Vec<String> {
    let (kind, detail) = if reply.header("Content-Type").is_some_and(|format| format.contains("xml")) {
        (element(&reply.text(), "type"), element(&reply.text(), "detail"))
    } else {
        let problem = reply.json();
        (text(&problem["type"]), text(&problem["detail"]))
    };
    let mut faults = Vec::new();
    if let Some(expected) = &case.expected.kind {
        faults.extend(differs("type", &kind.rsplit(':').next().unwrap_or_default(), &expected.as_str()));
    }
    let missing = case.expected.details.iter().filter(|part| !detail.contains(part.as_str()));
    faults.extend(missing.map(|part| format!("`{part}` is not in the detail `{detail}`")));
    faults
}

fn item_faults(item: &ExpectedItem, result: &Value) -> Vec<String> {
    let mut faults = differs("id", &text(&result["id"]), &item.id);
    match &item.end {
        ExpectedEnd::Sent => {
            faults.extend(differs(&format!("status of {}", item.id), &result["status"], &200.into()));
        }
        ExpectedEnd::Settled { status, outcome, kind } => {
            faults.extend(differs(&format!("status of {}", item.id), &result["status"], &(*status).into()));
            faults.extend(differs(&format!("outcome of {}", item.id), &text(&result["outcome"]), outcome));
            let problem = text(&result["body"]["type"]);
            faults.extend(differs(
                &format!("problem of {}", item.id),
                &problem.rsplit(':').next(),
                &Some(kind.as_str()),
            ));
            let detail = text(&result["body"]["detail"]);
            let missing = item.details.iter().filter(|part| !detail.contains(part.as_str()));
            faults.extend(
                missing.map(|part| format!("`{part}` is not in the detail of {}: `{detail}`", item.id)),
            );
        }
    }
    faults
}

fn differs<T: PartialEq + Debug>(what: &str, got: &T, expected: &T) -> Vec<String> {
    if got == expected { Vec::new() } else { vec![format!("{what}: {got:?}, expected {expected:?}")] }
}

/// A string, or the digits of a number: an id may be one.
fn text(value: &Value) -> String {
    let number = || value.as_number().map(ToString::to_string);
    value.as_str().map(str::to_owned).or_else(number).unwrap_or_default()
}

/// The text of the first element with this name; problems are flat.
fn element(document: &str, name: &str) -> String {
    let after = document.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    let escaped = after.split("</").next().unwrap_or_default();
    escaped
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

fn start_of(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).chars().take(600).collect()
}
