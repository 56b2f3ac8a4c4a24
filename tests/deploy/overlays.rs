//! The manifests for kustomize, built by kubectl.

use std::fs;
use std::process::Command;

use crate::harness::programs::{program, succeed};

use super::manifests::Manifests;
use super::{file, parsed};

#[test]
fn the_base_and_every_overlay_build_to_what_kubernetes_and_the_gateway_take() {
    let overlays = fs::read_dir(file("deploy/kustomize/overlays")).unwrap();
    let overlays = overlays.map(|entry| format!("overlays/{}", entry.unwrap().file_name().to_string_lossy()));
    for folder in overlays.chain(["base".to_owned()]) {
        let manifests = built(&folder);
        manifests.assert_safe();
        manifests.assert_configuration();
        assert!(
            seconds_to_end(&manifests) > seconds_of_a_drain(&manifests),
            "{folder}: pods are killed while they drain"
        );
    }
}

#[test]
fn the_overlay_for_the_prometheus_operator_has_the_alert_rules() {
    let rules = built("overlays/prometheus-operator");
    assert_eq!(
        rules.one("PrometheusRule")["spec"]["groups"],
        parsed("deploy/alerts.yml")["groups"],
        "run deploy/kustomize/rules"
    );
}

#[test]
fn the_manifests_and_the_program_have_one_version() {
    let image = &built("base").pod()["containers"][0]["image"].clone();
    assert_eq!(*image, format!("batchgate:{}", env!("CARGO_PKG_VERSION")));
}

fn built(folder: &str) -> Manifests {
    let folder = file("deploy/kustomize").join(folder);
    Manifests::from_yaml(&succeed(Command::new(program("kubectl")).arg("kustomize").arg(folder)))
}

fn seconds_to_end(manifests: &Manifests) -> u64 {
    manifests.pod()["terminationGracePeriodSeconds"].as_u64().unwrap()
}

/// `drain.delay` and `drain.deadline`, which these configurations give in seconds.
fn seconds_of_a_drain(manifests: &Manifests) -> u64 {
    let configuration = manifests.one("ConfigMap")["data"]["batchgate.yaml"].as_str().unwrap();
    let configuration: serde_json::Value = serde_saphyr::from_str(configuration).unwrap();
    let drain = configuration["drain"].as_object().unwrap();
    drain.values().map(|time| time.as_str().unwrap().strip_suffix('s').unwrap().parse::<u64>().unwrap()).sum()
}
