//! Reads an XML batch (protocol §2.2): `batch`, and in it `request` elements, with any prefix, in
//! no namespace or the protocol's own.

use bytes::Bytes;

use super::error::{XmlError, XmlErrorKind};
use super::request::{self, is_ours};
use super::tokens::{Token, TokenLimits, Tokens};
use crate::batch::{Batch, BatchItem, BatchLimits, BatchRefusal, IdCase, ItemIndex};
use crate::format::unique_ids::check_ids;

/// Attributes of one tag.
const MAX_ATTRIBUTES: usize = 64;
/// Namespace declarations in force at a time.
const MAX_DECLARATIONS: usize = 64;
/// Bytes of one tag in addition to a url and header fields.
const TAG_OVERHEAD: usize = 1024;

/// Reads a batch.
pub(crate) fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
    let mut items = Vec::new();
    let mut in_item = false;
    if let Err(fault) = read_batch(body, limits, &mut items, &mut in_item) {
        return Err(fault.into_refusal(body, in_item.then_some(ItemIndex(items.len())), limits));
    }
    check_ids(&mut items, IdCase::Significant)?;
    Ok(Batch { items, ..Batch::default() })
}

/// What a document may cost under these limits.
pub(super) fn token_limits(limits: &BatchLimits) -> TokenLimits {
    TokenLimits {
        depth: limits.max_depth,
        tag: limits.max_url.saturating_add(limits.max_header_bytes).saturating_add(TAG_OVERHEAD),
        attributes: MAX_ATTRIBUTES,
        declarations: MAX_DECLARATIONS,
    }
}

fn read_batch(
    body: &Bytes,
    limits: &BatchLimits,
    items: &mut Vec<BatchItem>,
    in_item: &mut bool,
) -> Result<(), XmlError> {
    let mut tokens = Tokens::new(body, token_limits(limits))?;
    open_batch(&mut tokens)?;
    tokens.children("text is not allowed between the elements of the batch", |tokens, tag| {
        let index = ItemIndex(items.len());
        if index.0 == limits.max_items {
            return Err(XmlError { at: tag.start, kind: XmlErrorKind::TooManyItems });
        }
        *in_item = true;
        items.push(request::read(tokens, tag, index, body, limits)?);
        *in_item = false;
        Ok(())
    })?;
    while tokens.next()? != Token::End {}
    Ok(())
}

/// Reads up to and with the root's tag. Its attributes are free, like the members of a JSON batch.
fn open_batch(tokens: &mut Tokens<'_>) -> Result<(), XmlError> {
    loop {
        if let Token::Open(tag) = tokens.next()? {
            if tag.name.local == "batch" && is_ours(tokens, &tag) {
                return Ok(());
            }
            let reason = "expected a `batch` element, in no namespace or in urn:batchgate:batch";
            return Err(XmlError::not_a_batch(tag.start, reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ItemRejection;

    fn read_batch(body: &str) -> Result<Batch, BatchRefusal> {
        read(&Bytes::copy_from_slice(body.as_bytes()), &BatchLimits::default())
    }

    const ITEM: &str = "<request method='GET' href='/a'/>";

    #[test]
    fn the_protocol_is_read_with_any_prefix() {
        for (open, close, prefix) in [
            ("<batch>", "</batch>", ""),
            ("<batch xmlns='urn:batchgate:batch'>", "</batch>", ""),
            ("<b:batch xmlns:b='urn:batchgate:batch' b:x='y'>", "</b:batch>", "b:"),
            ("<x:batch xmlns:x='urn:batchgate:batch' order='free'>", "</x:batch>", "x:"),
        ] {
            let body = format!(
                "<?xml version='1.0'?><!-- c -->\n{open}\n <{prefix}request id='a' method='put' href='/a'>\
                 <{prefix}body type='text/plain'>x</{prefix}body></{prefix}request>\n<?pi?>\n\
                 <{prefix}request method='GET' href='/b'/>{close}\n"
            );
            let items = read_batch(&body).unwrap().items;
            assert_eq!(items.len(), 2, "{body}");
            assert_eq!((items[0].subject.id.as_str(), items[0].subject.method.as_str()), ("a", "PUT"));
            assert_eq!(items[0].content.as_ref().unwrap().body.as_deref(), Some(b"x".as_slice()));
            assert_eq!((items[1].subject.id.as_str(), &*items[1].subject.href), ("2", "/b"));
        }
    }

    #[test]
    fn an_empty_batch_is_a_batch() {
        assert_eq!(read_batch("<batch/>"), Ok(Batch::default()));
    }

    #[test]
    fn a_document_that_is_not_a_batch_is_refused() {
        for body in [
            "<request/>",
            "<Batch/>",
            "<batch xmlns='urn:other'/>",
            "<b:batch xmlns:b='DAV:'/>",
            "<batch>x</batch>",
            "<batch>&lt;</batch>",
            "<batch><![CDATA[x]]></batch>",
        ] {
            assert!(matches!(read_batch(body), Err(BatchRefusal::NotABatch { .. })), "{body}");
        }
    }

    #[test]
    fn other_elements_are_not_items() {
        let batch = read_batch(
            "<batch><item/><request xmlns='urn:other'><x/></request><a:request xmlns:a='DAV:'/></batch>",
        );
        for item in batch.unwrap().items {
            assert!(matches!(item.content, Err(ItemRejection::WrongShape { .. })));
        }
    }

    #[test]
    fn faults_tell_their_place() {
        let body = format!("<batch>\n{ITEM}\n<request>&x;</request></batch>");
        let Err(BatchRefusal::ForbiddenXml { place, .. }) = read_batch(&body) else { panic!() };
        assert_eq!((place.line, place.column, place.item), (3, 10, Some(ItemIndex(1))));
        let Err(BatchRefusal::Malformed { place, .. }) = read_batch("\u{feff}<batch>\n</batsh>") else {
            panic!()
        };
        assert_eq!((place.line, place.item), (2, None));
    }

    #[test]
    fn document_types_are_forbidden() {
        let bombs = [
            "<!DOCTYPE batch><batch/>",
            "<!DOCTYPE b [<!ENTITY a 'a'><!ENTITY b '&a;&a;'>]><batch>&b;</batch>",
            "<!DOCTYPE b SYSTEM 'file:///etc/passwd'><batch/>",
            "<?xml version='1.0' encoding='ISO-8859-1'?><batch/>",
        ];
        for body in bombs {
            assert!(matches!(read_batch(body), Err(BatchRefusal::ForbiddenXml { .. })), "{body}");
        }
    }

    #[test]
    fn items_are_counted_while_they_are_read() {
        let limits = BatchLimits { max_items: 2, ..BatchLimits::default() };
        let body = Bytes::from(format!("<batch>{ITEM}{ITEM}<request no XML"));
        assert!(matches!(read(&body, &limits), Err(BatchRefusal::Malformed { .. })));
        let body = Bytes::from(format!("<batch>{ITEM}{ITEM}<request></no XML"));
        assert_eq!(read(&body, &limits), Err(BatchRefusal::TooManyItems { limit: 2 }));
        let body = Bytes::from(format!("<batch>{ITEM}{ITEM}</batch>"));
        assert_eq!(read(&body, &limits).map(|batch| batch.items.len()), Ok(2));
    }

    #[test]
    fn depth_and_tags_are_limited() {
        let limits = BatchLimits { max_depth: 4, ..BatchLimits::default() };
        let deep = |content: &str| {
            let body =
                format!("<batch><request method='PUT' href='/'><body>{content}</body></request></batch>");
            read(&Bytes::from(body), &limits)
        };
        assert!(deep("<a/>").is_ok());
        assert!(matches!(deep("<a><b/></a>"), Err(BatchRefusal::TooDeep { limit: 4, .. })));
        let endless = format!("<batch>{}", "<a>".repeat(1_000_000));
        assert!(matches!(read_batch(&endless), Err(BatchRefusal::TooDeep { .. })));
        let long = format!("<batch><request href='{}'/></batch>", "x".repeat(30_000));
        assert!(matches!(read_batch(&long), Err(BatchRefusal::ForbiddenXml { .. })));
    }

    #[test]
    fn duplicate_ids_refuse_the_batch() {
        let body = format!("<batch>{ITEM}<request id='1' method='GET' href='/'/></batch>");
        assert!(matches!(read_batch(&body), Err(BatchRefusal::DuplicateId { item: ItemIndex(1), .. })));
    }
}
