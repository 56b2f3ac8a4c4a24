//! Routes that answer by themselves: redirects, fixed answers, and the listener that sends its clients to HTTPS. Single requests and
//! items get the same.

use serde_json::json;

use crate::harness::{Config, Gateway, Request, Setup, Upstream};

fn gateway() -> Gateway {
    Config::new()
        .raw("upstreams: {}")
        .raw(
            "routes:
  - { path: /old/, redirect: { to: /new/ } }
  - { path: /moved, redirect: { to: 'https://other.example:8443', status: 301 } }
  - { path: '/orders/{id}/lines', redirect: { to: '/lines/{id}', status: 307 } }
  - { path: /root/, redirect: { to: /, status: 302 } }
  - { path: /, exact: true, redirect: { to: /shop } }
  - { path: /lang/, redirect: { to: '/new/?l=en' } }
  - { path: /bare/, redirect: { to: '/new/?' } }
  - { path: /only/, redirect: { to: 'https://other.example/?l=en?' } }
  - { path: /posts/, redirect: { to: /new/ }, methods: [POST] }
  - { path: /down/, respond: { status: 503, headers: { Retry-After: '7', X-Why: closed }, body: Back soon. } }
  - { path: /gone/, respond: { status: 410, headers: { X-Why: gone } } }
  - { path: /busy/, respond: { status: 503 } }",
        )
        .batch("/batch")
        .start()
}

#[test]
fn a_redirect_keeps_the_rest_of_the_path_and_the_query() {
    let gateway = gateway();
    for (path, status, location) in [
        ("/old/a/b?q=1", 308, "/new/a/b?q=1"),
        ("/old/", 308, "/new/"),
        ("/old/a%20b/%24", 308, "/new/a%20b/%24"),
        ("/moved", 301, "https://other.example:8443/"),
        ("/moved/x?y", 301, "https://other.example:8443/x?y"),
        ("/orders/7/lines/3?a", 307, "/lines/7/3?a"),
        ("/root/x", 302, "/x"),
        ("/", 308, "/shop"),
        ("/?a", 308, "/shop?a"),
        ("/lang/a", 308, "/new/a?l=en"),
        ("/lang/?q=1", 308, "/new/?l=en&q=1"),
        ("/bare/a?q=1", 308, "/new/a"),
        ("/only/a?q=1", 308, "https://other.example/a?l=en"),
    ] {
        for method in ["GET", "POST", "HEAD"] {
            let reply = gateway.send(&Request::new(method, path));
            assert_eq!((reply.status, reply.header("Location")), (status, Some(location)), "{path}");
            assert!(reply.body.is_empty());
            let batch = json!({"requests": [{"method": method, "url": path}]});
            let result = &gateway.send(&Request::batch(&batch)).results()[0];
            assert_eq!(result["status"], status, "{path} as an item");
            assert_eq!(result["headers"]["Location"], location, "{path} as an item");
        }
    }
    assert_eq!(gateway.send(&Request::get("/posts/a")).status, 405);
}

/// Clients remember a 308 and a 301, as HTTP has it. What a route says of caches is said once.
#[test]
fn caches_may_keep_redirects_and_what_routes_allow() {
    let config = Config::new().raw("upstreams: {}").raw(
        "routes:
  - { path: /old/, redirect: { to: /new/ } }
  - { path: /set/, redirect: { to: /new/ }, response_headers: { set: { Cache-Control: max-age=9 } } }
  - { path: /kept, respond: { status: 200, headers: { Cache-Control: max-age=60 }, body: ok } }
  - { path: /gone, respond: { status: 410, headers: { Cache-Control: max-age=70 } } }
  - { path: /fixed, respond: { status: 200, body: ok } }",
    );
    let gateway = config.start();
    for (path, said) in [
        ("/old/a", &[][..]),
        ("/set/a", &["max-age=9"]),
        ("/kept", &["max-age=60"]),
        ("/gone", &["max-age=70"]),
        ("/fixed", &["no-store"]),
        ("/nowhere", &["no-store"]),
    ] {
        let reply = gateway.send(&Request::get(path));
        let of_caches = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Cache-Control"));
        assert_eq!(of_caches.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), said, "{path}");
    }
}

#[test]
fn no_path_becomes_another_host() {
    let gateway = gateway();
    for (path, location) in
        [("/root//evil.example/", "/evil.example/"), ("/root/%2F%2Fevil", "/%2F%2Fevil"), ("/root///", "/")]
    {
        assert_eq!(gateway.send(&Request::get(path)).header("Location"), Some(location), "{path}");
    }
}

#[test]
fn a_fixed_answer_has_its_fields() {
    let gateway = gateway();
    for (path, status, name, value) in [
        ("/down/", 503, "Retry-After", Some("7")),
        ("/down/", 503, "X-Why", Some("closed")),
        ("/down/", 503, "Content-Type", Some("text/plain; charset=utf-8")),
        ("/gone/", 410, "X-Why", Some("gone")),
        ("/gone/", 410, "Content-Type", Some("application/problem+json")),
        ("/busy/", 503, "Retry-After", Some("60")),
    ] {
        let reply = gateway.send(&Request::get(path));
        assert_eq!((reply.status, reply.header(name)), (status, value), "{path}");
        let batch = json!({"requests": [{"method": "GET", "url": path}]});
        let result = &gateway.send(&Request::batch(&batch)).results()[0];
        assert_eq!(result["status"], status, "{path} as an item");
        if name != "Content-Type" {
            assert_eq!(result["headers"][name].as_str(), value, "{path} as an item");
        }
    }
    let both = gateway.send(&Request::get("/down/"));
    assert_eq!(both.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Retry-After")).count(), 1);
}

#[test]
fn a_listener_sends_its_clients_to_https() {
    let upstream = Upstream::start();
    let yaml =
        Config::all_to("svc", upstream.url()).batch("/batch").raw("trusted_proxies: [127.0.0.1]").to_yaml();
    for (listener, port) in [("redirect_to_https: 443", ""), ("redirect_to_https: 8443", ":8443")] {
        let gateway = Setup::of(yaml.clone()).with_listener(listener).start();
        let get = |host: &str, target: &str| Request::get(target).header("Host", host);
        let batch = Request::batch(&json!({"requests": [{"method": "GET", "url": "/a"}]}));
        for (request, location) in [
            (get("API.example.com:8080", "/a/b?c=//d"), format!("https://api.example.com{port}/a/b?c=//d")),
            (get("[::1]:8080", "//a"), format!("https://[::1]{port}//a")),
            (get("gw", "http://other.example/a"), format!("https://other.example{port}/a")),
            (batch.header("Host", "gw"), format!("https://gw{port}/batch")),
        ] {
            let reply = gateway.send(&request);
            assert_eq!((reply.status, reply.header("Location")), (308, Some(&*location)));
        }
        assert!(upstream.take_requests().is_empty());
        for host in ["HTTP/1.0\r\n", "HTTP/1.0\r\nHost:\r\n", "HTTP/1.1\r\nHost:\r\nConnection: close\r\n"] {
            let mut client = gateway.connect();
            client.write(format!("GET /a {host}\r\n").as_bytes());
            let reply = client.reply_to("GET");
            let problem = reply.json();
            assert_eq!(reply.status, 400, "{host:?}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains("or use HTTPS"), "{host:?}: {problem}");
        }
        assert!(upstream.take_requests().is_empty());
        // The balancer in front of the gateway has spoken TLS with the client.
        assert_eq!(gateway.send(&get("gw", "/a").header("X-Forwarded-Proto", "https")).status, 200);
        assert_eq!(upstream.take_requests().len(), 1);
    }
}
