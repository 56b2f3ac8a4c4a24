//! Bodies of every kind, in and out: JSON, text, binary, XML, compressed; nothing is ever changed
//! (protocol §2.1, §2.2, §4.1, §4.2).

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::multistatus::judge;
use crate::harness::raw::RawServer;
use crate::harness::wait::Gate;
use crate::harness::{Answer, Config, Gateway, Reply, Request, Setup, Upstream};

#[test]
fn a_json_body_goes_up_as_it_stands() {
    let upstream = Upstream::start();
    let body =
        r#"{ "big": 123456789012345678901234567890, "e": 1.0E+2, "twice": 1, "twice": 2, "é": "\u00e9" }"#;
    let batch = format!(r#"{{"requests":[{{"method":"POST","url":"/a","body":{body}}}]}}"#);
    let reply = Gateway::before(&upstream).send(&Request::post("/batch", "application/json", batch));
    assert_eq!(reply.statuses(), [200]);
    let sent = upstream.only_request();
    assert_eq!((sent.text().as_str(), sent.header("Content-Type")), (body, Some("application/json")));
}

#[test]
fn a_json_reply_is_embedded_as_it_came() {
    let upstream = Upstream::start();
    let body =
        r#"{ "big": 123456789012345678901234567890, "e": 1.0E+2, "twice": 1, "twice": 2, "é": "\u00e9" }"#;
    upstream.on("/a", Answer::json(200, body));
    upstream.on("/b", Answer::of(400, "application/problem+json; charset=utf-8", "[1,\n2]"));
    let gateway = Gateway::before(&upstream);
    let reply =
        gateway.batch(&json!({"requests": [{"method": "GET", "url": "/a"}, {"method": "GET", "url": "/b"}]}));
    assert!(reply.text().contains(body), "{}", reply.text());
    assert_eq!(reply.results()[1]["body"], json!([1, 2]));
}

#[test]
fn text_is_a_string_in_whatever_charset_it_travels() {
    let upstream = Upstream::start();
    upstream.on("/latin", Answer::of(200, "text/plain; charset=iso-8859-1", b"caf\xe9"));
    upstream.on("/utf8", Answer::of(200, "text/html;charset=\"UTF-8\"", "café"));
    upstream.on("/xml", Answer::of(200, "application/soap+xml", "<a>é</a>"));
    let reply = get_all(&Gateway::before(&upstream), &["/latin", "/utf8", "/xml"]);
    let bodies: Vec<_> = reply.results().iter().map(|result| result["body"].clone()).collect();
    assert_eq!(bodies, ["café", "café", "<a>é</a>"]);
    assert!(reply.results().iter().all(|result| result.get("encoding").is_none()));
}

#[test]
fn a_text_body_goes_up_in_its_charset() {
    let upstream = Upstream::start();
    let item = |charset: &str| {
        json!({"method": "PUT", "url": format!("/{charset}"), "body": "café",
               "headers": {"Content-Type": format!("text/plain; charset={charset}")}})
    };
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [item("iso-8859-1"), item("utf-8")]}));
    assert_eq!(reply.statuses(), [200, 200]);
    assert_eq!(upstream.requests_to("/iso-8859-1")[0].body, b"caf\xe9");
    assert_eq!(upstream.requests_to("/utf-8")[0].body, "café".as_bytes());
}

#[test]
fn text_that_breaks_its_charset_comes_back_as_base64() {
    let upstream = Upstream::start();
    upstream.on("/a", Answer::of(200, "text/plain; charset=utf-8", b"caf\xe9"));
    upstream.on("/b", Answer::json(200, "{\"broken\": "));
    let results = get_all(&Gateway::before(&upstream), &["/a", "/b"]).results();
    assert_eq!(decoded(&results[0]), b"caf\xe9");
    assert_eq!(decoded(&results[1]), b"{\"broken\": ");
}

#[test]
fn binary_goes_up_and_comes_back_byte_for_byte() {
    let upstream = Upstream::answering(|request| Answer::of(200, "image/png", &request.body));
    let bytes: Vec<u8> = (0..=255).collect();
    let reply = Gateway::before(&upstream).batch(&json!({"requests": [
        {"method": "PUT", "url": "/1", "headers": {"Content-Type": "image/png"}, "body": BASE64.encode(&bytes)},
        {"method": "PUT", "url": "/2", "headers": {"Content-Type": "image/png"}, "body": "-_8"},
        {"method": "PUT", "url": "/3", "headers": {"Content-Type": "image/png"}, "body": "not base64!"},
    ]}));
    assert_eq!(reply.statuses(), [200, 200, 400]);
    assert_eq!(upstream.requests_to("/1")[0].body, bytes);
    assert_eq!(upstream.requests_to("/2")[0].body, b"\xfb\xff");
    assert_eq!(decoded(&reply.results()[0]), bytes);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn where_there_is_no_body_there_is_no_member() {
    let upstream = Upstream::start();
    upstream.on("/204", Answer::empty(204)).on("/304", Answer::empty(304).header("ETag", "\"1\""));
    upstream.on("/205", Answer::text(205, ""));
    upstream.on("/head", Answer::text(200, "as long as this"));
    let results = Gateway::before(&upstream).batch(&json!({"requests": [
        {"method": "GET", "url": "/204"}, {"method": "GET", "url": "/304"}, {"method": "GET", "url": "/205"},
        {"method": "HEAD", "url": "/head"}, {"method": "GET", "url": "/head"},
    ]})).results();
    for result in &results[..4] {
        assert!(result.get("body").is_none(), "{result}");
    }
    assert_eq!((&results[4]["body"], &results[4]["status"]), (&json!("as long as this"), &json!(200)));
}

#[test]
fn a_compressed_reply_is_decoded() {
    let upstream = Upstream::start();
    for (coding, bytes) in compressed(b"{\"a\":1}") {
        upstream.on(&format!("/{coding}"), Answer::json(200, &bytes).header("Content-Encoding", coding));
    }
    for result in get_all(&Gateway::before(&upstream), &["/gzip", "/br", "/zstd"]).results() {
        assert_eq!((&result["status"], &result["body"]), (&json!(200), &json!({"a": 1})), "{result}");
        assert!(result["headers"]["Content-Encoding"].is_null(), "{result}");
    }
}

#[test]
fn a_compressed_batch_is_taken() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let batch = json!({"requests": [{"method": "GET", "url": "/a"}]}).to_string();
    for (coding, bytes) in compressed(batch.as_bytes()) {
        let request = Request::post("/batch", "application/json", bytes).header("Content-Encoding", coding);
        assert_eq!(gateway.send(&request).statuses(), [200], "{coding}");
    }
    let send = |coding: &str| {
        gateway
            .send(&Request::post("/batch", "application/json", &batch).header("Content-Encoding", coding))
            .status
    };
    assert_eq!((send("gzip"), send("compress")), (400, 415));
}

#[test]
fn a_compression_bomb_is_refused_within_the_limit() {
    let upstream = Upstream::start();
    let gateway = Setup::tuned(&upstream.url(), "", "max_body: 64KiB").start();
    let batch = format!(r#"{{"requests":[{{"method":"GET","url":"/a"}}]}}{}"#, " ".repeat(4 << 20));
    for (coding, bytes) in compressed(batch.as_bytes()) {
        if bytes.len() > 64 << 10 {
            continue; // Our brotli writer does not compress.
        }
        let request = Request::post("/batch", "application/json", bytes).header("Content-Encoding", coding);
        assert_eq!(gateway.send(&request).status, 413, "{coding}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_thousand_long_replies_stay_within_memory() {
    let body = "0123456789abcdef".repeat(4 << 10);
    let upstream = Upstream::answering(move |_| Answer::text(200, &body));
    let gateway = Gateway::before(&upstream);
    let urls: Vec<_> = (0..1000).map(|n| format!("/{n}")).collect();
    let reply = get_all(&gateway, &urls.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(reply.statuses(), [200; 1000]);
    assert!(reply.body.len() > 64_000 * 1000);
    let peak = gateway.process().peak_memory();
    assert!(peak < 200 << 20, "{} MiB", peak >> 20);
}

#[test]
fn xml_bodies_go_up_as_elements_text_and_base64() {
    let upstream = Upstream::start();
    let reply = Gateway::before(&upstream).send(&Request::xml_batch(
        "<g:batch xmlns:g='urn:batchgate:batch' xmlns:o='urn:orders'>\
         <g:request method='PUT' href='/1'><g:body><o:order n='1'>a &amp; b</o:order></g:body></g:request>\
         <g:request method='PUT' href='/2'><g:body type='text/plain'>1 &lt; 2<![CDATA[ & more]]></g:body></g:request>\
         <g:request method='PUT' href='/3'><g:body type='image/png' encoding='base64'>AP8=\n</g:body></g:request>\
         </g:batch>",
    ));
    assert_eq!(reply.status, 207, "{}", reply.text());
    let elements = upstream.requests_to("/1")[0].clone();
    let text = elements.text();
    assert!(text.contains("xmlns:o=\"urn:orders\"") || text.contains("xmlns:o='urn:orders'"), "{text}");
    assert!(text.contains("a &amp; b</o:order>"), "{text}");
    assert!(elements.header("Content-Type").unwrap().starts_with("application/xml"));
    assert_eq!(upstream.requests_to("/2")[0].text(), "1 < 2 & more");
    assert_eq!(upstream.requests_to("/3")[0].body, b"\x00\xff");
    assert_eq!(upstream.requests_to("/3")[0].header("Content-Type"), Some("image/png"));
}

#[test]
fn xml_replies_hold_escaped_text_or_base64_never_elements() {
    let upstream = Upstream::start();
    upstream.on("/xml", Answer::of(200, "application/xml", "<D:response xmlns:D='DAV:'>]]></D:response>"));
    upstream.on("/control", Answer::text(200, "bell \u{7}"));
    upstream.on("/binary", Answer::of(200, "image/png", b"\x00\xff"));
    upstream.on("/latin", Answer::of(200, "text/plain; charset=iso-8859-1", b"caf\xe9"));
    let items = ["xml", "control", "binary", "latin"]
        .map(|n| format!("<request id='{n}' method='GET' href='/{n}'/>"));
    let reply =
        Gateway::before(&upstream).send(&Request::xml_batch(&format!("<batch>{}</batch>", items.concat())));
    let judged = judge(&reply.body);
    let body = |id: &str| judged.item(id)["body"].clone();
    assert_eq!(body("xml")["text"], "<D:response xmlns:D='DAV:'>]]></D:response>");
    assert_eq!((&body("xml")["elements"], &body("xml")["type"]), (&json!(0), &json!("application/xml")));
    assert_eq!(body("control")["text"], BASE64.encode("bell \u{7}"));
    assert_eq!(
        (&body("control")["encoding"], &body("binary")["encoding"]),
        (&json!("base64"), &json!("base64"))
    );
    assert_eq!((&body("binary")["text"], &body("latin")["text"]), (&json!("AP8="), &json!("café")));
}

#[test]
fn line_ends_and_space_in_text_survive_xml() {
    let upstream = Upstream::start();
    let text = " first\r\nsecond\tthird \n";
    upstream.on("/a", Answer::text(200, text));
    let reply = Gateway::before(&upstream).send(&Request::xml_batch(
        "<batch><request id='a' method='PUT' href='/a'><body type='text/plain'> x&#13;&#10;y </body></request></batch>",
    ));
    assert_eq!(upstream.only_request().text(), " x\r\ny ");
    let body = judge(&reply.body).item("a")["body"].clone();
    let got = match body["encoding"].as_str() {
        Some("base64") => String::from_utf8(BASE64.decode(body["text"].as_str().unwrap()).unwrap()).unwrap(),
        _ => body["text"].as_str().unwrap().to_owned(),
    };
    assert_eq!(got, text);
}

fn get_all(gateway: &Gateway, urls: &[&str]) -> Reply {
    let items: Vec<_> = urls.iter().map(|url| json!({"method": "GET", "url": url})).collect();
    gateway.batch(&json!({ "requests": items }))
}

fn decoded(result: &Value) -> Vec<u8> {
    assert_eq!(result["encoding"], "base64", "{result}");
    BASE64.decode(result["body"].as_str().unwrap()).unwrap()
}

/// The bytes in each content coding that the gateway takes.
fn compressed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    let zstd = zstd::encode_all(bytes, 3).unwrap();
    [("gzip", gzip.finish().unwrap()), ("br", stored_brotli(bytes)), ("zstd", zstd)]
}

/// Brotli without compression (RFC 7932 §9.2): meta-blocks marked as uncompressed, then an empty last
/// one. The first byte's lowest bit, 0, says that the window has 16 bits.
fn stored_brotli(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut bits_before = 1;
    for block in bytes.chunks(1 << 16) {
        let length = u32::try_from(block.len() - 1).unwrap();
        let header = (length << 3 | 1 << 19) << bits_before;
        stream.extend_from_slice(&header.to_le_bytes()[..3]);
        stream.extend_from_slice(block);
        bits_before = 0;
    }
    stream.push(3);
    stream
}

#[test]
fn a_type_that_is_no_text_is_no_absent_type() {
    let gateway = Gateway::before(&Upstream::start());
    let request = Request::post("/batch", "application/js\u{f6}n", r#"{"requests":[]}"#);
    assert_eq!(gateway.send(&request).status, 415);
}

#[test]
fn a_problem_is_in_the_format_that_any_accept_field_asks_for() {
    let gateway = Gateway::before(&Upstream::start());
    let request = Request::post("/batch", "application/json", "{");
    let reply = gateway.send(&request.header("Accept", "image/png").header("Accept", "application/xml"));
    assert_eq!(reply.header("Content-Type"), Some("application/problem+xml"));
}

#[test]
fn an_answer_to_half_a_body_counts_at_once() {
    // It reads no more than the head, and keeps the connection open.
    let held = Gate::closed();
    let waiting = held.clone();
    let server = RawServer::start(move |mut connection| {
        connection.head()?;
        connection.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")?;
        waiting.pass();
        Ok(())
    });
    let upstream =
        Config::new().upstream("service", server.url()).with("timeout: { item: 20s }").route("/", "service");
    let gateway = upstream.batch("/batch").with("max_body: 16MiB").start();
    let body = "x".repeat(8 << 20);
    let reply = gateway.batch(&json!({"requests": [{"method": "PUT", "url": "/large", "body": body}]}));
    assert_eq!(reply.statuses(), [413]);
    held.open();
}
