//! Trailers of requests: they end at the gateway, or reach a service of which `request_trailers: pass` says that it takes them.

use std::sync::mpsc::{Receiver, channel};

use crate::harness::http2::{Call, Ending, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::raw::RawServer;
use crate::harness::{Config, Gateway};

/// What a client says behind its body. The service may get the first two.
const SAID: [(&str, &str); 9] = [
    ("x-sum", "7"),
    ("grpc-trailing", "a b"),
    ("authorization", "Basic eDp5"),
    ("x-forwarded-for", "10.0.0.9"),
    ("x_forwarded_for", "10.0.0.9"),
    ("x-request-id", "mine"),
    ("x-decided", "by the client"),
    ("x-hop", "1"),
    ("content_type", "text/html"),
];

const PASSED: [(&str, &str); 2] = [("x-sum", "7"), ("grpc-trailing", "a b")];

/// Whole requests as a service of HTTP/1.1 gets them.
fn service() -> (RawServer, Receiver<String>) {
    let (sender, requests) = channel();
    let server = RawServer::start(move |mut connection| {
        loop {
            let head = connection.head()?;
            let body = match head.to_ascii_lowercase() {
                head if head.contains("transfer-encoding: chunked") => connection.through(b"0\r\n")?,
                head if head.contains("content-length: 4") => connection.through(b"body")?,
                _ => Vec::new(),
            };
            let trailers = if body.ends_with(b"0\r\n") { section(&mut connection)? } else { String::new() };
            drop(sender.send(head + &String::from_utf8_lossy(&body) + &trailers));
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    (server, requests)
}

/// A trailer section with its end.
fn section(connection: &mut crate::harness::raw::RawConnection) -> std::io::Result<String> {
    let mut section = Vec::new();
    while section != b"\r\n" && !section.ends_with(b"\r\n\r\n") {
        section.extend(connection.through(b"\r\n")?);
    }
    Ok(String::from_utf8_lossy(&section).into_owned())
}

fn gateway(target: &str, policy: &str) -> Gateway {
    let config = Config::new().upstream("legacy", target).with(policy);
    config.with("headers: { set: { X-Decided: here } }").route("/", "legacy").start()
}

/// Two requests over one connection, one behind the other. Their trailers differ.
fn pipelined() -> String {
    let request = |more: &str| {
        format!(
            "POST /a HTTP/1.1\r\nHost: x\r\nTrailer: X-Sum\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n\
             4\r\nbody\r\n0\r\n{more}\r\n"
        )
    };
    let trailers: Vec<_> = SAID.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    [request(&trailers.concat()), request("X-Sum: 8\r\n"), request("")].concat()
}

fn call() -> Call {
    let trailers = SAID.iter().filter(|(name, _)| *name != "x-hop");
    let trailers = trailers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Call::new("POST", "/a").header("trailer", "x-sum").body(b"body").ending(Ending::Trailers(trailers))
}

fn ends(request: &str) -> &str {
    request.split_once("\r\n0\r\n").map_or("", |(_, end)| end)
}

#[test]
fn a_service_of_http1_gets_them_behind_a_chunked_body() {
    let (service, requests) = service();
    let gateway = gateway(&service.url(), "request_trailers: pass");
    let mut client = gateway.connect();
    client.write(pipelined().as_bytes());
    for expected in ["x-sum: 7\r\ngrpc-trailing: a b\r\n\r\n", "x-sum: 8\r\n\r\n", "\r\n"] {
        assert_eq!(client.reply_to("POST").status, 200);
        let request = requests.recv().unwrap();
        assert_eq!(ends(&request), expected, "{request}");
        assert!(request.to_ascii_lowercase().contains("\r\ntrailer: x-sum\r\n"), "{request}");
    }
    let client = Http2Client::connect(gateway.address());
    assert_eq!(client.call(&call()).status, 200);
    let request = requests.recv().unwrap();
    assert_eq!(ends(&request), "x-sum: 7\r\ngrpc-trailing: a b\r\n\r\n", "{request}");
    // Behind a body of known length there is no room for them.
    assert_eq!(client.call(&call().header("content-length", "4")).status, 200);
    let request = requests.recv().unwrap();
    assert!(
        request.ends_with("\r\n\r\nbody") && !request.to_ascii_lowercase().contains("trailer"),
        "{request}"
    );
}

#[test]
fn a_service_of_http2_gets_them() {
    let upstream = Http2Upstream::answering(|_| Http2Answer::of(200, "ok"));
    let gateway = gateway(&upstream.url(), "request_trailers: pass");
    let client = Http2Client::connect(gateway.address());
    let without_body =
        Call::new("POST", "/a").ending(Ending::Trailers(vec![("x-sum".to_owned(), "7".to_owned())]));
    for (call, expected) in [
        (call(), &PASSED[..]),
        (call().header("content-length", "4"), &PASSED),
        (without_body, &PASSED[..1]),
        (Call::new("POST", "/a").body(b"body"), &[]),
    ] {
        assert_eq!(client.call(&call).status, 200, "{call:?}");
        let requests = upstream.requests();
        let got = &requests.last().unwrap().trailers;
        let got: Vec<_> = got.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(got, expected, "{call:?}");
    }
    let mut client = gateway.connect();
    client.write(pipelined().as_bytes());
    for _ in 0..3 {
        assert_eq!(client.reply_to("POST").status, 200);
    }
    let requests = upstream.requests();
    let sums: Vec<_> =
        requests[4..].iter().map(|request| request.trailers.first().map(|(_, value)| &**value)).collect();
    assert_eq!(sums, [Some("7"), Some("8"), None]);
}

#[test]
fn they_end_at_the_gateway_unless_the_upstream_takes_them() {
    let (service, requests) = service();
    for policy in ["", "request_trailers: drop"] {
        let gateway = gateway(&service.url(), policy);
        let mut client = gateway.connect();
        client.write(pipelined().as_bytes());
        for _ in 0..3 {
            assert_eq!(client.reply_to("POST").status, 200);
            let request = requests.recv().unwrap();
            assert_eq!(ends(&request), "\r\n", "{request}");
            assert!(!request.to_ascii_lowercase().contains("trailer"), "{request}");
        }
    }
}

#[test]
fn another_attempt_gets_them_again() {
    let (sender, requests) = channel();
    let service = RawServer::start(move |mut connection| {
        connection.head()?;
        connection.through(b"0\r\n")?;
        drop(sender.send(section(&mut connection)?));
        connection.write("HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        connection.close_lingering()
    });
    let gateway = gateway(&service.url(), "request_trailers: pass, retry: { attempts: 3, status: [503] }");
    let request = pipelined().replacen("POST", "PUT", 1);
    let one = request.split_inclusive("content_type: text/html\r\n\r\n").next().unwrap();
    let mut client = gateway.connect();
    client.write(one.as_bytes());
    assert_eq!(client.reply_to("PUT").status, 503);
    let sections: Vec<_> = requests.try_iter().collect();
    assert_eq!(sections, vec!["x-sum: 7\r\ngrpc-trailing: a b\r\n\r\n"; 3]);
}
