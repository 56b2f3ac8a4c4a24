//! Reads a line as an item. A line that is not an item fails alone, with its place in the body.

use http::Method;

use super::lines::Line;
use crate::batch::{
    BatchItem, BatchLimits, BatchRefusal, ItemForm, ItemId, ItemIndex, ItemRejection, Place, Subject,
};
use crate::format::groups::NO_GROUPS_OF_LINES;
use crate::format::json::{LineError, read_item};

/// Reads a line. The id of an item without one is the number of its line.
#[must_use]
pub fn read_line(line: Line, limits: &BatchLimits) -> BatchItem {
    let index = ItemIndex(line.number - 1);
    let read = line.content.and_then(|content| {
        read_item(&content, index, limits).map_err(|LineError { at, reason }| ItemRejection::BadLine {
            reason,
            place: Place { offset: line.offset + at, line: line.number, column: at + 1, item: None },
        })
    });
    match read {
        // How large a group is can't be known before the last line.
        Ok(item) if item.subject.form.group.is_some() => {
            BatchItem { content: Err(NO_GROUPS_OF_LINES), ..item }
        }
        Ok(item) => item,
        Err(rejection) => BatchItem {
            subject: Subject {
                id: ItemId::from_position(index),
                method: Method::GET,
                href: Box::default(),
                form: ItemForm::default(),
            },
            content: Err(rejection),
        },
    }
}

/// Checks the first line of a body.
///
/// # Errors
/// Refuses a byte order mark, as in a JSON batch (RFC 8259 §8.1).
pub fn check_start(first: &Line) -> Result<(), BatchRefusal> {
    let marked =
        first.number == 1 && first.content.as_ref().is_ok_and(|line| line.starts_with(b"\xef\xbb\xbf"));
    if marked {
        let reason = "JSON must not start with a byte order mark".to_owned();
        return Err(BatchRefusal::Malformed { reason, place: Place::at(b"", 0) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(text: &str) -> BatchItem {
        let content = Ok(Bytes::copy_from_slice(text.as_bytes()));
        read_line(Line { number: 7, offset: 100, content }, &BatchLimits::default())
    }

    fn bad_line(text: &str) -> (String, Place) {
        match read(text).content {
            Err(ItemRejection::BadLine { reason, place }) => (reason, place),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_an_item() {
        let item = read(r#" {"id":"a","method":"PATCH","url":"/x","body":{"b":[1]}} "#);
        assert_eq!(item.subject.id.as_str(), "a");
        assert_eq!(item.content.unwrap().body.unwrap(), r#"{"b":[1]}"#);
        assert_eq!(read(r#"{"method":"GET","url":"/x"}"#).subject.id.as_str(), "7");
    }

    #[test]
    fn a_line_that_is_not_json_says_where() {
        let (_, place) = bad_line(r#"{"id":"a",}"#);
        assert_eq!(place, Place { offset: 110, line: 7, column: 11, item: None });
        assert_eq!(bad_line("{} {}").1.column, 4);
        assert_eq!(bad_line(r#"{"id":1,"id":2}"#).0, "duplicate member `id`");
        assert!(bad_line(&"[".repeat(100)).0.contains("max_depth"));
        assert_eq!(read("{").subject.id.as_str(), "7");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_reported_with_their_place() {
        let content = Ok(Bytes::from_static(b"{\"id\":\"\xff\"}"));
        let item = read_line(Line { number: 1, offset: 0, content }, &BatchLimits::default());
        assert!(matches!(item.content, Err(ItemRejection::BadLine { place: Place { column: 8, .. }, .. })));
    }

    #[test]
    fn json_that_is_not_an_item_is_rejected_as_in_a_json_batch() {
        for text in ["1", "[]", "null", "\"x\""] {
            assert!(matches!(read(text).content, Err(ItemRejection::WrongShape { .. })), "{text}");
        }
        assert!(matches!(read("{}").content, Err(ItemRejection::MissingMember { .. })));
    }

    #[test]
    fn groups_are_refused() {
        let item = read(r#"{"method":"PUT","url":"/x","atomicityGroup":"g"}"#);
        assert_eq!(item.content, Err(NO_GROUPS_OF_LINES));
        assert!(read(r#"{"method":"PUT","url":"/x","atomicityGroup":null}"#).content.is_ok());
    }
}
