//! The harness against itself: fakes, clients and real servers do what tests rely on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use h2::Reason;

use crate::harness::apache::Apache;
use crate::harness::client::{Connection, Request};
use crate::harness::http2::{Broken, Call, Ending, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::nginx::Nginx;
use crate::harness::programs::{program, succeed};
use crate::harness::prometheus::Prometheus;
use crate::harness::upstream::{Answer, Refusing, Unreachable, Upstream};
use crate::harness::wait::{Gate, until_true};
use crate::harness::{metrics::Metrics, until};

#[test]
fn upstream_keeps_what_it_is_sent_and_answers_in_turn() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::text(500, "first")).on("/a", Answer::text(201, "then"));
    let send = || Request::post("/a", "text/plain", "hello").send(upstream.address());
    assert_eq!((send().status, send().status, send().status), (500, 201, 201));
    let requests = upstream.requests_to("/a");
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].text(), "hello");
    assert!(requests[0].head.starts_with(b"POST /a HTTP/1.1\r\nHost: 127.0.0.1"));
    assert_eq!((upstream.connections(), upstream.most_in_flight()), (3, 1));
}

#[test]
fn every_framing_of_an_answer_is_read_whole() {
    let upstream = Upstream::start();
    let body = "a body that takes more than one chunk";
    upstream.on("/chunked", Answer::text(200, body).chunked());
    upstream.on("/until-close", Answer::text(200, body).until_close());
    upstream.on("/old", Answer::text(200, body).http10());
    upstream.on("/interim", Answer::text(200, body).after_interim(103).after_interim(100));
    for path in ["/chunked", "/until-close", "/old", "/interim"] {
        let reply = Request::get(path).send(upstream.address());
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{path}");
    }
}

#[test]
fn faults_are_what_they_say() {
    let upstream = Upstream::start();
    let gate = Gate::closed();
    upstream.on("/cut", Answer::text(200, "0123456789").cut_after(20));
    upstream.on("/close", Answer::close());
    upstream.on("/paused", Answer::text(200, "0123456789").pause_after("200", &gate));
    let ask = |path: &str| {
        let mut connection = Connection::open(upstream.address());
        connection.write(&Request::get(path).to_bytes(upstream.address()));
        connection
    };
    assert_eq!(ask("/cut").rest().len(), 20);
    assert_eq!(ask("/close").rest().len(), 0);
    upstream.on("/endless", Answer::text(200, "x").claiming(1 << 40).without_end());
    assert!(ask("/endless").through(&vec![b'x'; 100_000]).ends_with(b"xxx"));
    let mut paused = ask("/paused");
    assert_eq!(paused.through(b"200"), b"HTTP/1.1 200");
    gate.open();
    assert!(paused.through(b"9").ends_with(b"0123456789"));
}

#[test]
fn a_reset_is_no_ordinary_end() {
    let upstream = Upstream::answering(|_| Answer::reset());
    let mut client = TcpStream::connect(upstream.address()).unwrap();
    client.write_all(&Request::get("/").to_bytes(upstream.address())).unwrap();
    let ended = client.read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
}

#[test]
fn addresses_that_fail_at_the_connection_do() {
    let refused = TcpStream::connect(Refusing::start().address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let unreachable = Unreachable::start();
    let address = unreachable.url().trim_start_matches("http://").parse().unwrap();
    let timeout = std::time::Duration::from_millis(200);
    let error = TcpStream::connect_timeout(&address, timeout).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn nginx_serves_dav() {
    let nginx = Nginx::with_dav();
    let put = Request::new("PUT", "/webdav/a.txt").body("a").send(nginx.address());
    assert_eq!(put.status, 201, "{}", nginx.output());
    let listing = Request::new("PROPFIND", "/webdav/").header("Depth", "1").send(nginx.address());
    assert_eq!(listing.status, 207);
    assert!(listing.text().contains("/webdav/a.txt"));
    assert!(nginx.access_log().contains("PUT /webdav/a.txt"));
    assert!(nginx.files().join("a.txt").is_file());
}

#[test]
fn apache_serves_dav() {
    let apache = Apache::with_dav();
    let put = Request::new("PUT", "/webdav/a.txt").body("a").send(apache.address());
    assert_eq!(put.status, 201, "{}", apache.output());
    let listing = Request::new("PROPFIND", "/webdav/").header("Depth", "1").send(apache.address());
    assert_eq!(listing.status, 207);
    let locked = Request::new("LOCK", "/webdav/a.txt").body(
        "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>",
    );
    assert_eq!(locked.send(apache.address()).status, 200);
}

#[test]
fn prometheus_scrapes_and_answers() {
    let upstream = Upstream::answering(|_| Answer::of(200, "text/plain; version=0.0.4", "answer 42\n"));
    let prometheus = Prometheus::scraping(upstream.address());
    let value = until("a scrape", || prometheus.query("answer"));
    assert!((value - 42.0).abs() < f64::EPSILON);
}

#[test]
fn metrics_are_read_by_label() {
    let metrics = Metrics::parse("# HELP a x\na{x=\"1\",y=\"\"} 2\na{x=\"2\",y=\"p,q\"} 3\nb 4\n");
    assert_eq!(metrics.count("a", &[]), 5);
    assert_eq!(metrics.count("a", &[("y", "p,q")]), 3);
    assert_eq!((metrics.count("b", &[]), metrics.series()), (4, 3));
    assert_eq!(metrics.label_values("x"), ["1", "2"]);
}

#[test]
fn curl_is_there() {
    assert!(succeed(Command::new(program("curl")).arg("--version")).contains("HTTP2"));
}

#[test]
fn client_and_upstream_of_http2_tell_each_other_everything() {
    let upstream = Http2Upstream::answering(|request| {
        let answer = Http2Answer::of(201, &request.body).header("x-a", "1");
        answer.after_interim(103, &[("link", "</a>")]).trailers(&[("x-sum", "9")])
    });
    let ending = Ending::Trailers(vec![("x-check".to_owned(), "7".to_owned())]);
    let call = Call::new("PUT", "/a?b").pieces([&b"bo"[..], b"dy"]).ending(ending);
    let reply = Http2Client::connect(upstream.address()).call(&call);
    assert_eq!(reply.interim, [(103, vec![("link".to_owned(), "</a>".to_owned())])]);
    assert_eq!((reply.status, reply.header("x-a"), &*reply.text()), (201, Some("1"), "body"));
    assert_eq!((reply.trailer("x-sum"), reply.broken), (Some("9"), None));
    let request = &upstream.requests()[0];
    assert_eq!((&*request.method, &*request.target, &*request.text()), ("PUT", "/a?b", "body"));
    assert_eq!(request.trailers, [("x-check".to_owned(), "7".to_owned())]);
}

#[test]
fn an_upstream_of_http2_resets_and_goes_away_as_it_is_told() {
    let upstream = Http2Upstream::answering(|_| Http2Answer::of(200, "begun").then_reset(Reason::CANCEL));
    let reply = Http2Client::connect(upstream.address()).call(&Call::new("GET", "/"));
    assert_eq!((reply.status, reply.broken), (200, Some(Broken::Reset(Reason::CANCEL))));
    assert_eq!(reply.text(), "begun");
    let upstream = Http2Upstream::going_away_first(|_| Http2Answer::of(200, "ok"));
    let client = Http2Client::connect(upstream.address());
    assert_eq!(client.call(&Call::new("GET", "/")).broken, Some(Broken::Connection));
    assert!(client.is_closed());
    assert_eq!(Http2Client::connect(upstream.address()).call(&Call::new("GET", "/")).text(), "ok");
}

#[test]
fn the_upstream_takes_no_body_that_is_framed_wrongly() {
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    for (sent, method) in [
        (format!("{chunked}\r\n\r\n"), "(malformed body)"),
        (format!("{chunked}\r\n+1\r\nx\r\n"), "(malformed body)"),
        (format!("{chunked}\r\n1\r\nxyz"), "(malformed body)"),
        (format!("{chunked}Content-Length: 1\r\n\r\n"), "(malformed body)"),
        (format!("{chunked}\r\n0\r\n\r\n0\r\n\r\n"), "(not HTTP)"),
        ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx".to_owned(), "(malformed body)"),
    ] {
        let upstream = Upstream::start();
        let mut client = Connection::open(upstream.address());
        client.write(sent.as_bytes());
        until_true(method, || upstream.requests().iter().any(|request| request.method == method));
    }
}

#[test]
fn the_trailers_of_a_request_are_kept() {
    let upstream = Upstream::start();
    let mut client = Connection::open(upstream.address());
    client.write(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0a;b=c\r\n0123456789\r\n0\r\nX: 1\r\n\r\n",
    );
    assert_eq!(client.reply_to("POST").text(), "ok");
    let request = upstream.only_request();
    assert_eq!((&*request.text(), request.trailers), ("0123456789", vec![("X".to_owned(), "1".to_owned())]));
}
