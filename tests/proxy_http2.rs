//! HTTP/2 and TLS on both sides: h2c and ALPN in front, h2c and https behind, against curl and nginx.

use std::fs;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::certificate::Certificate;
use crate::harness::http2::{Call, Http2Client};
use crate::harness::nginx::Nginx;
use crate::harness::programs::{program, succeed};
use crate::harness::{Gateway, Setup, Upstream, until};

/// What curl writes about a transfer: protocol and status.
const WRITE_OUT: &str = "%{http_version} %{http_code}";

#[test]
fn clients_may_speak_h2c_by_prior_knowledge() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    assert_eq!(curl(&["--http2-prior-knowledge", &gateway.url("/a")]), "2 200");
    assert_eq!(curl(&["--http1.1", &gateway.url("/a")]), "1.1 200");
    let batch = json!({"requests": [{"method": "GET", "url": "/b"}]}).to_string();
    let post = ["--http2-prior-knowledge", "-d", &batch, &gateway.url("/batch")];
    assert_eq!(curl(&post), "2 207");
    assert_eq!(upstream.requests_to("/b").len(), 1);
}

#[test]
fn clients_may_speak_tls_with_the_protocol_they_choose() {
    let (upstream, certificate) = (Upstream::start(), Certificate::for_loopback());
    let gateway = Setup::routing_to(&[upstream.url()]).with_tls(&certificate).start();
    let url = format!("https://{}/a", gateway.tls_address());
    let trusted = certificate.authority().display().to_string();
    assert_eq!(curl(&["--cacert", &trusted, "--http2", &url]), "2 200");
    assert_eq!(curl(&["--cacert", &trusted, "--http1.1", &url]), "1.1 200");
    let batch = json!({"requests": [{"method": "GET", "url": "/b"}]}).to_string();
    let endpoint = format!("https://{}/batch", gateway.tls_address());
    assert_eq!(curl(&["--cacert", &trusted, "--http2", "-d", &batch, &endpoint]), "2 207");
    assert_eq!(upstream.requests()[0].header("X-Forwarded-Proto"), Some("https"));
}

#[test]
fn the_cookies_of_http2_are_one_field_for_http1() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/b"}]}).to_string();
    let cookies = ["--http2-prior-knowledge", "-H", "Cookie: a=1", "-H", "Cookie: b=2"];
    assert_eq!(curl(&[&cookies[..], &[&gateway.url("/a")]].concat()), "2 200");
    assert_eq!(curl(&[&cookies[..], &["-d", &batch, &gateway.url("/batch")]].concat()), "2 207");
    for request in upstream.requests() {
        assert_eq!(request.header("Cookie"), Some("a=1; b=2"), "{}", request.target);
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_large_reply_comes_whole_over_http2() {
    let body = "0123456789abcdef".repeat(64 << 10);
    let expected = body.len();
    let upstream = Upstream::answering(move |_| crate::harness::Answer::text(200, &body));
    let url = Gateway::before(&upstream);
    let size = curl_writing("%{size_download}", &["--http2-prior-knowledge", &url.url("/a")]);
    assert_eq!(size, expected.to_string());
}

#[test]
fn an_upstream_may_speak_h2c() {
    let nginx = Nginx::start("http2", "location /items { return 200 \"item $request_uri\"; }");
    let target = format!("h2c://{}", nginx.address());
    let gateway = Setup::routing_to(&[target]).start();
    let items: Vec<_> = (0..20).map(|n| json!({"method": "GET", "url": format!("/items/{n}")})).collect();
    let results = gateway.batch(&json!({ "requests": items })).results();
    for (n, result) in results.iter().enumerate() {
        assert_eq!(
            (&result["status"], result["encoding"].as_str()),
            (&json!(200), Some("base64")),
            "{n} {result}"
        );
    }
    assert_eq!(curl(&[&gateway.url("/items/plain")]), "1.1 200");
    let calls = || nginx.access_log().lines().filter(|line| line.ends_with("200 HTTP/2.0")).count();
    until("all calls in nginx's log", || (calls() >= 21).then_some(()));
    assert_eq!(calls(), 21, "{}", nginx.access_log());
}

#[test]
fn an_upstream_may_speak_https() {
    let certificate = Certificate::for_loopback();
    let nginx = https_nginx(&certificate, "ssl");
    let members = format!("tls: {{ ca: {} }}", certificate.authority().display());
    let gateway = Setup::tuned(&format!("https://{}", nginx.address()), &members, "").start();
    let result = gateway.item(&json!({"method": "GET", "url": "/items/1"}));
    assert_eq!(result["status"], 200, "{result} {}", nginx.output());
    assert_eq!(curl(&[&gateway.url("/items/2")]), "1.1 200");
}

#[test]
fn an_upstream_may_speak_h2_over_tls() {
    let certificate = Certificate::for_loopback();
    let nginx = https_nginx(&certificate, "ssl http2");
    let members = format!("tls: {{ ca: {} }}", certificate.authority().display());
    let gateway = Setup::tuned(&format!("h2://{}", nginx.address()), &members, "").start();
    let result = gateway.item(&json!({"method": "GET", "url": "/items/1"}));
    assert_eq!(result["status"], 200, "{result} {}", nginx.output());
    // nginx writes its log after it has answered.
    until("the call in nginx's log", || nginx.access_log().contains("HTTP/2.0").then_some(()));
}

#[test]
fn an_upstreams_certificate_is_checked() {
    let certificate = Certificate::for_loopback();
    let nginx = https_nginx(&certificate, "ssl");
    let target = format!("https://{}", nginx.address());
    let strict = Setup::routing_to(std::slice::from_ref(&target)).start();
    let result = strict.item(&json!({"method": "GET", "url": "/items/1"}));
    assert_eq!((&result["status"], &result["outcome"]), (&json!(502), &json!("not_sent")), "{result}");
    let proxy_status = result["headers"]["Proxy-Status"].as_str().unwrap();
    assert!(proxy_status.contains("error=tls_"), "{proxy_status}");
    let lenient = Setup::tuned(&target, "tls: { verify: false }", "").start();
    assert_eq!(lenient.item(&json!({"method": "GET", "url": "/items/1"}))["status"], 200);
}

fn https_nginx(certificate: &Certificate, listen_options: &str) -> Nginx {
    let (chain, key) = (certificate.chain(), certificate.key());
    let tls = format!("ssl_certificate {};\nssl_certificate_key {};", chain.display(), key.display());
    Nginx::start(listen_options, &format!("{tls}\nlocation /items {{ return 200 \"item\"; }}"))
}

fn curl(arguments: &[&str]) -> String {
    curl_writing(WRITE_OUT, arguments)
}

fn curl_writing(write_out: &str, arguments: &[&str]) -> String {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    fs::write(&body, "").unwrap();
    let mut curl = Command::new(program("curl"));
    curl.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--write-out", write_out]);
    succeed(curl.arg("--output").arg(body).args(arguments))
}

#[test]
fn a_body_of_another_length_than_announced_is_not_a_client_that_left() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let client = Http2Client::connect(gateway.address());
    for length in ["3", "10"] {
        let reply = client.call(&Call::new("POST", "/a").header("content-length", length).body(b"hello"));
        assert_ne!(reply.status, 200, "{length}");
    }
    assert_eq!(client.call(&Call::new("GET", "/a")).status, 200);
    gateway.wait_for_metric("batchgate_request_failures_total", &[("reason", "body_unreadable")], 2.0);
}
