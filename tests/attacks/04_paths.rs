//! Attack 4: paths that the gateway and a service read in two ways. Which are refused: `json-paths-that-servers-
//! read-differently` in `tests/cases/item`; the canonical form's properties: `gateway/route/canonical.rs`.

use serde_json::json;

use crate::harness::{Config, Request, Upstream};

const SPELLINGS: [&str; 20] = [
    "/public/../admin",
    "/public/%2e%2e/admin",
    "/public/.%2E/admin",
    "/public/..;/admin",
    "/public/..%3b/admin",
    "/public/%2e%2e;x=y/admin",
    "/public/./../admin",
    "/public//../admin",
    "/public/x/../../admin",
    "/public/..%2fadmin",
    "/public/..%5cadmin",
    "/public/%2e%2e%2fadmin",
    "/public\\..\\admin",
    "/public/..",
    "/public/..?x",
    "/public/%2E%2E",
    "/public/%00/../admin",
    "/./admin",
    "/public/%c0%ae%c0%ae/admin",
    "/%61dmin",
];

/// The path as the most obliging server would read it: encodings undone once, backslashes turned, parameters cut
/// off, dots resolved.
fn read_obligingly(target: &str) -> String {
    let path = target.split('?').next().unwrap();
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn no_spelling_of_a_public_path_leads_an_obliging_service_elsewhere() {
    let (public, admin) = (Upstream::start(), Upstream::start());
    let upstreams = Config::new().upstream("public", public.url()).upstream("admin", admin.url());
    let routes = upstreams.route("/public", "public").route("/admin", "admin").with("methods: [PUT]");
    let gateway = routes.batch("/batch").start();
    let items: Vec<_> = SPELLINGS.iter().map(|url| json!({"method": "GET", "url": url})).collect();
    gateway.batch(&json!({ "requests": items }));
    for target in SPELLINGS {
        gateway.send(&Request::get(target));
    }
    for request in public.requests() {
        let read = read_obligingly(&request.target);
        assert!(read.starts_with("/public"), "{} reads as {read}", request.target);
    }
    assert_eq!(admin.requests(), []);
}
