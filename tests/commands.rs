//! The commands for operators and newcomers, each with the real program.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::gateway::batchgate;
use crate::harness::ports::{free_port, loopback};
use crate::harness::programs::{run, text};
use crate::harness::succession::wait_until_gone;
use crate::harness::wait::until_true;
use crate::harness::{Gateway, Request, Setup};

const RESPONDS: &str = "routes: [{ path: /, respond: { status: 200 } }]";

/// Runs a command with this on its standard input.
fn run_with_input(arguments: &[&str], input: &str) -> Output {
    let mut command = batchgate();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// A file in a folder of its own.
fn file(name: &str, content: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path.display().to_string())
}

mod health {
    use super::*;

    #[test]
    fn a_gateway_is_ready_until_it_drains() {
        let gateway = Gateway::start(format!("{RESPONDS}\ndrain: {{ delay: 20s }}"));
        let admin = gateway.admin().to_string();
        let file = gateway.config_file().display().to_string();
        for arguments in [["--admin", admin.as_str()], ["--config", file.as_str()]] {
            let output = run(batchgate().arg("health").args(arguments));
            assert_eq!((code(&output), text(&output).as_str()), (Some(0), "ready\n"), "{arguments:?}");
        }
        gateway.signal("TERM");
        gateway.log_line(&[("kind", "drain")]);
        let output = run(batchgate().args(["health", "--admin", &admin]));
        assert_eq!(code(&output), Some(1));
        let expected =
            format!("batchgate health: not ready: {admin} answers 503 Service Unavailable: draining\n");
        assert_eq!(text(&output), expected);
    }

    #[test]
    fn a_gateway_behind_a_broken_file_can_still_be_asked() {
        let gateway = Gateway::start(RESPONDS);
        gateway.write_config("routez: []\nupstreams: { a: \"${UNSET}\" }");
        let output = run(batchgate().args(["health", "--config"]).arg(gateway.config_file()));
        assert_eq!(code(&output), Some(0), "{}", text(&output));
    }

    #[test]
    fn no_answer_says_why_and_what_to_look_at() {
        let nobody = loopback(free_port()).to_string();
        let (_folder, off) = file("off.yaml", "admin: off");
        let (_other, wrong) = file("wrong.yaml", "admin: 9901");
        let (_third, no_yaml) = file("no.yaml", "admin: [");
        let gateway = Gateway::start("routes: [{ path: /, respond: { status: 200, body: fine } }]");
        let proxy = gateway.address().to_string();
        for (arguments, expected, part) in [
            (["--admin", nobody.as_str()], 1, "not ready: no connection to 127.0.0.1:"),
            (["--admin", nobody.as_str()], 1, "; look whether the gateway runs, and whether"),
            (["--admin", "unix:/nowhere.sock"], 1, "no connection to unix:/nowhere.sock"),
            (["--admin", proxy.as_str()], 1, "answers 200 OK, but not as an admin listener does: fine; "),
            (["--config", off.as_str()], 2, "`admin` is `off`"),
            (["--config", wrong.as_str()], 2, "write `0.0.0.0:9901`"),
            (
                ["--config", no_yaml.as_str()],
                2,
                "not known: the configuration does not say where to ask\nerror: ",
            ),
            (["--config", "/nowhere.yaml"], 2, "/nowhere.yaml"),
        ] {
            let output = run(batchgate().arg("health").args(arguments));
            assert_eq!(code(&output), Some(expected), "{}", text(&output));
            assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
        }
        for (address, part) in
            [("9901", "write HOST:PORT, such as"), ("http://127.0.0.1:9901", "without a scheme and a path")]
        {
            let usage = run(batchgate().args(["health", "--admin", address]));
            assert_eq!(code(&usage), Some(2), "{}", text(&usage));
            assert!(text(&usage).contains(part), "{part} is not in {}", text(&usage));
        }
    }
}

mod standard_input {
    use super::*;

    #[test]
    fn a_configuration_is_checked_from_it() {
        let good = run_with_input(&["check", "--config", "-"], &format!("listen: 127.0.0.1:80\n{RESPONDS}"));
        assert_eq!(code(&good), Some(0), "{}", text(&good));
        assert!(text(&good).starts_with("standard input: ok ("), "{}", text(&good));
        let bad = run_with_input(&["check", "--config", "-"], "listen: 127.0.0.1:80\nroutez: []");
        assert_eq!(code(&bad), Some(1));
        assert!(text(&bad).contains("--> standard input:2:1"), "{}", text(&bad));
    }

    #[test]
    fn a_gateway_that_was_started_from_it_reloads_and_hands_over() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("from-stdin");
        let script = format!("#!/bin/sh\nexec {} run --config - < \"$3\"\n", env!("CARGO_BIN_EXE_batchgate"));
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        // More than a pipe holds.
        let long = format!("{RESPONDS}\n# {}", "x".repeat(200_000));
        let gateway = Setup::of(long).of_program(program).start();
        gateway.write_config("routez: []");
        gateway.signal("HUP");
        gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
        let successor = gateway.hand_over();
        assert_eq!(gateway.send(&Request::get("/")).status, 200);
        gateway.signal("TERM");
        wait_until_gone(successor);
    }
}

mod init {
    use super::*;

    #[test]
    fn what_it_writes_is_served_and_has_no_warning() {
        let folder = tempfile::tempdir().unwrap();
        let init = |arguments: &[&str]| run(batchgate().arg("init").args(arguments).current_dir(&folder));
        let written = init(&["--upstream", "https://orders.internal:9443"]);
        assert_eq!(code(&written), Some(0), "{}", text(&written));
        let check =
            run(batchgate().args(["check", "--strict", "--config", "batchgate.yaml"]).current_dir(&folder));
        assert_eq!(code(&check), Some(0), "{}", text(&check));
        let before = fs::read_to_string(folder.path().join("batchgate.yaml")).unwrap();
        assert!(before.contains("'https://orders.internal:9443'"), "{before}");
        let again = init(&[]);
        assert_eq!(code(&again), Some(1));
        assert!(text(&again).contains("exists already"), "{}", text(&again));
        assert_eq!(fs::read_to_string(folder.path().join("batchgate.yaml")).unwrap(), before);
        let printed = init(&["--upstream", "https://orders.internal:9443", "-"]);
        assert_eq!(String::from_utf8_lossy(&printed.stdout), before);
    }

    #[test]
    fn options_that_are_wrong_write_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for arguments in
            [["--upstream", "ftp://a"], ["--listen", "8080"], ["--upstream", "http://it's\nx: y"]]
        {
            let output = run(batchgate().arg("init").args(arguments).current_dir(&folder));
            assert_eq!(code(&output), Some(1));
            assert!(text(&output).contains("batchgate.yaml:"), "{}", text(&output));
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}

mod several_files {
    use super::*;

    #[test]
    fn a_new_file_and_a_changed_one_are_taken_without_a_signal() {
        let gateway = Gateway::start(format!("{RESPONDS}\ninclude: [conf.d/*.yaml]"));
        let folder = gateway.config_file().with_file_name("conf.d");
        fs::create_dir(&folder).unwrap();
        let status = || gateway.send(&Request::get("/new")).status;
        assert_eq!(status(), 200);
        // The folder is watched once it is there.
        gateway.signal("HUP");
        gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
        for expected in [410, 404] {
            let route = format!("routes: [{{ path: /new, respond: {{ status: {expected} }} }}]");
            fs::write(folder.join("new.yaml"), route).unwrap();
            until_true("the new route", || status() == expected);
        }
        fs::write(folder.join("other.yaml"), "limits: { memory: much }").unwrap();
        let line = gateway.log_line(&[("kind", "reload"), ("level", "ERROR")]);
        assert!(line["errors"].as_str().unwrap().contains("conf.d/other.yaml:1:"), "{line}");
        assert_eq!(status(), 404);
    }

    #[test]
    fn paths_are_relative_to_the_file_that_has_them() {
        let (folder, file) =
            file("batchgate.yaml", &format!("listen: 127.0.0.1:80\n{RESPONDS}\ninclude: [parts/a.yaml]"));
        let parts = folder.path().join("parts");
        fs::create_dir(&parts).unwrap();
        fs::write(parts.join("token"), "abc").unwrap();
        let upstream = "upstreams: { a: { targets: ['http://127.0.0.1:1'], headers: { set: { A: { file: token } } } } }\n";
        fs::write(parts.join("a.yaml"), format!("{upstream}routes: [{{ path: /a, upstream: a }}]")).unwrap();
        let output = run(batchgate().args(["check", "--strict", "--config", &file]));
        assert_eq!(code(&output), Some(0), "{}", text(&output));
    }

    #[test]
    fn no_file_includes_itself() {
        for (name, code_of_check, said) in
            [("batchgate.yaml", 1, "is the file that includes it"), ("batch*.yaml", 0, "fits no file")]
        {
            let yaml = format!("listen: 127.0.0.1:80\n{RESPONDS}\ninclude: [\"{name}\"]");
            let (_folder, file) = file("batchgate.yaml", &yaml);
            let output = run(batchgate().args(["check", "--config", &file]));
            assert_eq!(code(&output), Some(code_of_check), "{name}");
            let said_once = text(&output).contains(said) && text(&output).matches(" -->").count() == 1;
            assert!(said_once, "{}", text(&output));
        }
    }
}

mod output {
    use super::*;

    /// Every command that writes an output. `FILE` is a configuration, `BATCH` a batch.
    const COMMANDS: [&str; 11] = [
        "--help",
        "--version",
        "init -",
        "schema",
        "check --config FILE",
        "check --json --config FILE",
        "explain --config FILE BATCH",
        "openapi --config FILE",
        "import openapi tests/openapi/petstore.yaml",
        "completions bash",
        "man",
    ];

    fn of(command: &str, output: impl Into<Stdio>) -> Output {
        let (_folder, config) =
            file("a.yaml", &format!("listen: 127.0.0.1:80\n{RESPONDS}\nbatch: [{{ path: /b }}]"));
        let (_other, batch) = file("batch.json", r#"{"requests":[{"method":"GET","url":"/a"}]}"#);
        let words = command.split(' ').map(|word| match word {
            "FILE" => &*config,
            "BATCH" => &*batch,
            word => word,
        });
        let mut program = batchgate();
        program.args(words).stdout(output).stderr(Stdio::piped());
        program.spawn().unwrap().wait_with_output().unwrap()
    }

    #[test]
    fn a_full_disk_makes_a_command_fail() {
        for command in COMMANDS {
            let full = of(command, fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
            assert_eq!(code(&full), Some(1), "{command}: {}", text(&full));
            let name = command.split(' ').next().filter(|name| !name.starts_with('-'));
            let name = name.map_or_else(String::new, |name| format!(" {name}"));
            let said = format!("batchgate{name}: standard output can't be written: No space left");
            assert!(text(&full).contains(&said), "{}", text(&full));
        }
    }

    #[test]
    fn a_reader_that_has_enough_is_no_failure() {
        for command in COMMANDS {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let closed = of(command, writer);
            assert_eq!((code(&closed), text(&closed).as_str()), (Some(0), ""), "{command}");
        }
    }

    #[test]
    fn one_input_is_not_two() {
        let both = run_with_input(&["explain", "--config", "-", "-"], "listen: 127.0.0.1:80");
        assert_eq!(code(&both), Some(2), "{}", text(&both));
        assert!(text(&both).contains("can't both be standard input"), "{}", text(&both));
    }
}

mod set {
    use super::*;

    #[test]
    fn a_value_is_set_and_kept_over_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("with-set");
        let set = "--set 'routes.0.respond.status=418' --set \"batch.0={path: /b, max_items: 1}\"";
        let script = format!("#!/bin/sh\nexec {} \"$@\" {set}\n", env!("CARGO_BIN_EXE_batchgate"));
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let gateway = Setup::of(format!("{RESPONDS}\nbatch: []")).of_program(program).start();
        assert_eq!(gateway.send(&Request::get("/")).status, 418);
        gateway.write_config(&format!("{RESPONDS}\nbatch: []\ndrain: {{ delay: 1s }}"));
        gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
        assert_eq!(gateway.send(&Request::get("/")).status, 418);
        assert!(gateway.admin_get("/config").text().contains("max_items: 1\n"));
    }

    #[test]
    fn an_error_names_the_option() {
        let yaml = format!("listen: 127.0.0.1:80\n{RESPONDS}");
        for (set, status, part) in [
            ("limits.memory=much", 1, "--> --set limits.memory:1:15"),
            ("limit.memory=1GiB", 1, "did you mean `limits`?"),
            ("routes.0.path=null", 1, "--> --set routes.0.path:1:10"),
            ("listen=", 1, "--> --set listen:1:1"),
            ("routes.7.path=/a", 1, "write a number from 0 to 1"),
            ("limits.memory", 2, "write KEY=VALUE"),
        ] {
            let output = run_with_input(&["check", "--config", "-", "--set", set], &yaml);
            assert_eq!(code(&output), Some(status));
            assert!(text(&output).contains(part), "{part} is not in {}", text(&output));
        }
    }
}

mod manual {
    use super::*;

    #[test]
    fn shells_complete_every_command() {
        let script = run(batchgate().args(["completions", "bash"]));
        let shown = text(&script);
        for part in ["health", "--strict", "explain", "_batchgate"] {
            assert!(shown.contains(part), "{part} is not in the script");
        }
        let (_folder, file) = file("batchgate.bash", &shown);
        let bash = run(std::process::Command::new("bash").args(["-n", &file]));
        assert!(bash.status.success(), "{}", text(&bash));
    }

    #[test]
    fn the_pages_name_the_commands_and_their_options() {
        for (arguments, parts) in [
            (&["man"][..], [".TH batchgate 1", "batchgate\\-health(1)", "Exit codes"]),
            (&["man", "check"], [".TH batchgate-check 1", "\\-\\-strict", "in CI"]),
            (&["man", "import"], [".TH batchgate-import 1", "\\-\\-lossy", "\\-\\-upstream"]),
            (
                &["man", "import", "openapi"],
                [".TH batchgate-import-openapi 1", "\\-\\-lossy", "\\-\\-output"],
            ),
        ] {
            let page = text(&run(batchgate().args(arguments)));
            let missing: Vec<_> = parts.iter().filter(|part| !page.contains(**part)).collect();
            assert!(missing.is_empty(), "{missing:?} are not in\n{page}");
        }
        for command in [&["man", "serve"][..], &["man", "import", "swagger"]] {
            let unknown = run(batchgate().args(command));
            assert_eq!(code(&unknown), Some(1), "{}", text(&unknown));
        }
    }
}

mod check {
    use super::*;

    fn checked(arguments: &[&str], yaml: &str) -> (Option<i32>, Value) {
        let (_folder, file) = file("batchgate.yaml", yaml);
        let output = run(batchgate().args(["check", "--json", "--config", &file]).args(arguments));
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        for entry in report["diagnostics"].as_array_mut().unwrap() {
            assert_eq!(entry["file"].take(), json!(file));
        }
        (code(&output), report)
    }

    #[test]
    fn machines_get_each_error_with_its_place() {
        let (code, report) =
            checked(&[], "listen: 127.0.0.1:80\nroutes: [{ path: /, upstream: a }]\nrouts: []");
        let unknown = json!({"severity": "error", "file": null, "line": 2, "column": 31,
            "message": "unknown upstream `a`", "help": "add it under `upstreams`"});
        let key = json!({"severity": "error", "file": null, "line": 3, "column": 1,
            "message": "unknown key `routs`", "help": "did you mean `routes`?"});
        let expected =
            json!({"ok": false, "errors": 2, "warnings": 0, "omitted": 0, "diagnostics": [unknown, key]});
        assert_eq!((code, report), (Some(1), expected));
    }

    #[test]
    fn warnings_are_errors_if_the_check_is_strict() {
        let yaml = "listen: 127.0.0.1:80\nroutes: [{ path: \"/a*b\", respond: { status: 404 } }]";
        for (arguments, expected, ok) in [(&[][..], 0, true), (&["--strict"], 1, false)] {
            let (code, report) = checked(arguments, yaml);
            assert_eq!((code, &report["ok"], &report["warnings"]), (Some(expected), &json!(ok), &json!(1)));
        }
    }

    const ROUTES: &str = "listen: 127.0.0.1:80
upstreams: { orders: { targets: [\"http://127.0.0.1:9001/rest\"] } }
routes:
  - { path: /, redirect: { to: \"https://other.example/\" }, auth: off }
  - { path: \"/orders/{id}\", upstream: orders, methods: [GET, PATCH] }
  - { path: /orders, upstream: orders }
  - { path: /, hosts: [\"*.example.com\", api.example.com], respond: { status: 404 } }
  - { path: /, match: { methods: [POST], headers: { X-Version: \"2\", Authorization: \"Basic eDp5\" } }, respond: { status: 405 } }
auth: { forward: { upstream: orders, path: /check } }
batch: [{ path: /batch, auth: forward }]
bulk: [{ path: /orders, methods: [PATCH], each: \"/orders/{id}\" }]
";

    #[test]
    fn the_routes_are_shown_by_precedence() {
        let (_folder, file) = file("batchgate.yaml", ROUTES);
        let output = run(batchgate().args(["check", "--routes", "--config", &file]));
        let written = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> =
            written.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(!written.contains("eDp5"), "{written}");
        let expected = [
            "host path match leads to methods auth name",
            "- /batch - batch endpoint - forward /batch",
            "- /orders - bulk route PATCH - /orders",
            "api.example.com / - answer 404 - - *.example.com,api.example.com/",
            "*.example.com / - answer 404 - - *.example.com,api.example.com/",
            "- /orders/{id} - orders, as /rest/orders/{id} GET, PATCH, HEAD - /orders/{id}",
            "- /orders - orders, as /rest/orders - - /orders",
            "- / POST, x-version: 2, authorization answer 405 - - / POST X-Version=2 Authorization",
            "- / - redirect 308 to https://other.example/ - off /",
        ];
        assert_eq!(lines[..expected.len()], expected);
        let (_, report) = checked(&["--routes"], ROUTES);
        let rows = report["routes"].as_array().unwrap();
        assert_eq!(rows.len(), 8);
        assert_eq!(
            rows[4],
            json!({"host": null, "path": "/orders/{id}", "match": [], "leads_to": "orders, as /rest/orders/{id}",
                "methods": "GET, PATCH, HEAD", "auth": null, "name": "/orders/{id}"})
        );
        assert_eq!(checked(&[], ROUTES).1["routes"], json!(null));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_reported_alike() {
        let output = run(batchgate().args(["check", "--json", "--config", "/nowhere.yaml"]));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((code(&output), &report["errors"]), (Some(1), &json!(1)));
        assert_eq!(report["diagnostics"][0]["line"], json!(null));
    }
}
