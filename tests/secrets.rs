//! Secrets in every place that a client or an operator can put one, and failures in all of these places. That none of
//! them reaches the log, the harness checks at the end of every gateway (`harness/log_rules.rs`); here they are planted.

use std::io::Write;
use std::process::Command;

use serde_json::json;

use crate::harness::certificate::Certificate;
use crate::harness::gateway::batchgate;
use crate::harness::log_rules::SECRET;
use crate::harness::programs::{program, run, text};
use crate::harness::upstream::{Refusing, Unreachable};
use crate::harness::{Answer, Config, Gateway, Request, Setup, Upstream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A gateway before a service that works, one that refuses, one that breaks off and one that is silent, at this level
/// of the log.
fn gateway(upstream: &Upstream, level: &str, certificate: &Certificate) -> Gateway {
    let (refusing, silent) = (Refusing::start(), Unreachable::start());
    let config = Config::new()
        .upstream("up", upstream.url())
        .with("headers: { set: { X-Key: \"${KEY}\" } }")
        .upstream("down", refusing.url())
        .with(format!("headers: {{ set: {{ Authorization: \"Bearer {SECRET}\" }} }}"))
        .upstream("silent", silent.url())
        .with("timeout: { connect: 100ms }")
        .upstream("tls", format!("https://{}", upstream.address()))
        .route("/", "up")
        .route("/down", "down")
        .route("/silent", "silent")
        .route("/tls", "tls");
    let config =
        config.batch("/batch").limits("header_timeout: 500ms").raw(format!("log: {{ level: {level} }}"));
    config.setup().with_variable("KEY", SECRET).with_tls(certificate).start()
}

/// A request to this path that has the secret wherever a client can put it.
fn laden(method: &str, path: &str) -> Request {
    Request::new(method, &format!("{path}?password={SECRET}&a=b"))
        .header("Authorization", &format!("Bearer {SECRET}"))
        .header("Cookie", &format!("session={SECRET}"))
        .header("X-API-Key", SECRET)
        .header("Referer", &format!("http://u:{SECRET}@h/?{SECRET}"))
        .header("User-Agent", "secrets")
        .header("Destination", &format!("http://u:{SECRET}@h/?{SECRET}"))
}

/// Requests that fail in every way that can be had here, and batches of such items.
fn send_what_fails(gateway: &Gateway) {
    for path in ["/down", "/broken", "/silent", "/tls", "/garbage", "/cut", "/.."] {
        for method in ["GET", "POST", "PROPFIND"] {
            gateway.send(&laden(method, path));
        }
    }
    let item = |path: &str| {
        json!({"method": "POST", "url": format!("{path}?password={SECRET}"),
               "headers": {"Authorization": format!("Basic {SECRET}")}, "body": SECRET})
    };
    let items: Vec<_> = ["/down", "/broken", "/silent", "/tls", "/garbage", "/cut", "//h"].map(item).into();
    gateway.send(&Request::batch(&json!({"requests": items})).header("Cookie", SECRET));
    let url = format!("/batch?token={SECRET}");
    gateway.send(&Request::post(&url, "application/json", format!("{{\"{SECRET}\": {SECRET}")));
    gateway.send(&Request::post(&url, "application/xml", format!("<a b={SECRET}>")));
    gateway.send(&Request::post(&url, "multipart/mixed; boundary=b", format!("--b\r\n{SECRET}")));
    let lines: Vec<_> = items.iter().map(ToString::to_string).collect();
    gateway.send(&Request::lines(lines.join("\n") + "\n{\"hunter2"));
}

/// Bytes that are no request, or half of one, and connections that stop there.
fn send_what_is_malformed(gateway: &Gateway) {
    let head = format!("GET /a?password={SECRET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n");
    let frame = |kind: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 5, 0, 0, 0, stream], payload].concat()
    };
    let settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00".as_slice();
    let pieces: [Vec<u8>; 9] = [
        format!("{head}X: a\x01{SECRET}\r\n\r\n").into(),
        format!("{head}no field {SECRET}\r\n\r\n").into(),
        format!("{head}Host: y\r\n\r\n").into(),
        format!("GET /{SECRET}?{SECRET} x HTTP/9.9\r\n\r\n").into(),
        format!("GET http://u:{SECRET}@h:port/?{SECRET} HTTP/1.1\r\nHost: x\r\n\r\n").into(),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{SECRET}\r\n").into(),
        [b"\x16\x03\x01\x02\x00\x01\x00".as_slice(), SECRET.as_bytes()].concat(),
        [PREFACE, settings, &frame(1, 1, SECRET.as_bytes())].concat(),
        [PREFACE, SECRET.as_bytes(), SECRET.as_bytes()].concat(),
    ];
    for piece in &pieces {
        let mut client = gateway.connect();
        client.write(piece);
        client.finish_writing();
        client.rest();
    }
    for _ in 0..40 {
        gateway.connect().write(head.as_bytes());
        gateway.connect().write(PREFACE);
    }
}

/// Hellos that the TLS listener can't take, and TLS where none is spoken.
fn shake_hands_badly(gateway: &Gateway) {
    for (address, flags) in [
        (gateway.tls_address(), ["-servername", SECRET, "-tls1_1"]),
        (gateway.tls_address(), ["-servername", SECRET, "-verify_return_error"]),
        (gateway.address(), ["-servername", SECRET, "-tls1_3"]),
    ] {
        let mut openssl = Command::new(program("openssl"));
        openssl.args(["s_client", "-connect", &address.to_string()]).args(flags);
        drop(openssl.stdin(std::process::Stdio::null()).output());
    }
    let mut plain = std::net::TcpStream::connect(gateway.tls_address()).unwrap();
    plain.write_all(format!("GET /?{SECRET} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
}

#[test]
fn nothing_that_fails_brings_a_secret_or_a_librarys_line_into_the_log() {
    for level in ["info", "debug", "trace"] {
        let upstream = Upstream::start();
        upstream.on("/broken", Answer::text(500, SECRET).header("Set-Cookie", SECRET));
        upstream.on("/garbage", Answer::raw(format!("{SECRET}\r\n\r\n{SECRET}")));
        upstream.on("/cut", Answer::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{SECRET}")));
        let certificate = Certificate::for_loopback();
        let gateway = gateway(&upstream, level, &certificate);
        send_what_fails(&gateway);
        send_what_is_malformed(&gateway);
        shake_hands_badly(&gateway);
        gateway.write_config(&Config::all_to("a", format!("\"http://u:{SECRET}@h\"")).to_yaml());
        gateway.signal("HUP");
        gateway.log_line(&[("kind", "reload"), ("level", "ERROR")]);
        gateway.send(&Request::get("/").header("X-Request-Id", "the-last-one"));
        gateway.log_line(&[("request_id", "the-last-one")]);
    }
}

#[test]
fn half_open_connections_are_a_line_a_second() {
    let gateway = Gateway::before(&Upstream::start());
    for _ in 0..40 {
        gateway.connect().write(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n");
    }
    gateway.send(&Request::get("/").header("X-Request-Id", "the-last-one"));
    gateway.log_line(&[("request_id", "the-last-one")]);
    let lines = gateway.lines_of("connection");
    assert!(lines.len() < 10, "{lines:#?}");
}

/// Files with a secret, and something wrong on its line.
const PLACES: [&str; 9] = [
    "upstreams: { a: { targets: [\"http://user:hunter2@h\"] } }",
    "upstreams: { a: { targets: [\"user:hunter2@h\"] } }",
    "upstreams: { a: { targets: [\"http://h/?key=hunter2\"] } }",
    "upstreams: { a: { targets: [\"http://user:hunter2@h:9\"], tragets: 1 } }",
    "upstreams: { a: { targets: [http://h], headers: { set: { Authorization: Basic hunter2 } }, bad: 1 } }",
    "upstreams: { a: { targets: [http://h], headers: { set: { X-Mine: \"hunter2\" }, remove: [\"a b\"] } } }",
    "upstreams: { a: { targets: [http://h], headers: { set: { X-Mine: \"hunter2\" }",
    "upstreams: { a: { targets: [http://h], queue: \"${PLANTED}\", headers: { set: { X-Mine: \"${A:-hunter2}\" } } } }",
    "upstreams:\n  a:\n    targets: [http://h]\n    headers:\n      set:\n        X-Mine: hunter2: x",
];

#[test]
fn no_error_in_a_configuration_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batchgate.yaml");
    for place in PLACES {
        let yaml = format!("listen: 127.0.0.1:0\n{place}\nroutes: [{{ path: /, upstream: a }}]\n");
        std::fs::write(&file, &yaml).unwrap();
        for command in ["run", "check"] {
            let mut program = batchgate();
            let output = run(program.arg(command).arg("--config").arg(&file).env("PLANTED", SECRET));
            assert!(!output.status.success(), "{yaml}");
            let output = text(&output);
            assert!(output.contains("error") && !output.contains(SECRET), "{yaml}\n{output}");
        }
    }
}

#[test]
fn the_configuration_in_use_shows_no_secret() {
    let yaml = "upstreams:\n  a: { targets: [http://127.0.0.1:9], headers: { set: { Authorization: Basic hunter2, \
                X-Mine: \"${PLANTED}\", Cookie: hunter2 } } }\nroutes: [{ path: /, upstream: a }, { path: /old, redirect: { to: '/new?key=hunter2?' } }]\nbatch: [{ path: /batch }]";
    let gateway = Setup::of(yaml).with_variable("PLANTED", SECRET).start();
    let config = gateway.admin_get("/config").text();
    assert!(config.contains("***") && !config.contains(SECRET), "{config}");
    assert!(config.contains("/new?***?"), "{config}");
}
