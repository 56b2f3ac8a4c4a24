//! Attack 24: a giant batch of a client that has no credential. Who is let in, and how: `tests/auth.rs`.

use crate::harness::{Config, Upstream};

#[test]
fn a_stranger_is_answered_before_anything_is_read_or_held() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.txt");
    std::fs::write(&keys, format!("alice:{}\n", "0".repeat(64))).unwrap();
    let guard = format!("auth: {{ api_keys: {{ file: {} }} }}", keys.display());
    let gateway = Config::all_to("orders", upstream.url()).raw(guard).start();
    for content_type in ["application/json", "application/x-ndjson", "multipart/mixed; boundary=b"] {
        let mut client = gateway.connect();
        let head = format!("POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n");
        client.write(format!("{head}Content-Length: 8000000\r\n\r\n{{\"requests\":[").as_bytes());
        let reply = client.reply_to("POST");
        assert_eq!((reply.status, reply.header("connection")), (401, Some("close")), "{content_type}");
        assert!(reply.header("www-authenticate").is_some());
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(gateway.metrics().sum("batchgate_buffer_bytes", &[]).to_string(), "0");
}
