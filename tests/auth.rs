//! Who may come in: keys, tokens, a service that is asked; and what of that the services see.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificate::Certificate;
use crate::harness::programs::program;
use crate::harness::upstream::Refusing;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

/// `printf %s open-sesame | sha256sum`.
const HASH: &str = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";

/// `printf %s second | sha256sum`.
const SECOND: &str = "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4";

/// A gateway before the upstream, with these members of `auth`.
fn guarded(upstream: &Upstream, auth: &str) -> Gateway {
    guarded_with(upstream, auth, "")
}

fn guarded_with(upstream: &Upstream, auth: &str, more: &str) -> Gateway {
    let config = Config::all_to("orders", upstream.url()).bulk("/orders", "PATCH");
    config.raw(format!("auth: {{ {auth} }}")).raw(more).start()
}

fn keys() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.txt");
    fs::write(&file, format!("# who may come in\n\nalice:{HASH}\nbob:{}\n", "0".repeat(64))).unwrap();
    let member = format!("api_keys: {{ file: {} }}", file.display());
    (folder, member)
}

fn one_item() -> Value {
    json!({"requests": [{"method": "GET", "url": "/a"}]})
}

#[test]
fn a_new_key_is_taken_without_a_signal_and_a_broken_file_changes_nothing() {
    let upstream = Upstream::start();
    let (folder, member) = keys();
    let gateway = guarded(&upstream, &member);
    let file = folder.path().join("keys.txt");
    let status = |key: &str| gateway.send(&Request::get("/").header("X-API-Key", key)).status;
    assert_eq!([status("open-sesame"), status("second")], [200, 401]);
    fs::write(&file, "alice:no hash\n").unwrap();
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "refused")], 1.0);
    assert_eq!([status("open-sesame"), status("second")], [200, 401]);
    let next = folder.path().join("next.txt");
    fs::write(&next, format!("carol:{SECOND}\n")).unwrap();
    fs::rename(next, &file).unwrap();
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    assert_eq!([status("open-sesame"), status("second")], [401, 200]);
    fs::write(&file, format!("alice:{HASH}\n")).unwrap();
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 3.0);
    assert_eq!([status("open-sesame"), status("second")], [200, 401]);
    assert_eq!(
        gateway.metrics().count("batchgate_config_reloads_total", &[]),
        4,
        "the start, and once for each change"
    );
}

#[test]
fn a_key_lets_in_and_goes_no_further() {
    let upstream = Upstream::start();
    let (_folder, member) = keys();
    let gateway = guarded(&upstream, &member);
    let with_key = |request: Request| {
        gateway.send(&request.header("X-API-Key", "open-sesame").header("Authorization", "Basic eDp5"))
    };
    assert_eq!(with_key(Request::get("/single")).status, 200);
    assert_eq!(with_key(Request::batch(&one_item())).statuses(), [200]);
    assert_eq!(with_key(Request::get("/batch")).status, 200);
    assert_eq!(upstream.requests().len(), 2);
    for request in upstream.requests() {
        assert_eq!(request.header("X-API-Key"), None);
        assert_eq!(request.header("Authorization"), Some("Basic eDp5"), "it is the service's");
    }
    gateway.log_line(&[("kind", "request"), ("client_name", "alice")]);
    gateway.log_line(&[("kind", "batch"), ("client_name", "alice")]);
}

#[test]
fn without_the_right_key_nothing_is_sent() {
    let upstream = Upstream::start();
    let (_folder, member) = keys();
    let gateway = guarded(&upstream, &member);
    let bulk =
        || Request::new("PATCH", "/orders").header("Content-Type", "application/json").body(r#"[{"id":1}]"#);
    for request in [
        Request::get("/a"),
        Request::batch(&one_item()),
        Request::lines("{}"),
        Request::get("/batch"),
        bulk(),
    ] {
        for key in [None, Some("wrong"), Some("")] {
            let sent = key.map_or_else(|| request.clone(), |key| request.clone().header("X-API-Key", key));
            let reply = gateway.send(&sent);
            assert_eq!(reply.status, 401, "{sent:?}");
            let challenge = reply.header("WWW-Authenticate").unwrap();
            assert_eq!(challenge, "ApiKey realm=\"batchgate\", header=\"x-api-key\"");
            assert_eq!(reply.json()["type"], "urn:batchgate:problem:unauthenticated");
        }
    }
    let twice = Request::get("/a").header("X-API-Key", "open-sesame").header("X-API-Key", "wrong");
    assert_eq!(gateway.send(&twice).status, 401);
    assert!(upstream.requests().is_empty());
    gateway.wait_for_metric("batchgate_rejections_total", &[("reason", "unauthenticated")], 9.0);
}

#[test]
fn a_client_is_refused_before_its_body_is_read() {
    let upstream = Upstream::start();
    let (_folder, member) = keys();
    let gateway = guarded(&upstream, &member);
    for (target, kind) in
        [("/batch", "application/json"), ("/batch", "application/x-ndjson"), ("/a", "text/plain")]
    {
        let mut client = gateway.connect();
        let head = format!("POST {target} HTTP/1.1\r\nHost: gateway\r\nContent-Type: {kind}\r\n");
        client.write(format!("{head}Content-Length: 8000000000\r\n\r\n{{").as_bytes());
        let reply = client.reply_to("POST");
        assert_eq!((reply.status, reply.header("Connection")), (401, Some("close")), "{target} {kind}");
        assert!(client.rest().is_empty(), "the connection is closed");
    }
}

#[test]
fn paths_narrow_what_is_covered_but_batches_always_are() {
    let upstream = Upstream::start();
    let (_folder, member) = keys();
    let gateway = guarded(&upstream, &format!("paths: [/orders], {member}"));
    let status = |target: &str| gateway.send(&Request::get(target)).status;
    assert_eq!([status("/notes"), status("/ordersX"), status("/orders")], [200, 200, 401]);
    assert_eq!([status("/orders/1"), status("/%6Frders/1")], [401, 401]);
    assert_eq!(gateway.batch(&one_item()).status, 401);
}

#[test]
fn a_credential_can_be_handed_on() {
    let upstream = Upstream::start();
    let (_folder, member) = keys();
    let gateway = guarded(&upstream, &format!("pass_credentials: true, {member}"));
    gateway.send(&Request::batch(&one_item()).header("X-API-Key", "open-sesame"));
    assert_eq!(upstream.only_request().header("X-API-Key"), Some("open-sesame"));
}

#[test]
fn a_rate_limit_can_know_clients_by_name() {
    let upstream = Upstream::start();
    let (_folder, member) = keys();
    let limit = "rate_limits: [{ name: named, per: client, rate: 1/h, burst: 1 }]";
    let gateway = guarded_with(&upstream, &format!("paths: [/orders], {member}"), limit);
    let named = |target| gateway.send(&Request::get(target).header("X-API-Key", "open-sesame")).status;
    assert_eq!([named("/orders"), named("/orders"), named("/notes"), named("/notes")], [200, 429, 200, 429]);
}

/// Signs tokens with a key of its own.
struct Issuer {
    _folder: TempDir,
    jwks: String,
    pair: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x, "alg": "EdDSA"}]});
        fs::write(&file, keys.to_string()).unwrap();
        Self { jwks: file.display().to_string(), pair, _folder: folder }
    }

    fn member(&self) -> String {
        format!("jwt: {{ jwks: {}, issuer: \"https://login.example\", audience: orders }}", self.jwks)
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// A token with these members in place of what is right.
    fn token(&self, header: &Value, claims: &Value) -> String {
        let mut right = (json!({"alg": "EdDSA", "kid": "one"}), Self::right_claims());
        for (right, other) in [(&mut right.0, header), (&mut right.1, claims)] {
            for (name, value) in other.as_object().unwrap() {
                right[name] = value.clone();
            }
        }
        self.sign(&right.0, &right.1)
    }

    fn right_claims() -> Value {
        json!({"sub": "alice", "iss": "https://login.example", "aud": ["orders", "x"], "exp": seconds_from_now(300)})
    }
}

fn seconds_from_now(seconds: i64) -> i64 {
    i64::try_from(batchgate::clock::unix_time().as_secs()).unwrap() + seconds
}

#[test]
fn a_signed_token_lets_in() {
    let (upstream, issuer) = (Upstream::start(), Issuer::new());
    let gateway = guarded(&upstream, &issuer.member());
    let token = issuer.token(&json!({}), &json!({}));
    let reply =
        gateway.send(&Request::batch(&one_item()).header("Authorization", &format!("Bearer {token}")));
    assert_eq!(reply.statuses(), [200]);
    assert_eq!(upstream.only_request().header("Authorization"), None);
    gateway.log_line(&[("kind", "batch"), ("client_name", "alice")]);
    let missing = gateway.send(&Request::get("/a"));
    assert_eq!(
        (missing.status, missing.header("WWW-Authenticate")),
        (401, Some("Bearer realm=\"batchgate\""))
    );
}

#[test]
fn a_token_that_is_not_right_in_every_way_does_not() {
    let (upstream, issuer, other) = (Upstream::start(), Issuer::new(), Issuer::new());
    let gateway = guarded(&upstream, &issuer.member());
    let right = issuer.token(&json!({}), &json!({}));
    let tokens = [
        ("expired", issuer.token(&json!({}), &json!({"exp": seconds_from_now(-120)}))),
        ("not valid yet", issuer.token(&json!({}), &json!({"nbf": seconds_from_now(600)}))),
        ("another issuer", issuer.token(&json!({}), &json!({"iss": "https://evil.example"}))),
        ("another audience", issuer.token(&json!({}), &json!({"aud": "notes"}))),
        ("lacks exp", issuer.token(&json!({}), &json!({"exp": null}))),
        ("lacks exp", issuer.token(&json!({}), &json!({"exp": "never"}))),
        ("lacks exp", issuer.token(&json!({}), &json!({"aud": null}))),
        ("signature", other.token(&json!({}), &json!({}))),
        ("key is not known", issuer.token(&json!({"kid": "two"}), &json!({}))),
        ("critical", issuer.token(&json!({"crit": ["b64"], "b64": false}), &json!({}))),
        ("algorithm", issuer.token(&json!({"alg": "HS256"}), &json!({}))),
        ("signature", issuer.token(&json!({"alg": "ES256"}), &json!({}))),
        ("malformed", issuer.token(&json!({"alg": "none"}), &json!({}))),
        ("malformed", "a.b".to_owned()),
        ("malformed", String::new()),
        ("signature", right.rsplit_once('.').unwrap().0.to_owned() + "."),
    ];
    for (problem, token) in tokens {
        let reply = gateway.send(&Request::get("/a").header("Authorization", &format!("Bearer {token}")));
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(reply.status == 401 && detail.contains(problem), "{problem}: {detail}");
        assert!(reply.header("WWW-Authenticate").unwrap().ends_with("error=\"invalid_token\""));
    }
    assert!(upstream.requests().is_empty());
}

/// What openssl writes with these arguments, and this on its standard input.
fn openssl(arguments: &[&str], input: &str) -> Vec<u8> {
    let mut command = Command::new(program("openssl"));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_token_signed_by_openssl_with_rsa_lets_in() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (key, jwks) = (folder.path().join("key.pem"), folder.path().join("jwks.json"));
    fs::write(&key, openssl(&["genrsa", "2048"], "")).unwrap();
    let key = key.to_str().unwrap();
    let modulus = String::from_utf8(openssl(&["rsa", "-in", key, "-noout", "-modulus"], "")).unwrap();
    let digits = modulus.trim().trim_start_matches("Modulus=").as_bytes().chunks(2);
    let bytes: Vec<_> =
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    let public = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(bytes), "e": "AQAB"});
    fs::write(&jwks, json!({"keys": [public]}).to_string()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "RS256"})), part(&Issuer::right_claims()));
    let signature = openssl(&["dgst", "-sha256", "-sign", key], &message);
    let member = "issuer: \"https://login.example\", audience: orders";
    let gateway = guarded(&upstream, &format!("jwt: {{ jwks: {}, {member} }}", jwks.display()));
    let status = |message: &str| {
        let token = format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(&signature));
        gateway.send(&Request::get("/a").header("Authorization", &token)).status
    };
    assert_eq!([status(&message), status(&message.replace('.', ".e30"))], [200, 401]);
}

/// A gateway that asks `login` about clients, who become `X-User`.
fn asking(upstream: &Upstream, login: &str) -> Gateway {
    let config = Config::all_to("orders", upstream.url()).upstream("login", login);
    config
        .raw("auth: { forward: { upstream: login, path: /check, add: [X-User], name: X-User, timeout: 500ms } }")
        .start()
}

#[test]
fn a_service_that_is_asked_says_who_a_client_is() {
    let (upstream, login) = (Upstream::start(), Upstream::start());
    login.on("/check", Answer::empty(204).header("X-User", "alice").header("X-Other", "y"));
    let gateway = asking(&upstream, &login.url());
    let batch = json!({"requests": [
        {"method": "GET", "url": "/a"},
        {"method": "GET", "url": "/b", "headers": {"X-User": "root"}},
        {"method": "GET", "url": "/c", "headers": {"X_User": "root"}},
    ]});
    let as_root = |request: Request| {
        let request = request.header("X-User", "root").header("X_User", "root").header("Cookie", "a=b");
        gateway.send(&request.header("Authorization", "Bearer secret"))
    };
    assert_eq!(as_root(Request::batch(&batch)).statuses(), [200, 200, 200]);
    assert_eq!(as_root(Request::get("/single?x=1")).status, 200);
    for request in upstream.requests() {
        assert_eq!(request.all("X-User").collect::<Vec<_>>(), ["alice"]);
        assert_eq!([request.header("X_User"), request.header("Authorization")], [None, None]);
        assert_eq!((request.header("X-Other"), request.header("Cookie")), (None, Some("a=b")));
    }
    let question = &login.requests()[1];
    assert_eq!(question.header("Authorization"), Some("Bearer secret"));
    assert_eq!((question.header("Cookie"), question.header("X-User")), (None, None));
    assert_eq!(question.header("X-Forwarded-Uri"), Some("/single?x=1"));
    assert_eq!(question.header("X-Forwarded-Method"), Some("GET"));
    gateway.log_line(&[("kind", "batch"), ("client_name", "alice")]);
}

#[test]
fn what_the_asked_service_refuses_is_refused() {
    let upstream = Upstream::start();
    let login = Upstream::answering(|asked| {
        let status = asked.header("Authorization").and_then(|text| text.parse().ok()).unwrap();
        Answer::text(status, "").header("WWW-Authenticate", "Negotiate")
    });
    let gateway = asking(&upstream, &login.url());
    for (said, status) in [("401", 401), ("302", 401), ("403", 403), ("404", 403), ("500", 503), ("429", 503)]
    {
        for request in [Request::get("/a"), Request::batch(&one_item())] {
            let reply = gateway.send(&request.header("Authorization", said));
            assert_eq!(reply.status, status, "{said}");
            assert_eq!(reply.header("WWW-Authenticate") == Some("Negotiate"), said == "401");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn nobody_comes_in_while_the_asked_service_is_away() {
    let upstream = Upstream::start();
    let gate = Gate::default();
    let slow = Upstream::start();
    slow.on("/check", Answer::empty(204).when(&gate));
    let reply = asking(&upstream, &slow.url()).send(&Request::get("/a"));
    assert_eq!((reply.status, reply.header("Retry-After")), (503, Some("1")));
    gate.open();
    let refusing = Refusing::start();
    assert_eq!(asking(&upstream, &refusing.url()).batch(&one_item()).status, 503);
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_listener_can_want_a_certificate_of_its_clients() {
    let (upstream, known, stranger) =
        (Upstream::start(), Certificate::for_loopback(), Certificate::for_loopback());
    let setup = Setup::routing_to(&[upstream.url()]).with_tls(&known).for_clients_of(&known);
    let gateway = setup.start();
    let url = format!("https://{}/a", gateway.tls_address());
    let status = |client: Option<&Certificate>| {
        let mut curl = Command::new(program("curl"));
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"]).arg(known.authority());
        if let Some(client) = client {
            curl.arg("--cert").arg(client.chain()).arg("--key").arg(client.key());
        }
        String::from_utf8(curl.arg(&url).output().unwrap().stdout).unwrap()
    };
    assert_eq!([status(Some(&known)), status(None), status(Some(&stranger))], ["200", "000", "000"]);
    assert_eq!(upstream.requests().len(), 1);
    gateway.log_line(&[("kind", "request"), ("client_name", "localhost")]);
    assert!(gateway.log_lines(&[("level", "WARN")]).is_empty(), "{}", gateway.process().output());
}

#[test]
fn a_certificate_names_its_client() {
    let (upstream, authority) = (Upstream::start(), Certificate::for_loopback());
    let limit = "rate_limits: [{ name: one, per: client, rate: 1/h, burst: 1 }]";
    let setup = Config::all_to("orders", upstream.url()).raw(limit).setup();
    let gateway = setup.with_tls(&authority).for_clients_of(&authority).start();
    let status = |client: &Certificate, version: &str| {
        let mut curl = Command::new(program("curl"));
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", version, "--cacert"]);
        curl.arg(authority.authority()).arg("--cert").arg(client.chain()).arg("--key").arg(client.key());
        let url = format!("https://{}/a", gateway.tls_address());
        String::from_utf8(curl.arg(url).output().unwrap().stdout).unwrap()
    };
    let alice = authority.client("/O=a department/CN=alice", "URI:spiffe://example/not-this");
    let unnamed = authority.client("/O=a department", "URI:spiffe://example/bob,email:b@example");
    for (client, name) in [(&alice, "alice"), (&unnamed, "spiffe://example/bob")] {
        assert_eq!([status(client, "--http1.1"), status(client, "--http2")], ["200", "429"]);
        gateway.log_line(&[("kind", "request"), ("client_name", name), ("limit", "rate_limits.one")]);
    }
    assert_eq!(upstream.requests().len(), 2);
}
