//! Names with passwords, and routes that say who has access to them.

use std::fs;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Config, Gateway, Request, Upstream};

/// `printf %s open-sesame | sha256sum`.
const KEY: &str = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";

fn argon2(password: &str) -> String {
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(16, 1, 1, None).unwrap());
    weak.hash_password(password.as_bytes()).unwrap().to_string()
}

fn bcrypt(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// A gateway with keys and passwords, and routes of every kind.
fn gateway(upstream: &Upstream) -> (TempDir, Gateway) {
    let folder = tempfile::tempdir().unwrap();
    let (keys, passwords) = (folder.path().join("keys"), folder.path().join("htpasswd"));
    fs::write(&keys, format!("robot:{KEY}\n")).unwrap();
    fs::write(&passwords, format!("# people\nann:{}\nbob:{}\n", bcrypt("a: b"), argon2("käse"))).unwrap();
    let auth = format!(
        "auth: {{ api_keys: {{ file: {} }}, basic: {{ file: {}, realm: orders }} }}",
        keys.display(),
        passwords.display()
    );
    let config = Config::all_to("orders", upstream.url()).route("/open", "orders").with("auth: off");
    let config = config.route("/open/secret", "orders").route("/people", "orders").with("auth: basic");
    let gateway = config.respond("/robots", "status: 200").with("auth: api_keys").raw(auth).start();
    (folder, gateway)
}

#[test]
fn a_password_gives_access_and_stays_here() {
    let upstream = Upstream::start();
    let (folder, gateway) = gateway(&upstream);
    let status =
        |credential: &str| gateway.send(&Request::get("/a").header("Authorization", credential)).status;
    for _ in 0..2 {
        assert_eq!(status(&basic("ann", "a: b")), 200);
        assert_eq!(status(&basic("bob", "käse")), 200);
        for wrong in
            [basic("ann", "käse"), basic("eve", "a: b"), "Basic no-base64".to_owned(), "Basic".to_owned()]
        {
            assert_eq!(status(&wrong), 401, "{wrong}");
        }
    }
    assert!(upstream.take_requests().iter().all(|request| request.header("Authorization").is_none()));
    gateway.log_line(&[("kind", "request"), ("client_name", "ann")]);
    let refused = gateway.send(&Request::get("/a"));
    let challenge =
        "ApiKey realm=\"batchgate\", header=\"x-api-key\", Basic realm=\"orders\", charset=\"UTF-8\"";
    assert_eq!((refused.status, refused.header("WWW-Authenticate")), (401, Some(challenge)));
    fs::write(folder.path().join("htpasswd"), format!("ann:{}\n", bcrypt("new"))).unwrap();
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    assert_eq!(
        [status(&basic("ann", "a: b")), status(&basic("ann", "new"))],
        [401, 200],
        "nothing old is remembered"
    );
}

#[test]
fn a_route_says_who_has_access() {
    let upstream = Upstream::start();
    let (_folder, gateway) = gateway(&upstream);
    let ann = basic("ann", "a: b");
    for (path, nobody, robot, person) in [
        ("/a", 401, 200, 200),
        ("/open", 200, 200, 200),
        ("/open/secret", 401, 200, 200),
        ("/people", 401, 401, 200),
        ("/robots", 401, 200, 401),
    ] {
        let get = || Request::get(path);
        assert_eq!(gateway.send(&get()).status, nobody, "{path}");
        assert_eq!(gateway.send(&get().header("X-API-Key", "open-sesame")).status, robot, "{path}");
        assert_eq!(gateway.send(&get().header("Authorization", &ann)).status, person, "{path}");
    }
    let refused = gateway.send(&Request::get("/people").header("X-API-Key", "open-sesame"));
    assert_eq!(refused.header("WWW-Authenticate"), Some("Basic realm=\"orders\", charset=\"UTF-8\""));
    upstream.take_requests();
    for path in ["/open/;x/secret", "/open//secret", "/open/secret;x=1", "/open%2Fsecret/a"] {
        let status = gateway.send(&Request::get(path)).status;
        assert!([400, 401].contains(&status), "{path}: {status}");
    }
    assert!(upstream.requests().is_empty(), "no service reads a protected path as an open one");
}

fn items() -> Value {
    let get = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    json!({"requests": [get("a", "/a"), get("b", "/open"), get("c", "/people"), get("d", "/robots"), get("e", "/people/{$responses.a.status}")]})
}

#[test]
fn a_batch_is_no_way_around_it() {
    let upstream = Upstream::start();
    let (_folder, gateway) = gateway(&upstream);
    assert_eq!(gateway.batch(&items()).status, 401);
    let robot = Request::batch(&items()).header("X-API-Key", "open-sesame");
    assert_eq!(gateway.send(&robot).statuses(), [200, 200, 403, 200, 403]);
    assert!(upstream.take_requests().iter().all(|request| !request.target.starts_with("/people")));
    let person = Request::batch(&items()).header("Authorization", &basic("ann", "a: b"));
    assert_eq!(gateway.send(&person).statuses(), [200, 200, 200, 403, 200]);
    let lines = "{\"method\":\"GET\",\"url\":\"/people\"}\n{\"method\":\"GET\",\"url\":\"/open\"}\n";
    let reply = gateway.send(&Request::lines(lines).header("X-API-Key", "open-sesame"));
    let statuses: Vec<_> = reply.lines().iter().filter_map(|line| line["status"].as_u64()).collect();
    assert!(statuses.contains(&403) && statuses.contains(&200), "{statuses:?}");
}

#[test]
fn a_flood_of_wrong_passwords_keeps_nobody_else_out() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let passwords = folder.path().join("htpasswd");
    let names = ["ann", "bob", "cid", "dee", "eve"];
    let lines = names.map(|name| format!("{name}:{}\n", bcrypt::hash(name, 6).unwrap()));
    fs::write(&passwords, lines.concat()).unwrap();
    let auth =
        format!("auth: {{ basic: {{ file: {} }} }}\ntrusted_proxies: [127.0.0.1]", passwords.display());
    let gateway = Config::all_to("orders", upstream.url()).raw(auth).start();
    let login = |client: &str, name: &str, password: &str| {
        let request = Request::get("/a").header("X-Forwarded-For", client);
        gateway.send(&request.header("Authorization", &basic(name, password)))
    };
    std::thread::scope(|scope| {
        let flood = (0..8).map(|_| {
            scope.spawn(|| (0..20).map(|_| login("203.0.113.7", "ann", "wrong").status).collect::<Vec<_>>())
        });
        let flood: Vec<_> = flood.collect();
        for (number, name) in (1..).zip(names) {
            assert_eq!(login(&format!("198.51.100.{number}"), name, name).status, 200, "{name}");
        }
        let flood: Vec<_> = flood.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let count = |status: u16| flood.iter().filter(|other| **other == status).count();
        assert!(count(401) >= 10 && count(429) > 100, "{flood:?}");
    });
    let refused = login("203.0.113.7", "ann", "guess");
    let wait: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!(refused.status == 429 && (1..=6).contains(&wait), "{} {wait}", refused.status);
    assert_eq!(refused.json()["type"], "urn:batchgate:problem:wrong_passwords");
    assert_eq!(login("203.0.113.7", "bob", "bob").status, 200, "it was right a moment ago");
    gateway.wait_for_metric("batchgate_password_checks_total", &[("result", "limited")], 100.0);
    gateway.wait_for_metric("batchgate_password_checks_total", &[("result", "right")], 5.0);
    gateway.log_line(&[("kind", "auth"), ("client", "203.0.113.7")]);
}

/// `printf %s second | sha256sum`.
const SECOND: &str = "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4";

/// A gateway whose clients are robots, and one name of its own for `staff`: ann with a key, bob with a password.
fn divided(upstream: &Upstream) -> (TempDir, Gateway) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (robots, staff) =
        (file("robots", format!("robot:{KEY}\n")), file("staff", format!("ann:{SECOND}\n")));
    let passwords = file("htpasswd", format!("bob:{}\n", bcrypt("b")));
    let named =
        format!("named: {{ staff: {{ api_keys: {{ file: {staff} }}, basic: {{ file: {passwords} }} }} }}");
    let auth = format!("auth: {{ api_keys: {{ file: {robots} }}, {named} }}");
    let config = Config::all_to("orders", upstream.url()).route("/staff", "orders").with("auth: staff");
    let config =
        config.route("/robots", "orders").with("auth: api_keys").batch("/batch").batch("/staff-batch");
    let config = config.with("auth: staff").bulk("/staff", "PATCH").with("auth: staff");
    let gateway = config.raw(auth).start();
    (folder, gateway)
}

#[test]
fn names_of_ones_own_divide_clients_and_no_batch_is_a_way_around_them() {
    let upstream = Upstream::start();
    let (_folder, gateway) = divided(&upstream);
    let robot = |request: Request| request.header("X-API-Key", "open-sesame");
    let ann = |request: Request| request.header("X-API-Key", "second");
    let bob = |request: Request| request.header("Authorization", &basic("bob", "b"));
    let status = |request: Request| gateway.send(&request).status;
    for (path, of_robot, of_staff) in [("/a", 200, 401), ("/robots", 200, 401), ("/staff", 401, 200)] {
        let get = || Request::get(path);
        assert_eq!(
            [status(robot(get())), status(ann(get())), status(bob(get()))],
            [of_robot, of_staff, of_staff],
            "{path}"
        );
    }
    let refused = gateway.send(&Request::get("/staff"));
    let challenge =
        "ApiKey realm=\"batchgate\", header=\"x-api-key\", Basic realm=\"batchgate\", charset=\"UTF-8\"";
    assert_eq!((refused.status, refused.header("WWW-Authenticate")), (401, Some(challenge)));
    upstream.take_requests();

    let items = ["/a", "/robots", "/staff"].map(|url| json!({"method": "GET", "url": url}));
    let items = json!({ "requests": items });
    let to = |path: &str| Request::post(path, "application/json", items.to_string());
    assert_eq!(gateway.send(&robot(to("/batch"))).statuses(), [200, 200, 403]);
    assert_eq!(gateway.send(&ann(to("/staff-batch"))).statuses(), [403, 403, 200]);
    assert_eq!(gateway.send(&bob(to("/staff-batch"))).statuses(), [403, 403, 200]);
    assert_eq!(
        [status(ann(to("/batch"))), status(robot(to("/staff-batch"))), status(to("/staff-batch"))],
        [401; 3]
    );
    let explained = gateway.send(&robot(to("/batch")).header("Prefer", "handling=explain")).json();
    let fate = |index: usize| {
        (&explained["items"][index]["access"], &explained["items"][index]["rejected"]["status"])
    };
    assert_eq!(fate(0), (&Value::Null, &Value::Null));
    assert_eq!(fate(1), (&json!("api_keys"), &Value::Null));
    assert_eq!(fate(2), (&json!("staff"), &json!(403)));
    let records =
        || Request::new("PATCH", "/staff").header("Content-Type", "application/json").body(r#"[{"id":1}]"#);
    assert_eq!(gateway.send(&ann(records())).statuses(), [200]);
    assert_eq!(status(robot(records())), 401);
    for request in upstream.requests() {
        assert_eq!(
            [request.header("X-API-Key"), request.header("Authorization")],
            [None, None],
            "{}",
            request.target
        );
    }
}

fn partner(request: Request) -> Request {
    request.header("X-API-Key", "open-sesame")
}

/// A gateway with this `auth`, and a batch and bulk routes for the clients of `partners`.
fn for_partners(upstream: &Upstream, auth: &str) -> Gateway {
    let config = Config::all_to("orders", upstream.url()).route("/part", "orders");
    let config = config.route("/open", "orders").with("auth: off");
    let config = config.route("/partners", "orders").with("auth: partners");
    let mut config = config.respond("/answer", "status: 200");
    if auth.contains("basic") {
        config = config.route("/basic", "orders").with("auth: basic");
    }
    let config = config.batch("/batch").with("auth: partners").bulk("/part", "PATCH");
    let config = config.with("auth: partners").bulk("/partners", "PATCH").with("auth: partners");
    config.raw(format!("auth: {{ {auth} }}")).start()
}

/// A partner's items to these paths get these statuses, in a batch, a stream and an explanation, where its single requests get the
/// same, or, where another credential would give access, 401 with a challenge in place of 403.
fn assert_reaches(gateway: &Gateway, auth: &str, paths: &[(&str, u64)]) {
    for (path, status) in paths {
        let single = gateway.send(&partner(Request::get(path)));
        let is_asked = *status == 403 && auth.contains("basic");
        assert_eq!(u64::from(single.status), if is_asked { 401 } else { *status }, "{auth} {path}");
        assert_eq!(single.header("WWW-Authenticate").is_some(), is_asked, "{auth} {path}");
    }
    let mut right: Vec<_> = paths.iter().map(|(_, status)| *status).collect();
    let items: Vec<_> = paths.iter().map(|(url, _)| json!({"method": "GET", "url": url})).collect();
    let batch = Request::post("/batch", "application/json", json!({ "requests": items }).to_string());
    assert_eq!(gateway.send(&partner(batch.clone())).statuses(), right, "{auth}");
    let explained = gateway.send(&partner(batch).header("Prefer", "handling=explain")).json();
    for (index, status) in right.iter().enumerate() {
        let said = explained["items"][index]["rejected"]["status"].as_u64();
        assert_eq!(said, (*status == 403).then_some(403), "{auth} {index}");
    }
    let lines: Vec<_> = items.iter().map(Value::to_string).collect();
    let stream = Request::post("/batch", "application/x-ndjson", lines.join("\n"));
    let streamed = gateway.send(&partner(stream)).lines();
    let mut streamed: Vec<_> = streamed.iter().filter_map(|line| line["status"].as_u64()).collect();
    streamed.sort_unstable();
    right.sort_unstable();
    assert_eq!(streamed, right, "{auth}");
}

#[test]
fn a_client_with_a_name_reaches_no_more_by_items_than_by_single_requests() {
    const PATHS: [&str; 7] = ["/a", "/part/a", "/part/inner", "/basic", "/answer", "/open", "/partners"];
    const LATER: &str = r#"{"requests":[{"id":"a","method":"GET","url":"/open"},{"method":"GET","url":"/part/{$responses.a.status}"}]}"#;
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: String| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (partners, passwords) =
        (file("partners", format!("p:{KEY}\n")), file("htpasswd", format!("bob:{}\n", bcrypt("b"))));
    let named = format!("named: {{ partners: {{ api_keys: {{ file: {partners} }} }} }}");
    let basic = format!("basic: {{ file: {passwords} }}");
    for (auth, expected) in [
        (format!("{basic}, {named}"), [403_u64, 403, 403, 403, 403, 200, 200]),
        (named.clone(), [403, 403, 403, 0, 403, 200, 200]),
        (format!("{basic}, {named}, paths: [/, /part/inner]"), [403, 403, 403, 403, 403, 200, 200]),
        (format!("{basic}, {named}, paths: [/part/inner]"), [200, 200, 403, 403, 200, 200, 200]),
    ] {
        let gateway = for_partners(&upstream, &auth);
        let paths: Vec<_> = PATHS.into_iter().zip(expected).filter(|(_, status)| *status != 0).collect();
        assert_reaches(&gateway, &auth, &paths);
        let later = Request::post("/batch", "application/json", LATER);
        let later = gateway.send(&partner(later)).statuses();
        assert_eq!(later, [200, 403], "{auth}: nobody knows yet where it leads");
        let records = |path: &str| {
            let request = Request::new("PATCH", path).header("Content-Type", "application/json");
            gateway.send(&partner(request.body(r#"[{"id":1}]"#))).statuses()
        };
        assert_eq!([records("/part"), records("/partners")], [[expected[1]], [200]], "{auth}");
    }
    let nobody = for_partners(&upstream, &named).send(&Request::get("/a"));
    assert_eq!((nobody.status, nobody.header("WWW-Authenticate")), (403, None));
    let said = nobody.json();
    assert_eq!(said["type"], "urn:batchgate:problem:client_forbidden");
    assert_eq!(said["detail"], "no credential gives access here (auth)");
}
