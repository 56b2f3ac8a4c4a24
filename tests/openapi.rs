//! The gateway's description of itself, compared with what it does, and configurations made of other descriptions.
//!
//! `tests/openapi/` has the documents: `NAME.yaml` or `NAME.json`, with `NAME.batchgate.yaml`, the configuration that is made
//! of it, and `NAME.txt`, what is said on stderr, with the options that are in the table below. With `UPDATE_GOLDEN=1` in the
//! environment both are written anew.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::gateway::{batchgate, check};
use crate::harness::programs::{program, python, run, succeed, test_file, text};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Gateway, Request, Upstream};

/// The SHA-256 of `secret`.
const KEYS: &str = "test:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";

/// A batch endpoint of every dialect, and a bulk route.
fn everything(folder: &Path, upstream: &Upstream) -> Gateway {
    let keys = folder.join("keys.txt");
    fs::write(&keys, KEYS).unwrap();
    Gateway::start(format!(
        r#"
upstreams: {{ legacy: {{ targets: ["{}"] }} }}
routes:
  - {{ path: /orders, upstream: legacy }}
batch:
  - {{ path: /batch }}
  - {{ path: /odata/$$batch, dialect: odata }}
  - {{ path: /odata3/$$batch, dialect: odata-3 }}
  - {{ path: /$$graph, dialect: graph }}
  - {{ path: /google, dialect: google }}
  - {{ path: /azure, dialect: azure, query: {{ comp: batch }}, other_methods: route }}
  - {{ path: /apisix, dialect: apisix }}
  - {{ path: /tyk/batch/, dialect: tyk }}
bulk:
  - {{ path: /orders, methods: [PATCH, DELETE], each: "/orders/{{id}}" }}
auth: {{ api_keys: {{ file: {} }} }}
"#,
        upstream.url(),
        keys.display(),
    ))
}

fn answering() -> Upstream {
    Upstream::answering(|_: &Recorded| Answer::json(200, r#"{"ok":true}"#))
}

/// The description in a form.
fn description(gateway: &Gateway, form: &str) -> String {
    let arguments = ["openapi", "--format", form, "--config"];
    succeed(batchgate().args(arguments).arg(gateway.config_file()))
}

/// Lets schemathesis compare the gateway with a description.
fn schemathesis(folder: &TempDir, gateway: &Gateway, document: &Value, options: &[&str]) -> Output {
    let file = folder.path().join("openapi.json");
    fs::write(&file, document.to_string()).unwrap();
    let settings = folder.path().join("schemathesis.toml");
    fs::write(&settings, "[auth.openapi.api_keys]\napi_key = \"secret\"\n").unwrap();
    let mut command = Command::new(program("schemathesis"));
    command.current_dir(folder.path()).env("SCHEMATHESIS_HOOKS", test_file("python/schemathesis_hooks.py"));
    command.arg("--config-file").arg(&settings).arg("run").arg(&file);
    command.args(["--url", &gateway.url(""), "--seed", "1", "--no-color", "--max-examples", "10"]);
    command.args(["--phases", "examples,coverage,fuzzing"]).args(options);
    run(&mut command)
}

const CHECKS: &str = "status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,ignored_auth";

#[test]
fn the_description_is_valid_and_the_same_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = answering();
    let gateway = everything(folder.path(), &upstream);
    for form in ["json", "yaml"] {
        let file = folder.path().join(format!("openapi.{form}"));
        fs::write(&file, description(&gateway, form)).unwrap();
        succeed(Command::new(program("openapi-spec-validator")).args(["--schema", "3.1"]).arg(&file));
    }
    let compare = "import json, sys, yaml; sys.exit(json.load(open('openapi.json')) != yaml.safe_load(open('openapi.yaml')))";
    succeed(Command::new(python()).args(["-c", compare]).current_dir(folder.path()));
}

/// Requests for a bulk route without its parameter, and others at the path of such an endpoint, are for the service behind
/// it. So these get only requests that fit the description.
#[test]
fn the_gateway_does_what_its_description_says() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = answering();
    let gateway = everything(folder.path(), &upstream);
    let document: Value = serde_json::from_str(&description(&gateway, "json")).unwrap();
    let shared = "^/(azure|orders)$";
    let own =
        schemathesis(&folder, &gateway, &document, &["--exclude-path-regex", shared, "--checks", CHECKS]);
    assert!(own.status.success(), "{}", text(&own));
    let checks = CHECKS.replace("unsupported_method,", "");
    let options = ["--include-path-regex", shared, "--mode", "positive", "--checks", &checks];
    let others = schemathesis(&folder, &gateway, &document, &options);
    assert!(others.status.success(), "{}", text(&others));
    // The judge sees the difference, if there is one.
    let mut wrong = document;
    wrong["components"]["schemas"]["batchgate-reply"]["properties"]["summary"] = json!({ "type": "string" });
    let options = [
        "--include-path-regex",
        "^/batch$",
        "--phases",
        "examples",
        "--checks",
        "response_schema_conformance",
    ];
    let judged = schemathesis(&folder, &gateway, &wrong, &options);
    assert!(text(&judged).contains("Response violates schema"), "{}", text(&judged));
}

/// Everything that the description shows as an example is taken.
#[test]
fn the_examples_of_the_description_work() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = answering();
    let gateway = everything(folder.path(), &upstream);
    let document: Value = serde_json::from_str(&description(&gateway, "json")).unwrap();
    let mut sent = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let query = if path == "/azure" { "?comp=batch" } else { "" };
        for (method, operation) in operations.as_object().unwrap() {
            for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten()
            {
                let boundary = if media_type.starts_with("multipart/") { "; boundary=batch" } else { "" };
                let example = &content["example"];
                let body = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                let request = Request::new(&method.to_uppercase(), &format!("{path}{query}"))
                    .header("X-API-Key", "secret");
                let reply = gateway
                    .send(&request.header("Content-Type", &format!("{media_type}{boundary}")).body(body));
                assert!([200, 202, 207].contains(&reply.status), "{path} {media_type}: {}", reply.text());
                assert!(operation["responses"][reply.status.to_string()].is_object());
                sent += 1;
            }
        }
    }
    assert_eq!((sent, upstream.requests().len()), (17, 17));
}

/// A document that is imported.
struct Case {
    file: &'static str,
    options: &'static [&'static str],
    code: i32,
}

const fn case(file: &'static str, options: &'static [&'static str], code: i32) -> Case {
    Case { file, options, code }
}

const CASES: [Case; 8] = [
    case("petstore.yaml", &[], 0),
    case("references.yaml", &[], 0),
    case("path-parameters.json", &[], 0),
    case("lossy.yaml", &[], 1),
    case("lossy.yaml", &["--lossy"], 0),
    case("elsewhere.yaml", &[], 1),
    case("elsewhere.yaml", &["--upstream", "http://10.0.0.1:9001/api/v3"], 0),
    case("swagger.yaml", &[], 1),
];

fn import(case: &Case) -> Output {
    let mut command = batchgate();
    command.args(["import", "openapi", case.file]).args(case.options).current_dir(test_file("openapi"));
    run(&mut command)
}

/// Compares with a kept text.
fn same(made: &str, name: &str) {
    let file = test_file("openapi").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(made, kept, "{name}; UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn documents_become_configurations_that_pass_the_strict_check() {
    for case in CASES {
        let output = import(&case);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(case.code), "{}: {said}", case.file);
        let stem = case.file.split('.').next().unwrap();
        if case.code != 0 {
            assert!(output.stdout.is_empty(), "{}", case.file);
            same(&said, &format!("{stem}.txt"));
            continue;
        }
        let made = format!("{stem}.batchgate.yaml");
        same(&String::from_utf8_lossy(&output.stdout), &made);
        let checked =
            run(batchgate().args(["check", "--strict", "--config"]).arg(test_file("openapi").join(&made)));
        assert!(checked.status.success(), "{made}: {}", text(&checked));
    }
}

/// What clients send to a gateway with this configuration.
struct Calls {
    file: &'static str,
    /// The service gets them as they are.
    passed: &'static [&'static str],
    /// They get this status.
    refused: &'static [&'static str],
}

#[test]
fn configurations_made_of_documents_route_calls() {
    const MADE: [Calls; 3] = [
        Calls {
            file: "petstore.batchgate.yaml",
            passed: &["GET /pets?limit=2", "POST /pets", "DELETE /pets/7", "POST /pets/7/photo"],
            refused: &["PATCH /pets 405", "PATCH /pets/7 405", "GET /owners 404"],
        },
        Calls {
            file: "references.batchgate.yaml",
            passed: &["GET /invoices", "PATCH /invoices/7"],
            refused: &["GET /invoices/7 405"],
        },
        Calls {
            file: "path-parameters.batchgate.yaml",
            passed: &["GET /users/me", "PATCH /users/7", "DELETE /users/7/teams/b", "POST /batch"],
            refused: &["PATCH /users/me 405", "POST /users/7/teams/b 405"],
        },
    ];
    for Calls { file, passed, refused } in MADE {
        let upstream = answering();
        let yaml = fs::read_to_string(test_file("openapi").join(file)).unwrap();
        let gateway = Gateway::start(pointed_at(&yaml, &upstream));
        for call in passed {
            let (method, target) = call.split_once(' ').unwrap();
            assert_eq!(gateway.send(&Request::new(method, target)).status, 200, "{file}: {call}");
        }
        let got: Vec<_> =
            upstream.requests().iter().map(|call| format!("{} {}", call.method, call.target)).collect();
        assert_eq!(got, passed, "{file}");
        for call in refused {
            let [method, target, status] = call.split(' ').collect::<Vec<_>>()[..] else { panic!("{call}") };
            assert_eq!(
                gateway.send(&Request::new(method, target)).status.to_string(),
                status,
                "{file}: {call}"
            );
        }
    }
}

/// The configuration, with this upstream in place of its targets and without its listener.
fn pointed_at(yaml: &str, upstream: &Upstream) -> String {
    let lines = yaml.lines().filter(|line| !line.starts_with("listen:")).map(|line| {
        if line.trim_start().starts_with("targets:") {
            format!("    targets: [\"{}\"]", upstream.url())
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn records_and_groups_work_as_they_were_derived() {
    let upstream = Upstream::answering(|request: &Recorded| {
        if request.method == "POST" {
            Answer::json(201, "{}").header("Location", "/pets/7")
        } else if request.target.ends_with("/9") {
            Answer::json(500, "{}")
        } else {
            Answer::json(200, "{}")
        }
    });
    let yaml = fs::read_to_string(test_file("openapi/petstore.batchgate.yaml")).unwrap();
    let gateway = Gateway::start(pointed_at(&yaml, &upstream));
    let records = Request::new("PUT", "/pets")
        .header("Content-Type", "application/json")
        .body(r#"[{"id":1},{"id":2}]"#);
    assert_eq!(gateway.send(&records).statuses(), [200, 200]);
    let group = |method: &str, url: &str| json!({ "method": method, "url": url, "atomicityGroup": "g" });
    let batch = json!({ "requests": [group("POST", "/pets"), group("PUT", "/pets/9")] });
    gateway.batch(&batch);
    let calls: Vec<_> =
        upstream.requests().iter().map(|call| format!("{} {}", call.method, call.target)).collect();
    assert!(calls.contains(&"PUT /pets/2".to_owned()), "{calls:?}");
    assert!(calls.contains(&"DELETE /pets/7".to_owned()), "{calls:?}");
}

#[test]
fn a_file_that_exists_is_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("made.yaml");
    let import = || {
        run(batchgate()
            .args(["import", "openapi"])
            .arg(test_file("openapi/petstore.yaml"))
            .arg("--output")
            .arg(&output))
    };
    assert!(import().status.success());
    assert!(check(&output).status.success());
    fs::write(&output, "mine").unwrap();
    let second = import();
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second).contains("exists already"), "{}", text(&second));
    assert_eq!(fs::read_to_string(&output).unwrap(), "mine");
}
