//! References filled in with whatever an upstream answers: route, host and framing stay.

use proptest::prelude::*;

use crate::batch::{BatchLimits, Groups, ItemIndex};
use crate::dialect::Dialect;
use crate::dispatch::resolve::{Earlier, MAX_LOOKED_THROUGH};
use crate::dispatch::{Answers, Outcome, SkipReason, Surroundings, Unfit, UpstreamReply, resolve};
use crate::format::{Format, ReadContext};
use crate::header::spelling::Spellings;
use crate::plan::{Call, PlanContext, Step, plan};
use crate::route::{
    CanonicalPath, Mapping, PathPattern, Route, RouteAction, RouteIndex, RouteTable, Strictness,
    UpstreamIndex,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

fn routes() -> RouteTable {
    let route = |text: &str, upstream, strip: bool| {
        let path = CanonicalPath::parse(text, Strictness::Item).unwrap();
        let mapping = if strip { Mapping::stripping(&path) } else { Mapping::default() };
        let action = RouteAction::Forward { upstream: UpstreamIndex(upstream), mapping };
        Route::new(PathPattern::from(&path), action)
    };
    RouteTable::new(vec![
        route("/orders", 0, false),
        route("/orders/secret", 1, false),
        route("/dav/", 0, true),
    ])
}

/// What becomes of item `b` with these members, if item `a` (POST /orders) was answered so.
fn filled(members: &str, fields: &[(&str, &[u8])], body: &str) -> Result<Call, Unfit> {
    let batch = format!(
        r#"{{"requests":[{{"id":"a","method":"POST","url":"/orders"}},{{"id":"b","method":"PUT",{members}}}]}}"#
    );
    let limits = BatchLimits::default();
    let reading = ReadContext {
        limits: &limits,
        content_type: None,
        endpoint: "/batch",
        query: "",
        own_authority: "gw",
        reply: Format::Json,
    };
    let batch = Dialect::default().read(Format::Json, &Bytes::from(batch), &reading).unwrap();
    let routes = routes();
    let context = PlanContext {
        routes: &routes,
        own_authority: "gw",
        is_batch_endpoint: &|path, _| path.as_str() == "/orders/batch",
        groups: Groups::Refuse,
        inherited: &HeaderMap::new(),
        only_route: None,
    };
    let planned = plan(batch, &context).unwrap();
    let template = match &planned.items[1].step {
        Step::Later(template) => template,
        other @ (Step::Call(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_)) => panic!("{other:?}"),
    };
    assert_eq!(planned.dependencies, [vec![], vec![ItemIndex(0)]]);
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let outcome = Outcome::Answered(UpstreamReply {
        status: StatusCode::CREATED,
        headers,
        spellings: Spellings::default(),
        body,
    });
    let earlier = |_| Some(Earlier { outcome: &outcome, route: Some(RouteIndex(0)) });
    let mut left = MAX_LOOKED_THROUGH;
    let is_upstream = |_, name: &str| name == "up:81";
    let around = Surroundings { plan: context, own_origin: "http://gw", is_upstream: &is_upstream };
    resolve(template, &mut Answers { earlier: &earlier, left: &mut left }, &around)
}

fn target(url: &str, fields: &[(&str, &[u8])], body: &str) -> Option<String> {
    filled(&format!(r#""url":"{url}""#), fields, body).ok().map(|call| call.target.into())
}

const BY_ID: &str = "/orders/{$responses.a.body#/id}";

#[test]
fn urls_are_filled_in() {
    let json = |id: &str| format!(r#"{{"id":{id}}}"#);
    assert_eq!(target(BY_ID, &[], &json("7")).as_deref(), Some("/orders/7"));
    assert_eq!(target(BY_ID, &[], &json(r#""a b?c#é""#)).as_deref(), Some("/orders/a%20b%3Fc%23%C3%A9"));
    let query = "/orders?a={$responses.a.body#/id}&s={$responses.a.status}";
    assert_eq!(
        target(query, &[], &json(r#""&b=/../%""#)).as_deref(),
        Some("/orders?a=%26b%3D%2F..%2F%25&s=201")
    );
    assert_eq!(target(query, &[], &json("\"\"")).as_deref(), Some("/orders?a=&s=201"));
}

#[test]
fn no_value_leads_elsewhere() {
    for value in [
        "..",
        ".",
        "a/b",
        "a\\b",
        "",
        "%2e%2e",
        "secret",
        "secret/x",
        "batch",
        "..;x",
        "a\r\nHost: b",
        "\0",
        "%2f",
    ] {
        let body = serde_json::json!({"id": value}).to_string();
        let rest = target(BY_ID, &[], &body);
        assert!(
            rest.as_deref().is_none_or(|rest| !rest.contains("..") && rest == format!("/orders/{value}")),
            "{value}: {rest:?}"
        );
    }
    for value in ["null", "{}", "[1]"] {
        let unfit = filled(&format!(r#""url":"{BY_ID}""#), &[], &format!(r#"{{"id":{value}}}"#));
        assert!(matches!(unfit, Err(Unfit::Skipped(SkipReason::ReferenceUnresolved { .. }))));
    }
}

#[test]
fn a_location_is_followed_within_its_route() {
    let at = |url: &str, location: &str| target(url, &[("location", location.as_bytes())], "");
    assert_eq!(at("$a", "/orders/21").as_deref(), Some("/orders/21"));
    assert_eq!(
        at("$a/lines?x={$responses.a.status}", "http://up:81/orders/21/").as_deref(),
        Some("/orders/21/lines?x=201")
    );
    assert_eq!(at("$a?x=1", "http://gw/orders/21").as_deref(), Some("/orders/21?x=1"));
    for location in [
        "http://evil/orders/1",
        "//evil/",
        "/dav/x",
        "/orders/secret/1",
        "/orders/../dav",
        "21",
        "",
        "/orders/batch",
    ] {
        assert_eq!(at("$a", location), None, "{location}");
    }
    assert_eq!(at("$a/x", "/orders/1?y"), None);
    assert_eq!(target("$a", &[], "{}"), None);
}

#[test]
fn bodies_keep_the_types_of_their_values() {
    let body = r#""url":"/orders/1","body":{"a":"{$responses.a.body#/v}","s":"{$responses.a.status}","t":"<{$responses.a.header.x-a}>","n": 1.0}"#;
    for value in ["1.50", "null", "[1,{\"x\":\"\\u00e9\"}]", "\"q\\\"\"", "true"] {
        let call = filled(body, &[("x-a", b"q\"")], &format!("{{\"v\":{value}}}")).unwrap();
        let expected = format!(r#"{{"a":{value},"s":201,"t":"<q\">","n": 1.0}}"#).replace("<q\">", "<q\\\">");
        assert_eq!(call.body.as_deref(), Some(expected.as_bytes()));
    }
    let other = [("x-a", b"1".as_slice()), ("content-type", b"text/plain")];
    assert!(filled(body, &other, "{\"v\":1}").is_err(), "text is not looked into");
    assert!(filled(body, &[], "{\"v\":1}").is_err(), "there is no such header");
    let large = format!("{{\"v\":1,\"x\":\"{}\"}}", "x".repeat(1 << 20));
    assert!(filled(body, &[("x-a", b"1")], &large).is_err(), "there is a limit");
}

#[test]
fn fields_are_checked_once_they_are_filled_in() {
    let header = |name: &str, text: &str, value: &str| {
        let members = format!(r#""url":"/orders/1","headers":{{"{name}":"{text}"}}"#);
        let body = serde_json::json!({"v": value}).to_string();
        filled(&members, &[("etag", b"\"1\""), ("location", b"http://up:81/orders/3")], &body)
    };
    let etag = header("If-Match", "{$responses.a.header.ETag}", "").unwrap();
    assert_eq!(etag.headers[0].1, "\"1\"");
    let location = header("X-A", "<{$responses.a.header.Location}>", "").unwrap();
    assert_eq!(location.headers[0].1, "<http://gw/orders/3>");
    for value in ["a\r\nHost: evil", "a\nb", "\0", "\u{7f}"] {
        assert!(matches!(header("X-A", "{$responses.a.body#/v}", value), Err(Unfit::Rejected(_))));
    }
    let destination = |value| header("Destination", "/orders/x{$responses.a.body#/v}", value);
    assert_eq!(destination("1").unwrap().references.len(), 1);
    assert!(destination("/../../secret").is_err());
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "([./%\\\\?#:@;&=\r\n]|2e|2f|secret|batch|http:|gw|evil|[a-z]){0,10}"]
}

proptest! {
    #[test]
    fn nothing_that_is_answered_changes_route_host_or_framing(value in hostile(), at in 0usize..5) {
        let body = serde_json::json!({"id": value.as_str()}).to_string();
        let templates = [
            BY_ID,
            "/orders/x{$responses.a.body#/id}/y",
            "/orders?x={$responses.a.body#/id}",
            "/orders/s{$responses.a.body#/id}",
            "$a/x",
        ];
        let fields = if HeaderValue::from_bytes(value.as_bytes()).is_ok() {
            vec![("location", value.as_bytes())]
        } else {
            vec![]
        };
        let members = format!(
            r#""url":"{}","headers":{{"X-A":"{{$responses.a.body#/id}}"}},"body":["{{$responses.a.body#/id}}","x{{$responses.a.body#/id}}"]"#,
            templates[at]
        );
        if let Ok(call) = filled(&members, &fields, &body) {
            prop_assert_eq!(call.upstream, UpstreamIndex(0));
            let uri: http::Uri = call.target.parse().unwrap();
            prop_assert!(uri.host().is_none());
            let path = uri.path();
            let secret = path == "/orders/secret" || path.starts_with("/orders/secret/");
            prop_assert!(path.starts_with("/orders") && !secret);
            prop_assert!(at > 3 || path.matches('/').count() <= [2, 3, 1, 2][at]);
            prop_assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")));
            prop_assert_eq!(call.headers.len(), 2);
            prop_assert!(!call.headers.iter().any(|(_, field)| field.as_bytes().contains(&b'\n')));
            let sent: Vec<String> = serde_json::from_slice(&call.body.unwrap()).unwrap();
            prop_assert_eq!(sent, [value.clone(), format!("x{value}")]);
        }
    }
}
