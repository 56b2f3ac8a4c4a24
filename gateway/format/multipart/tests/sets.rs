//! How change sets and ids are answered.

use super::*;
use crate::batch::{Changesets, SetAnswer};

/// The parts of a reply to five items, two of which are in a set: their ids and statuses, and where a set begins and ends.
/// `failed`: which of the two answers for their set, if the set failed.
fn outline(failed: Option<usize>, changesets: Changesets, sets: Sets) -> String {
    let in_set = |id: &str, status, set| {
        let mut result = result(status, &[], ResultBody::Absent);
        result.subject.id = id.into();
        result.subject.form = ItemForm { id: IdForm::Plain, set, ..ItemForm::default() };
        result
    };
    let member = |number| {
        let answer = match failed {
            None => SetAnswer::Each,
            Some(cause) if cause == number => SetAnswer::ByThis,
            Some(_) => SetAnswer::ByOther,
        };
        ChangeSet { answer, ..set_of(1, 2) }
    };
    let results = vec![
        in_set("a", 200, None),
        in_set("b", 501, Some(member(0))),
        in_set("c", 201, Some(member(1))),
        in_set("d", 202, Some(set_of(3, 1))),
        in_set("e", 404, Some(set_of(4, 1))),
    ];
    let conventions = MultipartOutput { sets, ..MultipartOutput::new(ErrorForm::PROBLEM) };
    let written = write_with(conventions, SetReply { changesets, ..SetReply::default() }, results);
    let text = String::from_utf8(written.chunks.concat()).unwrap();
    let line = |line: &str| match line {
        _ if line.starts_with("--changesetresponse_") && line.ends_with("--") => Some(")".to_owned()),
        _ if line.starts_with("Content-Type: multipart/mixed") => Some("(".to_owned()),
        _ => {
            let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
            line.strip_prefix("Content-ID: ").or(status).map(str::to_owned)
        }
    };
    text.lines().filter_map(line).collect::<Vec<_>>().join(" ")
}

#[test]
fn sets_are_answered_as_sets_as_one_or_flat() {
    let (nested, flat) = (Changesets::Nested, Changesets::Flat);
    let all_flat = "a 200 b 501 c 201 d 202 e 404";
    for (failed, changesets, sets, expected) in [
        (Some(0), nested, Sets::All, "a 200 501 ( d 202 ) ( e 404 )"),
        (Some(0), nested, Sets::Succeeded, "a 200 501 ( d 202 ) e 404"),
        (Some(1), nested, Sets::All, "a 200 201 ( d 202 ) ( e 404 )"),
        (None, nested, Sets::All, "a 200 ( b 501 c 201 ) ( d 202 ) ( e 404 )"),
        (None, nested, Sets::Succeeded, "a 200 ( b 501 c 201 ) ( d 202 ) e 404"),
        (Some(0), flat, Sets::Succeeded, all_flat),
        (None, flat, Sets::All, all_flat),
    ] {
        assert_eq!(outline(failed, changesets, sets), expected, "{failed:?} {changesets:?} {sets:?}");
    }
}

#[test]
fn ids_come_back_as_the_dialect_has_them() {
    for (ids, form, expected) in [
        (ContentIds::Repeated, IdForm::Plain, "Content-ID: x\r\n"),
        (ContentIds::Repeated, IdForm::Bracketed, "Content-ID: <response-x>\r\n"),
        (ContentIds::Prefixed, IdForm::Plain, "Content-ID: response-x\r\n"),
        (ContentIds::Prefixed, IdForm::Bracketed, "Content-ID: <response-x>\r\n"),
    ] {
        let mut result = result(200, &[], ResultBody::Absent);
        result.subject.form.id = form;
        let conventions = MultipartOutput { ids, ..MultipartOutput::new(ErrorForm::PROBLEM) };
        let written = write_with(conventions, SetReply::default(), vec![result]);
        let text = String::from_utf8(written.chunks.concat()).unwrap();
        assert!(text.contains(expected), "{ids:?} {form:?}: {text}");
    }
}
