//! The alert rules: what promtool says of them, and what operators are told.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::harness::programs::{program, succeed};

use super::{file, parsed, read};

/// What promtool runs the rules on.
const TESTS: [&str; 2] = ["tests/alerts/alerts_test.yml", "tests/alerts/days_test.yml"];

#[test]
fn promtool_takes_the_rules_and_the_configuration() {
    let rules =
        succeed(Command::new(program("promtool")).args(["check", "rules"]).arg(file("deploy/alerts.yml")));
    assert!(rules.contains("SUCCESS"), "{rules}");
    succeed(Command::new(program("promtool")).args(["check", "config"]).arg(file("deploy/prometheus.yml")));
}

#[test]
fn every_alert_fires_when_it_should() {
    succeed(Command::new(program("promtool")).args(["test", "rules"]).args(TESTS.map(file)));
    let tests = TESTS.map(read).concat();
    for alert in alerts() {
        let name = name_of(&alert);
        assert!(
            tests.contains(&format!("\"{name}\"")) || tests.contains(&format!(": {name}")),
            "{name} has no test"
        );
    }
}

#[test]
fn every_alert_says_what_to_do_and_has_a_section_in_the_runbook() {
    let mut sections: BTreeSet<_> = read("deploy/runbook.md")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("## ")?.to_owned()))
        .collect();
    for alert in alerts() {
        let name = name_of(&alert);
        assert!(alert["labels"]["severity"].is_string(), "{name}");
        for member in ["summary", "description"] {
            assert!(alert["annotations"][member].is_string(), "{name} has no {member}");
        }
        let link = format!("deploy/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], link, "{name}");
        assert!(sections.remove(&name), "the runbook has no section {name}");
    }
    assert_eq!(sections, BTreeSet::new(), "sections without an alert");
}

#[test]
fn the_rules_of_one_objective_differ_in_their_windows_only() {
    for rule in ["item_errors", "item_slow"] {
        let mut expressions = BTreeSet::new();
        for window in ["5m", "30m", "1h", "2h", "6h", "1d", "3d"] {
            let name = format!("batchgate:{rule}:ratio_rate{window}");
            let rule = rules().into_iter().find(|rule| rule["record"] == name.as_str());
            let rule = rule.unwrap_or_else(|| panic!("there is no {name}"));
            let expression = rule["expr"].as_str().unwrap().to_owned();
            assert!(expression.contains(&format!("[{window}]")), "{name}");
            expressions.insert(expression.replace(&format!("[{window}]"), "[window]"));
        }
        assert_eq!(expressions.len(), 1, "{expressions:#?}");
    }
}

fn rules() -> Vec<Value> {
    let groups = parsed("deploy/alerts.yml")["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<Value> {
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(alerts.len() >= 20);
    alerts
}

fn name_of(alert: &Value) -> String {
    alert["alert"].as_str().unwrap().to_owned()
}
