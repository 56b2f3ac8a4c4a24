//! The rules of RFC 9113 and RFC 7541 for servers, frame by frame: what h2spec checks, which no registry
//! has. Each case is what a client sends after the preface; what the server does is read frame by frame.

mod cases;
mod frames;

use cases::{Case, Expected};
use frames::{Frame, GET, HEADERS, PING, RST_STREAM, exchange, frame};

use crate::harness::{Gateway, Request, Upstream};

const GOAWAY: u8 = 7;

/// Whether a gateway did what a rule demands. Whoever may reset a stream may end the connection too
/// (RFC 9113 §5.4.2), and may say 400 to a malformed request (§8.1.1).
fn holds(expected: &Expected, frames: &[Frame], is_closed: bool) -> bool {
    let code = |frame: &Frame| frame.payload.last().copied();
    let goaway =
        frames.iter().find(|frame| frame.kind == GOAWAY).and_then(|frame| frame.payload.get(7).copied());
    let reset = frames.iter().find(|frame| frame.kind == RST_STREAM).and_then(code);
    let status_400 = frames.iter().any(|frame| frame.kind == HEADERS && frame.payload.first() == Some(&0x8c));
    let ended = |codes: &[u8]| goaway.map_or(is_closed, |code| codes.contains(&code));
    match expected {
        Expected::ConnectionError(codes) => ended(codes),
        Expected::StreamError(codes) => reset.is_some_and(|code| codes.contains(&code)) || ended(codes),
        Expected::Malformed => reset == Some(1) || status_400 || ended(&[1]),
        Expected::Served => {
            let is_served =
                frames.iter().any(|frame| frame.kind == HEADERS && frame.payload.first() == Some(&0x88));
            is_served && goaway.is_none() && reset.is_none()
        }
        Expected::Unharmed => goaway.is_none() && reset.is_none() && !is_closed,
    }
}

fn failures(cases: Vec<Case>) -> Vec<String> {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut failures = Vec::new();
    for Case { rule, sent, expected } in cases {
        let (frames, is_closed) = exchange(gateway.address(), &sent);
        let came = upstream.take_requests().len();
        let wanted = usize::from(matches!(expected, Expected::Served));
        // A request that was whole before the rule was broken may have been sent on.
        let is_sent_on = !matches!(expected, Expected::Served | Expected::Malformed) || came == wanted;
        if !holds(&expected, &frames, is_closed) || !is_sent_on {
            failures.push(format!(
                "{rule}: wanted {expected:?}, got {frames:?}, closed: {is_closed}, sent on: {came}"
            ));
        }
        assert_eq!(gateway.send(&Request::get("/other")).status, 200, "after: {rule}");
        upstream.take_requests();
    }
    failures
}

fn assert_hold(cases: Vec<Case>) {
    assert!(cases.len() > 5);
    let failures = failures(cases);
    assert!(failures.is_empty(), "{} rules are broken:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn frames_that_are_not_allowed_where_they_come_end_their_connection() {
    assert_hold(cases::states());
}

#[test]
fn frames_of_a_wrong_size_or_on_a_wrong_stream_end_their_connection() {
    assert_hold(cases::sizes());
}

#[test]
fn settings_and_windows_keep_to_their_bounds() {
    assert_hold(cases::settings_and_windows());
}

#[test]
fn malformed_requests_are_refused_and_not_sent_on() {
    assert_hold(cases::malformed_requests());
}

#[test]
fn headers_that_do_not_unpack_end_their_connection() {
    assert_hold(cases::compression());
}

#[test]
fn what_is_unknown_is_ignored() {
    assert_hold(cases::ignored());
}

#[test]
fn a_ping_comes_back_with_its_eight_bytes() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let (frames, _) = exchange(gateway.address(), &frame(PING, 0, 0, b"backwits"));
    let back = frames.iter().find(|frame| frame.kind == PING && frame.payload == b"backwits");
    assert_eq!(back.map(|frame| frame.flags), Some(1), "{frames:?}");
}

#[test]
fn a_preface_that_is_none_closes_the_connection() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.write(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    client.write(&frame(HEADERS, 5, 1, GET));
    client.finish_writing();
    client.rest();
    assert!(upstream.requests().is_empty());
}
