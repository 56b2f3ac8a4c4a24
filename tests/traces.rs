//! Traces by OTLP: which spans a receiver gets of requests, batches, items and attempts, and what becomes of them if it can't take
//! them.

mod receiver;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message as _;
use serde_json::{Value, json};

use crate::harness::upstream::{Recorded, Refusing};
use crate::harness::wait::until_true;
use crate::harness::{Answer, Config, Gate, Gateway, Request, Upstream};
use receiver::{Receiver, hex, of_kind, only, told, value, values};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Of a client that records its trace, or does not.
fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn config(upstream: &Upstream) -> Config {
    Config::new()
        .upstream("shop", upstream.url())
        .with("retry: { status: [503] }")
        .route("/", "shop")
        .batch("/batch")
}

fn start(receiver: &Receiver, upstream: &Upstream, members: &str) -> Gateway {
    receiver.setup(&config(upstream), members).start()
}

fn batch(paths: &[&str]) -> Value {
    json!({"requests": paths.iter().map(|path| json!({"method": "GET", "url": path})).collect::<Vec<_>>()})
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn took(span: &Span) -> u64 {
    span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).unwrap()
}

#[test]
fn a_request_has_a_server_span_and_one_for_its_call() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let gateway = start(&receiver, &upstream, "");
    let request = Request::get("/a/b?secret=hunter2").header("User-Agent", "tester/1");
    let request = request.header("traceparent", &traceparent("01")).header("tracestate", "a=1,b=2");
    assert_eq!(gateway.send(&request).status, 200);
    let (server, spans) = receiver.served();
    let client = only(&spans, SpanKind::Client);
    assert_eq!(spans.len(), 2);
    assert_eq!(told(&upstream.only_request()), [TRACE.to_owned(), hex(&client.span_id)]);
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!((&*hex(&server.parent_span_id), &*server.name), (PARENT, "GET /"));
    for span in &spans {
        assert_eq!((&*hex(&span.trace_id), &*span.trace_state), (TRACE, "a=1,b=2"));
        assert!(!format!("{span:?}").contains("hunter2") && !is_error(span));
    }
    // Whether the parent is known to be remote (OTLP, SpanFlags).
    assert_eq!([server.flags, client.flags], [0x301, 0x101]);
    let keys = ["http.request.method", "url.scheme", "url.path", "http.route", "http.response.status_code"];
    assert_eq!(values(&server, keys), ["GET", "http", "/a/b", "/", "200"]);
    let keys = ["server.address", "client.address", "network.protocol.version", "user_agent.original"];
    assert_eq!(values(&server, keys), ["127.0.0.1", "127.0.0.1", "1.1", "tester/1"]);
    assert_eq!(values(&server, ["batchgate.route", "batchgate.upstream", "error.type"]), ["/", "shop", ""]);
    let keys =
        ["http.request.method", "http.response.status_code", "server.address", "server.port", "url.full"];
    let (port, url) = (upstream.address().port().to_string(), format!("{}/a/b", upstream.url()));
    assert_eq!(values(&client, keys), ["GET", "200", "127.0.0.1", &port, &url]);
    assert!(took(&server) >= took(&client) && took(&client) > 0);
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    let resource = receiver.messages()[0].resource_spans[0].resource.clone().unwrap().attributes;
    assert_eq!(value(&resource, "service.name"), "batchgate");
}

#[test]
fn a_batch_has_spans_for_its_items_and_their_attempts() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    upstream.on("/flaky", Answer::text(503, "busy")).on("/flaky", Answer::text(200, "fine"));
    upstream.on("/gone", Answer::text(404, "no"));
    let gateway = start(&receiver, &upstream, "");
    let items = batch(&["/ok", "/flaky", "/gone", "/../x"]);
    assert_eq!(gateway.batch(&items).statuses(), [200, 200, 404, 400]);
    let (server, spans) = receiver.served();
    assert_eq!(
        (&*server.name, server.parent_span_id.is_empty(), is_error(&server)),
        ("POST /batch", true, false)
    );
    let keys = ["items", "failed_items", "outcome", "format", "items_without_span"];
    let keys = keys.map(|key| format!("batchgate.batch.{key}"));
    assert_eq!(values(&server, keys.each_ref().map(String::as_str)), ["4", "2", "partial", "json", ""]);
    assert_eq!(value(&server.attributes, "http.response.status_code"), "207");
    let items = of_kind(&spans, SpanKind::Internal);
    let keys = ["batchgate.item.position", "url.path", "http.response.status_code", "error.type"];
    let seen: Vec<_> = items.iter().map(|item| values(item, keys)).collect();
    let expected = [
        ["1", "/ok", "200", ""],
        ["2", "/flaky", "200", ""],
        ["3", "/gone", "404", "404"],
        ["4", "/../x", "400", "forbidden_url"],
    ];
    assert_eq!(seen, expected.map(|item| item.map(str::to_owned)));
    assert_eq!(items.iter().map(is_error).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(
        items.iter().all(|item| item.parent_span_id == server.span_id && item.trace_id == server.trace_id)
    );
    let calls = of_kind(&spans, SpanKind::Client);
    let parent = |call: &Span| items.iter().position(|item| item.span_id == call.parent_span_id).unwrap() + 1;
    let keys = ["http.response.status_code", "http.request.resend_count", "error.type"];
    let seen: Vec<_> = calls.iter().map(|call| (parent(call), values(call, keys))).collect();
    let expected =
        [(1, ["200", "", ""]), (2, ["503", "", "503"]), (2, ["200", "1", ""]), (3, ["404", "", "404"])];
    assert_eq!(seen, expected.map(|(item, call)| (item, call.map(str::to_owned))));
    // Every call that came to the service has its span.
    let mut told: Vec<_> = upstream.requests().iter().map(told).collect();
    let mut known: Vec<_> = calls.iter().map(|call| [hex(&call.trace_id), hex(&call.span_id)]).collect();
    told.sort();
    known.sort();
    assert_eq!(told, known);
}

#[test]
fn streams_and_requests_that_fail_have_spans() {
    let receiver = Receiver::start();
    let upstream = Upstream::answering(|_| Answer::close());
    let gateway = start(&receiver, &upstream, "");
    gateway.send(&Request::lines(
        "{\"method\":\"POST\",\"url\":\"/a\"}\n{\"method\":\"POST\",\"url\":\"/b\"}\n",
    ));
    assert_eq!(gateway.send(&Request::post("/c", "text/plain", "x")).status, 502);
    let spans = receiver.wait_for(7);
    let servers = of_kind(&spans, SpanKind::Server);
    let keys =
        ["http.response.status_code", "error.type", "batchgate.batch.format", "batchgate.batch.failed_items"];
    let mut seen: Vec<_> = servers.iter().map(|server| values(server, keys)).collect();
    seen.sort();
    assert_eq!(seen, [["207", "", "ndjson", "2"], ["502", "connection_lost", "", ""]]);
    for call in of_kind(&spans, SpanKind::Client).iter().chain(&of_kind(&spans, SpanKind::Internal)) {
        assert_eq!(
            (value(&call.attributes, "error.type"), is_error(call)),
            ("connection_lost".to_owned(), true)
        );
    }
}

#[test]
fn a_target_that_refuses_the_connection_has_a_span() {
    let (receiver, down) = (Receiver::start(), Refusing::start());
    let config = Config::new().upstream("shop", down.url()).with("retry: { attempts: 1 }").route("/", "shop");
    let gateway = receiver.setup(&config.batch("/batch"), "").start();
    gateway.batch(&batch(&["/a"]));
    let spans = receiver.wait_for(3);
    let calls = of_kind(&spans, SpanKind::Client);
    let items = of_kind(&spans, SpanKind::Internal);
    assert_eq!((calls.len(), &calls[0].parent_span_id), (1, &items[0].span_id));
    let port = down.address().port().to_string();
    assert_eq!(
        values(&calls[0], ["http.request.method", "server.address", "server.port", "error.type"]),
        ["GET", "127.0.0.1", &port, "connection_refused"]
    );
    assert!(is_error(&calls[0]));
}

#[test]
fn the_parent_decides_and_else_the_share() {
    for (members, flags, recorded, told) in [
        ("", Some("00"), false, true),
        (", sample: 0%", Some("01"), true, true),
        (", sample: 0%", None, false, false),
        (", sample: 100%", None, true, true),
    ] {
        let (receiver, upstream) = (Receiver::start(), Upstream::start());
        let gateway = start(&receiver, &upstream, members);
        let mut request = Request::get("/a");
        if let Some(flags) = flags {
            request = request.header("traceparent", &traceparent(flags));
        }
        gateway.send(&request);
        assert_eq!(upstream.only_request().header("traceparent").is_some(), told, "{members} {flags:?}");
        // A trace that is recorded in any case tells when all is sent.
        gateway.send(&Request::get("/last").header("traceparent", &traceparent("01")));
        let path = |spans: &[Span], path| {
            of_kind(spans, SpanKind::Server).iter().any(|span| value(&span.attributes, "url.path") == path)
        };
        until_true("the last span", || path(&receiver.spans(), "/last"));
        assert_eq!(path(&receiver.spans(), "/a"), recorded, "{members} {flags:?}");
    }
}

#[test]
fn the_standard_variables_do_as_well() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let gateway = config(&upstream)
        .setup()
        .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.0.url())
        .with_variable("OTEL_EXPORTER_OTLP_HEADERS", "x-team=a%20b")
        .with_variable("OTEL_SERVICE_NAME", "shop-gateway")
        .with_variable("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        .with_variable("OTEL_BSP_SCHEDULE_DELAY", "20")
        .start();
    gateway.send(&Request::get("/a"));
    receiver.served();
    assert_eq!(receiver.0.requests()[0].header("x-team"), Some("a b"));
    let resource = receiver.messages()[0].resource_spans[0].resource.clone().unwrap().attributes;
    let [name, environment] =
        ["service.name", "deployment.environment.name"].map(|key| value(&resource, key));
    assert_eq!((&*name, &*environment), ("shop-gateway", "test"));
}

#[test]
fn only_some_items_of_a_large_batch_have_spans() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let gate = Gate::closed();
    upstream.on("/gone", Answer::text(404, "no"));
    upstream.on("/slow", Answer::text(200, "slow").when(&gate));
    let gateway = start(&receiver, &upstream, ", max_items: 2");
    let paths = ["/1", "/2", "/slow", "/3", "/gone", "/4"];
    let mut client = gateway.connect();
    client.write(&Request::batch(&batch(&paths)).to_bytes(gateway.address()));
    let ended = || gateway.metrics().count("batchgate_target_attempts_total", &[]);
    until_true("all other calls to end", || ended() == paths.len() - 1);
    gate.open();
    client.reply_to("POST");
    let (server, spans) = receiver.served();
    assert_eq!(value(&server.attributes, "batchgate.batch.items_without_span"), "4");
    let items = of_kind(&spans, SpanKind::Internal);
    let paths: Vec<_> = items.iter().map(|item| value(&item.attributes, "url.path")).collect();
    assert_eq!(paths, ["/slow", "/gone"]);
}

#[test]
fn items_that_share_a_call_link_to_it() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let config = Config::all_to("shop", upstream.url()).with("coalesce: true").batch("/batch");
    let gateway = receiver.setup(&config, "").start();
    gateway.batch(&batch(&["/same", "/same", "/same"]));
    let (_, spans) = receiver.served();
    let call = only(&spans, SpanKind::Client);
    let items = of_kind(&spans, SpanKind::Internal);
    let links: Vec<Vec<_>> =
        items.iter().map(|item| item.links.iter().map(|link| link.span_id.clone()).collect()).collect();
    let shared = vec![call.span_id.clone()];
    assert_eq!(links, [vec![], shared.clone(), shared]);
    assert_eq!(call.parent_span_id, items[0].span_id);
}

#[test]
fn calls_that_undo_items_have_spans() {
    let receiver = Receiver::start();
    let upstream = Upstream::answering(|request: &Recorded| match (&*request.method, &*request.target) {
        ("POST", _) => Answer::text(201, "made").header("Location", "/orders/7"),
        ("DELETE", _) => Answer::empty(204),
        _ => Answer::text(404, "no"),
    });
    let config = Config::all_to("shop", upstream.url()).with("undo: { POST: \"DELETE {location}\" }");
    let gateway = receiver.setup(&config.batch("/batch").with("groups: compensate"), "").start();
    let item = |method: &str, url: &str| json!({"method": method, "url": url, "atomicityGroup": "g"});
    gateway.batch(&json!({"requests": [item("POST", "/orders"), item("GET", "/missing")]}));
    let (_, spans) = receiver.served();
    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let (item, undo, call) = (named("item POST /"), named("undo DELETE"), named("DELETE"));
    assert_eq!((&undo.parent_span_id, &call.parent_span_id), (&item.span_id, &undo.span_id));
    assert!(!is_error(undo) && !is_error(call) && undo.start_time_unix_nano >= item.end_time_unix_nano);
    let url = format!("{}/orders/7", upstream.url());
    assert_eq!(
        values(call, ["http.response.status_code", "batchgate.upstream", "url.full"]),
        ["204", "shop", &url]
    );
    let made = upstream.requests().into_iter().find(|request| request.method == "DELETE").unwrap();
    assert_eq!(told(&made)[1], hex(&call.span_id));
}

#[test]
fn the_call_to_a_service_that_authenticates_has_a_span() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let login = Upstream::answering(|request: &Recorded| {
        let is_known = request.header("authorization").is_some();
        if is_known { Answer::empty(204) } else { Answer::text(401, "who?") }
    });
    let config = config(&upstream).upstream("login", login.url());
    let config = config.raw("auth: { forward: { upstream: login, path: \"/check\" } }".to_owned());
    let gateway = receiver.setup(&config, "").start();
    for (request, status) in
        [(Request::get("/a").header("Authorization", "x"), 200), (Request::get("/a"), 401)]
    {
        assert_eq!(gateway.send(&request).status, status);
    }
    // The second request has no call to the shop.
    let spans = receiver.wait_for(7);
    let asking: Vec<_> = spans.iter().filter(|span| span.name == "authenticate").collect();
    assert_eq!(asking.len(), 2);
    for (asking, (question, status)) in asking.iter().zip(login.requests().iter().zip(["204", "401"])) {
        let call = spans.iter().find(|span| span.parent_span_id == asking.span_id).unwrap();
        assert_eq!(values(call, ["http.response.status_code", "batchgate.upstream"]), [status, "login"]);
        assert_eq!(value(&call.attributes, "url.full"), format!("{}/check", login.url()));
        assert_eq!(told(question)[1], hex(&call.span_id));
        assert_eq!(
            spans
                .iter()
                .filter(|span| span.span_id == asking.parent_span_id && span.kind() == SpanKind::Server)
                .count(),
            1
        );
    }
}

#[test]
fn spans_are_compressed_where_that_is_wanted() {
    let upstream = Upstream::start();
    let by_file = Receiver::start();
    let gateway = start(&by_file, &upstream, ", compression: gzip");
    gateway.send(&Request::get("/a"));
    let by_variable = Receiver::start();
    let variable =
        by_variable.setup(&config(&upstream), "").with_variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let other = variable.start();
    other.send(&Request::get("/a"));
    for receiver in [by_file, by_variable] {
        receiver.served();
        assert_eq!(receiver.0.requests()[0].header("content-encoding"), Some("gzip"));
    }
}

/// How many spans had this result.
fn count(gateway: &Gateway, result: &str) -> usize {
    gateway.metrics().count("batchgate_trace_spans_total", &[("result", result)])
}

#[test]
fn what_the_receiver_can_not_take_now_is_sent_again() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let busy = Answer::text(503, "busy").header("Retry-After", "0");
    receiver.0.on("/v1/traces", busy).on("/v1/traces", Answer::text(200, ""));
    let gateway = start(&receiver, &upstream, "");
    gateway.send(&Request::get("/a"));
    until_true("the spans are sent", || count(&gateway, "sent") == 2);
    let requests = receiver.0.requests();
    assert_eq!((requests.len(), &requests[0].body), (2, &requests[1].body));
    assert_eq!(count(&gateway, "failed"), 0);
}

#[test]
fn what_it_does_not_take_is_counted_and_logged() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too long".to_owned() };
    let partial = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    for (answer, counts, reason) in [
        (Answer::text(400, "what?"), [("failed", 2), ("sent", 0)], "it answered 400"),
        (Answer::of(200, "application/x-protobuf", partial), [("rejected", 1), ("sent", 1)], "too long"),
    ] {
        let (receiver, upstream) = (Receiver::start(), Upstream::start());
        receiver.0.on("/v1/traces", answer);
        let gateway = start(&receiver, &upstream, "");
        assert_eq!(gateway.send(&Request::get("/a")).status, 200);
        for (result, expected) in counts {
            until_true(result, || count(&gateway, result) == expected);
        }
        assert_eq!(gateway.log_line(&[("kind", "traces")])["reason"], reason);
        assert_eq!(receiver.0.requests().len(), 1);
    }
}

#[test]
fn a_receiver_that_stands_still_holds_up_nobody() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let gate = Gate::closed();
    receiver.0.on("/v1/traces", Answer::text(200, "").when(&gate));
    let setup = receiver.setup(&config(&upstream), "").with_variable("OTEL_BSP_MAX_QUEUE_SIZE", "5");
    let gateway = setup.start();
    for _ in 0..4 {
        assert_eq!(gateway.send(&Request::get("/a")).status, 200);
    }
    // Two requests have four spans, for which there is room.
    until_true("the rest is dropped", || count(&gateway, "dropped") == 4);
    gate.open();
    until_true("what waited is sent", || count(&gateway, "sent") == 4);
}

#[test]
fn what_waits_at_the_end_is_sent() {
    let (receiver, upstream) = (Receiver::start(), Upstream::start());
    let setup = receiver.setup(&config(&upstream).raw("drain: { delay: 0s }"), "");
    let gateway = setup.with_variable("OTEL_BSP_SCHEDULE_DELAY", "3600000").start();
    gateway.batch(&batch(&["/a", "/b"]));
    assert!(receiver.spans().is_empty());
    gateway.signal("TERM");
    assert!(gateway.wait_for_exit().success());
    assert_eq!(receiver.spans().len(), 5);
}

#[test]
fn a_receiver_that_is_down_does_not_hold_up_the_end() {
    let busy = Answer::text(503, "busy").header("Retry-After", "20");
    let gate = Gate::closed();
    for (answer, requests, line) in [
        (busy, 2, "traces could not be sent"),
        (Answer::text(200, "").when(&gate), 1, "traces that were not sent yet are lost"),
    ] {
        let (receiver, upstream) = (Receiver::start(), Upstream::start());
        receiver.0.on("/v1/traces", answer);
        let gateway = start(&receiver, &upstream, "");
        gateway.send(&Request::get("/a"));
        until_true("the spans are under way", || receiver.0.requests().len() == 1);
        gateway.signal("TERM");
        assert!(gateway.wait_for_exit().success());
        assert_eq!(receiver.0.requests().len(), requests);
        let said = gateway.process().final_output();
        assert!(said.contains("waits for the receiver of traces") && said.contains(line), "{said}");
    }
}

#[test]
fn a_reload_sends_to_another_receiver() {
    let (before, after, upstream) = (Receiver::start(), Receiver::start(), Upstream::start());
    let gateway = before.setup(&config(&upstream), "").start();
    gateway.send(&Request::get("/before"));
    before.served();
    let tracing = format!("tracing: {{ otlp: \"{}\" }}", after.0.url());
    gateway.write_config(&config(&upstream).raw(tracing).to_yaml());
    gateway.signal("HUP");
    gateway.wait_for_metric("batchgate_config_reloads_total", &[("result", "taken")], 2.0);
    gateway.send(&Request::get("/after"));
    let (server, _) = after.served();
    assert_eq!(value(&server.attributes, "url.path"), "/after");
    assert_eq!(before.spans().len(), 2);
}
