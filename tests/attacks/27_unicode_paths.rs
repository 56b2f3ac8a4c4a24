//! Attack 27: characters that some server takes for others. Paths and routes are compared byte by byte.

use serde_json::json;

use super::exchange;
use crate::harness::{Config, Upstream};

#[test]
fn no_character_stands_for_another_in_a_path() {
    let (public, admin) = (Upstream::start(), Upstream::start());
    let upstreams = Config::new().upstream("public", public.url()).upstream("admin", admin.url());
    let gateway = upstreams.route("/", "public").route("/admin/", "admin").batch("/batch").start();
    let encoded = [
        "/ADMIN/a",
        "/adm%C4%B1n/a",
        "/%EF%BC%8Fadmin/a",
        "/admin%EF%BC%8Fa",
        "/%D0%B0dmin/a",
        "/admin%E2%80%8B/a",
    ];
    let raw = ["/admın/a", "/admin／a", "/аdmin/a", "／admin/a", "/é"];
    let items: Vec<_> = encoded.iter().chain(&raw).map(|url| json!({"method": "GET", "url": url})).collect();
    let statuses = gateway.batch(&json!({ "requests": items })).statuses();
    assert_eq!((&statuses[..6], &statuses[6..]), (&[200; 6][..], &[200, 200, 200, 400, 200][..]));
    for url in raw {
        let reply =
            exchange(&gateway, format!("GET {url} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"));
        assert!(reply.starts_with("HTTP/1.1 400 "), "{url}: {reply}");
    }
    let mut targets: Vec<_> = public.requests().into_iter().map(|request| request.target).collect();
    targets.sort();
    let of_raw = ["/adm%C4%B1n/a", "/admin%EF%BC%8Fa", "/%D0%B0dmin/a", "/%C3%A9"];
    let mut expected = [&encoded[..], &of_raw].concat();
    expected.sort_unstable();
    assert_eq!(targets, expected, "they go on as they came, raw ones of items encoded");
    assert_eq!(admin.requests(), []);
}
