//! Whom the gateway trusts as a target, that connections are shared only where the same was verified, and what is said
//! of handshakes that fail.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::certificate::Certificate;
use crate::harness::nginx::Nginx;
use crate::harness::programs::program;
use crate::harness::{Config, Gateway, Request, Setup, Upstream};

const FAILURES: &str = "batchgate_tls_failures_total";

/// An nginx that presents a certificate, and its target.
fn served(certificate: &Certificate, scheme: &str) -> (Nginx, String) {
    let (chain, key) = (certificate.chain(), certificate.key());
    let options = if scheme == "h2" { "ssl http2" } else { "ssl" };
    let directives = format!(
        "ssl_certificate {}; ssl_certificate_key {}; location / {{ return 200 ok; }}",
        chain.display(),
        key.display()
    );
    let nginx = Nginx::start(options, &directives);
    let target = format!("{scheme}://{}", nginx.address());
    (nginx, target)
}

fn item(gateway: &Gateway, path: &str) -> u64 {
    gateway.item(&json!({"method": "GET", "url": path}))["status"].as_u64().unwrap()
}

fn single(gateway: &Gateway, path: &str) -> u64 {
    u64::from(gateway.send(&Request::get(path)).status)
}

/// Two upstreams at one target that trust these.
fn two(target: &str, [one, other]: [&Path; 2]) -> String {
    let trusting = |file: &Path| format!("tls: {{ ca: {} }}", file.display());
    let config =
        Config::new().upstream("a", target).with(trusting(one)).upstream("b", target).with(trusting(other));
    config.route("/a", "a").route("/b", "b").batch("/batch").to_yaml()
}

#[test]
fn a_connection_is_used_only_by_those_who_would_have_trusted_it() {
    let (certificate, stranger) = (Certificate::for_loopback(), Certificate::for_loopback());
    let (right, wrong) = (certificate.authority(), stranger.authority());
    for scheme in ["https", "h2"] {
        let (_nginx, target) = served(&certificate, scheme);
        for ask in [item, single] {
            let gateway = Gateway::start(two(&target, [&right, &wrong]));
            let statuses = ["/b", "/a", "/b", "/a"].map(|path| ask(&gateway, path));
            assert_eq!(statuses, [502, 200, 502, 200], "{scheme}");
            gateway.write_config(&two(&target, [&wrong, &right]));
            gateway.signal("HUP");
            gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
            let statuses = ["/a", "/b", "/a", "/b"].map(|path| ask(&gateway, path));
            assert_eq!(statuses, [502, 200, 502, 200], "{scheme}, after a reload");
        }
    }
}

/// What an item gets from a target that presents one certificate where another is trusted.
fn trusting(presented: &Certificate, trusted: &Path) -> (u64, Gateway) {
    let (_nginx, target) = served(presented, "https");
    let members = format!("tls: {{ ca: {} }}, retry: {{ attempts: 1 }}", trusted.display());
    let gateway = Setup::tuned(&target, &members, "").start();
    (item(&gateway, "/a"), gateway)
}

#[test]
fn a_certificate_that_the_file_names_is_trusted_itself() {
    let own = Certificate::self_signed("DNS:localhost,IP:127.0.0.1");
    assert_eq!(trusting(&own, &own.chain()).0, 200, "self-signed, and an authority");
    let leaf = Certificate::for_loopback();
    assert_eq!(trusting(&leaf, &leaf.chain()).0, 200, "signed by another");
    assert_eq!(trusting(&leaf, &leaf.authority()).0, 200, "by its authority");
}

#[test]
fn a_certificate_that_is_not_the_named_one_is_not_trusted() {
    let elsewhere = Certificate::self_signed("DNS:elsewhere.example");
    let (status, gateway) = trusting(&elsewhere, &elsewhere.chain());
    assert_eq!((status, gateway.metrics().count(FAILURES, &[("cause", "name_mismatch")])), (502, 1));
    let leaf = Certificate::for_loopback();
    for stranger in [Certificate::for_loopback(), leaf.sign_another()] {
        let (status, gateway) = trusting(&stranger, &leaf.chain());
        assert_eq!((status, gateway.metrics().count(FAILURES, &[("cause", "unknown_issuer")])), (502, 1));
    }
}

#[test]
fn the_log_says_why_a_target_is_not_trusted() {
    let (presented, trusted) = (Certificate::for_loopback(), Certificate::for_loopback());
    let (_, gateway) = trusting(&presented, &trusted.authority());
    let line = gateway.log_line(&[("kind", "tls"), ("side", "upstream")]);
    assert_eq!((&line["upstream"], &line["cause"]), (&json!("legacy"), &json!("unknown_issuer")), "{line}");
    assert!(line["detail"].as_str().unwrap().starts_with("invalid peer certificate"), "{line}");
}

#[test]
fn what_is_no_tls_is_said_to_be_none() {
    let plain = Nginx::start("", "location / { return 200 ok; }");
    let members = "tls: { verify: false }, retry: { attempts: 1 }";
    let gateway = Setup::tuned(&format!("https://{}", plain.address()), members, "").start();
    assert_eq!(item(&gateway, "/a"), 502);
    assert_eq!(gateway.metrics().count(FAILURES, &[("side", "upstream"), ("cause", "protocol")]), 1);
}

#[test]
fn the_log_says_why_a_client_gets_no_connection() {
    let (upstream, certificate) = (Upstream::start(), Certificate::for_loopback());
    let gateway = Setup::routing_to(&[upstream.url()]).with_tls(&certificate).start();
    let url = format!("https://{}/a", gateway.tls_address());
    for arguments in [["--tls-max", "1.1"].as_slice(), &[]] {
        let mut curl = Command::new(program("curl"));
        curl.args(["--silent", "--noproxy", "*", "--ciphers", "DEFAULT@SECLEVEL=0"])
            .args(arguments)
            .arg(&url);
        assert!(!curl.output().unwrap().status.success());
    }
    TcpStream::connect(gateway.tls_address())
        .unwrap()
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    for cause in ["nothing_in_common", "refused_by_peer", "protocol"] {
        gateway.wait_for_metric(FAILURES, &[("side", "client"), ("cause", cause)], 1.0);
    }
    let line = gateway.log_line(&[("kind", "tls"), ("side", "client")]);
    assert!(
        line["client"] == "127.0.0.1" && line["detail"].as_str().is_some_and(|text| !text.is_empty()),
        "{line}"
    );
    assert!(!line.to_string().contains("/src/"), "{line}");
}
