//! Reads a JSON batch (protocol §2.1; OData JSON Format 4.01 §19): one pass over the text, no
//! tree, bodies as slices of the text.
//!
//! An error in the document refuses the batch and says where; an error in one item
//! rejects that item. Members that the protocol does not know are ignored, because clients send more
//! than it asks for; but one like a known one (`Requests`, `depends_on`) is refused with the right name.

use bytes::Bytes;

use super::conventions::JsonInput;
use super::error::{JsonError, JsonErrorKind, check_unknown};
use super::item::ItemReader;
use super::lexer::Lexer;
use super::members::read_members;
use super::text::text_of;
use crate::batch::{Batch, BatchItem, BatchLimits, BatchRefusal, ItemIndex};
use crate::format::groups::check_groups;
use crate::format::shown::shown;
use crate::format::unique_ids::check_ids;

/// Reads a batch.
pub(crate) fn read(
    body: &Bytes,
    limits: &BatchLimits,
    conventions: JsonInput<'_>,
) -> Result<Batch, BatchRefusal> {
    let text = text_of(body)?;
    let mut reader =
        Reader { body, limits, conventions, items: Vec::new(), ignored: Vec::new(), in_item: false };
    match reader.read(Lexer::new(text, limits.max_depth)) {
        Ok(()) => reader.finish(),
        Err(fault) => {
            let item = reader.in_item.then_some(ItemIndex(reader.items.len()));
            Err(fault.into_refusal(body, item, limits))
        }
    }
}

/// The member that holds the items.
const REQUESTS: &str = "requests";

struct Reader<'a> {
    body: &'a Bytes,
    limits: &'a BatchLimits,
    conventions: JsonInput<'a>,
    items: Vec<BatchItem>,
    ignored: Vec<Box<str>>,
    /// True while an item is being read, so that an error can name it.
    in_item: bool,
}

impl<'a> Reader<'a> {
    fn read(&mut self, mut lexer: Lexer<'a>) -> Result<(), JsonError> {
        if lexer.peek() != Some(b'{') {
            // If this is not JSON at all, that is the better error.
            lexer.value()?;
            return Err(not_a_batch(0, "expected an object with the member `requests`"));
        }
        let mut found = false;
        read_members(&mut lexer, |lexer, name, at| {
            if name == REQUESTS {
                found = true;
                return self.read_requests(lexer);
            }
            lexer.value()?;
            self.ignored.push(shown(name).into());
            check_unknown(name, at, &[REQUESTS])
        })?;
        lexer.end()?;
        if found { Ok(()) } else { Err(not_a_batch(0, "the member `requests` is missing")) }
    }

    fn read_requests(&mut self, lexer: &mut Lexer<'a>) -> Result<(), JsonError> {
        if lexer.peek() != Some(b'[') {
            let at = lexer.position();
            lexer.value()?;
            return Err(not_a_batch(at, "the member `requests` is not an array"));
        }
        lexer.elements(|lexer| {
            let index = ItemIndex(self.items.len());
            if index.0 == self.limits.max_items {
                return Err(JsonError { at: lexer.position(), kind: JsonErrorKind::TooManyItems });
            }
            self.in_item = true;
            let item = ItemReader::new(self.body, self.limits, self.conventions).read(lexer, index)?;
            self.in_item = false;
            self.items.push(item);
            Ok(())
        })
    }

    /// Checks what needs all items: unique ids, and the names of groups.
    fn finish(mut self) -> Result<Batch, BatchRefusal> {
        let id_case = self.conventions.id_case;
        check_ids(&mut self.items, id_case)?;
        if self.conventions.strict_groups {
            check_groups(&self.items, id_case)?;
        }
        Ok(Batch { items: self.items, sequential: false, id_case, ignored: self.ignored })
    }
}

fn not_a_batch(at: usize, reason: &'static str) -> JsonError {
    JsonError { at, kind: JsonErrorKind::NotABatch(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{ItemId, Place};

    fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
        super::read(body, limits, JsonInput::default())
    }

    fn read_batch(body: &str) -> Result<Batch, BatchRefusal> {
        read(&Bytes::copy_from_slice(body.as_bytes()), &BatchLimits::default())
    }

    fn place(body: &str) -> Place {
        let refused = read_batch(body);
        let Err(BatchRefusal::Malformed { place, .. }) = refused else { panic!("{refused:?}") };
        place
    }

    const GOOD: &str = r#"{"id":"a","method":"GET","url":"/a"}"#;

    #[test]
    fn items_keep_their_order() {
        let batch = read_batch(
            r#"{"more":{"x":[1]},"requests":[{"method":"get","url":"/b"},{"id":"x","method":"PATCH","url":"/a"}]}"#,
        );
        let items = batch.unwrap().items;
        assert_eq!(items.len(), 2);
        assert_eq!((items[0].subject.id.as_str(), items[0].subject.method.as_str()), ("1", "GET"));
        assert_eq!((items[1].subject.id.as_str(), &*items[1].subject.href), ("x", "/a"));
        assert!(items.iter().all(|item| item.content.is_ok()));
    }

    #[test]
    fn an_empty_batch_is_a_batch() {
        assert_eq!(read_batch(r#"{"requests":[]}"#), Ok(Batch::default()));
    }

    #[test]
    fn invalid_json_is_malformed_at_its_place() {
        let place_of = |offset, line, column, item: Option<usize>| Place {
            offset,
            line,
            column,
            item: item.map(ItemIndex),
        };
        assert_eq!(place(""), place_of(0, 1, 1, None));
        assert_eq!(place("\u{feff}{}"), place_of(0, 1, 1, None));
        assert_eq!(place(&format!("{{\n\"requests\":[{GOOD},\n{{x")), place_of(53, 3, 2, Some(1)));
        assert_eq!(place("{\"requests\":[]} x"), place_of(16, 1, 17, None));
        let lone = r#"{"requests":[{"id":"\ud800"}]}"#;
        assert_eq!(place(lone), place_of(20, 1, 21, Some(0)));
        let bytes = Bytes::from_static(b"{\"requests\":\"\xff\"}");
        let refused = read(&bytes, &BatchLimits::default());
        assert!(matches!(refused, Err(BatchRefusal::Malformed { place: Place { offset: 13, .. }, .. })));
    }

    #[test]
    fn a_document_that_is_not_a_batch_is_refused() {
        for body in [r#"{"Requests":[]}"#, r#"{"requests":[],"request":[]}"#, r#"{"REQUESTS":1}"#] {
            let Err(BatchRefusal::NotABatch { reason, .. }) = read_batch(body) else { panic!("{body}") };
            assert!(reason.ends_with("did you mean `requests`?"), "{reason}");
        }
        for body in
            ["[]", "1", "null", "{}", r#"{"requests":{}}"#, r#"{"requests":null}"#, r#"{"responses":[]}"#]
        {
            assert!(matches!(read_batch(body), Err(BatchRefusal::NotABatch { .. })), "{body}");
        }
    }

    #[test]
    fn duplicate_members_refuse_the_batch() {
        let member = |body: &str| match read_batch(body) {
            Err(BatchRefusal::DuplicateMember { member, .. }) => member,
            other => panic!("{other:?}"),
        };
        assert_eq!(member(r#"{"requests":[],"requests":[]}"#), "requests");
        assert_eq!(member(r#"{"a":1,"\u0061":1,"requests":[]}"#), "a");
        assert_eq!(member(r#"{"requests":[{"url":"/a","method":"GET","url":"/b"}]}"#), "url");
        assert!(read_batch(r#"{"requests":[{"method":"PUT","url":"/a","body":{"a":1,"a":2}}]}"#).is_ok());
    }

    #[test]
    fn duplicate_ids_refuse_the_batch() {
        let twice = |body: &str| {
            matches!(read_batch(body), Err(BatchRefusal::DuplicateId { item: ItemIndex(1), .. }))
        };
        assert!(twice(&format!("{{\"requests\":[{GOOD},{GOOD}]}}")));
        assert!(twice(r#"{"requests":[{"method":"GET","url":"/"},{"id":"1","method":"GET","url":"/"}]}"#));
    }

    #[test]
    fn items_are_counted_while_they_are_read() {
        let limits = BatchLimits { max_items: 2, ..BatchLimits::default() };
        // Nothing after the start of the third item is read.
        let body = Bytes::from_static(b"{\"requests\":[{},{},{ no JSON");
        assert_eq!(read(&body, &limits), Err(BatchRefusal::TooManyItems { limit: 2 }));
        let body = Bytes::from_static(b"{\"requests\":[1,2]}");
        assert_eq!(read(&body, &limits).map(|batch| batch.items.len()), Ok(2));
    }

    #[test]
    fn depth_is_limited_everywhere() {
        let limits = BatchLimits { max_depth: 4, ..BatchLimits::default() };
        let depth = |body: &str| read(&Bytes::copy_from_slice(body.as_bytes()), &limits);
        assert!(depth(r#"{"requests":[{"method":"PUT","url":"/a","body":[1]}]}"#).is_ok());
        assert!(matches!(
            depth(r#"{"requests":[{"method":"PUT","url":"/a","body":[[1]]}]}"#),
            Err(BatchRefusal::TooDeep { limit: 4, place: Place { offset: 48, .. } })
        ));
        assert!(matches!(depth(r#"{"x":[[[[1]]]]}"#), Err(BatchRefusal::TooDeep { .. })));
    }

    #[test]
    fn an_item_says_its_group() {
        let item = |id: &str, group: &str| {
            format!(r#"{{"id":"{id}","method":"PUT","url":"/a","atomicityGroup":{group}}}"#)
        };
        let body =
            [item("a", "\"g\""), item("b", "\"h\""), item("c", "\"\\u0067\""), item("d", "null")].join(",");
        let batch = read_batch(&format!("{{\"requests\":[{body}]}}")).unwrap();
        let groups: Vec<_> =
            batch.items.iter().map(|item| item.subject.form.group.as_ref().map(ItemId::as_str)).collect();
        assert_eq!(groups, [Some("g"), Some("h"), Some("g"), None]);
        assert!(batch.items.iter().all(|item| item.content.is_ok()));
    }
}
