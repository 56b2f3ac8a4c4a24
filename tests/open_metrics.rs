//! `/metrics` as OpenMetrics: judged by the strict parser of Python's `prometheus_client`, and by a Prometheus that stores exemplars.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::client::Reply;
use crate::harness::programs::{python, test_file, text};
use crate::harness::prometheus::Prometheus;
use crate::harness::wait::until;
use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A receiver of traces, which has to be there for as long as the gateway.
fn receiver() -> Upstream {
    Upstream::answering(|_| Answer::text(200, ""))
}

fn setup(upstream: &Upstream, more: impl Into<String>) -> Setup {
    Config::all_to("shop", upstream.url()).batch("/batch").raw(more).setup()
}

/// One of whose traces all are recorded.
fn traced(upstream: &Upstream, receiver: &Upstream) -> Gateway {
    setup(upstream, format!("tracing: {{ otlp: \"{}\" }}", receiver.url())).start()
}

fn send(gateway: &Gateway) {
    assert_eq!(gateway.send(&Request::get("/a")).status, 200);
    let items = json!({"requests": [{"method": "GET", "url": "/a"}, {"method": "GET", "url": "/../b"}]});
    assert_eq!(gateway.batch(&items).statuses(), [200, 400]);
    for name in ["batchgate_requests_total", "batchgate_batches_total"] {
        gateway.wait_for_metric(name, &[], 1.0);
    }
}

fn scrape(gateway: &Gateway, fields: &[(&str, &str)]) -> Reply {
    let request =
        fields.iter().fold(Request::get("/metrics"), |request, (name, value)| request.header(name, value));
    request.send(gateway.admin())
}

/// What the strict parser reads.
fn parsed(document: &str) -> Value {
    let mut command = Command::new(python());
    command.arg(test_file("python").join("open_metrics.py"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_strict_parser_reads_what_the_older_format_says() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream, "").start();
    send(&gateway);
    let reply = scrape(&gateway, &[("Accept", OPEN_METRICS)]);
    assert_eq!(
        reply.header("Content-Type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(reply.header("Vary"), Some("Accept, Accept-Encoding"));
    let read = parsed(&reply.text());
    assert_eq!(read["exemplars"], json!({}));
    assert_eq!(read["kinds"]["batchgate_items"], "counter");
    assert_eq!(read["kinds"]["batchgate_item_duration_seconds"], "histogram");
    let sample = |sample: &Value| sample[0].as_str().unwrap().to_owned();
    let names: BTreeSet<_> = read["samples"].as_array().unwrap().iter().map(sample).collect();
    let older = scrape(&gateway, &[]);
    assert_eq!(older.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let lines = older.text();
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    let older: BTreeSet<_> = lines.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect();
    assert_eq!(names, older);
    let counted = |code: &str| {
        let is_it = |sample: &&Value| sample[0] == "batchgate_items_total" && sample[1]["code"] == code;
        read["samples"].as_array().unwrap().iter().find(is_it).unwrap()[2].clone()
    };
    assert_eq!((counted("200"), counted("400")), (json!(1.0), json!(1.0)));
}

#[test]
fn the_exemplars_are_traces_of_what_was_recorded() {
    let (upstream, receiver) = (Upstream::start(), receiver());
    let gateway = traced(&upstream, &receiver);
    send(&gateway);
    let [of_request, of_batch] =
        ["request", "batch"].map(|kind| gateway.log_line(&[("kind", kind)])["trace_id"].clone());
    let read = parsed(&scrape(&gateway, &[("Accept", OPEN_METRICS)]).text());
    let expected = json!({
        "batchgate_item_duration_seconds_bucket": [of_batch],
        "batchgate_batch_duration_seconds_bucket": [of_batch],
        "batchgate_request_duration_seconds_bucket": [of_request],
    });
    assert_eq!(read["exemplars"], expected);
    assert!(!scrape(&gateway, &[]).text().contains("trace_id"));
}

#[test]
fn it_is_compressed_for_those_who_accept_that() {
    let upstream = Upstream::start();
    let gateway = setup(&upstream, "").start();
    assert_eq!(scrape(&gateway, &[("Accept-Encoding", "br")]).header("Content-Encoding"), None);
    let reply = scrape(&gateway, &[("Accept-Encoding", "gzip"), ("Accept", OPEN_METRICS)]);
    assert_eq!(reply.header("Content-Encoding"), Some("gzip"));
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&*reply.body).read_to_string(&mut plain).unwrap();
    assert!(plain.ends_with("# EOF\n") && plain.len() > 4 * reply.body.len());
}

#[test]
fn prometheus_stores_the_exemplars() {
    let (upstream, receiver) = (Upstream::start(), receiver());
    let gateway = traced(&upstream, &receiver);
    send(&gateway);
    let trace = gateway.log_line(&[("kind", "batch")])["trace_id"].clone();
    let prometheus = Prometheus::scraping(gateway.admin());
    let found = until("an exemplar", || {
        Some(prometheus.exemplars("batchgate_item_duration_seconds_bucket")).filter(|found| !found.is_empty())
    });
    assert_eq!(found[0], json!({"trace_id": trace}));
}
