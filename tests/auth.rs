//! Who may come in: keys, a service that is asked, certificates; and what of that the services see. `tokens.rs` has tokens.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificate::Certificate;
use crate::harness::programs::program;
use crate::harness::upstream::Refusing;
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Setup, Upstream};

/// `printf %s open-sesame | sha256sum`.
const HASH: &str = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";

/// `printf %s second | sha256sum`.
const SECOND: &str = "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4";

/// A gateway before the upstream, with these members of `auth`.
pub(crate) fn guarded(upstream: &Upstream, auth: &str) -> Gateway {
    guarded_with(upstream, auth, "")
}

pub(crate) fn guarded_with(upstream: &Upstream, auth: &str, more: &str) -> Gateway {
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

pub(crate) fn one_item() -> Value {
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
fn a_cookie_that_lets_a_client_in_stays_here_in_however_many_fields_it_comes() {
    let (upstream, login) = (Upstream::start(), Upstream::start());
    login.on("/check", Answer::empty(204));
    let config = Config::all_to("orders", upstream.url()).upstream("login", login.url());
    let auth = "auth: { forward: { upstream: login, path: /check, headers: [Cookie] } }";
    let gateway = config.raw(auth).start();
    for cookies in [&["a=1"][..], &["a=1", "b=2"]] {
        for request in [Request::get("/a"), Request::batch(&one_item())] {
            let request = cookies.iter().fold(request, |request, cookie| request.header("Cookie", cookie));
            assert!([200, 207].contains(&gateway.send(&request).status));
            let received = upstream.take_requests();
            assert_eq!((received.len(), received[0].header("Cookie")), (1, None), "{cookies:?}");
        }
        let all = cookies.join("; ");
        assert_eq!(login.take_requests()[0].header("Cookie"), Some(&*all));
    }
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

/// What a client of several ways is offered, with what the asked service says of its own, if anything.
#[test]
fn every_way_that_gives_access_is_offered() {
    const KEY: &str = "ApiKey realm=\"batchgate\", header=\"x-api-key\"";
    const BEARER: &str = "Bearer realm=\"batchgate\"";
    let (upstream, (_folder, member)) = (Upstream::start(), keys());
    for (said, expected) in [
        (Answer::text(401, "").header("WWW-Authenticate", "Negotiate"), format!("Negotiate, {KEY}")),
        (Answer::text(401, ""), format!("{KEY}, {BEARER}")),
        (Answer::text(302, "").header("Location", "/login"), format!("{KEY}, {BEARER}")),
    ] {
        let login = Upstream::start();
        login.on("/check", said);
        let config = Config::all_to("orders", upstream.url()).upstream("login", login.url());
        let gateway =
            config.raw(format!("auth: {{ {member}, forward: {{ upstream: login, path: /check }} }}")).start();
        let reply = gateway.send(&Request::get("/a"));
        assert_eq!((reply.status, reply.header("WWW-Authenticate")), (401, Some(&*expected)));
    }
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

/// A gateway that asks `login` about clients, and remembers its answers on these terms.
fn remembering(upstream: &Upstream, login: &Upstream, cache: &str) -> Gateway {
    let forward = format!("upstream: login, path: /check, add: [X-User], timeout: 20s, cache: {{ {cache} }}");
    let config = Config::all_to("orders", upstream.url()).upstream("login", login.url());
    config.raw(format!("auth: {{ forward: {{ {forward} }} }}")).start()
}

const ANSWERS: &str = "batchgate_auth_answers_total";

#[test]
fn an_answer_about_a_client_is_used_again_for_equal_requests_of_that_client() {
    let upstream = Upstream::start();
    let login = Upstream::answering(|asked| match asked.header("Authorization") {
        Some("no") => Answer::text(401, ""),
        Some("once") => Answer::empty(204).header("Cache-Control", "no-store"),
        Some(name) => Answer::empty(204).header("X-User", name),
        None => Answer::text(403, ""),
    });
    let gateway = remembering(&upstream, &login, "keep: 1h");
    let asked = |name: &str, path: &str| {
        let before = login.requests().len();
        let statuses =
            [(); 3].map(|()| gateway.send(&Request::get(path).header("Authorization", name)).status);
        (statuses[0], login.requests().len() - before)
    };
    assert_eq!(
        [asked("ann", "/a"), asked("ann", "/a"), asked("ann", "/a?x=1")],
        [(200, 1), (200, 0), (200, 1)]
    );
    assert_eq!([asked("bob", "/a"), asked("no", "/a"), asked("once", "/a")], [(200, 1), (401, 3), (200, 3)]);
    let users: Vec<_> =
        upstream.take_requests().iter().map(|request| request.header("X-User").map(str::to_owned)).collect();
    let user = |name: Option<&str>, times| vec![name.map(str::to_owned); times];
    assert_eq!(users, [user(Some("ann"), 9), user(Some("bob"), 3), user(None, 3)].concat());
    gateway.wait_for_metric(ANSWERS, &[("source", "kept")], 9.0);
    let batch = Request::batch(&json!({"requests": vec![json!({"method": "GET", "url": "/a"}); 100]}));
    let before = login.requests().len();
    assert_eq!(gateway.send(&batch.header("Authorization", "ann")).statuses(), [200; 100]);
    assert_eq!(login.requests().len() - before, 1, "a batch is one question");

    let gateway = remembering(&upstream, &login, "per_url: false, keep: 100ms");
    let send = |path: &str| gateway.send(&Request::get(path).header("Authorization", "ann")).status;
    let before = login.requests().len();
    assert_eq!([send("/a"), send("/b?c")], [200, 200]);
    let asked = login.requests().len() - before;
    assert!((1..=2).contains(&asked));
    until_true("the answer is too old", || send("/a") == 200 && login.requests().len() - before > asked);
}

#[test]
fn equal_requests_at_the_same_time_are_one_question() {
    let (upstream, login, gate) = (Upstream::start(), Upstream::start(), Gate::closed());
    login.on("/check", Answer::empty(204).header("X-User", "ann").when(&gate));
    let gateway = remembering(&upstream, &login, "max: 10");
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..20).map(|_| scope.spawn(|| gateway.send(&Request::get("/a")).status)).collect();
        login.wait_for_requests(1);
        gateway.wait_for_metric("batchgate_connections", &[], 20.0);
        gate.open();
        for client in clients {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    assert_eq!(login.requests().len(), 1);
    gateway.wait_for_metric(ANSWERS, &[("source", "asked")], 1.0);
    let metrics = gateway.metrics();
    assert!((metrics.sum(ANSWERS, &[]) - 20.0).abs() < 0.1);
    assert!(metrics.sum(ANSWERS, &[("source", "shared")]) > 0.0);
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
