//! Several certificates on one listener, chosen by the name that a client asks for; 421 for requests that came over a
//! connection for another host; versions, ciphers and resumed sessions.

use std::net::SocketAddr;
use std::process::Command;

use crate::harness::certificate::Certificate;
use crate::harness::programs::{program, run};
use crate::harness::tls::{subject_at, talk};
use crate::harness::wait::until_true;
use crate::harness::{Config, Gateway, Setup};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

fn gateway(tls: impl Into<String>) -> Gateway {
    setup(tls).start()
}

fn setup(tls: impl Into<String>) -> Setup {
    let config = Config::new().respond("/", "status: 200, body: hello").raw("threads: 3");
    config.batch("/batch").setup().with_tls_of(tls)
}

/// A member of `certificates`.
fn pair(certificate: &Certificate) -> String {
    format!("certificate: {}, key: {}", certificate.chain().display(), certificate.key().display())
}

/// For a.example and *.b.example.
fn two(authority: &Certificate) -> [Certificate; 2] {
    [
        authority.client("/CN=a", "DNS:a.example,IP:127.0.0.9"),
        authority.client("/CN=b", "DNS:*.b.example,DNS:b.example"),
    ]
}

fn listing(certificates: &[Certificate]) -> String {
    let pairs: Vec<_> =
        certificates.iter().map(|certificate| format!("{{ {} }}", pair(certificate))).collect();
    format!("certificates: [{}]", pairs.join(", "))
}

/// The statuses that curl gets, for urls on one connection, with another Host for each.
fn statuses(address: SocketAddr, version: &str, asked: &str, hosts: &[&str]) -> String {
    let mut curl = Command::new(program("curl"));
    curl.args(["--silent", "--noproxy", "*"]);
    for (number, host) in hosts.iter().enumerate() {
        if number > 0 {
            curl.arg("--next").arg("--silent");
        }
        curl.args([
            "--insecure",
            version,
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}/%{num_connects} ",
        ]);
        curl.args(["--connect-to", &format!("::{address}"), "--header", &format!("Host: {host}")]);
        curl.arg(format!("https://{asked}/"));
    }
    String::from_utf8(run(&mut curl).stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let certificates = two(&Certificate::for_loopback());
    let gateway = gateway(listing(&certificates));
    for (name, subject) in [
        (Some("a.example"), "a"),
        (Some("A.Example"), "a"),
        (Some("b.example"), "b"),
        (Some("x.b.example"), "b"),
        (Some("x.y.b.example"), "a"),
        (Some("unknown.example"), "a"),
        (None, "a"),
    ] {
        assert_eq!(subject_at(gateway.tls_address(), name), subject, "{name:?}");
    }
    std::fs::copy(certificates[0].chain(), certificates[1].chain()).unwrap();
    std::fs::copy(certificates[0].key(), certificates[1].key()).unwrap();
    until_true("the new certificate of b", || subject_at(gateway.tls_address(), Some("b.example")) == "a");
}

#[test]
fn a_request_for_a_host_that_the_certificate_is_not_for_gets_421() {
    let gateway = gateway(listing(&two(&Certificate::for_loopback())));
    let address = gateway.tls_address();
    let hosts = ["b.example", "a.example", "x.b.example:1", "127.0.0.9", "B.example", "127.0.0.1"];
    for version in ["--http1.1", "--http2"] {
        let over_b = statuses(address, version, "b.example", &hosts);
        assert_eq!(over_b, "200/1 421/0 200/0 421/0 200/0 421/0", "{version}");
        let over_a = statuses(address, version, "a.example", &hosts);
        assert_eq!(over_a, "421/1 200/0 421/0 200/0 421/0 421/0", "{version}");
        let over_unknown = statuses(address, version, "unknown.example", &["unknown.example", "b.example"]);
        assert_eq!(over_unknown, "200/1 421/0", "{version}");
        let without_name = statuses(address, version, "127.0.0.1", &hosts);
        assert_eq!(without_name, "200/1 200/0 200/0 200/0 200/0 200/0", "{version}");
    }
    let reply = talk(address, &["-servername", "b.example"], GET);
    assert!(reply.contains("urn:batchgate:problem:misdirected"), "{reply}");
}

#[test]
fn one_certificate_is_for_every_host() {
    let [_, b] = two(&Certificate::for_loopback());
    for tls in [pair(&b), format!("certificates: [{{ {} }}]", pair(&b))] {
        let gateway = gateway(tls);
        let over_b = statuses(gateway.tls_address(), "--http2", "b.example", &["b.example", "a.example"]);
        assert_eq!(over_b, "200/1 200/0");
    }
}

#[test]
fn versions_and_ciphers_are_those_of_the_listener() {
    let [a, _] = two(&Certificate::for_loopback());
    let cipher = |gateway: &Gateway, options: &[&str]| {
        let text = talk(gateway.tls_address(), options, GET);
        let line = text.lines().find(|line| line.starts_with("New, ")).unwrap_or_default().to_owned();
        if text.contains("hello") { line } else { String::new() }
    };
    let newest = gateway(format!("{}, min_version: '1.3', ciphers: [TLS13_AES_128_GCM_SHA256]", pair(&a)));
    assert_eq!(cipher(&newest, &[]), "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256");
    assert_eq!(cipher(&newest, &["-tls1_2"]), "");
    assert_eq!(cipher(&newest, &["-ciphersuites", "TLS_AES_256_GCM_SHA384"]), "");
    let older = gateway(format!("{}, ciphers: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]", pair(&a)));
    assert_eq!(cipher(&older, &[]), "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384");
}

#[test]
fn a_session_is_resumed_on_every_thread_and_with_a_new_certificate() {
    let certificates = two(&Certificate::for_loopback());
    let gateway = gateway(listing(&certificates));
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session").display().to_string();
    for version in ["-tls1_3", "-tls1_2"] {
        let asking = ["-servername", "a.example", version];
        let is_resumed = || {
            let text = talk(gateway.tls_address(), &[&asking[..], &["-sess_in", &session]].concat(), GET);
            assert!(text.contains("hello"), "{text}");
            text.contains("\nReused, ")
        };
        let first = talk(gateway.tls_address(), &[&asking[..], &["-sess_out", &session]].concat(), GET);
        assert!(first.contains("\nNew, "), "{first}");
        assert!((0..6).all(|_| is_resumed()), "{version}");
        let renewals = [("result", "taken")];
        let before = gateway.metrics().sum("batchgate_certificate_renewals_total", &renewals);
        let renewed = two(&Certificate::for_loopback());
        std::fs::copy(renewed[1].chain(), certificates[1].chain()).unwrap();
        std::fs::copy(renewed[1].key(), certificates[1].key()).unwrap();
        gateway.wait_for_metric("batchgate_certificate_renewals_total", &renewals, before + 1.0);
        assert!(is_resumed(), "{version}, after a renewal");
    }
}

#[test]
fn a_session_is_not_resumed_once_others_may_sign_clients() {
    let authority = Certificate::for_loopback();
    let [a, _] = two(&authority);
    let client = authority.client("/CN=ann", "DNS:ann");
    let authorities = tempfile::tempdir().unwrap();
    let file = authorities.path().join("ca.pem");
    std::fs::copy(authority.authority(), &file).unwrap();
    let gateway = setup(format!("{}, client_ca: {}", pair(&a), file.display())).start();
    let (chain, key) = (client.chain().display().to_string(), client.key().display().to_string());
    let session = authorities.path().join("session").display().to_string();
    let as_ann = ["-cert", &chain, "-key", &key];
    let talk_as_ann = |more: &[&str]| talk(gateway.tls_address(), &[&as_ann[..], more].concat(), GET);
    assert!(talk_as_ann(&["-sess_out", &session]).contains("hello"));
    assert!(talk_as_ann(&["-sess_in", &session]).contains("\nReused, "));
    std::fs::copy(Certificate::for_loopback().authority(), &file).unwrap();
    gateway.wait_for_metric("batchgate_certificate_renewals_total", &[("result", "taken")], 1.0);
    let refused = talk_as_ann(&["-sess_in", &session]);
    assert!(!refused.contains("hello") && !refused.contains("\nReused, "), "{refused}");
}
