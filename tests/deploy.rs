//! What `deploy/` has. Here: files that name metrics, and the list of them in `deploy/operations.md`: each name is one that
//! the gateway exports. The folder's files are about packages and manifests.

mod alerts;
mod chart;
mod dashboard;
mod debian;
mod images;
mod manifests;
mod overlays;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Gateway, Request, Upstream};

#[test]
fn the_metrics_of_the_rules_and_the_dashboard_are_exported() {
    let known = all_metrics();
    for name in ["alerts.yml", "dashboard.json", "README.md", "operations.md", "runbook.md"] {
        let name = &format!("deploy/{name}");
        for metric in metrics_in(&read(name)) {
            assert!(known.contains(&metric), "{name} names {metric}, which there is not");
        }
    }
    let _: Value = serde_json::from_str(&read("deploy/dashboard.json")).unwrap();
}

#[test]
fn the_page_about_operating_lists_the_metrics_that_are_exported() {
    let reference = read("deploy/operations.md");
    let rows = reference.lines().filter(|line| line.starts_with("| `batchgate_"));
    let listed: BTreeSet<_> = rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect();
    let own: BTreeSet<_> = all_metrics().into_iter().filter(|name| name.starts_with("batchgate_")).collect();
    assert_eq!(listed, own);
}

/// The gateway's own metrics, as its code names them, and all that a scrape has.
fn all_metrics() -> BTreeSet<String> {
    let sources = fs::read_dir(file("gateway/telemetry")).expect("the folder of the metrics");
    let mut known: BTreeSet<String> = sources
        .filter_map(|source| fs::read_to_string(source.ok()?.path()).ok())
        .flat_map(|source| metrics_in(source.split("#[cfg(test)]").next().unwrap_or_default()))
        .collect();
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    gateway.send(&Request::get("/"));
    let scrape = gateway.admin_get("/metrics").text();
    let exported = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in exported {
        assert!(known.contains(name) || name.starts_with("process_"), "{name} is none of ours");
        known.insert(name.to_owned());
    }
    known
}

/// The names of metrics in a text; those of a histogram's parts are the histogram's.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let names = words.filter(|word| word.starts_with("batchgate_") || word.starts_with("process_"));
    let names = names.filter(|name| !name.ends_with('_'));
    let whole = |name: &str| {
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        part.unwrap_or(name).to_owned()
    };
    names.map(whole).collect()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A YAML file with one document.
fn parsed(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
