//! Attack 30: whatever makes a parser panic. Properties of each parser: `gateway/format/properties.rs` and the
//! tests beside the code. Here the running gateway gets batches with bytes changed.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::harness::{Config, Request, Upstream};

const SEEDS: [(&str, &str); 5] = [
    (
        "application/json",
        r#"{"requests":[{"id":"a","method":"PUT","url":"/a?x=1","headers":{"X":"y"},"body":{"b":[1,"é"]}}]}"#,
    ),
    (
        "application/xml",
        "<batch><request id='a' method='PUT' href='/a'><header name='X'>y</header><body><o>&amp;</o></body></request></batch>",
    ),
    (
        "multipart/mixed; boundary=b",
        "--b\r\nContent-Type: application/http\r\nContent-ID: a\r\n\r\nPUT /a HTTP/1.1\r\nX: y\r\n\r\nbody\r\n--b--\r\n",
    ),
    (
        "application/x-ndjson",
        "{\"id\":\"a\",\"method\":\"PUT\",\"url\":\"/a\"}\n{\"method\":\"GET\",\"url\":\"/b\"}\n",
    ),
    ("text/csv", "id,status\n1,paid\n2,\"a \"\"b\"\"\"\n"),
];

#[test]
fn batches_with_bytes_changed_are_answered_by_the_gateway_and_never_with_500() {
    let upstream = Upstream::start();
    let gateway = Config::all_to("legacy", upstream.url()).batch("/batch").bulk("/bulk", "POST").start();
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0_usize..3);
    let changes = (prop::sample::select(SEEDS.to_vec()), prop::collection::vec(change, 1..6));
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&changes, |((content_type, seed), changes)| {
        let mut body = seed.as_bytes().to_vec();
        for (place, byte, what) in changes {
            let place = place.index(body.len().max(1));
            match what {
                0 if !body.is_empty() => body[place] = byte,
                1 => body.insert(place, byte),
                _ => body.truncate(place.max(1)),
            }
        }
        let path = if content_type == "text/csv" { "/bulk" } else { "/batch" };
        let status = gateway.send(&Request::post(path, content_type, &body)).status;
        prop_assert!(status < 500, "{status}");
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(!gateway.process().output().contains("panicked"));
}
