//! The container image and the example of Docker Compose, as far as they can be judged without Docker.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::gateway::batchgate;
use crate::harness::programs::{program, run, succeed, text};

use super::{file, parsed, read};

#[test]
fn hadolint_takes_the_dockerfile_and_refuses_a_user_root() {
    succeed(Command::new(program("hadolint")).arg(file("deploy/Dockerfile")));
    let folder = tempfile::tempdir().unwrap();
    let worse = folder.path().join("Dockerfile");
    fs::write(&worse, read("deploy/Dockerfile").replace("USER 65532:65532", "USER root")).unwrap();
    let output = run(Command::new(program("hadolint")).arg(&worse));
    assert!(text(&output).contains("DL3002"), "{}", text(&output));
}

#[test]
fn the_commands_of_the_image_are_the_programs() {
    let dockerfile = read("deploy/Dockerfile");
    for command in ["health", "run"] {
        assert!(dockerfile.contains(&format!("\"{command}\", \"--config\"")), "{command}");
        let help = succeed(batchgate().args([command, "--help"]));
        assert!(help.contains("--config"), "{help}");
    }
}

#[test]
fn compose_takes_the_file_and_everything_that_it_mounts_is_there() {
    let check = program("check-jsonschema");
    succeed(
        Command::new(check)
            .args(["--builtin-schema", "vendor.compose-spec"])
            .arg(file("deploy/compose.yaml")),
    );
    for (name, service) in parsed("deploy/compose.yaml")["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            assert!(file("deploy").join(source).exists(), "{name} mounts {source}, which there is not");
        }
        let image = service["image"].as_str().unwrap();
        assert!(!image.ends_with(":latest") && image.contains(':'), "{name}: {image} has no version");
    }
}

#[test]
fn the_configurations_of_compose_are_good() {
    succeed(batchgate().arg("check").arg("--config").arg(file("deploy/compose/gateway/batchgate.yaml")));
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in
        [("deploy/compose/prometheus.yml", "prometheus.yml"), ("deploy/alerts.yml", "alerts.yml")]
    {
        fs::copy(file(from), folder.path().join(to)).unwrap();
    }
    succeed(
        Command::new(program("promtool")).args(["check", "config"]).arg(folder.path().join("prometheus.yml")),
    );
    let provider = &parsed("deploy/compose/grafana/dashboards.yaml")["providers"][0]["options"]["path"];
    let compose = parsed("deploy/compose.yaml");
    let dashboard = mounted_as(&compose["services"]["grafana"], "./dashboard.json");
    assert_eq!(dashboard.parent(), Some(Path::new(provider.as_str().unwrap())));
}

/// Where a service has a file.
fn mounted_as<'a>(service: &'a Value, source: &str) -> &'a Path {
    let volumes = service["volumes"].as_array().unwrap().iter().map(|volume| volume.as_str().unwrap());
    let mut targets =
        volumes.filter_map(|volume| volume.strip_prefix(source)?.strip_prefix(':')?.split(':').next());
    Path::new(targets.next().unwrap())
}
