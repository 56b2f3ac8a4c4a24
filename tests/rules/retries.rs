//! What is sent once more: the same for a single request and for whatever a batch has in it.

use super::path::{Ask, Form, Http, Path};
use super::row::{row, run, start};
use super::service::{Says, Service};

/// No target is ejected, so that each row finds it.
const TWICE: &str = "retry: { attempts: 2, budget: 100% }, breaker: { max_ejected: 0% }";
const BY_STATUS: &str = "retry: { attempts: 2, budget: 100%, status: [503] }, breaker: { max_ejected: 0% }";
const BY_TIME: &str =
    "retry: { attempts: 2, budget: 100%, on: [timeout], timeout: 300ms }, breaker: { max_ejected: 0% }";

fn then_well(fault: Says) -> [Says; 2] {
    [fault, Says::status(200)]
}

fn busy(after: &'static str) -> Says {
    Says::Reply { status: 503, fields: vec![("Retry-After", after)], body: "busy" }
}

#[test]
fn a_lost_call_is_made_again_where_that_is_safe() {
    let again = |input, method, fault| {
        row(input).method(method).says(then_well(fault)).upstream(TWICE).calls(2).status(200)
    };
    // Of a single request's reply, the client has a part by then: `proxied_retries.rs`.
    let in_batches = [Form::Item, Form::Line, Form::Record];
    let once = |input, method, fault| {
        let lost = row(input).method(method).says(then_well(fault)).upstream(TWICE).calls(1).status(502);
        lost.result_has("Proxy-Status", "outcome=unknown")
    };
    run(&[
        again("GET, closed", "GET", Says::Nothing),
        again("PUT, closed", "PUT", Says::Nothing),
        again("DELETE, closed", "DELETE", Says::Nothing),
        once("POST, closed", "POST", Says::Nothing),
        once("PATCH, closed", "PATCH", Says::Nothing),
        again("GET, reset", "GET", Says::Reset),
        once("POST, reset", "POST", Says::Reset),
        again("GET, cut in its header", "GET", Says::HalfAHeader),
        once("POST, cut in its header", "POST", Says::HalfAHeader),
        again("GET, cut in its body", "GET", Says::HalfABody).forms(&in_batches),
        once("POST, cut in its body", "POST", Says::HalfABody).forms(&in_batches),
        again("GET, not processed", "GET", Says::NotProcessed).over_http2(),
        again("POST, not processed", "POST", Says::NotProcessed).over_http2(),
        again("GET, a stream that is reset", "GET", Says::Reset).over_http2(),
        once("POST, a stream that is reset", "POST", Says::Reset).over_http2(),
    ]);
}

#[test]
fn a_status_is_asked_again_only_where_that_is_configured() {
    let rows = |method: &'static str, upstream, says, calls, status| {
        move |input| {
            row(input).method(method).upstream(upstream).says(then_well(says)).calls(calls).status(status)
        }
    };
    run(&[
        rows("GET", TWICE, Says::status(503), 1, 503)("GET, not configured"),
        rows("GET", BY_STATUS, Says::status(503), 2, 200)("GET"),
        rows("PUT", BY_STATUS, Says::status(503), 2, 200)("PUT"),
        rows("POST", BY_STATUS, Says::status(503), 1, 503)("POST"),
        rows("GET", BY_STATUS, Says::status(502), 1, 502)("another status"),
        rows("GET", BY_STATUS, busy("0"), 2, 200)("Retry-After: 0"),
        rows("GET", BY_STATUS, busy("Sun, 06 Nov 1994 08:49:37 GMT"), 2, 200)("Retry-After in the past"),
        rows("GET", BY_STATUS, busy("60"), 1, 503)("Retry-After: 60"),
        rows("GET", BY_STATUS, busy("Fri, 31 Dec 2100 23:59:59 GMT"), 1, 503)(
            "Retry-After in the far future",
        ),
    ]);
}

#[test]
fn an_attempt_that_takes_too_long_is_made_again() {
    run(&[
        row("GET").says(then_well(Says::Silence)).upstream(BY_TIME).calls(2).status(200),
        row("PUT").method("PUT").says(then_well(Says::Silence)).upstream(BY_TIME).calls(2).status(200),
    ]);
}

#[test]
fn a_retry_that_the_budget_does_not_allow_is_counted_and_logged() {
    for form in [Form::Single, Form::Item, Form::Line, Form::Record] {
        let service = Service::start(Http::One);
        let gateway = start(&service, "retry: { attempts: 2, budget: 0% }, breaker: { max_ejected: 0% }");
        let path = Path { form, front: Http::One };
        service.says(&[Says::Nothing]);
        let ask = Ask { method: "GET", resource: "a".to_owned(), query: "", fields: Vec::new() };
        for _ in 0..12 {
            assert_eq!(path.ask(&gateway, &ask).result.status, 502, "{path}");
        }
        assert_eq!(service.calls().len(), 12 + 10, "{path}");
        gateway.wait_for_metric("batchgate_upstream_retry_budget_exhausted_total", &[], 2.0);
        gateway.log_line(&[("kind", "retry"), ("limit", "retry.budget")]);
    }
}
