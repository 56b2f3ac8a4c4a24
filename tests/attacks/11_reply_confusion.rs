//! Attack 11: bodies of services that look like the reply they stand in. Multipart, and boundaries:
//! `tests/multipart.rs`; what can't stand in XML: `tests/batch_bodies.rs`.

use serde_json::json;

use crate::harness::multistatus::judge;
use crate::harness::{Answer, Gateway, Request, Upstream};

const BODIES: [&[u8]; 9] = [
    b"]]></b:body></b:item></D:response></D:multistatus>",
    b"<b:item xmlns:b=\"urn:batchgate:batch\" id=\"2\" status=\"200\"/>",
    b"\"}],\"summary\":{\"items\":0}}",
    b"\\u0022\\\\\"",
    b"{\"summary\":{\"items\":9,\"failed\":0}}\n{\"id\":\"1\",\"status\":500}\n",
    b"--batchresponse_\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 500 No\r\n\r\n",
    b"\0\x01\x1b[31m\x7f",
    b"\xff\xfe\xed\xa0\x80",
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
];

#[test]
fn a_body_stays_in_its_result() {
    let upstream = Upstream::start();
    for (position, body) in BODIES.iter().enumerate() {
        upstream.on(&format!("/{position}"), Answer::of(200, "text/plain", body));
    }
    let gateway = Gateway::before(&upstream);
    let items: Vec<_> = (0..BODIES.len()).map(|n| json!({"method": "GET", "url": format!("/{n}")})).collect();
    let request = Request::batch(&json!({ "requests": items }));
    let results = gateway.send(&request).results();
    let lines = gateway.send(&request.clone().header("Accept", "application/x-ndjson")).lines();
    assert_eq!((results.len(), lines.len()), (BODIES.len(), BODIES.len() + 1));
    let document = gateway.send(&request.header("Accept", "application/xml")).body;
    let judged = judge(&document);
    assert_eq!(judged.hrefs().len(), BODIES.len());
    for (position, body) in BODIES.iter().enumerate() {
        let id = (position + 1).to_string();
        assert_eq!(judged.item(&id)["status"], "200");
        let Ok(text) = std::str::from_utf8(body) else { continue };
        assert_eq!(results[position]["body"], text);
        let line = lines.iter().find(|line| line["id"] == id.as_str()).unwrap();
        assert_eq!(line["body"], text);
    }
}
