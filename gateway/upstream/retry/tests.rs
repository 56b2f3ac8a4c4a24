//! The retry policy, decision by decision.

use std::num::NonZeroUsize;

use super::*;
use crate::config::FailureKinds;

const FIRST: SoFar =
    SoFar { is_idempotent: true, is_body_held: true, made: 1, is_replacement: false, asides: 0 };
const POST: SoFar = SoFar { is_idempotent: false, ..FIRST };
const LEFT: Duration = Duration::from_secs(5);

fn rules() -> config::Retry {
    config::Retry {
        attempts: NonZeroUsize::new(3).unwrap(),
        budget: 20,
        on: FailureKinds { connect: true, lost: true, timeout: false },
        status: vec![StatusCode::SERVICE_UNAVAILABLE],
        timeout: None,
    }
}

fn sent(failure: CallFailure) -> Ended {
    Ended::Lost(Lost { failure, is_sent: true, is_stale: false })
}

fn not_sent(failure: CallFailure) -> Ended {
    Ended::Lost(Lost::not_sent(failure))
}

const STALE: Ended =
    Ended::Lost(Lost { failure: CallFailure::ConnectionLost, is_sent: true, is_stale: true });

fn replied(status: u16, retry_after: Option<u64>) -> Ended {
    let status = StatusCode::from_u16(status).unwrap();
    Ended::Replied { status, retry_after: retry_after.map(Duration::from_secs) }
}

/// What follows, in words.
fn words(next: Next) -> String {
    match next {
        Next::Retry(Retry { kind, reason, .. }) => format!("{kind:?} {reason}"),
        Next::GiveUp(why) => why.as_str().to_owned(),
    }
}

#[test]
fn every_end_of_an_attempt_has_its_answer() {
    use CallFailure::{
        CircuitOpen, ConnectionLost, ConnectionRefused, MemoryFull, NoTarget, NotProcessed, ReplyMalformed,
        ReplyTimeout, TlsHandshake,
    };
    let third = SoFar { made: 3, ..FIRST };
    let gone = SoFar { is_body_held: false, ..FIRST };
    let replaced = SoFar { is_replacement: true, ..FIRST };
    let often = SoFar { asides: 8, ..FIRST };
    let cases = [
        (FIRST, replied(200, None), "settled"),
        (FIRST, replied(502, None), "settled"),
        (FIRST, replied(503, None), "Attempt status"),
        (FIRST, replied(503, Some(4)), "Attempt status"),
        (FIRST, replied(503, Some(5)), "no_time"),
        (third, replied(503, None), "attempts_used"),
        (POST, replied(503, None), "may_have_acted"),
        (gone, replied(503, None), "body_gone"),
        (FIRST, sent(ConnectionLost), "Attempt lost"),
        (third, sent(ConnectionLost), "attempts_used"),
        (POST, sent(ConnectionLost), "may_have_acted"),
        (gone, sent(ConnectionLost), "body_gone"),
        (FIRST, sent(ReplyTimeout), "not_wanted"),
        (FIRST, sent(ReplyMalformed), "not_wanted"),
        (FIRST, sent(MemoryFull), "not_wanted"),
        (FIRST, not_sent(ConnectionRefused), "Attempt connect"),
        (POST, not_sent(ConnectionRefused), "Attempt connect"),
        (gone, not_sent(ConnectionRefused), "body_gone"),
        (FIRST, not_sent(TlsHandshake), "hopeless"),
        (FIRST, not_sent(NoTarget), "not_wanted"),
        (FIRST, not_sent(CircuitOpen { seconds: 1 }), "not_wanted"),
        (FIRST, STALE, "Replacement stale"),
        (replaced, STALE, "Attempt lost"),
        (POST, STALE, "may_have_acted"),
        (gone, STALE, "body_gone"),
        (third, STALE, "Replacement stale"),
        (FIRST, not_sent(NotProcessed), "Aside refused"),
        (POST, not_sent(NotProcessed), "Aside refused"),
        (third, not_sent(NotProcessed), "Aside refused"),
        (often, not_sent(NotProcessed), "attempts_used"),
        (gone, not_sent(NotProcessed), "body_gone"),
        (FIRST, Ended::TooSlow, "Attempt timeout"),
        (POST, Ended::TooSlow, "may_have_acted"),
        (third, Ended::TooSlow, "attempts_used"),
    ];
    for (so_far, ended, expected) in cases {
        assert_eq!(words(decide(&rules(), so_far, ended, LEFT)), expected, "{so_far:?} {ended:?}");
    }
}

#[test]
fn only_the_failures_that_the_settings_list_bring_a_retry() {
    let only =
        |connect, lost, timeout| config::Retry { on: FailureKinds { connect, lost, timeout }, ..rules() };
    for (rules, [connect, lost, timeout]) in [
        (only(true, false, false), ["Attempt connect", "not_wanted", "not_wanted"]),
        (only(false, true, false), ["not_wanted", "Attempt lost", "not_wanted"]),
        (only(false, false, true), ["not_wanted", "not_wanted", "Attempt timeout"]),
    ] {
        let after = |ended| words(decide(&rules, FIRST, ended, LEFT));
        assert_eq!(after(not_sent(CallFailure::ConnectionTimeout)), connect);
        assert_eq!(after(sent(CallFailure::ConnectionLost)), lost);
        assert_eq!(after(sent(CallFailure::ReplyTimeout)), timeout);
    }
}

#[test]
fn pauses_grow_and_must_fit_into_the_time_left() {
    let pause = |so_far, ended, left| match decide(&rules(), so_far, ended, left) {
        Next::Retry(Retry { after, .. }) => Some(after),
        Next::GiveUp(_) => None,
    };
    for (made, longest) in [(1, 50), (2, 100), (5, 800), (6, 1000), (100, 1000)] {
        let after = pause_after(made);
        let longest = Duration::from_millis(longest);
        assert!((longest / 2..=longest).contains(&after), "{made}: {after:?}");
    }
    let lost = sent(CallFailure::ConnectionLost);
    assert!(pause(FIRST, lost, LEFT).is_some());
    assert_eq!(pause(FIRST, lost, Duration::from_millis(25)), None);
    assert_eq!(pause(FIRST, replied(503, Some(2)), LEFT), Some(Duration::from_secs(2)));
    assert_eq!(pause(FIRST, STALE, LEFT), Some(Duration::ZERO));
    let refused = not_sent(CallFailure::NotProcessed);
    assert_eq!(pause(FIRST, refused, LEFT), Some(Duration::ZERO));
    assert_eq!(pause(FIRST, refused, Duration::ZERO), None);
    assert!(pause(SoFar { asides: 1, ..FIRST }, refused, LEFT) > Some(Duration::ZERO));
}
