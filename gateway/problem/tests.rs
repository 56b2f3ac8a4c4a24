//! Pins each row: variant → status, Proxy-Status error, outcome, retryable.

use std::time::Duration;

use http::Method;

use super::*;
use crate::batch::{
    AdmissionRefusal, BatchRefusal, Bounded, GroupProblem, IdClash, ItemIndex, ItemRejection, Place,
    ProxyError,
};
use crate::dialect::Decider;
use crate::dispatch::{CallFailure, Sent, SkipReason, WindowLimit};
use crate::header::field::FieldError;

fn of_skip(reason: SkipReason) -> ErrorReply {
    super::of_skip(reason, Decider::default())
}

fn line(error_reply: &ErrorReply) -> String {
    let is_limit =
        limit_reasons().any(|reason| reason == error_reply.reason) || error_reply.reason == "too_many_items";
    assert_eq!(error_reply.limit.is_some(), is_limit, "{}", error_reply.reason);
    let retryable = if error_reply.retryable { " retryable" } else { "" };
    let ProxyError(error) = error_reply.made.error;
    let (status, outcome) = (error_reply.problem.status.as_u16(), error_reply.made.outcome.as_str());
    assert_eq!(error_reply.problem.kind, format!("urn:batchgate:problem:{}", error_reply.reason));
    format!("{status} {} {error} {outcome}{retryable}", error_reply.reason)
}

#[test]
fn calls_that_were_not_sent_may_be_sent_again() {
    let table = [
        (CallFailure::NoTarget, "503 no_target destination_unavailable not_sent retryable"),
        (CallFailure::QueueFull, "503 queue_full connection_limit_reached not_sent retryable"),
        (CallFailure::ClientShareFull, "503 client_share_full connection_limit_reached not_sent retryable"),
        (
            CallFailure::ClientShareTimeout,
            "503 client_share_timeout connection_limit_reached not_sent retryable",
        ),
        (
            CallFailure::ClientShareDeadline,
            "504 client_share_deadline http_response_timeout not_sent retryable",
        ),
        (CallFailure::UpgradedFull, "503 upgraded_full connection_limit_reached not_sent retryable"),
        (
            CallFailure::ClientUpgradedFull,
            "503 client_upgraded_full connection_limit_reached not_sent retryable",
        ),
        (CallFailure::QueueTimeout, "503 queue_timeout connection_limit_reached not_sent retryable"),
        (
            CallFailure::CircuitOpen { seconds: 4 },
            "503 circuit_open destination_unavailable not_sent retryable",
        ),
        (CallFailure::ConnectionRefused, "502 connection_refused connection_refused not_sent retryable"),
        (CallFailure::ConnectionTimeout, "504 connection_timeout connection_timeout not_sent retryable"),
        (CallFailure::NotProcessed, "503 not_processed destination_unavailable not_sent retryable"),
        (CallFailure::ConnectionFailed, "502 connection_failed destination_ip_unroutable not_sent retryable"),
        (CallFailure::TlsHandshake, "502 tls_handshake tls_protocol_error not_sent retryable"),
        (
            CallFailure::DeadlineBeforeCall,
            "504 deadline_before_call http_response_timeout not_sent retryable",
        ),
        (
            CallFailure::TimeoutBeforeSending,
            "504 timeout_before_sending connection_timeout not_sent retryable",
        ),
    ];
    for (failure, expected) in table {
        assert_eq!(line(&of_failure(failure, Sent::No, &Method::POST)), expected);
    }
}

#[test]
fn calls_whose_answer_was_lost_may_be_sent_again_only_if_idempotent() {
    let table = [
        (CallFailure::ConnectionLost, "502 connection_lost connection_terminated unknown"),
        (CallFailure::ReplyTimeout, "504 reply_timeout connection_read_timeout unknown"),
        (CallFailure::RequestTimeout, "504 request_timeout http_response_timeout unknown"),
        (CallFailure::DeadlineDuringCall, "504 deadline_during_call http_response_timeout unknown"),
        (CallFailure::ReplyMalformed, "502 reply_malformed http_protocol_error unknown"),
        (CallFailure::IdleTimeout, "504 idle_timeout http_response_timeout unknown"),
        (CallFailure::MappedBodyTooLarge, "502 reply_too_large http_response_body_size unknown"),
        (CallFailure::ReplyTooLarge { limit: 1 }, "502 reply_too_large http_response_body_size unknown"),
        (CallFailure::RepliesTooLarge { limit: 1 }, "502 replies_too_large http_response_body_size unknown"),
        (CallFailure::ReplyCoding, "502 reply_coding http_response_content_coding unknown"),
        (CallFailure::ClientGone, "502 client_gone connection_terminated unknown"),
        (CallFailure::Internal, "502 internal proxy_internal_error unknown"),
    ];
    for (failure, expected) in table {
        assert_eq!(line(&of_failure(failure, Sent::Maybe, &Method::POST)), expected);
        assert_eq!(line(&of_failure(failure, Sent::Maybe, &Method::PUT)), format!("{expected} retryable"));
    }
}

#[test]
fn refused_batches_have_their_status_and_place() {
    let place = Place { offset: 3, line: 1, column: 4, item: None };
    let refuse = |refusal| {
        let error_reply = of_refusal(&refusal);
        (line(&error_reply), error_reply.problem.place)
    };
    let malformed = BatchRefusal::Malformed { reason: "x".into(), place };
    assert_eq!(refuse(malformed), ("400 malformed http_request_error rejected".into(), Some(place)));
    let items = BatchRefusal::TooManyItems { limit: 1 };
    assert_eq!(refuse(items), ("413 too_many_items http_request_error rejected".into(), None));
    let duplicate = BatchRefusal::DuplicateId {
        item: ItemIndex(4),
        id: "a".into(),
        first: ItemIndex(2),
        clash: IdClash::Same,
    };
    assert_eq!(refuse(duplicate).1.and_then(|place| place.item), Some(ItemIndex(4)));
    let forward = BatchRefusal::ForwardDependency { item: ItemIndex(1), on: ItemIndex(2), name: "c".into() };
    assert_eq!(refuse(forward.clone()).0, "400 forward_dependency http_request_error rejected");
    assert_eq!(refuse(forward).1.and_then(|place| place.item), Some(ItemIndex(1)));
    let full = BatchRefusal::MemoryFull;
    assert_eq!(refuse(full.clone()).0, "503 memory_budget proxy_internal_error rejected");
    assert_eq!(of_refusal(&full).retry_after, Some(Duration::from_secs(1)));
    assert_eq!(of_refusal(&BatchRefusal::MethodNotAllowed).allow.as_deref(), Some("GET, HEAD, POST"));
}

#[test]
fn every_refusal_has_a_reason_that_starts_at_zero() {
    let place = Place::default();
    let member = String::new();
    let refusals = [
        BatchRefusal::Malformed { reason: String::new(), place },
        BatchRefusal::NotABatch { reason: String::new(), place },
        BatchRefusal::DuplicateMember { member, place },
        BatchRefusal::ForbiddenXml { what: "", place },
        BatchRefusal::DuplicateId {
            item: ItemIndex(1),
            id: String::new(),
            first: ItemIndex(0),
            clash: IdClash::Same,
        },
        BatchRefusal::BadGroup {
            item: ItemIndex(0),
            name: String::new(),
            problem: GroupProblem::TooManyDependents,
        },
        BatchRefusal::UnknownDependency { item: ItemIndex(0), name: String::new() },
        BatchRefusal::ForwardDependency { item: ItemIndex(0), on: ItemIndex(1), name: String::new() },
        BatchRefusal::SelfDependency { item: ItemIndex(0), name: String::new() },
        BatchRefusal::TooDeep { limit: 1, place },
        BatchRefusal::TooManyItems { limit: 1 },
        BatchRefusal::StreamTooLong { limit: 1 },
        BatchRefusal::BodyTooLarge { limit: 1 },
        BatchRefusal::BadContentEncoding { coding: "gzip" },
        BatchRefusal::UnsupportedContentEncoding,
        BatchRefusal::UnsupportedMediaType(String::new()),
        BatchRefusal::NoRecords,
        BatchRefusal::NotAcceptable(String::new()),
        BatchRefusal::OdataVersion,
        BatchRefusal::NoIsolation,
        BatchRefusal::CrossSite,
        BatchRefusal::NotAdmitted(rate_limited()),
        BatchRefusal::NotAdmitted(unauthenticated()),
        BatchRefusal::NotAdmitted(AdmissionRefusal::Forbidden),
        BatchRefusal::NotAdmitted(AdmissionRefusal::Loop { passed: 5 }),
        BatchRefusal::NotAdmitted(AdmissionRefusal::AuthenticationUnavailable { problem: "no answer" }),
        BatchRefusal::NotAdmitted(AdmissionRefusal::WrongPasswords { retry_after: Duration::ZERO }),
        BatchRefusal::MethodNotAllowed,
        BatchRefusal::BodyTimeout { seconds: 1 },
        BatchRefusal::BodyUnreadable,
        BatchRefusal::MemoryFull,
        BatchRefusal::Internal,
    ];
    let reasons: std::collections::BTreeSet<_> =
        refusals.iter().map(|refusal| of_refusal(refusal).reason).collect();
    assert_eq!(reasons, refusal_reasons().collect());
}

#[test]
fn a_character_of_a_url_is_named_with_its_place() {
    let rejection = ItemRejection::UrlCharacter { text: "#".to_owned(), position: 7, problem: "is not sent" };
    let reply = of_rejection(&rejection);
    assert_eq!((reply.problem.status.as_u16(), reply.reason), (400, "forbidden_url"));
    assert_eq!(reply.problem.detail, "the item's url has `#` at character 7: is not sent");
}

#[test]
fn items_with_bad_urls_have_their_status() {
    let table = [
        (ItemRejection::ForbiddenUrl { problem: "" }, "400 forbidden_url http_request_error rejected"),
        (
            ItemRejection::ForbiddenReference { field: "If", problem: "" },
            "403 forbidden_reference http_request_denied rejected",
        ),
        (
            ItemRejection::MalformedReference { field: "If", problem: "x".to_owned() },
            "400 bad_header http_request_error rejected",
        ),
    ];
    for (rejection, expected) in table {
        assert_eq!(line(&of_rejection(&rejection)), expected);
    }
}

#[test]
fn rejected_items_have_their_status() {
    let name = || "x".to_owned();
    let table = [
        (
            ItemRejection::BadLine { reason: String::new(), place: Place::default() },
            "400 bad_line http_request_error rejected",
        ),
        (ItemRejection::WrongShape { expected: "" }, "400 bad_item http_request_error rejected"),
        (
            ItemRejection::BadHeader { name: name(), error: FieldError::Name },
            "400 bad_header http_request_error rejected",
        ),
        (ItemRejection::EmptyPart { item: ItemIndex(1) }, "400 bad_item http_request_error rejected"),
        (ItemRejection::BadBody { problem: "" }, "400 bad_body http_request_error rejected"),
        (
            ItemRejection::OverLimit { what: Bounded::Id, limit: 1 },
            "413 item_over_limit http_request_error rejected",
        ),
        (
            ItemRejection::BadVariable { variable: name(), problem: "" },
            "400 bad_item http_request_error rejected",
        ),
        (
            ItemRejection::BadRecordLine { line: 1, problem: name() },
            "400 bad_item http_request_error rejected",
        ),
        (ItemRejection::OtherRoute, "403 other_route http_request_denied rejected"),
        (
            ItemRejection::BadReference { reference: name(), problem: "" },
            "400 bad_reference http_request_error rejected",
        ),
        (
            ItemRejection::BadCondition { column: 1, problem: "" },
            "400 bad_condition http_request_error rejected",
        ),
        (
            ItemRejection::UnsupportedCondition { what: name() },
            "424 condition_not_supported http_request_error rejected",
        ),
        (ItemRejection::NotBatchable, "403 not_batchable http_request_denied rejected"),
        (ItemRejection::CodedBody, "415 unsupported_content_encoding http_request_error rejected"),
        (
            ItemRejection::NotAdmitted(rate_limited()),
            "429 rate_limited http_request_denied not_sent retryable",
        ),
        (ItemRejection::NestedBatch, "403 nested_batch http_request_denied rejected"),
        (ItemRejection::NoRoute, "404 no_route destination_not_found rejected"),
        (ItemRejection::NoRouteForRelative { path: name() }, "404 no_route destination_not_found rejected"),
        (
            ItemRejection::MethodNotAllowed { allowed: "GET".into() },
            "405 method_not_allowed http_request_denied rejected",
        ),
        (ItemRejection::NotImplemented { what: "" }, "501 not_implemented http_request_error rejected"),
    ];
    for (rejection, expected) in table {
        assert_eq!(line(&of_rejection(&rejection)), expected);
    }
}

fn rate_limited() -> AdmissionRefusal {
    AdmissionRefusal::RateLimited { limit: "all".into(), retry_after: Duration::from_secs(3) }
}

fn unauthenticated() -> AdmissionRefusal {
    AdmissionRefusal::Unauthenticated { problem: "the key is not known", challenge: "Bearer".to_owned() }
}

#[test]
fn who_is_not_let_in_learns_how_to_come_in() {
    let error_reply = of_admission(&unauthenticated());
    assert_eq!(line(&error_reply), "401 unauthenticated http_request_denied rejected");
    assert_eq!(error_reply.challenge.as_deref(), Some("Bearer"));
    for refusal in [AdmissionRefusal::Forbidden, AdmissionRefusal::NoWay, AdmissionRefusal::OtherCredential] {
        let forbidden = of_admission(&refusal);
        assert_eq!(line(&forbidden), "403 client_forbidden http_request_denied rejected", "{refusal}");
    }
    let circling = of_admission(&AdmissionRefusal::Loop { passed: 5 });
    assert_eq!(line(&circling), "508 loop_detected proxy_loop_detected rejected");
    let unavailable = of_admission(&AdmissionRefusal::AuthenticationUnavailable { problem: "no answer" });
    let expected = "503 authentication_unavailable destination_unavailable not_sent retryable";
    assert_eq!(line(&unavailable), expected);
}

#[test]
fn what_a_rate_limit_holds_back_may_come_again_later() {
    let error_reply = of_admission(&rate_limited());
    assert_eq!(error_reply.retry_after, Some(Duration::from_secs(3)));
    assert_eq!(error_reply, of_refusal(&BatchRefusal::NotAdmitted(rate_limited())));
    let never = of_admission(&AdmissionRefusal::OverBurst { limit: "all".into(), burst: 5 });
    assert_eq!(line(&never), "413 too_many_items http_request_denied rejected");
}

#[test]
fn what_a_line_may_not_name_is_told_apart_from_what_is_forgotten() {
    let itself = of_rejection(&ItemRejection::SelfDependency { name: "a".to_owned() });
    assert_eq!(line(&itself), "400 self_dependency http_request_error rejected");
    let forgotten = of_rejection(&ItemRejection::NotInWindow { name: "a".to_owned(), lines: 9 });
    assert_eq!(line(&forgotten), "424 out_of_window http_request_denied skipped");
    assert_eq!(forgotten.limit, Some(Limit::Key("stream_window.items")));
    for (limit, name) in [(WindowLimit::Bytes, "stream_window.bytes"), (WindowLimit::Memory, "limits.memory")]
    {
        let lost = of_skip(SkipReason::ResultNotKept { on: "a".into(), limit });
        assert_eq!(line(&lost), "424 out_of_window http_request_denied skipped");
        assert!(lost.problem.detail.contains("`a`") && lost.problem.detail.contains(name));
        assert_eq!(lost.limit, Some(Limit::Key(name)));
    }
}

#[test]
fn skipped_items_say_so() {
    for (decider, said) in [
        (Decider::Client, "the request asked"),
        (Decider::Endpoint, "(on_error: stop); a request with Prefer: continue-on-error"),
        (Decider::Dialect, "batches in this format"),
    ] {
        let stopped = super::of_skip(SkipReason::BatchStopped, decider);
        assert_eq!(line(&stopped), "424 batch_stopped http_request_denied skipped");
        assert_eq!(stopped.reason, BATCH_STOPPED);
        assert!(stopped.problem.detail.contains(said), "{}", stopped.problem.detail);
    }
    let in_group = of_skip(SkipReason::DependencyFailed { on: "a".into(), group: Some("g".into()) });
    assert_eq!(in_group.problem.detail, "this item depends on `a` of the group `g`, which failed");
    let failed = of_skip(SkipReason::DependencyFailed { on: "a".into(), group: None });
    assert_eq!(line(&failed), "424 dependency_failed http_request_denied skipped");
    assert!(failed.problem.detail.contains("`a`"), "{}", failed.problem.detail);
    let unmet = of_skip(SkipReason::ConditionNotMet { condition: "$a/x eq 1".to_owned() });
    assert_eq!(line(&unmet), "424 condition_not_met http_request_denied skipped");
    assert!(unmet.problem.detail.contains("$a/x eq 1"), "{}", unmet.problem.detail);
    let reference = "{$responses.a.status}".to_owned();
    let unresolved = of_skip(SkipReason::ReferenceUnresolved { reference, problem: "there is none" });
    assert_eq!(line(&unresolved), "424 reference_unresolved http_request_denied skipped");
    assert!(unresolved.problem.detail.contains("{$responses.a.status}"), "{}", unresolved.problem.detail);
}
