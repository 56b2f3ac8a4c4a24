//! Signed tokens: which ones let in, where the keys are from that check them, and what the services get of their claims.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::auth::{guarded, one_item};
use crate::harness::certificate::Certificate;
use crate::harness::programs::program;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

/// Signs tokens with a key of its own.
struct Issuer {
    folder: TempDir,
    pair: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let issuer = Self { pair, folder: tempfile::tempdir().unwrap() };
        fs::write(issuer.folder.path().join("jwks.json"), issuer.jwks("one")).unwrap();
        issuer
    }

    /// Its public key, by this name, as a JWK Set.
    fn jwks(&self, name: &str) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": name, "x": x, "alg": "EdDSA"}]}).to_string()
    }

    /// The ways of a gateway that takes its tokens, with its keys in a file.
    fn member(&self) -> String {
        Self::member_with(&self.folder.path().join("jwks.json").display().to_string(), "")
    }

    /// The same with its keys there, and more keys of `jwt`.
    fn member_with(jwks: &str, more: &str) -> String {
        format!("jwt: {{ jwks: \"{jwks}\", issuer: \"https://login.example\", audience: orders, {more} }}")
    }

    /// The field with a token that is right in every way, but for these claims.
    fn bearer(&self, claims: &Value) -> String {
        format!("Bearer {}", self.token(&json!({}), claims))
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

const FETCHES: &str = "batchgate_jwks_fetches_total";

fn fetches(gateway: &Gateway, result: &'static str, at_least: f64) {
    gateway.wait_for_metric(FETCHES, &[("result", result)], at_least);
}

/// The status of a request with this token.
fn status_with(gateway: &Gateway, bearer: &str) -> u16 {
    gateway.send(&Request::get("/a").header("Authorization", bearer)).status
}

/// A server of an issuer's keys, and what it answers from now on.
fn key_server(answer: Answer) -> (Upstream, Arc<Mutex<Answer>>) {
    let answer = Arc::new(Mutex::new(answer));
    let now = Arc::clone(&answer);
    (Upstream::answering(move |_| now.lock().unwrap().clone()), answer)
}

#[test]
fn keys_are_fetched_from_a_server_whose_certificate_is_trusted() {
    let (upstream, issuer) = (Upstream::start(), Issuer::new());
    let (server, _answer) = key_server(Answer::json(200, issuer.jwks("one")));
    let (certificate, stranger) = (Certificate::for_loopback(), Certificate::for_loopback());
    let tls = Setup::routing_to(&[server.url()]).with_tls(&certificate).start();
    let url = format!("https://{}/jwks?id=1", tls.tls_address());
    let trusting = |authority: &Certificate| {
        let ca = format!("jwks_ca: {}", authority.authority().display());
        guarded(&upstream, &Issuer::member_with(&url, &ca))
    };
    let gateway = trusting(&certificate);
    assert_eq!(status_with(&gateway, &issuer.bearer(&json!({}))), 200);
    assert_eq!(status_with(&gateway, &Issuer::new().bearer(&json!({}))), 401);
    assert_eq!(gateway.metrics().label_values("url"), [url.trim_end_matches("?id=1")]);
    assert!(gateway.metrics().sum("batchgate_jwks_fetch_timestamp_seconds", &[]) > 1e9);
    let question = &server.requests()[0];
    assert_eq!(question.target, "/jwks?id=1");
    assert_eq!(question.header("X-Forwarded-Host"), Some(&*tls.tls_address().to_string()));

    let gateway = trusting(&stranger);
    let refused = gateway.send(&Request::get("/a").header("Authorization", &issuer.bearer(&json!({}))));
    assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("1")));
    assert!(refused.text().contains("the issuer's keys can't be fetched (auth.jwt)"), "{}", refused.text());
    fetches(&gateway, "failed", 1.0);
    gateway.log_line(&[("kind", "jwks"), ("level", "ERROR")]);
}

#[test]
fn a_new_key_of_the_issuer_is_known_with_its_first_token() {
    let (upstream, old, new) = (Upstream::start(), Issuer::new(), Issuer::new());
    let (server, answer) = key_server(Answer::json(200, old.jwks("one")));
    let gateway = guarded(&upstream, &Issuer::member_with(&server.url(), ""));
    assert_eq!(status_with(&gateway, &old.bearer(&json!({}))), 200);
    *answer.lock().unwrap() = Answer::json(200, new.jwks("two"));
    let of_new = format!("Bearer {}", new.token(&json!({"kid": "two"}), &json!({})));
    assert_eq!([status_with(&gateway, &of_new), status_with(&gateway, &of_new)], [200, 200]);
    assert_eq!(status_with(&gateway, &old.bearer(&json!({}))), 401, "its key is gone");
    assert!(server.requests().len() <= 3);
    for made_up in 0..30 {
        let token = new.token(&json!({"kid": format!("made-up-{made_up}")}), &json!({}));
        assert_eq!(status_with(&gateway, &format!("Bearer {token}")), 401);
    }
    let asked = server.requests().len();
    assert!(asked < 15, "made-up names of keys make no flood of requests: {asked}");
}

#[test]
fn keys_stay_in_use_while_others_can_not_be_fetched() {
    let (upstream, issuer) = (Upstream::start(), Issuer::new());
    let right = || Answer::json(200, issuer.jwks("one"));
    let (server, answer) = key_server(right());
    let gateway = guarded(&upstream, &Issuer::member_with(&server.url(), "jwks_refresh: 50ms"));
    let bearer = issuer.bearer(&json!({}));
    assert_eq!(status_with(&gateway, &bearer), 200);
    let mut failed = 0.0;
    for wrong in [
        Answer::text(500, "down"),
        Answer::text(200, "no JSON"),
        Answer::json(200, r#"{"keys": []}"#),
        Answer::json(200, format!("{}{}", issuer.jwks("one"), " ".repeat(2 << 20))),
        Answer::text(302, "").header("Location", "/elsewhere"),
        Answer::reset(),
    ] {
        *answer.lock().unwrap() = wrong;
        // Perhaps one was under way.
        failed += 2.0;
        fetches(&gateway, "failed", failed);
        failed = gateway.metrics().sum(FETCHES, &[("result", "failed")]);
        assert_eq!(status_with(&gateway, &bearer), 200);
    }
    gateway.log_line(&[("kind", "jwks"), ("level", "WARN")]);
    let taken = gateway.metrics().sum(FETCHES, &[("result", "taken")]);
    *answer.lock().unwrap() = Answer::json(200, Issuer::new().jwks("one"));
    fetches(&gateway, "taken", taken + 2.0);
    assert_eq!(status_with(&gateway, &bearer), 401);
    let taken = gateway.metrics().sum(FETCHES, &[("result", "taken")]);
    gateway.signal("HUP");
    fetches(&gateway, "taken", taken + 2.0);
}

#[test]
fn a_gateway_starts_without_its_issuer_and_tokens_wait_a_moment_for_their_keys() {
    let (upstream, issuer, gate) = (Upstream::start(), Issuer::new(), Gate::closed());
    let (server, _answer) = key_server(Answer::json(200, issuer.jwks("one")).when(&gate));
    let gateway = guarded(&upstream, &Issuer::member_with(&server.url(), ""));
    server.wait_for_requests(1);
    assert_eq!(gateway.send(&Request::get("/a")).status, 401, "nobody waits without a token");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| status_with(&gateway, &issuer.bearer(&json!({}))));
        gateway.wait_for_metric("batchgate_connections", &[], 1.0);
        gate.open();
        assert_eq!(waits.join().unwrap(), 200);
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn claims_become_fields_that_no_client_can_choose() {
    let (upstream, issuer) = (Upstream::start(), Issuer::new());
    let claims = "claims_to_headers: { X-User: sub, X-Tenant: tenant.id, X-Roles: roles, X-Note: note }";
    let file = issuer.folder.path().join("jwks.json").display().to_string();
    let auth = Issuer::member_with(&file, claims);
    let config = Config::all_to("orders", upstream.url()).bulk("/orders", "PATCH");
    let config = config.route("/open", "orders").with("auth: off").batch("/batch");
    let gateway = config.raw(format!("auth: {{ {auth} }}")).start();
    let said = json!({"tenant": {"id": 7}, "roles": ["a", "b"], "note": "x\r\nX-Evil: 1"});
    let forged = |request: Request| {
        ["X-User", "X_User", "X-Tenant", "X-Roles", "X-Note"]
            .iter()
            .fold(request, |request, name| request.header(name, "root"))
    };
    let known =
        |request: Request| gateway.send(&forged(request).header("Authorization", &issuer.bearer(&said)));
    let item =
        json!({"requests": [{"method": "GET", "url": "/b", "headers": {"X-User": "root", "X_Tenant": "9"}}]});
    assert_eq!(known(Request::get("/a")).status, 200);
    assert_eq!(known(Request::batch(&item)).statuses(), [200]);
    assert_eq!(known(Request::lines("{\"method\":\"GET\",\"url\":\"/c\"}\n")).status, 207);
    let record =
        Request::new("PATCH", "/orders").header("Content-Type", "application/json").body(r#"[{"id":1}]"#);
    assert!(known(record).status < 300);
    let requests = upstream.take_requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        let all = |name: &str| request.all(name).collect::<Vec<_>>().join("|");
        assert_eq!(
            [all("X-User"), all("X-Tenant"), all("X-Roles")],
            ["alice", "7", "a,b"],
            "{}",
            request.target
        );
        for name in ["X_User", "X_Tenant", "X-Note", "X-Evil"] {
            assert_eq!(request.header(name), None, "{} {name}", request.target);
        }
    }
    let less = issuer.bearer(&json!({"sub": null}));
    assert_eq!(gateway.send(&forged(Request::get("/a")).header("Authorization", &less)).status, 200);
    assert_eq!(gateway.send(&forged(Request::get("/open"))).status, 200);
    for request in upstream.take_requests() {
        for name in ["X-User", "X_User", "X-Tenant", "X-Roles", "X-Note"] {
            assert_eq!(request.header(name), None, "{} {name}", request.target);
        }
    }
}
