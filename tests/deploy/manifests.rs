//! Manifests for Kubernetes, judged by its schemas.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::gateway::batchgate;
use crate::harness::programs::{node, python, succeed, test_file, text};

/// The oldest release that the chart takes, and the newest one with schemas.
const RELEASES: [&str; 2] = ["1.29", "1.37"];

/// Kinds that the Prometheus operator and the Gateway API add to Kubernetes.
const ADDED_KINDS: [&str; 3] = ["HTTPRoute", "PrometheusRule", "ServiceMonitor"];

/// Manifests that have passed the schemas.
pub(super) struct Manifests(Vec<Value>);

impl Manifests {
    /// Those of a stream of YAML documents.
    ///
    /// # Panics
    /// When a schema refuses one of them.
    pub(super) fn from_yaml(yaml: &str) -> Self {
        let all: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
        let kind_is_added = |manifest: &&Value| ADDED_KINDS.contains(&manifest["kind"].as_str().unwrap());
        let (added, own): (Vec<_>, Vec<_>) = all.iter().partition(kind_is_added);
        let mut schemas = Command::new(python());
        schemas.arg(test_file("python/manifests.py")).args(RELEASES);
        judge(&mut schemas, &own);
        if !added.is_empty() {
            judge(&mut node("manifests.cjs"), &added);
        }
        Self(all)
    }

    /// The only manifest of a kind, if there is one.
    pub(super) fn find(&self, kind: &str) -> Option<&Value> {
        let mut found = self.0.iter().filter(|manifest| manifest["kind"] == kind);
        let first = found.next();
        assert!(found.next().is_none(), "there are several of kind {kind}");
        first
    }

    /// The only manifest of a kind.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn one(&self, kind: &str) -> &Value {
        self.find(kind).unwrap_or_else(|| panic!("there is no {kind}"))
    }

    /// All manifests of a kind.
    pub(super) fn all(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|manifest| manifest["kind"] == kind).collect()
    }

    /// The specification of the pods.
    pub(super) fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    /// What holds however the gateway is installed: who it runs as, what it may write, how long it may drain, who
    /// reaches the admin port.
    pub(super) fn assert_safe(&self) {
        let pod = self.pod();
        let container = &pod["containers"][0];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], false);
        assert_eq!(own["readOnlyRootFilesystem"], true);
        assert_eq!(own["capabilities"]["drop"], serde_json::json!(["ALL"]));
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        let mounts = container["volumeMounts"].as_array().unwrap();
        let config = mounts.iter().find(|mount| mount["mountPath"] == "/etc/batchgate").unwrap();
        assert!(config["subPath"].is_null(), "a changed ConfigMap does not reach a single file");
        self.assert_policies_select_the_pods();
        for service in
            self.all("Service").into_iter().filter(|service| service["spec"]["clusterIP"] != "None")
        {
            let ports = service["spec"]["ports"].as_array().unwrap();
            assert!(ports.iter().all(|port| port["name"] != "admin"), "the admin port has no password");
        }
        let admin = &self.one("NetworkPolicy")["spec"]["ingress"][1];
        assert_eq!(admin["ports"][0]["port"], "admin");
        assert!(!admin["from"].as_array().unwrap().is_empty());
    }

    fn assert_policies_select_the_pods(&self) {
        let labels = self.one("Deployment")["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
        let policies = [("NetworkPolicy", "/spec/podSelector"), ("PodDisruptionBudget", "/spec/selector")];
        for (kind, selector) in policies {
            let selected =
                self.one(kind).pointer(selector).unwrap_or_else(|| panic!("{kind} selects no pods"));
            let selected =
                selected["matchLabels"].as_object().unwrap_or_else(|| panic!("{kind} selects all pods"));
            for (label, value) in selected {
                assert_eq!(labels.get(label), Some(value), "{kind}");
            }
        }
    }

    /// Has `batchgate check` judge the configuration that the pods get.
    pub(super) fn assert_configuration(&self) {
        let volumes = self.pod()["volumes"].as_array().unwrap();
        let mounted = volumes.iter().find(|volume| volume["name"] == "config").unwrap();
        let map = self.one("ConfigMap");
        assert_eq!(mounted["configMap"]["name"], map["metadata"]["name"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batchgate.yaml");
        fs::write(&path, map["data"]["batchgate.yaml"].as_str().unwrap()).unwrap();
        succeed(batchgate().arg("check").arg("--config").arg(&path).env("ORDERS_TOKEN", "a-token"));
    }
}

/// Has a program judge manifests, which it gets as a JSON list.
fn judge(program: &mut Command, manifests: &[&Value]) {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = program.spawn().unwrap();
    judge.stdin.take().unwrap().write_all(&serde_json::to_vec(manifests).unwrap()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
#[should_panic(expected = "replica")]
fn a_misspelled_member_is_refused() {
    let manifest =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec:\n  replica: 1\n  selector: {}\n";
    Manifests::from_yaml(&format!("{manifest}  template: {{ spec: {{ containers: [{{ name: a }}] }} }}\n"));
}

#[test]
#[should_panic(expected = "interval")]
fn a_wrong_value_in_an_added_kind_is_refused() {
    let monitor = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: { name: a }\n";
    Manifests::from_yaml(&format!(
        "{monitor}spec: {{ selector: {{}}, endpoints: [{{ interval: soon }}] }}\n"
    ));
}
