//! What a client sees for each possible end of an item.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::*;
use crate::batch::{ItemForm, ItemId, ItemRejection, ItemResult, OutcomeKind, ResultBody, Subject};
use crate::clock::Stopwatch;
use crate::dialect::Decider;
use crate::dispatch::{CallFailure, DispatchedItem, Outcome, Sent, Timeline, UpstreamReply};
use crate::header::spelling::Spellings;
use crate::header::variables::Variables;
use crate::route::{
    CanonicalPath, Mapping, PathPattern, Route, RouteAction, RouteIndex, RouteTable, Strictness,
    UpstreamIndex,
};

fn routes() -> RouteTable {
    let path = |text| CanonicalPath::parse(text, Strictness::Item).unwrap();
    let action =
        RouteAction::Forward { upstream: UpstreamIndex(0), mapping: Mapping::stripping(&path("/dav")) };
    RouteTable::new(vec![Route::new(PathPattern::from(&path("/dav/")), action)])
}

fn item(method: Method, outcome: Outcome) -> DispatchedItem {
    DispatchedItem {
        subject: Subject { id: ItemId::from("1"), method, href: "/dav/x".into(), form: ItemForm::default() },
        route: Some(RouteIndex(0)),
        upstream: Some(UpstreamIndex(0)),
        outcome,
        timeline: Timeline::not_started(Stopwatch::start()),
        coalesced: false,
        undone: None,
    }
}

fn stitched(item: DispatchedItem, minimal: bool) -> (ItemResult, ItemReport) {
    let context = StitchContext {
        routes: &routes(),
        is_upstream: &|_, authority| authority == "up:81",
        own_origin: "https://gw.example",
        max_item_reply: 1000,
        max_reply: 5000,
        decider: Decider::default(),
        minimal,
        policies: &[],
        variables: Variables::default(),
    };
    let (mut results, mut reports) = stitch(vec![item], &context, &mut BodyBudget::new(context.max_reply));
    (results.results.remove(0), reports.remove(0))
}

fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Outcome {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    Outcome::Answered(UpstreamReply {
        status,
        headers,
        spellings: Spellings::default(),
        body: Bytes::copy_from_slice(body),
    })
}

fn names(result: &ItemResult) -> Vec<&str> {
    result.headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn replies_lose_the_fields_of_the_connection() {
    let fields = [
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("content-length", "2"),
        ("x-a", "1"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-b", "1"),
        ("x-c", "1"),
    ];
    let (result, report) = stitched(item(Method::GET, reply(200, &fields, b"hi")), false);
    assert_eq!(names(&result), ["x-a", "set-cookie", "set-cookie", "x-b", "x-c"], "in the service's order");
    assert_eq!(result.body, ResultBody::Bytes(Bytes::from_static(b"hi")));
    assert_eq!((report.outcome, report.reason), (OutcomeKind::Answered, None));
}

#[test]
fn urls_of_the_upstream_become_the_gateways() {
    let fields = [("location", "http://up:81/new"), ("content-location", "/new")];
    let (result, _) = stitched(item(Method::PUT, reply(201, &fields, b"")), false);
    let values: Vec<_> = result.headers.iter().map(|(_, value)| value.to_str().unwrap()).collect();
    assert_eq!(values, ["https://gw.example/dav/new", "/dav/new"]);
}

#[test]
fn replies_without_a_body_have_none() {
    let (head, _) = stitched(item(Method::HEAD, reply(200, &[("content-length", "9")], b"")), false);
    assert_eq!((head.body, head.headers.len()), (ResultBody::Absent, 1));
    for status in [204, 205, 304] {
        let (result, _) = stitched(item(Method::GET, reply(status, &[], b"")), false);
        assert_eq!(result.body, ResultBody::Absent);
    }
}

#[test]
fn content_codings_are_decoded_or_fail_the_item() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"hello").unwrap();
    let coded = [("content-encoding", "gzip")];
    let (result, _) = stitched(item(Method::GET, reply(200, &coded, &encoder.finish().unwrap())), false);
    assert_eq!(result.body, ResultBody::Bytes(Bytes::from_static(b"hello")));
    assert!(names(&result).is_empty());
    let (broken, report) = stitched(item(Method::POST, reply(200, &coded, b"no gzip")), false);
    assert_eq!((broken.status.as_u16(), broken.retryable), (502, false));
    assert_eq!((report.outcome, report.reason), (OutcomeKind::Unknown, Some("reply_coding")));
}

#[test]
fn replies_that_are_decoded_in_vain_are_bounded_together() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&[b'x'; 5000]).unwrap();
    let bomb = encoder.finish().unwrap();
    let items = || (0..40).map(|_| item(Method::GET, reply(200, &[("content-encoding", "gzip")], &bomb)));
    let context = StitchContext {
        routes: &routes(),
        is_upstream: &|_, _| false,
        own_origin: "http://gw",
        max_item_reply: 1000,
        max_reply: 5000,
        decider: Decider::default(),
        minimal: false,
        policies: &[],
        variables: Variables::default(),
    };
    let (_, reports) = stitch(items().collect(), &context, &mut BodyBudget::new(context.max_reply));
    let mut budget = BodyBudget::new(context.max_reply);
    let one_by_one: Vec<_> =
        items().map(|item| stitch(vec![item], &context, &mut budget).1.remove(0).reason).collect();
    assert_eq!(one_by_one, reports.iter().map(|report| report.reason).collect::<Vec<_>>());
    let count = |reason| reports.iter().filter(|report| report.reason == Some(reason)).count();
    assert_eq!((count("reply_too_large"), count("replies_too_large")), (20, 20));
}

#[test]
fn busy_upstreams_make_items_retryable() {
    let (result, _) = stitched(item(Method::POST, reply(503, &[("retry-after", "7")], b"")), false);
    assert!(result.retryable);
    assert_eq!(result.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn gateway_made_results_say_why() {
    let rejected = Outcome::Rejected(ItemRejection::MethodNotAllowed { allowed: "GET".into() });
    let (result, report) = stitched(item(Method::PUT, rejected), false);
    assert_eq!(names(&result), ["proxy-status", "allow"]);
    assert_eq!(result.headers[0].1, "batchgate; error=http_request_denied; outcome=rejected");
    assert!(matches!(result.body, ResultBody::Problem(_)));
    assert_eq!((report.outcome, report.reason), (OutcomeKind::Rejected, Some("method_not_allowed")));
    let refused = Outcome::Failed { failure: CallFailure::ConnectionRefused, sent: Sent::No };
    let (result, _) = stitched(item(Method::POST, refused), false);
    let expected = "batchgate; error=connection_refused; outcome=not_sent; retryable";
    assert_eq!((result.headers[0].1.to_str().unwrap(), result.retryable), (expected, true));
}

#[test]
fn minimal_results_leave_out_successful_replies() {
    let (good, _) = stitched(item(Method::GET, reply(200, &[("x-a", "1")], b"hi")), true);
    assert_eq!((good.headers.len(), good.body), (0, ResultBody::Absent));
    let (bad, _) = stitched(item(Method::GET, reply(404, &[("x-a", "1")], b"no")), true);
    assert_eq!((bad.headers.len(), bad.body), (1, ResultBody::Bytes(Bytes::from_static(b"no"))));
}
