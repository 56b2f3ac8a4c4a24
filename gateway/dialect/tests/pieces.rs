//! A reply that is written in pieces is the one that is written at once, in every dialect and format.

use proptest::prelude::*;

use super::*;
use crate::batch::{ChangeSet, ItemId, SetAnswer};
use crate::format::ReplyWriter;

/// A result of one of a few kinds, in a change set or not.
fn any_result(number: usize, kind: usize, set: Option<ChangeSet>) -> ItemResult {
    let body = match kind {
        0 => ResultBody::Absent,
        1 => ResultBody::Bytes(Bytes::from_static(b"{\"a\":1}")),
        2 => ResultBody::Bytes(Bytes::from(vec![b'1'; 20_000])),
        _ => ResultBody::Problem(Box::new(Problem {
            kind: "urn:x",
            title: "Too slow",
            status: StatusCode::GATEWAY_TIMEOUT,
            detail: "late".into(),
            place: None,
        })),
    };
    let mut result = result("a", &[("content-type", "application/json")], body);
    result.subject.id = ItemId::from(number.to_string());
    result.subject.href = format!("/{}", number % 4).into();
    result.subject.form.set = set;
    if kind > 2 {
        result.status = StatusCode::GATEWAY_TIMEOUT;
        result.retryable = true;
        result.retry_after = Some(std::time::Duration::from_secs(number as u64));
    }
    result
}

/// Whether a piece ends after this result.
type Cut = bool;

fn written(writer: Box<dyn crate::format::ResultWriter>, results: &[(ItemResult, Cut)]) -> String {
    let mut writer = ReplyWriter::new(writer);
    let content_type = writer.content_type();
    let mut chunks = Vec::new();
    for piece in results.split_inclusive(|(_, cut)| *cut) {
        let results = piece.iter().map(|(result, _)| result.clone()).collect();
        writer.add(MultiStatus { results });
        if !writer.can_leave_early() {
            continue;
        }
        chunks.extend(writer.take());
    }
    if results.is_empty() {
        writer.add(MultiStatus { results: Vec::new() });
    }
    writer.end();
    chunks.extend(writer.take());
    assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
    let text = String::from_utf8(chunks.concat()).unwrap();
    // The random part of the boundaries.
    content_type.split_once("batchresponse_").map_or(text.clone(), |(_, random)| text.replace(random, ""))
}

proptest! {
    #[test]
    fn pieces_are_the_reply(
        kinds in proptest::collection::vec((0usize..4, any::<bool>()), 0..12),
        set in proptest::option::of((0u32..10, 1u32..4, 0usize..3)),
    ) {
        let set_of = |number: usize| {
            let (first, members, answer) = set?;
            let last = first + members;
            let is_member = (first..last).contains(&u32::try_from(number).ok()?);
            let answer = [SetAnswer::Each, SetAnswer::ByThis, SetAnswer::ByOther][answer];
            is_member.then_some(ChangeSet { first, members, answer })
        };
        let results: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(number, (kind, cut))| (any_result(number, *kind, set_of(number)), *cut))
            .collect();
        let whole: Vec<_> = results.iter().map(|(result, _)| (result.clone(), false)).collect();
        for dialect in Dialect::all() {
            for format in dialect.formats() {
                let writer = || dialect.result_writer(*format, SetReply::default());
                prop_assert_eq!(written(writer(), &results), written(writer(), &whole), "{:?}", dialect);
            }
        }
    }
}
