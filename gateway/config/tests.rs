//! The complete way from text to settings: golden reports, the committed schema, every file under
//! `config/`, and that nothing panics.
//!
//! `tests/diagnostics/NAME.yaml` goes in, `NAME.txt` is the exact report; adding a case is adding a
//! file. With `UPDATE_GOLDEN=1` in the environment the expected files are rewritten.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::batch::BatchLimits;
use crate::header::variables::Variables;
use crate::route::CanonicalPath;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the golden cases may count on; all else is unset.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "TOKEN" | "NUMBER" => "t0p-secret",
        "BAD" => "t0p-secret\u{7}",
        "TARGET" => "http://t0p-secret:1/t0p-secret",
        "ITEMS" => "50",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

fn parse_at(text: &str, name: &str, folder: &Path) -> Result<Loaded, Diagnostics> {
    parse(text, name, folder, &environment)
}

fn settings(text: &str) -> Settings {
    parse_at(text, "test.yaml", Path::new("")).map_err(|report| panic!("{report}")).unwrap().settings
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// Compares with the committed file, or writes it.
fn golden(path: &Path, found: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.display();
    (expected == found)
        .then_some(())
        .ok_or_else(|| format!("=== {name}\n--- expected\n{expected}--- found\n{found}"))
}

#[test]
fn every_bad_configuration_is_reported_as_written() {
    let folder = repository().join("tests/diagnostics");
    let cases = yaml_files(&folder);
    assert!(cases.len() >= 25, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let report = match parse_at(&text, &name, &folder) {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(report) => report.to_string(),
        };
        let report = report.replace(&format!("{}/", folder.display()), "");
        if report.is_empty() {
            failures.push(format!("=== {name}: nothing to report"));
        }
        if report.contains("t0p-secret") || report.contains("s3cret") {
            failures.push(format!("=== {name}: shows a secret\n{report}"));
        }
        failures.extend(golden(&case.with_extension("txt"), &report).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a report shows in backticks, if it is a line of YAML.
fn yaml_in(report: &str) -> impl Iterator<Item = &str> {
    let is_report = |line: &&str| !line.contains('|');
    let quoted = |line| str::split(line, '`').skip(1).step_by(2);
    let is_key = |text: &&str| text.contains(": ") || text.len() > 1 && text.ends_with(':');
    report.lines().filter(is_report).flat_map(quoted).filter(is_key)
}

#[test]
fn yaml_that_a_report_shows_can_be_copied() {
    let folder = repository().join("tests/diagnostics");
    let reports = yaml_files(&folder).into_iter().map(|case| case.with_extension("txt"));
    let reports: String = reports.map(|report| std::fs::read_to_string(report).unwrap()).collect();
    let shown: Vec<_> = yaml_in(&reports).collect();
    assert!(shown.len() > 40, "only {} lines of YAML in reports", shown.len());
    let is_yaml = |text: &&&str| {
        let tree = yaml::tree::read(text);
        tree.is_ok_and(|tree| {
            tree.entries().iter().all(|(_, value)| value.value != yaml::tree::NodeValue::Empty)
        })
    };
    let wrong: Vec<_> = shown.iter().filter(|text| !is_yaml(text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    golden(&repository().join("config/schema.json"), &schema()).unwrap();
}

#[test]
fn every_configuration_under_config_loads_without_a_warning() {
    let mut files = yaml_files(&repository().join("config"));
    files.extend(yaml_files(&repository().join("config/examples")));
    assert!(files.len() >= 4);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let schema = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=");
        let schema = file.with_file_name(schema.expect("the schema on the first line"));
        assert!(schema.is_file(), "{}", schema.display());
        let loaded = ConfigSource::from_file(&file).load().unwrap_or_else(|report| panic!("{report}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    }
}

/// The annotated file claims to name every default; so it must read as what a bare file does.
#[test]
fn the_annotated_configuration_shows_the_defaults() {
    let annotated =
        ConfigSource::from_file(&repository().join("config/batchgate.yaml")).load().unwrap().settings;
    let bare = settings(
        "listen: 0.0.0.0:8080\nupstreams: { orders: { targets: ['http://127.0.0.1:9001'] } }\nroutes: [{ path: /orders/, upstream: orders }]\n",
    );
    assert_eq!(annotated, bare);
}

/// Every key of the schema has to appear in the annotated file, if only in a comment.
#[test]
fn the_annotated_configuration_names_every_key() {
    let text = std::fs::read_to_string(repository().join("config/batchgate.yaml")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let mut keys = Vec::new();
    collect_keys(&schema, &mut keys);
    assert!(keys.len() > 50);
    let missing: Vec<_> = keys.iter().filter(|key| !text.contains(&format!("{key}:"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn collect_keys(schema: &serde_json::Value, keys: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) {
        keys.extend(properties.keys().cloned());
    }
    if let Some(object) = schema.as_object() {
        for value in object.values() {
            collect_keys(value, keys);
        }
    }
    if let Some(array) = schema.as_array() {
        for value in array {
            collect_keys(value, keys);
        }
    }
}

#[test]
fn a_small_file_gets_every_default() {
    let settings = settings("listen: 127.0.0.1:80\nroutes: [{ path: /, respond: { status: 404 } }]\n");
    assert_eq!(settings.admin, Some(ListenAddress::Tcp("127.0.0.1:9901".parse().unwrap())));
    let [endpoint] = settings.batch.as_slice() else { panic!("{:?}", settings.batch) };
    assert_eq!(endpoint.path.as_str(), "/batch");
    assert_eq!(endpoint.limits, BatchLimits::default());
    assert_eq!(endpoint.concurrency.get(), 32);
    assert_eq!(endpoint.deadline, Duration::from_secs(30));
    assert_eq!(endpoint.reply_status, StatusCode::MULTI_STATUS);
    assert_eq!(settings.limits.body_timeout, Duration::from_secs(60));
    assert_eq!(settings.limits.write_timeout, Duration::from_secs(30));
    assert_eq!(settings.limits.hops.get(), 5);
    assert_eq!(settings.drain, Drain { delay: Duration::ZERO, deadline: Duration::from_secs(30) });
    assert_eq!(settings.threads, None);
}

const FULL: &str = r#"
listen: [0.0.0.0:8080, { address: "unix:/run/batchgate.sock" }]
admin: off
upstreams:
  orders:
    targets: [h2c://10.0.0.1:9001, { url: "h2://[::1]", weight: 2 }]
    balance: consistent_hash
    hash_header: X-Tenant
    slow_start: 10s
    retry: { attempts: 3, budget: 5%, on: [timeout], status: [503], timeout: 10s }
    breaker: { failures: 9, on: [lost, timeout], status: [502], base: 2s, max: 1m, max_ejected: 50% }
    health_check: { path: /health?x=1, interval: 5s, timeout: 2s, healthy: 1, unhealthy: 4, status: [204] }
    concurrency: 7
    timeout: { connect: 1.5s, item: 2m, request: 1h }
    host: api.example:81
    headers: { set: { X-Price: "5$", Authorization: "Bearer ${TOKEN}" }, remove: [Cookie] }
    tls: { verify: false }
routes:
  - { path: /a/b, upstream: orders, methods: [get, PROPFIND], strip_prefix: /a, name: main }
  - { path: /, respond: { status: 503, body: "later: ${ITEMS}", content_type: text/html } }
batch:
  - path: /odata/$batch
    max_items: ${ITEMS}
    max_body: 1MiB
    deadline: 10m
    order: sequential
    reply_status: 200
    inherit: [Authorization]
  - path: /batch
bulk:
  - { path: /a/bulk, methods: [get, PROPFIND], each: "/a/b/{x}?y={x}", max_items: 9, order: sequential, inherit: [cookie] }
limits: { hops: 2, body_timeout: 5s, idle_connections: 0 }
log: { format: text, level: "warn,batchgate=debug" }
drain: { delay: 5s }
threads: 2
cors: { allow_origins: ["https://App.example:443"] }
"#;

#[test]
fn every_key_reaches_the_settings() {
    let settings = settings(FULL);
    let upstream = &settings.upstreams[0];
    assert_eq!(upstream.engine, Engine::H2);
    assert_eq!(upstream.targets[1].url(), "h2://[::1]");
    assert_eq!(upstream.targets[1].weight.get(), 2);
    assert_eq!(upstream.timeout.connect, Duration::from_millis(1500));
    assert_eq!((upstream.timeout.item.as_secs(), upstream.timeout.request().as_secs()), (120, 3600));
    assert_eq!((upstream.retry.attempts.get(), upstream.retry.budget), (3, 5));
    assert_eq!(upstream.retry.on, FailureKinds { timeout: true, ..FailureKinds::default() });
    assert_eq!((upstream.breaker.failures.get(), upstream.breaker.max_ejected), (9, 50));
    assert_eq!(upstream.health_check.as_ref().unwrap().path.as_str(), "/health?x=1");
    assert_eq!(upstream.balance, Balance::ConsistentHash { header: Some("x-tenant".parse().unwrap()) });
    assert_eq!(upstream.host, HostPolicy::Fixed("api.example:81".to_owned()));
    assert_eq!(upstream.tls.trust, Trust::Everyone);
    let fields = upstream.headers.fields(Variables::default());
    let (name, value) = &fields[1];
    assert_eq!((name.as_str(), value.as_bytes()), ("authorization", b"Bearer t0p-secret".as_slice()));
    assert!(value.is_sensitive());
    assert!(!fields[0].1.is_sensitive());
    let route = &settings.routes.routes()[0];
    assert_eq!(route.name, "main");
    assert_eq!(route.methods.allow_value(), "GET, PROPFIND, HEAD");
    assert_eq!(settings.batch[0].limits.max_items, 50);
    assert_eq!(settings.batch[0].order, ItemOrder::Sequential);
    let bulk = &settings.bulk[0];
    assert_eq!((bulk.endpoint.path.as_str(), bulk.endpoint.limits.max_items), ("/a/bulk", 9));
    assert_eq!((bulk.each.as_str(), bulk.below.as_str()), ("/a/b/{x}?y={x}", "/a/b/xxxxx"));
    assert_eq!(bulk.methods, [http::Method::GET, http::Method::from_bytes(b"PROPFIND").unwrap()]);
    assert_eq!(settings.admin, None);
    assert_eq!(settings.limits.idle_connections, 0);
    assert_eq!(settings.cors.allow_origins, ["https://app.example"]);
}

#[test]
fn one_slash_at_the_end_is_the_same_endpoint() {
    let settings = settings(
        "listen: 127.0.0.1:80\nupstreams: { a: { targets: ['http://x'] } }\nroutes: [{ path: /, upstream: a }, { path: /c/, upstream: a }]\n\
         batch: [{ path: /batch }, { path: /tyk/batch/, dialect: tyk }, { path: /c }, { path: /d }, { path: /d/, dialect: graph }]\n\
         bulk: [{ path: /orders, methods: [PATCH], each: '/orders/{id}' }]\n",
    );
    let path = |text| CanonicalPath::parse(text, crate::route::Strictness::Proxied).unwrap();
    let endpoint = |text| settings.batch_endpoint(&path(text)).map(|endpoint| endpoint.path.as_str());
    for (asked, found) in [
        ("/batch", Some("/batch")),
        ("/batch/", Some("/batch")),
        ("/b%61tch/", Some("/batch")),
        ("/batch//", None),
        ("/batch/x", None),
        ("/batchx", None),
        ("/tyk/batch/", Some("/tyk/batch/")),
        ("/tyk/batch", Some("/tyk/batch/")),
        ("/c", Some("/c")),
        ("/c/", None),
        ("/d", Some("/d")),
        ("/d/", Some("/d/")),
        ("/", None),
    ] {
        assert_eq!(endpoint(asked), found, "{asked}");
    }
    let bulk = |text, method| settings.bulk_route(&path(text), &method).is_some();
    // With a slash it is a resource of the service.
    assert!(bulk("/orders", http::Method::PATCH) && !bulk("/orders/", http::Method::PATCH));
    assert!(!bulk("/orders", http::Method::PUT));
}

#[test]
fn the_printed_configuration_reads_back_without_its_secrets() {
    let original = settings(FULL);
    let shown = original.shown.clone();
    assert!(!shown.contains("t0p-secret"), "{shown}");
    assert!(shown.contains("***"), "{shown}");
    let mut again = settings(&shown);
    again.upstreams[0].headers = original.upstreams[0].headers.clone();
    assert_eq!(again, original);
}

#[test]
fn a_secret_comes_from_its_file() {
    let folder = repository().join("tests/diagnostics");
    let text = "listen: 127.0.0.1:80\nupstreams: { a: { targets: ['http://x'], headers: { set: { X-A: { file: files/token } } } } }\nroutes: [{ path: /, upstream: a }]\n";
    let settings = parse_at(text, "test.yaml", &folder).unwrap().settings;
    let (_, value) = &settings.upstreams[0].headers.fields(Variables::default())[0];
    assert_eq!(value.as_bytes(), b"s3cret-t0ken");
    assert!(value.is_sensitive());
    assert!(!settings.shown.contains("s3cret"));
}

#[test]
fn a_certificate_and_its_key_are_taken() {
    let folder = repository().join("tests/diagnostics");
    let text = "listen: { address: '127.0.0.1:443', tls: { certificate: files/server.crt, key: files/server.key } }\nupstreams: { a: { targets: ['https://x'], tls: { ca: files/server.crt } } }\nroutes: [{ path: /, upstream: a }]\n";
    let settings = parse_at(text, "test.yaml", &folder).unwrap().settings;
    assert_eq!(settings.listen[0].tls.as_ref().unwrap().default.pair.key, folder.join("files/server.key"));
    let tls = &settings.upstreams[0].tls;
    assert!(
        matches!(&tls.trust, Trust::Only(authorities) if authorities.file == folder.join("files/server.crt"))
    );
}

#[test]
fn a_file_that_is_not_a_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    let report = |path: &Path| ConfigSource::from_file(path).load().unwrap_err().to_string();
    assert!(report(&path).contains("can't be read"));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(report(&path).contains("larger than 1 MiB"));
    std::fs::write(&path, b"listen: \xff").unwrap();
    assert!(report(&path).contains("not UTF-8"));
}

#[test]
fn anchors_and_merge_keys_work_and_bombs_do_not() {
    let text = "listen: 127.0.0.1:80\nupstreams:\n  a: &a { targets: ['http://x'], concurrency: 3 }\n  b: { <<: *a, concurrency: 4 }\nroutes: [{ path: /a, upstream: a }, { path: /b, upstream: b }]\n";
    let settings = settings(text);
    assert_eq!(settings.upstreams[1].concurrency.get(), 4);
    assert_eq!(settings.upstreams[1].targets, settings.upstreams[0].targets);
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..24 {
        let below = level - 1;
        writeln!(bomb, "a{level}: &a{level} [*a{below}, *a{below}]").unwrap();
    }
    assert!(parse_at(&bomb, "bomb.yaml", Path::new("")).is_err());
    let deep = format!("listen: {}", "[".repeat(5000));
    assert!(parse_at(&deep, "deep.yaml", Path::new("")).is_err());
}

/// Every key of a complete file, misspelt one at a time: each is found at its place, with its name.
#[test]
fn every_misspelt_key_is_recognised() {
    let text = FULL.replace("[h2c", "\n      [h2c");
    let keys =
        ["listen", "targets", "connect", "methods", "strip_prefix", "content_type", "max_items", "format"];
    for key in keys {
        let (before, after) = text.split_once(&format!("{key}:")).unwrap();
        let report = parse_at(&format!("{before}{key}s_:{after}"), "test.yaml", Path::new("")).unwrap_err();
        let line = before.lines().count();
        let found = report.iter().find(|found| found.message == format!("unknown key `{key}s_`"));
        let found = found.unwrap_or_else(|| panic!("{key}\n{report}"));
        assert_eq!(found.hint, Some(format!("did you mean `{key}`?")));
        assert_eq!(found.line(), Some(line + usize::from(before.ends_with('\n'))), "{key}");
        assert_eq!(report.iter().filter(|found| found.severity == Severity::Error).count(), 1, "{report}");
    }
}

/// A part of the annotated file, cut or changed anywhere.
fn mutated(cut: &[(usize, usize, String)]) -> String {
    let mut text = FULL.to_owned();
    for (at, length, new) in cut {
        let start = text.floor_char_boundary(at % (text.len() + 1));
        let end = text.floor_char_boundary((start + length).min(text.len())).max(start);
        text.replace_range(start..end, new);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_never_panics(text in "[ -~\\n\\t\u{e4}\u{1f600}\u{0}-\u{1f}]{0,200}") {
        let _ = parse_at(&text, "garbage.yaml", Path::new("")).map_err(|report| report.to_string());
    }

    #[test]
    fn mutations_never_panic(
        cut in prop::collection::vec((0_usize..4096, 0_usize..12, "[a-z:{}\\[\\]$&*!|>'\" \\n0-9\u{e4}-]{0,6}"), 1..4)
    ) {
        let text = mutated(&cut);
        if let Err(report) = parse_at(&text, "mutated.yaml", Path::new("")) {
            prop_assert!(!report.is_empty());
            prop_assert!(!report.to_string().contains("t0p-secret"));
        }
    }
}
