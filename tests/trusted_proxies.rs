//! Clients behind a balancer: whose word about a client's address is taken, and what then goes by that address.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Connection, Gateway, Request, Upstream};

const FORWARDED: &str = "X-Forwarded-For";

/// A gateway that trusts these proxies. Tests come from 127.0.0.1.
fn behind(proxies: &str, upstream: &Upstream, more: &str) -> Gateway {
    let config = Config::all_to("legacy", upstream.url());
    config.raw(format!("trusted_proxies: [{proxies}]")).raw(more).start()
}

const ONE_EACH: &str = "rate_limits: [{ name: one, per: address, rate: 1/h, burst: 1 }]";

fn batch() -> Value {
    json!({"requests": [{"method": "GET", "url": "/item"}]})
}

#[test]
fn clients_behind_a_trusted_proxy_are_told_apart() {
    let upstream = Upstream::start();
    let gateway = behind("127.0.0.0/8, 10.0.0.0/8", &upstream, ONE_EACH);
    let status = |chain: &str| gateway.send(&Request::get("/single").header(FORWARDED, chain)).status;
    assert_eq!([status("192.0.2.1"), status("6.6.6.6, 192.0.2.1, 10.0.0.9")], [200, 429]);
    assert_eq!([status("192.0.2.2"), status("192.0.2.2:4711")], [200, 429]);
    let item = |chain| gateway.send(&Request::batch(&batch()).header(FORWARDED, chain)).statuses();
    assert_eq!([item("192.0.2.1"), item("192.0.2.3")], [[429], [200]]);
    for (kind, client) in [("request", "192.0.2.2"), ("batch", "192.0.2.1"), ("batch", "192.0.2.3")] {
        gateway.log_line(&[("kind", kind), ("client", client)]);
    }
}

#[test]
fn what_an_untrusted_client_says_of_its_address_counts_for_nothing() {
    let upstream = Upstream::start();
    for proxies in ["", "10.0.0.0/8, unix"] {
        let gateway = behind(proxies, &upstream, ONE_EACH);
        let status = |chain: &str| gateway.send(&Request::get("/").header(FORWARDED, chain)).status;
        assert_eq!([status("192.0.2.1"), status("192.0.2.2"), status("10.0.0.1")], [200, 429, 429]);
        gateway.log_line(&[("kind", "request"), ("client", "127.0.0.1"), ("status", "429")]);
        assert!(gateway.log_lines(&[("client", "192.0.2.1")]).is_empty());
    }
}

/// The system does not know any more where such a client was when the gateway looks at its connection.
#[test]
fn a_client_that_resets_its_connection_is_not_taken_for_a_local_one() {
    let upstream = Upstream::start();
    let gateway = behind("unix", &upstream, "");
    let address = gateway.address();
    for number in 0..100 {
        let request = Request::get(&format!("/{number}")).header(FORWARDED, "192.0.2.1").to_bytes(address);
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.connect(&address.into()).unwrap();
        client.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(client.send(&request).unwrap(), request.len());
    }
    gateway.send(&Request::get("/last"));
    gateway.log_line(&[("kind", "request"), ("path", "/last")]);
    for liar in ["192.0.2.1", "unix"] {
        assert!(gateway.log_lines(&[("client", liar)]).is_empty(), "{liar}");
    }
    for request in upstream.requests() {
        assert!(request.header(FORWARDED).unwrap().ends_with("127.0.0.1"), "{}", request.target);
    }
}

#[test]
fn forwarded_says_the_same_where_the_other_field_is_absent() {
    let upstream = Upstream::start();
    let gateway = behind("127.0.0.0/8", &upstream, ONE_EACH);
    let status = |value: &str| gateway.send(&Request::get("/single").header("Forwarded", value)).status;
    assert_eq!([status("for=192.0.2.1"), status("for=6.6.6.6, for=\"192.0.2.1:80\"")], [200, 429]);
    assert_eq!(status("for=\"[2001:db8::1]\";proto=https"), 200);
    gateway.log_line(&[("kind", "request"), ("client", "2001:db8::1")]);
}

#[test]
fn the_chain_that_services_get_ends_with_the_proxy() {
    let upstream = Upstream::start();
    let gateway = behind("127.0.0.1", &upstream, "");
    gateway.send(&Request::get("/single").header(FORWARDED, "6.6.6.6, 192.0.2.1"));
    gateway.send(&Request::batch(&batch()).header(FORWARDED, "6.6.6.6").header(FORWARDED, "192.0.2.1"));
    gateway.send(&Request::get("/direct"));
    let chain = |path| upstream.requests_to(path)[0].header(FORWARDED).unwrap().to_owned();
    assert_eq!(chain("/single"), "6.6.6.6, 192.0.2.1, 127.0.0.1");
    assert_eq!(chain("/item"), "6.6.6.6, 192.0.2.1, 127.0.0.1");
    assert_eq!(chain("/direct"), "127.0.0.1");
}

#[test]
fn services_get_forwarded_where_it_is_wanted() {
    let upstream = Upstream::start();
    for (proxies, more, expected) in [
        ("127.0.0.1", "forwarded: add", Some("for=6.6.6.6, for=192.0.2.1, ")),
        ("", "forwarded: add", Some("")),
        ("127.0.0.1", "", None),
    ] {
        let gateway = behind(proxies, &upstream, more);
        let chain = "6.6.6.6, 192.0.2.1";
        gateway.send(&Request::get("/single").header(FORWARDED, chain));
        gateway.send(&Request::batch(&batch()).header(FORWARDED, chain));
        let own = format!("for=127.0.0.1;host=\"{}\";proto=http", gateway.address());
        let expected = expected.map(|before| format!("{before}{own}"));
        for path in ["/single", "/item"] {
            let requests = upstream.requests_to(path);
            assert_eq!(requests.last().unwrap().header("Forwarded"), expected.as_deref(), "{path} {more}");
        }
    }
}

#[test]
fn a_proxy_that_ends_tls_says_so() {
    let upstream = Upstream::start();
    upstream.on("/moved", Answer::text(302, "").header("Location", &format!("{}/there", upstream.url())));
    for (proxies, scheme) in [("127.0.0.1", "https"), ("10.0.0.0/8", "http")] {
        let gateway = behind(proxies, &upstream, "");
        let told = |value| Request::get("/moved").header("X-Forwarded-Proto", value);
        let location = gateway.send(&told("http, HTTPS")).header("Location").unwrap().to_owned();
        assert_eq!(location, format!("{scheme}://{}/there", gateway.address()));
        gateway.send(&told("javascript"));
        let schemes: Vec<_> = upstream
            .requests()
            .iter()
            .map(|request| request.header("X-Forwarded-Proto").unwrap().to_owned())
            .collect();
        assert_eq!(schemes[schemes.len() - 2..], [scheme, "http"]);
    }
}

#[test]
fn a_trusted_proxy_may_have_all_the_connections() {
    let upstream = Upstream::start();
    let limits = "limits: { connections_per_address: 2, connections: 6 }";
    let gateway = behind("127.0.0.1", &upstream, limits);
    let mut held: Vec<Connection> = (0..4).map(|_| gateway.connect()).collect();
    for connection in &mut held {
        connection.write(&Request::get("/").to_bytes(gateway.address()));
        assert_eq!(connection.reply_to("GET").status, 200);
    }
    assert_eq!(gateway.metrics().count("batchgate_connections_refused_total", &[]), 0);
}

/// The fields of one call, where the client sent all of these.
const SAID: [(&str, &str); 9] = [
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
    ("X-Forwarded-Port", "8443"),
    ("X-Forwarded-Prefix", "/outer/"),
    ("X-Real-IP", "192.0.2.1"),
    ("Forwarded", "for=192.0.2.1;proto=https"),
    ("X_Forwarded_Host", "forged"),
    ("X-Forwarded-User", "forged"),
    ("X_Real_Ip", "forged"),
];

#[test]
fn what_a_trusted_proxy_says_is_kept_and_what_others_say_is_not() {
    let upstream = Upstream::start();
    for (proxies, trusted) in [("127.0.0.1", true), ("10.0.0.0/8", false), ("", false)] {
        let routes = Config::all_to("legacy", upstream.url()).route("/api/v1", "legacy");
        let config = routes.with("strip_prefix: /api").batch("/batch");
        let gateway = config.raw(format!("trusted_proxies: [{proxies}]")).start();
        let own = gateway.address().to_string();
        let element = format!("for=192.0.2.1;proto=https, for=127.0.0.1;host=\"{own}\";proto=http");
        let said = |value: &'static str| trusted.then_some(value);
        let proto = if trusted { "https" } else { "http" };
        let item = json!({"requests": [{"method": "GET", "url": "/item"}, {"method": "GET", "url": "/api/v1/item"}]});
        let line = "{\"method\":\"GET\",\"url\":\"/line\"}\n{\"method\":\"GET\",\"url\":\"/api/v1/line\"}\n";
        for request in
            [Request::batch(&item), Request::lines(line), Request::get("/one"), Request::get("/api/v1/one")]
        {
            gateway.send(&SAID.iter().fold(request, |request, (name, value)| request.header(name, value)));
        }
        for (path, stripped) in [
            ("/item", false),
            ("/v1/item", true),
            ("/line", false),
            ("/v1/line", true),
            ("/one", false),
            ("/v1/one", true),
        ] {
            let request = upstream.requests_to(path).pop().unwrap();
            let prefix = match (trusted, stripped) {
                (true, true) => Some("/outer/api"),
                (true, false) => Some("/outer/"),
                (false, true) => Some("/api"),
                (false, false) => None,
            };
            for (name, value) in [
                ("X-Forwarded-Proto", Some(proto)),
                ("X-Forwarded-Host", Some(said("shop.example").unwrap_or(&own))),
                ("X-Forwarded-Port", said("8443")),
                ("X-Forwarded-Prefix", prefix),
                ("X-Real-IP", said("192.0.2.1")),
                ("Forwarded", trusted.then_some(element.as_str())),
            ] {
                assert_eq!(request.header(name), value, "{name} of {path}, {proxies}");
                assert!(request.all(name).count() <= 1, "{name} of {path}");
            }
            assert!(!String::from_utf8_lossy(&request.head).contains("forged"), "{path}");
        }
    }
}
