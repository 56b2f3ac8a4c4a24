//! The certificate that the gateway presents to its targets, and the name by which it asks for them, before nginx.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::certificate::Certificate;
use crate::harness::nginx::Nginx;
use crate::harness::{Config, Gateway, Request};

/// Who called, and by which name.
const ANSWER: &str =
    "default_type text/plain; location / { return 200 \"$ssl_client_s_dn $ssl_server_name\"; }";

/// An nginx that presents a certificate, and answers only clients of an authority. Its target.
fn guarded(presented: &Certificate, clients: &Path, scheme: &str) -> (Nginx, String) {
    let options = if scheme == "h2" { "ssl http2" } else { "ssl" };
    let directives = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on; {ANSWER}",
        presented.chain().display(),
        presented.key().display(),
        clients.display(),
    );
    let nginx = Nginx::start(options, &directives);
    let target = format!("{scheme}://{}", nginx.address());
    (nginx, target)
}

/// The members of `tls` by which a gateway presents a certificate.
fn presenting(certificate: &Certificate) -> String {
    format!("certificate: {}, key: {}", certificate.chain().display(), certificate.key().display())
}

/// The status and the body of an item, and of a single request.
fn answers(gateway: &Gateway, path: &str) -> [Value; 2] {
    let item = gateway.item(&json!({"method": "GET", "url": path}));
    let single = gateway.send(&Request::get(path));
    [json!([item["status"], item["body"]]), json!([single.status, single.text()])]
}

#[test]
fn a_target_gets_the_certificate_of_its_upstream() {
    let service = Certificate::for_loopback();
    let (ann, bob) = (service.client("/CN=ann", "DNS:ann"), service.client("/CN=bob", "DNS:bob"));
    let ca = format!("ca: {}", service.authority().display());
    for scheme in ["https", "h2"] {
        let (_nginx, target) = guarded(&service, &service.authority(), scheme);
        let mut config = Config::new();
        for (name, tls) in [("ann", presenting(&ann)), ("bob", presenting(&bob)), ("nobody", String::new())] {
            let members = format!("tls: {{ {ca}, {tls} }}");
            config = config.upstream(name, &target).with(members).route(&format!("/{name}"), name);
        }
        let gateway = Gateway::start(config.batch("/batch").to_yaml());
        // Twice, so that connections are there that an upstream with another certificate must not use.
        for _ in 0..2 {
            for name in ["ann", "bob"] {
                let answered = json!([200, format!("CN={name} ")]);
                assert_eq!(answers(&gateway, &format!("/{name}")), [answered.clone(), answered], "{scheme}");
            }
            let [item, single] = answers(&gateway, "/nobody");
            assert_eq!((&item[0], &single[0]), (&json!(400), &json!(400)), "{scheme}: {item} {single}");
        }
    }
}

#[test]
fn a_target_is_asked_for_by_the_name_that_is_set_and_must_have_it() {
    let elsewhere = Certificate::self_signed("DNS:orders.internal");
    let client = Certificate::for_loopback();
    let ann = client.client("/CN=ann", "DNS:ann");
    let (_nginx, target) = guarded(&elsewhere, &client.authority(), "https");
    let tls = |name: &str| {
        let ca = elsewhere.chain();
        format!("tls: {{ ca: {}, server_name: {name}, {} }}", ca.display(), presenting(&ann))
    };
    let config = Config::new()
        .upstream("right", &target)
        .with(tls("orders.internal"))
        .upstream("wrong", &target)
        .with(tls("127.0.0.1"))
        .route("/right", "right")
        .route("/wrong", "wrong")
        .batch("/batch");
    let gateway = Gateway::start(config.to_yaml());
    for _ in 0..2 {
        let answered = json!([200, "CN=ann orders.internal"]);
        assert_eq!(answers(&gateway, "/right"), [answered.clone(), answered]);
        let [item, single] = answers(&gateway, "/wrong");
        assert_eq!((&item[0], &single[0]), (&json!(502), &json!(502)));
    }
    let failures = gateway.metrics().count("batchgate_tls_failures_total", &[("cause", "name_mismatch")]);
    assert!(failures >= 4, "{failures}");
}

/// With TLS 1.3 such a service says so only when the handshake is over for the gateway.
#[test]
fn a_service_that_demands_a_certificate_is_named_as_the_cause() {
    let known = Certificate::for_loopback();
    let service = Config::new().raw("upstreams: {}").respond("/", "status: 200, body: ok");
    let service = service.setup().with_tls(&known).for_clients_of(&known).start();
    let ca = format!("tls: {{ ca: {} }}", known.authority().display());
    let mut config = Config::new();
    for scheme in ["https", "h2"] {
        let target = format!("{scheme}://{}", service.tls_address());
        config = config.upstream(scheme, target).with(&ca).route(&format!("/{scheme}"), scheme);
    }
    let gateway = config.batch("/batch").start();
    for scheme in ["https", "h2"] {
        let path = format!("/{scheme}");
        let item = gateway.item(&json!({"method": "POST", "url": path}));
        let single = gateway.send(&Request::new("POST", &path)).json();
        for problem in [&item["body"], &single] {
            assert_eq!(problem["type"], "urn:batchgate:problem:tls_handshake", "{scheme}: {problem}");
        }
        let labels = [("side", "upstream"), ("upstream", scheme), ("cause", "no_certificate")];
        let count = gateway.metrics().count("batchgate_tls_failures_total", &labels);
        assert!(count >= 2, "{scheme}: {count}");
        let line = gateway.log_line(&[("kind", "tls"), ("upstream", scheme)]);
        assert!(line["detail"].as_str().unwrap().contains("CertificateRequired"), "{line}");
    }
}
