//! The tables of metrics and of log fields in `deploy/operations.md`, made of the code. `UPDATE_GOLDEN=1` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::access::kinds_of_lines;
use super::registry::About;
use super::{
    AuthenticationMetrics, CertificateMetrics, ConnectionMetrics, LongLivedMetrics, Metrics, TargetMetrics,
    TlsFailures, UpstreamMetrics,
};
use crate::config::AccessField;

const PAGE: &str = "deploy/operations.md";

fn metrics() -> String {
    let mut table = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    let all = [
        Metrics::ABOUT,
        UpstreamMetrics::ABOUT,
        TargetMetrics::ABOUT,
        LongLivedMetrics::ABOUT,
        ConnectionMetrics::ABOUT,
        TlsFailures::ABOUT,
        CertificateMetrics::ABOUT,
        AuthenticationMetrics::ABOUT,
    ];
    for About { name, kind, labels, help } in all.concat() {
        let kind = kind.trim_start_matches("Int").trim_end_matches("Vec").to_lowercase();
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    table
}

fn log_fields() -> String {
    let schema = serde_json::to_value(schemars::schema_for!(AccessField)).unwrap();
    let described = schema["oneOf"].as_array().unwrap();
    let mut table = String::from("| field | lines | meaning |\n|---|---|---|\n");
    for field in AccessField::ALL {
        let is_it = |value: &&Value| value["const"] == field.as_str();
        let meaning =
            described.iter().find(is_it).unwrap()["description"].as_str().unwrap().replace('\n', " ");
        let kinds = kinds_of_lines(field);
        assert!(!kinds.is_empty(), "no line has {}", field.as_str());
        writeln!(table, "| `{}` | {} | {meaning} |", field.as_str(), kinds.join(", ")).unwrap();
    }
    table
}

/// The page with these lines between its marks.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- made by the program: {name} -->\n");
    let (before, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("{PAGE} has no place for {name}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{mark}\n{table}\n<!-- end -->{after}")
}

#[test]
fn the_page_for_operators_has_all_metrics_and_log_fields() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let kept = std::fs::read_to_string(&path).unwrap();
    let made = with_table(&with_table(&kept, "metrics", &metrics()), "log fields", &log_fields());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    assert!(kept == made, "{PAGE} does not say what the code does; UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn every_metric_says_what_it_is() {
    for About { name, help, .. } in
        Metrics::ABOUT.iter().chain(UpstreamMetrics::ABOUT).chain(TargetMetrics::ABOUT)
    {
        assert!(help.ends_with('.') && help.split(' ').count() > 1, "{name}: {help}");
    }
}
