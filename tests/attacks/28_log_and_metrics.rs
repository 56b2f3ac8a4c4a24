//! Attack 28: what clients say, in logs and in metrics. Lines of the log: `tests/logs.rs`; paths and methods:
//! `a_thousand_paths_and_methods_make_no_new_series` in `tests/metrics.rs`.

use serde_json::{Value, json};

use crate::harness::metrics::Series;
use crate::harness::{Gateway, Request, Upstream};

const VALUES: [&str; 5] = ["\"},{\"kind\":\"forged\"", "a\tb\u{1b}[31m", "${jndi:ldap://x}", "é", "*/*;q=0"];
const FIELDS: [&str; 7] =
    ["X-Request-Id", "traceparent", "tracestate", "User-Agent", "X-Forwarded-For", "Prefer", "Accept"];

/// Sends each value in each field, with a text behind it.
fn send_all(gateway: &Gateway, behind: &str) {
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]});
    for (field, value) in
        FIELDS.iter().flat_map(|field| VALUES.map(|value| (field, format!("{value}{behind}"))))
    {
        gateway.send(&Request::batch(&batch).header(field, &value));
        gateway.send(&Request::get("/single").header(field, &value));
    }
}

#[test]
fn no_field_of_a_request_forges_a_log_line_or_makes_a_series() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    send_all(&gateway, "");
    let before = gateway.metrics();
    send_all(&gateway, "another");
    send_all(&gateway, &"x".repeat(5000));
    assert_eq!(gateway.metrics().new_since(&before), Vec::<&Series>::new());
    gateway.send(&Request::get("/single").header("X-Request-Id", "the-last-one"));
    gateway.log_line(&[("request_id", "the-last-one")]);
    for line in gateway.process().lines() {
        let mut parsed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed["kind"] != "forged" && line.len() < 4000, "{line}");
        // These two are what the client wrote, and nothing else is.
        for field in ["agent", "referer"] {
            parsed.as_object_mut().unwrap().remove(field);
        }
        assert!(!parsed.to_string().contains("jndi") && !line.contains('\u{1b}'), "{line}");
    }
}
