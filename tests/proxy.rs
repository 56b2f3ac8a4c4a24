//! What is no batch passes through: streamed, mapped, labelled, balanced.

use std::time::Duration;

use batchgate::clock::Stopwatch;
use serde_json::json;

use crate::harness::upstream::{Refusing, Unreachable};
use crate::harness::{Answer, Config, Connection, Gate, Gateway, Request, Setup, Upstream};

#[test]
fn any_method_passes_with_its_body_and_comes_back_as_answered() {
    let upstream = Upstream::answering(|request| {
        Answer::of(299, "application/x-own", &request.body).header("X-Method", &request.method)
    });
    let gateway = Gateway::before(&upstream);
    for method in
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "LOCK", "REPORT", "BREW"]
    {
        let reply = gateway.send(&Request::new(method, "/a?q=1&r=%20").body("bytes \x00\x01"));
        assert_eq!((reply.status, reply.header("X-Method")), (299, Some(method)));
        assert_eq!(reply.body, b"bytes \x00\x01", "{method}");
    }
    assert_eq!(upstream.requests_to("/a?q=1&r=%20").len(), 11);
}

#[test]
fn chunks_stream_to_the_client_as_they_come() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    upstream.on("/a", Answer::text(200, "first part, last part").chunked().pause_after("first", &gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    client.through(b"first");
    gate.open();
    client.through(b"part");
}

#[test]
fn a_reply_of_known_length_streams_too() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    let body = format!("{}middle{}", "x".repeat(1 << 20), "y".repeat(1 << 20));
    upstream.on("/a", Answer::text(200, &body).pause_after("middle", &gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    client.through("x".repeat(512 << 10).as_bytes());
    gate.open();
    client.through("y".repeat(1 << 20).as_bytes());
}

#[test]
fn a_short_reply_of_known_length_is_not_held_back() {
    let (upstream, gate) = (Upstream::start(), Gate::closed());
    upstream.on("/a", Answer::text(200, "first part, last part").pause_after("first", &gate));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(&Request::get("/a").to_bytes(gateway.address()));
    client.through(b"first");
    gate.open();
    client.through(b"last part");
}

#[test]
fn bodies_stream_to_the_upstream_as_they_come() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let head = "PUT /a HTTP/1.1\r\nHost: gateway\r\n";
    let mut sized = gateway.connect();
    sized.write(format!("{head}Content-Length: 20\r\n\r\nfirst-half").as_bytes());
    upstream.wait_for_bytes(b"first-half");
    sized.write(b"-last-half");
    assert_eq!(sized.reply_to("PUT").status, 200);
    let mut chunked = gateway.connect();
    chunked.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n7\r\nchunk-1\r\n").as_bytes());
    upstream.wait_for_bytes(b"chunk-1");
    chunked.write(b"8\r\n-chunk-2\r\n0\r\n\r\n");
    assert_eq!(chunked.reply_to("PUT").status, 200);
    let bodies: Vec<_> = upstream.requests().iter().map(crate::harness::upstream::Recorded::text).collect();
    assert_eq!(bodies, ["first-half-last-half", "chunk-1-chunk-2"]);
}

#[test]
fn replies_without_a_body_leave_the_connection_usable() {
    let upstream = Upstream::start();
    upstream
        .on("/204", Answer::empty(204))
        .on("/304", Answer::empty(304))
        .on("/early", Answer::empty(204).after_interim(103));
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for (method, path, status) in [
        ("HEAD", "/a", 200),
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("GET", "/early", 204),
        ("HEAD", "/304", 304),
    ] {
        client.write(&Request::new(method, path).to_bytes(gateway.address()));
        assert_eq!(client.reply_to(method).status, status, "{method} {path}");
    }
    client.write(&Request::get("/last").to_bytes(gateway.address()));
    assert_eq!(client.reply_to("GET").text(), "ok");
}

#[test]
fn the_longest_path_prefix_wins() {
    let (general, orders) = (Upstream::start(), Upstream::start());
    let upstreams = Config::all_to("general", general.url()).upstream("orders", orders.url());
    let routes = upstreams.route("/orders/", "orders").respond("/orders/private/", "status: 410");
    let gateway = routes.start();
    let status = |path: &str| gateway.send(&Request::get(path)).status;
    assert_eq!((status("/orders/1"), status("/other"), status("/orders/private/x")), (200, 200, 410));
    assert_eq!(
        (orders.only_request().target, general.only_request().target),
        ("/orders/1".into(), "/other".into())
    );
}

#[test]
fn a_path_without_a_route_is_a_404_problem_and_a_forbidden_method_a_405() {
    let upstream = Upstream::start();
    let route = Config::new().upstream("legacy", upstream.url()).route("/a/", "legacy");
    let gateway = route.with("methods: [GET]").start();
    let missing = gateway.send(&Request::get("/b"));
    assert_eq!((missing.status, missing.header("Content-Type")), (404, Some("application/problem+json")));
    let forbidden = gateway.send(&Request::new("DELETE", "/a/1"));
    assert_eq!(forbidden.status, 405);
    assert!(forbidden.header("Allow").unwrap().starts_with("GET"), "{forbidden:?}");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_stripped_prefix_is_put_back_in_locations() {
    let upstream = Upstream::start();
    let route = Config::new().upstream("legacy", upstream.url()).route("/old/", "legacy");
    let gateway = route.with("strip_prefix: /old").batch("/batch").start();
    let absolute = format!("{}/orders/3", upstream.url());
    upstream.on("/orders", Answer::text(201, "").header("Location", &absolute));
    upstream.on("/relative", Answer::text(302, "").header("Location", "/login"));
    let location = |path: &str| gateway.send(&Request::get(path)).header("Location").unwrap().to_owned();
    assert_eq!(location("/old/orders"), gateway.url("/old/orders/3"));
    assert_eq!(location("/old/relative"), "/old/login");
    let item = gateway.item(&json!({"method": "GET", "url": "/old/relative"}));
    assert_eq!(item["headers"]["Location"], "/old/login");
    assert_eq!(upstream.requests()[0].target, "/orders");
}

#[test]
fn the_upstream_learns_who_asked_for_what() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let forged = Request::get("/a").header("Host", "shop.example").header("X-Forwarded-Host", "evil.example");
    gateway.send(&forged.header("X-Forwarded-Proto", "gopher"));
    gateway.item(&json!({"method": "GET", "url": "/b"}));
    for request in upstream.requests() {
        let target = &request.target;
        assert!(request.header("X-Forwarded-For").unwrap().ends_with("127.0.0.1"), "{target}");
        assert_eq!(request.header("X-Forwarded-Proto"), Some("http"), "{target}");
        assert!(request.header("Via").unwrap().contains("1.1 "), "{target}");
        assert!(request.header("X-Request-Id").is_some_and(|id| id.len() >= 8), "{target}");
        assert_eq!(request.header("Host"), Some(upstream.address().to_string().as_str()), "{target}");
    }
    assert_eq!(upstream.requests()[0].header("X-Forwarded-Host"), Some("shop.example"));
}

#[test]
fn a_request_id_goes_through_and_comes_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let given = gateway.send(&Request::get("/a").header("X-Request-Id", "mine-42"));
    assert_eq!(given.header("X-Request-Id"), Some("mine-42"));
    assert_eq!(upstream.only_request().header("X-Request-Id"), Some("mine-42"));
    let made = gateway.send(&Request::get("/b"));
    assert_eq!(made.header("X-Request-Id"), upstream.requests()[1].header("X-Request-Id"));
}

#[test]
fn headers_are_set_and_removed_towards_the_upstream() {
    let upstream = Upstream::start();
    let members = "headers: { set: { Authorization: \"Bearer ${TOKEN}\" }, remove: [Cookie] }";
    let setup = Setup::tuned(&upstream.url(), members, "").with_variable("TOKEN", "secret-token");
    let gateway = setup.start();
    let request = Request::get("/a").header("Cookie", "a=1").header("Authorization", "Basic x");
    gateway.send(&request);
    gateway.item(&json!({"method": "GET", "url": "/b", "headers": {"Cookie": "b=2"}}));
    for request in upstream.requests() {
        assert_eq!(
            request.all("Authorization").collect::<Vec<_>>(),
            ["Bearer secret-token"],
            "{}",
            request.target
        );
        assert_eq!(request.header("Cookie"), None, "{}", request.target);
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_destination_is_mapped_to_the_upstreams_hop() {
    let upstream = Upstream::start();
    let route = Config::new().upstream("files", upstream.url()).route("/dav/", "files");
    let gateway = route.with("strip_prefix: /dav").batch("/batch").start();
    let own = gateway.url("/dav/b.txt");
    for destination in ["/dav/b.txt", own.as_str()] {
        let request = Request::new("MOVE", "/dav/a.txt").header("Destination", destination);
        let tagged = format!("<{}> (<urn:uuid:1>)", gateway.url("/dav/a.txt"));
        assert_eq!(gateway.send(&request.header("If", &tagged)).status, 200);
        let headers = json!({"Destination": destination});
        gateway.item(&json!({"method": "MOVE", "url": "/dav/a.txt", "headers": headers}));
    }
    for request in upstream.requests() {
        assert_eq!(request.header("Destination"), Some(format!("{}/b.txt", upstream.url()).as_str()));
    }
    assert_eq!(upstream.requests().len(), 4);
    assert_eq!(
        upstream.requests()[0].header("If"),
        Some(format!("<{}/a.txt> (<urn:uuid:1>)", upstream.url()).as_str())
    );
}

#[test]
fn a_destination_elsewhere_is_refused_and_nothing_is_sent() {
    let upstream = Upstream::start();
    let upstreams = Config::new().upstream("files", upstream.url()).upstream("other", upstream.url());
    let gateway = upstreams.route("/dav/", "files").route("/other/", "other").batch("/batch").start();
    for destination in ["http://evil.example/dav/b", "/other/b", "/nowhere", "/dav/../other/b", "not a url"] {
        let request = Request::new("MOVE", "/dav/a").header("Destination", destination);
        let status = gateway.send(&request).status;
        assert!((400..500).contains(&status), "{destination}: {status}");
        let headers = json!({"Destination": destination});
        let result = gateway.item(&json!({"method": "MOVE", "url": "/dav/a", "headers": headers}));
        assert_eq!(result["outcome"], "rejected", "{destination}: {result}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn the_second_target_takes_over_where_the_first_refuses() {
    let (upstream, refusing) = (Upstream::start(), Refusing::start());
    let gateway = Setup::routing_to(&[refusing.url(), upstream.url()]).start();
    for _ in 0..4 {
        assert_eq!(gateway.send(&Request::post("/a", "text/plain", "once")).status, 200);
        assert_eq!(gateway.item(&json!({"method": "POST", "url": "/a"}))["status"], 200);
    }
    assert_eq!(upstream.requests().len(), 8);
}

#[test]
fn targets_take_turns_by_weight() {
    let (first, second) = (Upstream::start(), Upstream::start());
    let heavy = format!("{{ url: {}, weight: 3 }}", second.url());
    let gateway = Setup::routing_to(&[first.url(), heavy]).start();
    // A batch holds its connections for a run of items, so only many batches meet every target.
    for _ in 0..8 {
        assert_eq!(gateway.item(&json!({"method": "GET", "url": "/a"}))["status"], 200);
    }
    for _ in 0..8 {
        gateway.send(&Request::get("/b"));
    }
    assert_eq!((first.requests_to("/b").len(), second.requests_to("/b").len()), (2, 6));
    assert!(!first.requests_to("/a").is_empty() && !second.requests_to("/a").is_empty());
}

#[test]
fn faults_of_the_upstream_become_problems() {
    let upstream = Upstream::start();
    upstream
        .on("/hang", Answer::hang())
        .on("/close", Answer::close())
        .on("/garbage", Answer::raw("x\r\n\r\n"));
    let gateway = Setup::tuned(&upstream.url(), "timeout: { item: 300ms }", "").start();
    for (path, status) in [("/hang", 504), ("/close", 502), ("/garbage", 502)] {
        let watch = Stopwatch::start();
        let reply = gateway.send(&Request::get(path));
        assert_eq!(
            (reply.status, reply.header("Content-Type")),
            (status, Some("application/problem+json")),
            "{path}"
        );
        assert_eq!(reply.json()["status"], status);
        assert!(reply.header("Proxy-Status").is_some(), "{path}");
        assert!(watch.elapsed() < Duration::from_secs(5), "{path}: {:?}", watch.elapsed());
    }
}

#[test]
fn a_connection_that_is_never_set_up_is_a_504() {
    let unreachable = Unreachable::start();
    let gateway = Setup::tuned(&unreachable.url(), "timeout: { connect: 200ms, item: 20s }", "").start();
    let watch = Stopwatch::start();
    assert_eq!(gateway.send(&Request::get("/a")).status, 504);
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
}

#[test]
fn an_expectation_is_answered_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]}).to_string();
    for (path, body) in [("/put", "some bytes"), ("/batch", batch.as_str())] {
        let request = Request::post(path, "application/json", body).header("Expect", "100-continue");
        let bytes = request.to_bytes(gateway.address());
        let (head, body) = bytes.split_at(bytes.len() - body.len());
        let mut client = gateway.connect();
        client.write(head);
        assert_eq!(client.head().status, 100, "{path}");
        client.write(body);
        assert!([200, 207].contains(&client.reply_to("POST").status), "{path}");
    }
}

#[test]
fn a_client_connection_is_kept_and_framing_never_confused() {
    let upstream = Upstream::answering(|request| Answer::text(200, &request.target));
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/in-batch"}]});
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.write(&Request::get("/single").to_bytes(gateway.address()));
        assert_eq!(client.reply_to("GET").text(), "/single");
        client.write(&Request::batch(&batch).to_bytes(gateway.address()));
        assert_eq!(client.reply_to("POST").only_result()["body"], "/in-batch");
    }
}

#[test]
fn ambiguous_framing_is_refused_or_read_one_way() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Transfer-Encoding: gzip, identity",
        "Transfer-Encoding: \u{b}chunked",
        "Content-Length: 5, 6",
    ] {
        let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n";
        let mut client = Connection::open(gateway.address());
        client.write(format!("POST /a HTTP/1.1\r\nHost: gateway\r\n{framing}\r\n\r\n{smuggled}").as_bytes());
        client.finish_writing();
        assert_eq!(client.head().status, 400, "{framing}");
    }
    assert!(
        upstream.requests().iter().all(|request| request.target != "/smuggled"),
        "{:?}",
        upstream.requests()
    );
}

#[test]
fn a_body_with_broken_chunks_ends_its_connection() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let head = "POST /batch HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write(format!("{head}zz\r\n").as_bytes());
    let reply = client.reply_to("POST");
    assert_eq!((reply.status, reply.header("Connection")), (400, Some("close")));
    client.write(b"GET /batch HTTP/1.1\r\nHost: gateway\r\n\r\n");
    assert_eq!(client.rest(), b"", "what follows is no request");
}

#[test]
fn a_request_shorter_than_the_preface_of_http2_is_answered_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for short in ["OPTIONS / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "PUT / HTTP/1.0\r\n\r\n"] {
        let mut client = gateway.connect();
        client.write(short.as_bytes());
        assert_eq!(client.head().status, 200, "{short:?}");
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let gateway = Config::new().respond("/", "status: 200").limits("keepalive_timeout: 1s").start();
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for said in ["", "P", "PRI * HTTP/2.0\r\n", http2] {
        let mut client = gateway.connect();
        client.write(said.as_bytes());
        client.rest();
    }
}

#[test]
fn a_slow_batch_body_is_ended_in_time() {
    let upstream = Upstream::start();
    let config = Config::all_to("legacy", upstream.url()).batch("/batch");
    let gateway = config.limits("body_timeout: 300ms").start();
    let watch = Stopwatch::start();
    let mut client = gateway.connect();
    let head = "POST /batch HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    client.write(head.as_bytes());
    assert_eq!(client.head().status, 408);
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
}
