//! What no line of a gateway may hold, whatever it was sent and whatever failed. [`Gateway`](super::Gateway) checks
//! all lines of its processes at its end, so that every test checks them.

use std::path::Path;

/// What tests plant wherever a client or an operator can put a secret.
pub(crate) const SECRET: &str = "hunter2";

/// Paths of the machine that built the program, and of its libraries' sources.
const BUILD_PATHS: [&str; 4] = [".cargo/", "/registry/src/", "/rustc/", "/home/"];

/// Libraries of which no line may reach the log.
const LIBRARIES: [&str; 8] =
    ["pingora", "h2::", "hyper", "rustls::", "tokio::", "tokio_", "notify::", "tracing"];

/// What is wrong with a line; nothing if all is well.
pub(crate) fn fault_in(line: &str) -> Option<&'static str> {
    let line = &without_own_paths(line);
    if line.contains(SECRET) {
        return Some("it has a secret");
    }
    if BUILD_PATHS.iter().any(|path| line.contains(path)) || has_place_in_source(line) {
        return Some("it has a path of the machine that built the program");
    }
    if line.contains("\"kind\":\"panic\"") {
        return Some("it is of a panic");
    }
    if LIBRARIES.iter().any(|name| line.contains(name)) {
        return Some("it is a library's");
    }
    if without_ids(line).split(['"', ' ']).any(has_query) {
        return Some("it has a query string");
    }
    let keys = serde_json::from_str::<serde_json::Map<_, _>>(line).unwrap_or_default();
    keys.keys().any(|key| key.contains('.')).then_some("it has a key with a dot")
}

/// Where a developer's own folders lie says nothing of the program.
fn without_own_paths(line: &str) -> String {
    let folders = [std::env::temp_dir(), Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()];
    folders.iter().fold(line.to_owned(), |line, folder| line.replace(&*folder.to_string_lossy(), "…"))
}

/// Clients choose the ids of items; some have a question mark.
fn without_ids(line: &str) -> String {
    let mut fields = serde_json::from_str::<serde_json::Map<_, _>>(line).unwrap_or_default();
    if fields.remove("id").is_none() {
        return line.to_owned();
    }
    serde_json::to_string(&fields).unwrap_or_default()
}

/// `name.rs:12`.
fn has_place_in_source(line: &str) -> bool {
    line.split(".rs:").skip(1).any(|behind| behind.starts_with(|character: char| character.is_ascii_digit()))
}

/// A path with something behind its question mark.
fn has_query(word: &str) -> bool {
    word.split_once('?').is_some_and(|(path, query)| path.contains('/') && query.len() > 1)
}

#[test]
fn lines_are_judged() {
    for (line, fault) in [
        (r#"{"kind":"request","route":"/a","reason":"why?"}"#, None),
        (r#"{"kind":"start","version":"0.1.0","line":12}"#, None),
        (r#"{"kind":"panic","file":"crate-1.0/lib.rs","line":12}"#, Some("it is of a panic")),
        (r#"{"id":"hunter2"}"#, Some("it has a secret")),
        (r#"{"summary":"GET /a?b=c, Host: x"}"#, Some("it has a query string")),
        (
            r#"{"file":"/root/.cargo/registry/x.rs"}"#,
            Some("it has a path of the machine that built the program"),
        ),
        (
            "thread 'a' panicked at src/lib.rs:12:3:",
            Some("it has a path of the machine that built the program"),
        ),
        (r#"{"module":"pingora_core::apps"}"#, Some("it is a library's")),
        (r#"{"log.line":3}"#, Some("it has a key with a dot")),
    ] {
        assert_eq!(fault_in(line), fault, "{line}");
    }
}
