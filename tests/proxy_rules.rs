//! What HTTP wants of a proxy that reads and writes each message anew: old clients, hosts, forms of the
//! target, transfer codings, fields of the hop.

use crate::harness::{Answer, Config, Gateway, Request, Upstream};

/// What a client reads until the connection closes.
fn exchange(gateway: &Gateway, request: &str) -> String {
    let mut client = gateway.connect();
    client.write(request.as_bytes());
    String::from_utf8(client.rest()).unwrap()
}

#[test]
fn a_client_of_http_1_0_gets_neither_chunks_nor_interim_replies() {
    let upstream = Upstream::start();
    upstream
        .on("/chunked", Answer::text(200, "all of it").chunked())
        .on("/early", Answer::text(200, "late").after_interim(103));
    let gateway = Gateway::before(&upstream);
    let chunked =
        exchange(&gateway, "GET /chunked HTTP/1.0\r\nHost: gateway\r\nConnection: keep-alive\r\n\r\n");
    let (head, body) = chunked.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
    assert_eq!(body, "all of it");
    let early = exchange(&gateway, "GET /early HTTP/1.0\r\nHost: gateway\r\n\r\n");
    assert!(early.starts_with("HTTP/1.1 200 "), "{early}");
    let expecting = "Host: gateway\r\nExpect: 100-continue\r\nContent-Length: 15\r\n\r\n{\"requests\":[]}";
    for (target, status) in [("/a", 200), ("/batch", 207)] {
        let reply = exchange(&gateway, &format!("POST {target} HTTP/1.0\r\n{expecting}"));
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }
    assert_eq!(upstream.requests_to("/a")[0].header("Via"), Some("1.0 batchgate"));
}

#[test]
fn a_request_without_a_proper_host_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for fields in ["", "Host: a b\r\n", "Host: a/b\r\n"] {
        let reply = exchange(&gateway, &format!("GET /a HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"));
        assert!(reply.starts_with("HTTP/1.1 400 "), "{fields} {reply}");
    }
    assert!(upstream.requests().is_empty());
    let reply = exchange(&gateway, "GET /a HTTP/1.0\r\nAccept: */*\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
}

#[test]
fn an_upstream_gets_a_path_even_if_the_client_sent_a_url() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let reply =
        exchange(&gateway, "GET http://gateway/a?q=1 HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert_eq!(upstream.requests()[0].target, "/a?q=1");
}

#[test]
fn a_harmless_character_does_not_bring_a_backslash_along() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for (target, status) in
        [("/a|b", 200), ("/a\\..\\b", 400), ("/a|\\..\\b", 400), ("/{a}\\b", 400), ("/a|\u{e4}", 400)]
    {
        let reply = exchange(
            &gateway,
            &format!("GET {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"),
        );
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {reply}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_transfer_coding_that_nobody_undoes_is_refused() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for target in ["/a", "/batch"] {
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
        let reply = exchange(&gateway, &format!("{head}3\r\nabc\r\n0\r\n\r\n"));
        assert!(reply.starts_with("HTTP/1.1 501 "), "{reply}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn what_only_the_gateway_may_say_is_taken_from_clients() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut request = Request::get("/a").header("X-Forwarded-For", "192.0.2.1").header("X_Own", "kept");
    for name in ["X-Forwarded-User", "X_Forwarded_For", "X-Real-IP", "Forwarded", "X_Request_Id"] {
        request = request.header(name, "forged");
    }
    assert_eq!(gateway.send(&request).status, 200);
    let received = &upstream.requests()[0];
    let head = String::from_utf8_lossy(&received.head).into_owned();
    assert!(!head.contains("forged"), "{head}");
    assert_eq!(received.header("X-Forwarded-For"), Some("192.0.2.1, 127.0.0.1"));
    assert_eq!(received.header("X_Own"), Some("kept"));
}

#[test]
fn max_forwards_is_counted_down_and_ends_here() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let send = |method, forwards| gateway.send(&Request::new(method, "/a").header("Max-Forwards", forwards));
    assert_eq!(send("OPTIONS", "0").status, 204);
    assert_eq!(send("TRACE", "0").status, 501);
    assert!(upstream.requests().is_empty());
    assert_eq!(send("TRACE", "2").status, 405);
    for (method, received) in [("OPTIONS", "1"), ("GET", "2")] {
        assert_eq!(send(method, "2").status, 200);
        let requests = upstream.requests();
        assert_eq!(requests.last().unwrap().header("Max-Forwards"), Some(received), "{method}");
    }
}

#[test]
fn a_destination_is_judged_like_the_path_of_a_proxied_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let destination = gateway.url("/a[1].txt");
    let reply = gateway.send(&Request::new("MOVE", "/a[0].txt").header("Destination", &destination));
    assert_eq!(reply.status, 200);
    let expected = format!("{}/a[1].txt", upstream.url());
    assert_eq!(upstream.requests()[0].header("Destination"), Some(expected.as_str()));
}

#[test]
fn connection_can_not_name_where_a_request_goes_or_ends() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    for named in ["Host", "close, host", "Content-Length", "keep-alive,Transfer-Encoding", "a b"] {
        for path in ["/a", "/batch"] {
            let reply = gateway.send(&Request::post(path, "text/plain", "x").header("Connection", named));
            assert_eq!((reply.status, reply.json()["status"].as_u64()), (400, Some(400)), "{named} {path}");
            assert!(reply.text().contains("urn:batchgate:problem:bad_header"), "{}", reply.text());
        }
    }
    assert_eq!(upstream.requests(), []);
    assert_eq!(gateway.send(&Request::get("/a").header("Connection", "close, , X-Own")).status, 200);
}

#[test]
fn a_length_beside_a_transfer_coding_is_refused_and_the_connection_closes() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let chunked = "Transfer-Encoding: chunked\r\n";
    for path in ["/a", "/batch"] {
        for fields in [
            format!("Content-Length: 5\r\n{chunked}"),
            format!("{chunked}X: y\r\ncontent-length: 5\r\n"),
            format!("content-LENGTH:5\r\n{chunked}"),
        ] {
            let mut client = gateway.connect();
            let body = "5\r\n[1,2]\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n";
            client.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}").as_bytes());
            let reply = client.reply_to("POST");
            assert_eq!((reply.status, reply.header("Connection")), (400, Some("close")), "{path} {fields}");
            assert_eq!(client.rest(), b"");
        }
    }
    assert_eq!(upstream.requests(), []);
    let mut client = gateway.connect();
    client.write(
        format!("POST /a HTTP/1.1\r\nHost: x\r\nX-Content-Length: 5\r\n{chunked}\r\n0\r\n\r\n").as_bytes(),
    );
    assert_eq!(client.reply_to("POST").status, 200);
}

/// Targets that other proxies pass and services read differently. config/coming-from.md says which.
#[test]
fn targets_are_passed_as_they_are_or_refused() {
    let upstream = Upstream::start();
    let gateway = Config::all_to("orders", upstream.url()).start();
    let targets: [(&[u8], u16); 17] = [
        (b"/x//y", 200),
        (b"//x", 400),
        (b"//evil.example/x", 400),
        (b"/a\"b", 200),
        (b"/a?q=\"x\"", 400),
        (b"/a?q=[{x}|^`\\]", 200),
        (b"/a?q=<x>", 400),
        (b"/a<b>", 400),
        (b"/\xc3\xa9", 400),
        (b"/a?q=\xc3\xa9", 400),
        (b"/%C3%A9?q=%C3%A9", 200),
        (b"/a\\b", 400),
        (b"/a#b", 400),
        (b"/%252e%252e/b", 200),
        (b"/%2e%2e/b", 400),
        (b"/a?q=%", 200),
        (b"/a%", 400),
    ];
    for (target, status) in targets {
        let mut client = gateway.connect();
        client.write(&[b"GET ", target, b" HTTP/1.1\r\nHost: gw\r\n\r\n"].concat());
        let shown = String::from_utf8_lossy(target);
        assert_eq!(client.reply_to("GET").status, status, "{shown}");
        let passed: Vec<_> = upstream.take_requests().into_iter().map(|request| request.target).collect();
        let expected: Vec<_> = (status == 200).then(|| shown.clone().into_owned()).into_iter().collect();
        assert_eq!(passed, expected, "{shown}");
    }
}

#[test]
fn names_of_fields_that_change_keep_their_spelling() {
    let upstream = Upstream::start();
    let answer = Answer::text(201, &"text ".repeat(400)).header("Location", "/a").header("ETag", "\"1\"");
    upstream.on("/new", answer.header("LINK", "</a>; rel=\"next\""));
    let config = Config::new().upstream("orders", upstream.url()).route("/old/", "orders");
    let hsts = "response_headers: { set: { Strict-Transport-Security: max-age=9, X-ODD: '1' } }";
    let gateway = config.with(format!("strip_prefix: /old, compress: true, {hsts}")).start();
    let mut client = gateway.connect();
    client.write(b"GET /old/new HTTP/1.1\r\nHost: gw\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    let reply = client.rest();
    let head = String::from_utf8_lossy(&reply);
    for line in [
        "Location: /old/a\r\n",
        "LINK: </old/a>; rel=\"next\"\r\n",
        "ETag: W/\"1\"\r\n",
        "Vary: Accept-Encoding\r\n",
        "Content-Encoding: gzip\r\n",
        "Strict-Transport-Security: max-age=9\r\n",
        "X-ODD: 1\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
}
