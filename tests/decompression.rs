//! Requests that are decompressed for a service that can't (`decompress_requests`): in every coding, within the route's limit
//! of what comes out, and what is refused.

use std::io::Write;

use serde_json::json;

use crate::harness::http2::{Call, Ending, Http2Client};
use crate::harness::{Answer, Config, Gateway, Reply, Request, Upstream};

/// The most that the route takes.
const LIMIT: usize = 100_000;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(plain, 3).unwrap()
}

fn br(plain: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    brotli::CompressorWriter::new(&mut coded, 4096, 4, 22).write_all(plain).unwrap();
    coded
}

/// Codings of a body, and the body in them.
fn in_all_codings(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", gzip(plain)),
        ("X-GZip", gzip(plain)),
        ("deflate", zlib(plain)),
        ("br", br(plain)),
        ("zstd", zstd(plain)),
        ("identity", plain.to_vec()),
        ("zstd, gzip", gzip(&zstd(plain))),
    ]
}

fn config(upstream: &Upstream) -> Config {
    let route = format!("decompress_requests: true, max_body: {LIMIT}B");
    Config::all_to("orders", upstream.url()).with(route).batch("/batch").route("/coded", "orders")
}

fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    let gateway = config(&upstream).start();
    (upstream, gateway)
}

fn coded(coding: &str, body: impl AsRef<[u8]>) -> Request {
    Request::post("/orders", "text/plain", body).header("Content-Encoding", coding)
}

fn text() -> String {
    "All work and no play. ".repeat(4000)
}

#[test]
fn the_service_gets_what_the_client_compressed() {
    let (upstream, gateway) = gateway();
    for body in [text(), String::new(), "short".to_owned()] {
        let is_decoded = |(coding, _): &(&str, Vec<u8>)| *coding != "identity";
        for (coding, sent) in in_all_codings(body.as_bytes()).into_iter().filter(is_decoded) {
            let request = coded(coding, &sent)
                .header("Content-MD5", "of the coded body")
                .header("Repr-Digest", "sha-256=:x:")
                .header("Content-Digest", "sha-256=:x:")
                .header("Digest", "sha-256=x")
                .header("X-Mine", "1");
            assert_eq!(gateway.send(&request).status, 200, "{coding}");
            let got = upstream.take_requests().remove(0);
            assert!(got.text() == body, "{coding}: {} bytes for {}", got.body.len(), body.len());
            for gone in ["content-encoding", "content-md5", "repr-digest", "content-digest", "digest"] {
                assert_eq!(got.header(gone), None, "{coding}");
            }
            assert_eq!((got.header("x-mine"), got.header("content-type")), (Some("1"), Some("text/plain")));
            let chunked = (!sent.is_empty()).then_some("chunked");
            assert_eq!(got.header("transfer-encoding"), chunked, "{coding}");
        }
    }
}

#[test]
fn over_http_2_and_in_chunks_too() {
    let (upstream, gateway) = gateway();
    let http2 = Http2Client::connect(gateway.address());
    for (coding, sent) in in_all_codings(text().as_bytes()) {
        let call = Call::new("POST", "/orders").header("content-encoding", coding);
        let call = call.pieces(sent.chunks(1000)).ending(Ending::EmptyData);
        assert_eq!(http2.call(&call).status, 200, "{coding}");
        let mut client = gateway.connect();
        let head = format!(
            "POST /orders HTTP/1.1\r\nHost: gw\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        client.write(head.as_bytes());
        for piece in sent.chunks(999) {
            client.write(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        client.write(b"0\r\n\r\n");
        assert_eq!(client.reply_to("POST").status, 200, "{coding}");
        let got = upstream.take_requests();
        assert!(got.len() == 2 && got.iter().all(|request| request.text() == text()), "{coding}");
    }
}

#[test]
fn other_requests_are_left_alone() {
    let (upstream, gateway) = gateway();
    gateway.send(&Request::post("/orders", "text/plain", "plain"));
    gateway.send(&Request::post("/coded", "text/plain", gzip(b"coded")).header("Content-Encoding", "gzip"));
    gateway.send(&Request::get("/orders").header("Content-Encoding", "gzip"));
    gateway.send(&coded("identity", "same").header("Content-MD5", "right"));
    let got = upstream.take_requests();
    assert_eq!((got[3].text(), got[3].header("content-length")), ("same".to_owned(), Some("4")));
    assert_eq!(
        (got[3].header("content-encoding"), got[3].header("content-md5")),
        (Some("identity"), Some("right"))
    );
    let name = "batchgate_decompressed_bytes_total";
    assert_eq!(gateway.metrics().count(name, &[("side", "before")]), 0);
    assert_eq!((got[0].text(), got[0].header("content-length")), ("plain".to_owned(), Some("5")));
    assert_eq!((&got[1].body, got[1].header("content-encoding")), (&gzip(b"coded"), Some("gzip")));
    assert_eq!((got[2].body.len(), got[2].header("content-encoding")), (0, None));
}

#[test]
fn the_limit_holds_for_what_comes_out() {
    let (upstream, gateway) = gateway();
    for (length, fits) in [(LIMIT, true), (LIMIT + 1, false), (50 << 20, false)] {
        let is_sent = |(coding, _): &(&str, Vec<u8>)| *coding != "identity" || length < 1 << 20;
        for (coding, sent) in in_all_codings(&vec![0; length]).into_iter().filter(is_sent) {
            let reply = gateway.send(&coded(coding, &sent));
            let got = upstream.take_requests();
            if fits {
                assert_eq!((reply.status, got[0].body.len()), (200, length), "{coding}");
                continue;
            }
            assert_eq!(reply.status, 413, "{coding} {length}");
            assert!(reply.json()["detail"].as_str().unwrap().contains("(routes.max_body)"), "{coding}");
            assert!(got.is_empty(), "{coding}: a request that is cut off is never complete");
        }
    }
}

/// Why a request is refused: what it is, the request, the status, the reason, and what its detail says.
fn refused() -> Vec<(&'static str, Request, u16, &'static str, &'static str)> {
    let broken = "which its Content-Encoding names";
    let unknown = "Accept-Encoding in this reply says which ones are";
    let cut = &gzip(text().as_bytes())[..100];
    vec![
        ("unknown", coded("lzma", "x"), 415, "unsupported_content_encoding", unknown),
        ("one unknown", coded("gzip, lzma", "x"), 415, "unsupported_content_encoding", unknown),
        ("three", coded("gzip, gzip, gzip", "x"), 415, "unsupported_content_encoding", unknown),
        ("not gzip", coded("gzip", "plain"), 400, "bad_content_encoding", broken),
        ("not br", coded("br", [0xff; 9]), 400, "bad_content_encoding", broken),
        ("not zstd", coded("zstd", "plain"), 400, "bad_content_encoding", broken),
        ("in the other order", coded("gzip, zstd", gzip(&zstd(b"x"))), 400, "bad_content_encoding", broken),
        ("cut off", coded("gzip", cut), 400, "bad_content_encoding", broken),
        ("with an end", coded("gzip", [&gzip(b"x")[..], b"y"].concat()), 400, "bad_content_encoding", broken),
    ]
}

#[test]
fn what_can_not_be_decoded_is_refused_and_never_complete() {
    let (upstream, gateway) = gateway();
    for (case, request, status, reason, detail) in refused() {
        let reply = gateway.send(&request);
        let problem = reply.json();
        assert_eq!(reply.status, status, "{case}: {problem}");
        assert_eq!(problem["type"], format!("urn:batchgate:problem:{reason}"), "{case}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{case}: {problem}");
        let accepted = (status == 415).then_some("gzip, deflate, br, zstd");
        assert_eq!(reply.header("Accept-Encoding"), accepted, "{case}");
        assert!(upstream.take_requests().is_empty(), "{case}");
        gateway.log_line(&[("kind", "request"), ("reason", reason)]);
    }
    let reasons = gateway.metrics();
    let count = |reason| reasons.count("batchgate_request_failures_total", &[("reason", reason)]);
    assert_eq!((count("unsupported_content_encoding"), count("bad_content_encoding")), (3, 6));
    // A batch says so, too.
    let batch = Request::batch(&json!({"requests": []})).header("Content-Encoding", "lzma");
    let reply = gateway.send(&batch);
    assert_eq!((reply.status, reply.header("Accept-Encoding")), (415, Some("gzip, deflate, br, zstd")));
}

#[test]
fn a_client_that_waits_is_refused_before_it_sends() {
    let (upstream, gateway) = gateway();
    let waiting = |coding| coded(coding, "").header("Content-Length", "5").header("Expect", "100-continue");
    let mut client = gateway.connect();
    client.write(&waiting("lzma").to_bytes(gateway.address()));
    assert_eq!(client.head().status, 415);
    assert!(upstream.requests().is_empty());
    let sent = gzip(b"waited");
    let request = coded("gzip", "").header("Content-Length", &sent.len().to_string());
    let mut client = gateway.connect();
    client.write(&request.header("Expect", "100-continue").to_bytes(gateway.address()));
    client.through(b"100 Continue\r\n\r\n");
    client.write(&sent);
    assert_eq!(client.reply_to("POST").status, 200);
    assert_eq!(
        (upstream.only_request().text(), upstream.only_request().header("expect")),
        ("waited".to_owned(), None)
    );
}

#[test]
fn another_attempt_gets_the_same_body() {
    let upstream = Upstream::start();
    let failing = Upstream::start();
    failing.on("/orders", Answer::close());
    let targets = format!("{}, {}", failing.url(), upstream.url());
    let route = format!("decompress_requests: true, max_body: {LIMIT}B");
    let gateway = Config::all_to("orders", targets).with(route).start();
    for _ in 0..4 {
        let request = Request::new("PUT", "/orders").header("Content-Encoding", "gzip").body(gzip(b"again"));
        assert_eq!(gateway.send(&request).status, 200);
    }
    assert!(!failing.requests().is_empty());
    assert!(upstream.requests().iter().all(|request| request.text() == "again"));
}

#[test]
fn an_item_in_a_coding_is_refused() {
    let (upstream, gateway) = gateway();
    let item = |headers| json!({"method": "POST", "url": "/orders", "headers": headers, "body": "text"});
    let result = gateway.item(&item(json!({"Content-Type": "text/plain", "Content-Encoding": "gzip"})));
    assert_eq!(result["status"], 415, "{result}");
    let detail = result["body"]["detail"].as_str().unwrap();
    assert!(detail.contains("compress the whole batch"), "{detail}");
    assert!(upstream.requests().is_empty());
    assert_eq!(gateway.item(&item(json!({"Content-Type": "text/plain"})))["status"], 200);
    let same = item(json!({"Content-Type": "text/plain", "Content-Encoding": "identity"}));
    assert_eq!(gateway.item(&same)["status"], 200);
    let bare = json!({"method": "GET", "url": "/orders", "headers": {"Content-Encoding": "gzip"}});
    assert_eq!(gateway.item(&bare)["status"], 200);
}

#[test]
fn bytes_are_counted_before_and_after() {
    let (_upstream, gateway) = gateway();
    let sent = zstd(text().as_bytes());
    gateway.send(&coded("zstd", &sent));
    let name = "batchgate_decompressed_bytes_total";
    let side = |side| [("coding", "zstd"), ("side", side)];
    gateway.wait_for_metric(name, &side("after"), 88_000.0);
    let metrics = gateway.metrics();
    assert_eq!(metrics.count(name, &side("before")), sent.len());
    assert_eq!(metrics.count(name, &side("after")), text().len());
}

#[test]
fn without_memory_for_decoders_a_request_is_refused_and_not_sent() {
    let upstream = Upstream::start();
    let config = Config::all_to("orders", upstream.url()).with("decompress_requests: true, max_body: 64KiB");
    let config = config.batch("/batch").with("max_body: 64KiB, max_reply: 64KiB").limits("memory: 1MiB");
    let gateway = config.start();
    let refused = |reply: Reply| (reply.status, reply.header("Retry-After").map(str::to_owned));
    assert_eq!(refused(gateway.send(&coded("zstd", zstd(b"x")))), (503, Some("1".to_owned())));
    assert!(upstream.requests().is_empty());
    assert_eq!(gateway.send(&coded("gzip", gzip(b"x"))).status, 200, "what takes less fits");
}
