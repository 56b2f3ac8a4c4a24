//! One rule, every path. Each rule of HTTP is a table here, and each row of it is tried as a single request, an item of
//! a batch, a line of a stream and a record of a bulk route, by clients of HTTP/1.1 and of HTTP/2. `tests/README.md`
//! says how to add a row.

mod encodings;
mod hash_key;
mod path;
mod refusals;
mod retries;
mod row;
mod service;

use path::{Ask, Form, Http, every_path};
use row::{row, run};
use service::{Says, Service};

/// The fields of a client's connection end at the gateway.
#[test]
fn hop_by_hop_fields_of_requests() {
    let ends =
        |name, value| row(name).sends(name, value).sends("X-Kept", "1").call(name, None).call("X-Kept", "1");
    run(&[
        ends("TE", "trailers"),
        ends("Keep-Alive", "timeout=5"),
        ends("Proxy-Connection", "keep-alive"),
        ends("Proxy-Authorization", "Basic eDp5"),
        ends("Proxy-Authenticate", "Basic"),
        ends("Upgrade", "h2c"),
        ends("Trailer", "X-Sum"),
        ends("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        row("named by Connection")
            .sends("Connection", "X-Hop")
            .sends("X-Hop", "1")
            .front(Http::One)
            .call("X-Hop", None),
        row("named with others")
            .sends("Connection", "keep-alive, x-HOP ,, close")
            .sends("X-Hop", "1")
            .front(Http::One)
            .call("X-Hop", None),
    ]);
}

/// And so do those of a service's connection.
#[test]
fn hop_by_hop_fields_of_replies() {
    let ends = |name, value| {
        row(name)
            .replies(200, &[(name, value), ("X-Kept", "1")], "ok")
            .result(name, None)
            .result("X-Kept", "1")
    };
    run(&[
        ends("TE", "trailers"),
        ends("Keep-Alive", "timeout=7"),
        ends("Proxy-Connection", "keep-alive"),
        ends("Proxy-Authenticate", "Basic"),
        ends("Proxy-Authentication-Info", "x"),
        ends("Proxy-Authorization", "Basic eDp5"),
        ends("Upgrade", "h2c"),
        ends("Trailer", "X-Sum").front(Http::One),
        ends("Trailer", "X-Sum").front(Http::Two).forms(&[Form::Item, Form::Line, Form::Record]),
        row("named by Connection")
            .replies(200, &[("Connection", "X-Hop"), ("X-Hop", "1")], "ok")
            .result("X-Hop", None),
        row("what only looks like one")
            .replies(401, &[("WWW-Authenticate", "Basic")], "who?")
            .result("WWW-Authenticate", "Basic"),
        ends("Proxy-Authenticate", "Basic").over_http2(),
        ends("Proxy-Authentication-Info", "x").over_http2(),
    ]);
}

const MULTISTATUS: &str =
    "<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a</D:href></D:response></D:multistatus>";

/// Which replies are XML, so that their hrefs are mapped back.
#[test]
fn media_types() {
    let typed = |content_type, href| {
        row(content_type).replies(207, &[("Content-Type", content_type)], MULTISTATUS).body(href)
    };
    let mapped = "<D:href>/api/a</D:href>";
    let as_it_was = "<D:href>/a</D:href>";
    let rows = [
        typed("application/xml", mapped),
        typed("Application/XML", mapped),
        typed("text/xml; charset=utf-8", mapped),
        typed("text/xml;charset=\"utf-8\"", mapped),
        typed("application/vnd.x+xml", mapped),
        typed("text/plain", as_it_was),
        typed("text/plain; profile=application/xml", as_it_was),
        typed("application/xmlish", as_it_was),
        typed("application/json; v=xml", as_it_was),
    ];
    run(&rows
        .into_iter()
        .map(|row| row.method("PROPFIND").forms(&[Form::Single, Form::Item, Form::Line]))
        .collect::<Vec<_>>());
}

/// What the gateway adds to say that it was here.
#[test]
fn via() {
    run(&[
        row("none before, HTTP/1.1").front(Http::One).call("Via", "1.1 batchgate"),
        row("none before, HTTP/2").front(Http::Two).call("Via", "2 batchgate"),
        row("another before")
            .front(Http::One)
            .sends("Via", "1.0 fred")
            .call("Via", "1.0 fred, 1.1 batchgate"),
        row("not in replies").result("Via", None),
        row("the service's own").replies(200, &[("Via", "1.1 inner")], "ok").result("Via", "1.1 inner"),
    ]);
}

/// What the gateway says about the client, whom it does not trust.
#[test]
fn forwarded_fields() {
    run(&[
        row("the client's address").call("X-Forwarded-For", "127.0.0.1"),
        row("an address that the client claims")
            .sends("X-Forwarded-For", "192.0.2.1")
            .call("X-Forwarded-For", "192.0.2.1, 127.0.0.1"),
        row("a scheme that the client claims")
            .sends("X-Forwarded-Proto", "https")
            .call("X-Forwarded-Proto", "http"),
        row("a port that the client claims").sends("X-Forwarded-Port", "1").call("X-Forwarded-Port", None),
        row("a prefix that the client claims")
            .sends("X-Forwarded-Prefix", "/x")
            .call("X-Forwarded-Prefix", "/api"),
        row("a user that the client claims").sends("X-Forwarded-User", "root").call("X-Forwarded-User", None),
        row("Forwarded").sends("Forwarded", "for=192.0.2.1").call("Forwarded", None),
        row("X-Real-IP").sends("X-Real-IP", "192.0.2.1").call("X-Real-IP", None),
        row("an underscore").sends("X_Forwarded_For", "192.0.2.1").call("X_Forwarded_For", None),
        row("a harmless underscore").sends("X_Own", "1").call("X_Own", "1"),
        row("a host over HTTP/2")
            .over_http2()
            .call("X-Forwarded-For", "127.0.0.1")
            .call("X-Forwarded-Proto", "http"),
    ]);
}

/// Names that came over HTTP/1.1 stay as they were spelt. HTTP/2 has only lower case.
#[test]
fn spelling_of_field_names() {
    let sent = |name| row(name).sends(name, "1").front(Http::One).call_spells(name);
    let said = |name| row(name).replies(200, &[(name, "1")], "ok").result_spells(name);
    run(&[
        sent("x-ms-version"),
        sent("X-MS-Version"),
        sent("authorization"),
        sent("User-agent"),
        said("ETag"),
        said("X-Kept"),
        said("x-ms-error-code"),
        said("X-MS-Foo"),
        said("etag").forms(&[Form::Single]),
        row("HTTP's own in JSON")
            .replies(200, &[("etag", "1")], "ok")
            .forms(&[Form::Item, Form::Line])
            .result_spells("ETag"),
        row("from HTTP/2").sends("x-ms-version", "1").front(Http::Two).call_spells("X-Ms-Version"),
        row("from an HTTP/2 service")
            .over_http2()
            .replies(200, &[("x-kept", "1")], "ok")
            .result_spells("X-Kept"),
        row("set by the configuration").upstream("headers: { set: { x-MINE: a } }").call_spells("x-MINE"),
        row("set instead of the client's")
            .upstream("headers: { set: { x-MINE: a } }")
            .sends("X-mine", "1")
            .call_spells("x-MINE"),
        row("to HTTP/2").sends("X-Mixed", "1").over_http2().call_spells("x-mixed"),
    ]);
}

/// One request id for the client, the service and the log.
#[test]
fn request_id() {
    run(&[
        row("made here").same_id(),
        row("the client's")
            .sends("X-Request-Id", "mine-1")
            .call("X-Request-Id", "mine-1")
            .reply("X-Request-Id", "mine-1"),
        row("a service's answer").replies(404, &[("X-Request-Id", "its own")], "no").same_id(),
        row("over HTTP/2").over_http2().same_id(),
    ]);
}

/// TRACE goes nowhere, because it shows credentials that the gateway adds.
#[test]
fn trace() {
    run(&[row("TRACE")
        .method("TRACE")
        .forms(&[Form::Single, Form::Item, Form::Line])
        .status(405)
        .calls(0)
        .result_has("Proxy-Status", "outcome=rejected")]);
}

/// What a service says stays its own; what the gateway says has its name.
#[test]
fn proxy_status() {
    let says = |input, status: u64, code| {
        row(input).replies(code, &[], "no").status(status).result("Proxy-Status", None)
    };
    // A record's variable is encoded, so that it can't break a url.
    let refused = |input, resource| {
        let in_urls = row(input).resource(resource).forms(&[Form::Single, Form::Item, Form::Line]);
        in_urls.status(400).calls(0).result_has("Proxy-Status", "outcome=rejected")
    };
    let fails = |input, says, error| {
        row(input).method("POST").says([says]).status(502).result_has("Proxy-Status", error)
    };
    run(&[
        says("a service's 200", 200, 200),
        says("a service's 404", 404, 404),
        says("a service's 500", 500, 500),
        says("a service's 502", 502, 502),
        refused("a broken escape", "%zz"),
        refused("dots", "../secret"),
        row("a service that is silent")
            .says([Says::Silence])
            .upstream("timeout: { item: 300ms }, retry: { attempts: 1 }")
            .status(504)
            .result_has("Proxy-Status", "outcome=unknown"),
        fails("a connection that ends", Says::Nothing, "error=connection_terminated"),
        fails("a connection that is reset", Says::Reset, "error=connection_terminated"),
        fails("a header that ends too early", Says::HalfAHeader, "outcome=unknown"),
        fails("a stream that is reset", Says::Reset, "outcome=unknown").over_http2(),
    ]);
}

/// Both forms are read, and a time is rounded up.
#[test]
fn retry_after() {
    let busy = |value| {
        row(value).replies(503, &[("Retry-After", value)], "busy").status(503).result("Retry-After", value)
    };
    run(&[
        busy("7").reply("Retry-After", "7").forms(&[Form::Single, Form::Item, Form::Record]),
        busy("0").forms(&[Form::Single, Form::Item, Form::Record]),
        busy("Sun, 06 Nov 1994 08:49:37 GMT"),
        busy("soon"),
    ]);
}

/// What is left of a second is a second.
#[test]
fn the_time_to_wait_is_rounded_up() {
    let service = Service::start(Http::One);
    let gateway =
        row::config(&service, "").raw("rate_limits: [{ name: slow, per: all, rate: 1/s, burst: 1 }]").start();
    let ask = Ask { method: "GET", resource: "a".to_owned(), query: "", fields: Vec::new() };
    for path in every_path() {
        let mut results = (0..100).map(|_| path.ask(&gateway, &ask).result);
        let refused = results.find(|result| result.status == 429).unwrap();
        assert_eq!(refused.field("Retry-After").as_deref(), Some("1"), "{path}");
    }
}
