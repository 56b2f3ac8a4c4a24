//! Compressed replies (`compress`): in every coding, on every way that a reply takes, and what is left alone.

use std::io::Read;

use batchgate::format::decode_reply;
use serde_json::{Value, json};

use crate::harness::http2::{Call, Http2Client};
use crate::harness::{Answer, Config, Connection, Gate, Gateway, Reply, Request, Upstream};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// 4000 bytes that become far fewer.
fn text() -> String {
    "All work and no play. ".repeat(200)[..4000].to_owned()
}

fn config(upstream: &Upstream) -> Config {
    let config = Config::all_to("orders", upstream.url()).with("compress: true");
    let config = config.respond("/fixed", &format!("status: 404, body: '{}'", text())).with("compress: true");
    let config = config.route("/plain", "orders").batch("/batch").with("compress: true");
    config.bulk("/records", "PATCH").with("compress: true")
}

fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::start();
    upstream.on("/text", Answer::text(200, &text()).header("ETag", "\"a\"").header("Accept-Ranges", "bytes"));
    upstream.on("/chunked", Answer::text(200, &text()).chunked());
    upstream.on("/records/1", Answer::text(200, &text()));
    let gateway = config(&upstream).start();
    (upstream, gateway)
}

fn plain(coding: &str, reply: &Reply) -> Vec<u8> {
    decode_reply(coding, reply.body.clone().into(), 1 << 20).unwrap().to_vec()
}

fn batch() -> Value {
    json!({"requests": [{"id": "1", "method": "GET", "url": "/text"}, {"id": "2", "method": "GET", "url": "/chunked"}]})
}

fn line() -> String {
    json!({"id": "1", "method": "GET", "url": "/text"}).to_string()
}

/// A request on every way that a reply takes.
fn requests() -> Vec<(&'static str, Request)> {
    let parts = "--b\r\nContent-Type: application/http\r\n\r\nGET /text HTTP/1.1\r\n\r\n\r\n--b--\r\n";
    vec![
        ("a length", Request::get("/text")),
        ("chunks", Request::get("/chunked")),
        ("a fixed answer", Request::get("/fixed")),
        ("a batch", Request::batch(&batch())),
        ("a batch in XML", Request::batch(&batch()).header("Accept", "application/xml")),
        ("a batch in multipart", Request::post("/batch", "multipart/mixed; boundary=b", parts)),
        ("a stream", Request::lines(line())),
        (
            "records",
            Request::new("PATCH", "/records").header("Content-Type", "application/json").body("[{\"id\":1}]"),
        ),
        ("an explanation", Request::batch(&batch()).header("Prefer", "handling=explain")),
    ]
}

#[test]
fn every_way_of_a_reply_has_every_coding() {
    let (_upstream, gateway) = gateway();
    for (way, request) in requests() {
        let uncoded = gateway.send(&request);
        assert_eq!(
            (uncoded.header("Content-Encoding"), uncoded.header("Vary")),
            (None, Some("Accept-Encoding")),
            "{way}"
        );
        for coding in CODINGS {
            let reply = gateway.send(&request.clone().header("Accept-Encoding", coding));
            assert_eq!(reply.header("Content-Encoding"), Some(coding), "{way}");
            assert_eq!(
                (reply.status, reply.header("Vary")),
                (uncoded.status, Some("Accept-Encoding")),
                "{way}"
            );
            assert_eq!(
                (reply.header("Content-Length"), reply.header("Accept-Ranges")),
                (None, None),
                "{way}"
            );
            assert!(reply.body.len() < uncoded.body.len(), "{way} {coding}");
            let (plain, uncoded) = (plain(coding, &reply), uncoded.body.clone());
            assert_eq!(without_times(&plain), without_times(&uncoded), "{way} {coding}");
        }
    }
}

/// A text without digits: ids and dates differ from reply to reply.
fn without_times(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut words: Vec<_> =
        text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 3).collect();
    words.retain(|word| !word.chars().all(|c| c.is_ascii_hexdigit()));
    words.into_iter().filter(|word| !word.starts_with("batch")).collect::<Vec<_>>().join(" ")
}

#[test]
fn http_2_has_them_too() {
    let (_upstream, gateway) = gateway();
    let client = Http2Client::connect(gateway.address());
    for coding in CODINGS {
        let reply = client.call(&Call::new("GET", "/text").header("accept-encoding", coding));
        assert_eq!((reply.header("content-encoding"), reply.header("content-length")), (Some(coding), None));
        assert_eq!(decode_reply(coding, reply.body.into(), 1 << 20).unwrap(), text());
    }
}

#[test]
fn trailers_follow_a_coded_body() {
    let upstream = Upstream::start();
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    upstream.on("/sum", Answer::raw_kept(format!("{head}4\r\ndata\r\n0\r\nX-Sum: 7\r\n\r\n")));
    let gateway = config(&upstream).start();
    let request = Request::get("/sum").header("TE", "trailers").header("Connection", "TE");
    let reply = gateway.send(&request.header("Accept-Encoding", "gzip"));
    assert_eq!(plain("gzip", &reply), b"data");
    assert_eq!(reply.trailers, [("x-sum".to_owned(), "7".to_owned())]);
}

#[test]
fn what_is_left_alone_is_not_touched() {
    let upstream = Upstream::start();
    let image = text();
    let coded = || Answer::of(200, "text/plain", text()).header("Content-Encoding", "br");
    upstream.on("/small", Answer::text(200, "small"));
    upstream.on("/image", Answer::of(200, "image/png", image));
    upstream.on("/coded", coded());
    upstream.on("/part", Answer::text(206, &text()).header("Content-Range", "bytes 0-3999/9000"));
    upstream.on("/fixed-form", Answer::text(200, &text()).header("Cache-Control", "no-transform"));
    upstream.on("/none", Answer::empty(204));
    upstream.on("/plain", Answer::text(200, &text()));
    let gateway = config(&upstream).start();
    for path in ["/small", "/image", "/coded", "/part", "/fixed-form", "/none", "/plain"] {
        let reply = gateway.send(&Request::get(path).header("Accept-Encoding", "gzip"));
        let coding = (path == "/coded").then_some("br");
        assert_eq!((reply.header("Content-Encoding"), reply.header("Vary")), (coding, None), "{path}");
        assert!([0, 5, 4000].contains(&reply.body.len()), "{path}");
    }
    let mut old = gateway.connect();
    old.write(b"GET /chunked HTTP/1.0\r\nHost: gateway\r\nAccept-Encoding: gzip\r\n\r\n");
    assert!(!String::from_utf8_lossy(&old.rest()).to_ascii_lowercase().contains("content-encoding"));
}

/// RFC 9110 §8.6 and §9.3.2, RFC 9111 §4.3.5: a cache throws away what it has if the head says something else.
#[test]
fn the_reply_to_head_has_the_head_of_the_reply_to_get() {
    let upstream = Upstream::start();
    upstream.on("/text", Answer::text(200, &text()).header("ETag", "\"a\""));
    upstream.on("/image", Answer::of(200, "image/png", text()).header("ETag", "\"a\""));
    let gateway = config(&upstream).start();
    for path in ["/text", "/image", "/fixed"] {
        for accepted in ["gzip", "identity"] {
            let ask =
                |method: &str| gateway.send(&Request::new(method, path).header("Accept-Encoding", accepted));
            let (head, get) = (ask("HEAD"), ask("GET"));
            for name in
                ["Content-Encoding", "Content-Length", "Content-Type", "ETag", "Vary", "Accept-Ranges"]
            {
                assert_eq!(head.header(name), get.header(name), "{name} of {path}, {accepted}");
            }
            assert!(head.body.is_empty());
        }
        let call = Call::new("HEAD", path).header("accept-encoding", "gzip");
        let over_http2 = Http2Client::connect(gateway.address()).call(&call);
        assert_eq!(over_http2.header("content-encoding"), (path != "/image").then_some("gzip"), "{path}");
    }
}

#[test]
fn a_weakened_tag_is_still_good_for_a_condition() {
    let upstream = Upstream::answering(|request| {
        let has = request.header("If-None-Match").is_some_and(|tags| tags.contains("\"a\""));
        let answer = if has { Answer::empty(304) } else { Answer::text(200, &text()) };
        answer.header("ETag", "\"a\"")
    });
    let gateway = config(&upstream).start();
    let first = gateway.send(&Request::get("/").header("Accept-Encoding", "gzip"));
    let tag = first.header("ETag").unwrap();
    assert_eq!(tag, "W/\"a\"");
    let again = Request::get("/").header("Accept-Encoding", "gzip").header("If-None-Match", tag);
    let second = gateway.send(&again);
    assert_eq!(
        (second.status, second.header("ETag"), second.header("Vary")),
        (304, Some(tag), Some("Accept-Encoding"))
    );
    let uncoded = gateway.send(&Request::get("/"));
    assert_eq!(uncoded.header("ETag"), Some("\"a\""));
}

/// What a client reads of a gzip body that has not ended, chunk by chunk.
fn reads(client: &mut Connection, coded: &mut Vec<u8>, until: &str) -> String {
    loop {
        let mut reader = flate2::read::GzDecoder::new(coded.as_slice());
        let (mut so_far, mut piece) = (Vec::new(), [0; 64]);
        while let Ok(length @ 1..) = reader.read(&mut piece) {
            so_far.extend_from_slice(&piece[..length]);
        }
        let so_far = String::from_utf8(so_far).unwrap();
        if so_far.contains(until) {
            return so_far;
        }
        coded.extend(client.chunk().expect("a chunk"));
    }
}

#[test]
fn each_piece_is_there_before_the_next_one_exists() {
    let upstream = Upstream::start();
    let gate = Gate::default();
    let events = Answer::of(200, "text/event-stream", "data: one\n\ndata: two\n\n").until_close();
    upstream.on("/events", events.pause_after("one\n\n", &gate));
    upstream.on("/fast", Answer::text(200, "quick"));
    upstream.on("/slow", Answer::text(200, "at last").when(&gate));
    let config = Config::all_to("orders", upstream.url()).with("compress: true");
    let gateway = config.batch("/batch").with("compress: true").start();
    let lines = "{\"method\":\"GET\",\"url\":\"/fast\"}\n{\"method\":\"GET\",\"url\":\"/slow\"}\n";
    let items = json!({"requests": [{"method": "GET", "url": "/fast"}, {"method": "GET", "url": "/slow"}]});
    let ways = [
        (Request::get("/events"), "one\n\n", "two"),
        (Request::lines(lines), "quick", "at last"),
        (Request::batch(&items), "quick", "at last"),
    ];
    let mut open = Vec::new();
    for (request, first, last) in ways {
        let mut client = gateway.connect();
        client.write(&request.header("Accept-Encoding", "gzip").to_bytes(gateway.address()));
        assert_eq!(client.head().header("Content-Encoding"), Some("gzip"), "{first}");
        let mut coded = Vec::new();
        let so_far = reads(&mut client, &mut coded, first);
        assert!(!so_far.contains(last), "{so_far}");
        open.push((client, coded, last));
    }
    gate.open();
    for (mut client, mut coded, last) in open {
        reads(&mut client, &mut coded, last);
        while let Some(chunk) = client.chunk() {
            coded.extend(chunk);
        }
        decode_reply("gzip", coded.into(), 1 << 20).unwrap();
    }
}

#[test]
fn bytes_are_counted_before_and_after() {
    let upstream = Upstream::start();
    upstream.on("/text", Answer::text(200, &text()));
    let gateway = config(&upstream).raw("log: { access: { level: requests } }").start();
    let mut sent = 0;
    for request in [Request::get("/text"), Request::batch(&batch()), Request::lines(line())] {
        let reply = gateway.send(&request.header("Accept-Encoding", "br"));
        sent += reply.body.len();
        gateway.log_line(&[("bytes_out", &reply.body.len().to_string())]);
    }
    let bytes = |side| {
        gateway.metrics().count("batchgate_compressed_bytes_total", &[("coding", "br"), ("side", side)])
    };
    // Two replies may be of one length, and then the log line of the first is found for both.
    let after = [("coding", "br"), ("side", "after")];
    gateway.wait_for_metric(
        "batchgate_compressed_bytes_total",
        &after,
        f64::from(u32::try_from(sent).unwrap()),
    );
    assert_eq!(bytes("after"), sent);
    assert!(bytes("before") > 8000, "{}", bytes("before"));
}

#[test]
fn without_memory_for_encoders_replies_leave_as_they_are() {
    let upstream = Upstream::start();
    upstream.on("/text", Answer::text(200, &text()).header("ETag", "\"a\""));
    let config = Config::all_to("orders", upstream.url()).with("compress: true");
    let config = config.batch("/batch").with("max_body: 64KiB, max_reply: 64KiB").limits("memory: 1MiB");
    let gateway = config.start();
    let reply = gateway.send(&Request::get("/text").header("Accept-Encoding", "gzip"));
    assert_eq!((reply.header("Content-Encoding"), reply.header("ETag")), (None, Some("\"a\"")));
    assert_eq!((reply.header("Vary"), reply.text()), (Some("Accept-Encoding"), text()));
    // A request counts once its reply is over, which its client sees first.
    gateway.wait_for_metric("batchgate_compression_skipped_total", &[], 1.0);
    assert_eq!(gateway.metrics().count("batchgate_compression_skipped_total", &[]), 1);
}
