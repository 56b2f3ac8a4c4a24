//! The Helm chart, rendered by Helm with each file of `charts/` as its values.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::programs::{program, run, succeed, test_file, text};

use super::manifests::Manifests;
use super::{file, parsed};

#[test]
fn every_set_of_values_renders_to_what_kubernetes_and_the_gateway_take() {
    for values in all_values() {
        succeed(helm("lint").arg("--strict").arg("--values").arg(&values));
        let manifests = rendered(&values);
        manifests.assert_safe();
        manifests.assert_configuration();
        assert_eq!(
            manifests.pod()["terminationGracePeriodSeconds"],
            expected(&values, "grace"),
            "{values:?}"
        );
        let kinds = expected(&values, "kinds");
        for kind in kinds.as_array().unwrap() {
            manifests.one(kind.as_str().unwrap());
        }
    }
}

#[test]
fn nothing_that_others_have_to_install_first_is_on_by_default() {
    let manifests = rendered(&test_file("deploy/charts/default.yaml"));
    for kind in ["ServiceMonitor", "PrometheusRule", "HTTPRoute", "Ingress", "HorizontalPodAutoscaler"] {
        assert!(manifests.find(kind).is_none(), "{kind}");
    }
}

#[test]
fn the_chart_has_the_alert_rules() {
    let manifests = rendered(&test_file("deploy/charts/everything.yaml"));
    let mut groups = parsed("deploy/alerts.yml")["groups"].clone();
    for rule in
        groups.as_array_mut().unwrap().iter_mut().flat_map(|group| group["rules"].as_array_mut().unwrap())
    {
        if let Some(Value::String(url)) = rule.pointer_mut("/annotations/runbook_url") {
            *url = url.replace("deploy/runbook.md", "https://wiki.example/batchgate");
        }
    }
    assert_eq!(manifests.one("PrometheusRule")["spec"]["groups"], groups);
}

#[test]
fn a_change_of_the_configuration_starts_new_pods_unless_the_gateway_is_to_reload_it() {
    let checksum = |values: &str, set: &str| {
        let values = test_file("deploy/charts").join(values);
        let yaml = succeed(helm("template").arg("--values").arg(values).arg("--set").arg(set));
        let manifests = Manifests::from_yaml(&yaml);
        manifests.one("Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"].clone()
    };
    let before = checksum("default.yaml", "replicaCount=3");
    assert_eq!(before, checksum("default.yaml", "replicaCount=4"));
    assert_ne!(before, checksum("default.yaml", "config.drain.delay=9s"));
    assert_eq!(checksum("default.yaml", "onConfigChange=reload"), Value::Null);
}

/// Values that the schema refuses, each with what Helm names.
const REFUSED: [(&str, &str); 7] = [
    ("image.tagg=1", "tagg"),
    ("onConfigChange=restart", "/onConfigChange"),
    ("ports.http=http", "/ports/http"),
    ("httpRoute.enabled=true", "/httpRoute/parentRefs"),
    ("image.digest=sha256:abc", "/image/digest"),
    ("networkPolicy.prometheus=null", "prometheus"),
    ("config.drain.deadline=soon", "mustDateModify"),
];

#[test]
fn wrong_values_are_refused_by_name() {
    for (set, named) in REFUSED {
        let output = run(helm("template").arg("--set").arg(set));
        assert!(!output.status.success(), "{set} is taken");
        assert!(text(&output).contains(named), "{set}: {}", text(&output));
    }
}

#[test]
fn the_chart_and_the_program_have_one_version() {
    assert_eq!(parsed("deploy/helm/batchgate/Chart.yaml")["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// A command of Helm about the chart, as the release `test`.
fn helm(command: &str) -> Command {
    let mut helm = Command::new(program("helm"));
    helm.arg(command);
    if command == "template" {
        helm.arg("test");
    }
    helm.arg(file("deploy/helm/batchgate"));
    helm
}

fn rendered(values: &PathBuf) -> Manifests {
    Manifests::from_yaml(&succeed(helm("template").arg("--values").arg(values)))
}

fn all_values() -> Vec<PathBuf> {
    let files: Vec<_> =
        fs::read_dir(test_file("deploy/charts")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 3);
    files
}

/// What a file of values expects, from its comment `# expect: {…}`.
fn expected(values: &PathBuf, member: &str) -> Value {
    let text = fs::read_to_string(values).unwrap();
    let expectation = text.lines().find_map(|line| line.strip_prefix("# expect: ")).unwrap();
    serde_json::from_str::<Value>(expectation).unwrap()[member].clone()
}
