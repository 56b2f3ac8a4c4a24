//! The body of an XML item (protocol §2.2): child elements, which become a document of their own;
//! or text; or base64.
//!
//! Without a type, elements are `application/xml`, text is `text/plain` and base64 is
//! `application/octet-stream`, all in UTF-8 unless the type has another charset.

use std::borrow::Cow;

use bytes::Bytes;

use super::chars::{is_blank, is_blank_text};
use super::error::XmlError;
use super::fragment::Cut;
use super::tag::Tag;
use super::tokens::{Token, Tokens};
use crate::batch::ItemRejection;
use crate::format::item_builder::ItemBuilder;
use crate::format::media::{MediaKind, TextTypes};
use crate::format::{base64, charset};

/// An item's `body` element as the client wrote it.
#[derive(Debug)]
pub(super) struct RawBody<'a> {
    content: Content<'a>,
    is_base64: bool,
}

#[derive(Debug)]
enum Content<'a> {
    Text(String),
    Elements {
        cut: Cut<'a>,
        end: usize,
    },
    /// More than one root, or text next to it.
    Mixed,
}

impl<'a> RawBody<'a> {
    /// Reads the element whose tag came last, to its end; what its tag says of the media type goes
    /// into the builder.
    pub(super) fn read(
        tokens: &mut Tokens<'a>,
        tag: &Tag<'a>,
        builder: &mut ItemBuilder<'_>,
    ) -> Result<Self, XmlError> {
        if let Some(media_type) = tag.attribute("type") {
            builder.add_header("content-type", media_type.as_bytes());
        }
        let is_base64 = match tag.attribute("encoding") {
            None | Some("") => false,
            Some("base64") => true,
            Some(_) => {
                builder.reject(ItemRejection::BadBody { problem: "has an encoding other than base64" });
                false
            }
        };
        Ok(Self { content: read_content(tokens)?, is_base64 })
    }

    /// The bytes to send. `whole` is the batch that the body is a slice of.
    pub(super) fn prepare(
        self,
        tokens: &Tokens<'a>,
        builder: &mut ItemBuilder<'_>,
        whole: &Bytes,
    ) -> Option<Bytes> {
        let prepared = match self.content {
            Content::Mixed => Err("has text next to its element, or more than one element"),
            Content::Elements { .. } if self.is_base64 => Err("has an element where base64 should be"),
            Content::Elements { cut, end } => document(tokens, builder, whole, &cut, end),
            Content::Text(text) if self.is_base64 => binary(builder, text),
            Content::Text(text) => plain(builder, text),
        };
        prepared.map_err(|problem| builder.reject(ItemRejection::BadBody { problem })).ok()
    }
}

fn read_content<'a>(tokens: &mut Tokens<'a>) -> Result<Content<'a>, XmlError> {
    let outside = tokens.depth() - 1;
    let mut text = String::new();
    let mut cut: Option<Cut<'a>> = None;
    let mut markup_start = None;
    let mut end = tokens.end();
    let mut roots = 0_usize;
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                roots += 1;
                let start = *markup_start.get_or_insert(tag.start);
                cut.get_or_insert_with(|| Cut { start, ..tokens.cut(&tag) });
                tokens.skip_element()?;
                end = tokens.end();
            }
            Token::Text(more) => text.push_str(&more),
            // Comments around the element are part of the document; comments around text are not.
            Token::Other => {
                markup_start.get_or_insert(tokens.start());
                end = tokens.end();
            }
            Token::Close if tokens.depth() == outside => break,
            Token::Close | Token::End => {}
        }
    }
    Ok(match cut {
        None => Content::Text(text),
        Some(cut) if roots == 1 && is_blank_text(&text) => Content::Elements { cut, end },
        Some(_) => Content::Mixed,
    })
}

fn document<'a>(
    tokens: &Tokens<'a>,
    builder: &mut ItemBuilder<'_>,
    whole: &Bytes,
    cut: &Cut<'a>,
    end: usize,
) -> Result<Bytes, &'static str> {
    builder.default_media_type("application/xml");
    let media = builder.media_type();
    if media.is_some_and(|media| media.kind != MediaKind::Xml) {
        return Err("has an element, though its type is not XML; escape it, or put it in CDATA");
    }
    let text = tokens.cut_out(cut, end);
    match media.and_then(|media| media.charset) {
        Some(name) => encoded(name, &text),
        None => Ok(shared(whole, text)),
    }
}

/// The text as bytes; a part of `whole`, if it is that.
pub(super) fn shared(whole: &Bytes, text: Cow<'_, str>) -> Bytes {
    match text {
        Cow::Borrowed(source) => whole.slice_ref(source.as_bytes()),
        Cow::Owned(text) => text.into(),
    }
}

fn encoded(charset: &str, text: &str) -> Result<Bytes, &'static str> {
    charset::encode(Some(charset), text).map(|bytes| bytes.into_owned().into()).map_err(charset::problem)
}

fn plain(builder: &mut ItemBuilder<'_>, text: String) -> Result<Bytes, &'static str> {
    builder.default_media_type("text/plain; charset=utf-8");
    let media = builder.media_type().filter(|media| media.kind.is_text(TextTypes::All));
    match media.and_then(|media| media.charset) {
        Some(name) => encoded(name, &text),
        None => Ok(text.into()),
    }
}

/// Here, blanks are let through: base64 in XML is mostly broken into lines (XML Schema Part 2
/// §3.2.16).
fn binary(builder: &mut ItemBuilder<'_>, mut text: String) -> Result<Bytes, &'static str> {
    builder.default_media_type("application/octet-stream");
    text.retain(|character| !u8::try_from(character).is_ok_and(is_blank));
    base64::decode(&text).map(Bytes::from).ok_or("is not base64, though its encoding says so")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchLimits, Item};
    use crate::format::xml::reader::read;

    fn read_item(batch: &str, body: &str) -> Result<Item, ItemRejection> {
        let (open, close) = batch.split_once("...").unwrap();
        let batch = Bytes::from(format!("{open}<request method='PUT' href='/a'>{body}</request>{close}"));
        read(&batch, &BatchLimits::default()).unwrap().items.remove(0).content
    }

    /// Media type and bytes.
    fn sent(body: &str) -> (String, Vec<u8>) {
        let item = read_item("<batch>...</batch>", body).unwrap();
        let media_type = item.headers[0].1.to_str().unwrap().to_owned();
        (media_type, item.body.unwrap().to_vec())
    }

    fn text(body: &str) -> (String, String) {
        let (media_type, bytes) = sent(body);
        (media_type, String::from_utf8(bytes).unwrap())
    }

    fn is_bad(body: &str) -> bool {
        matches!(read_item("<batch>...</batch>", body), Err(ItemRejection::BadBody { .. }))
    }

    #[test]
    fn elements_become_a_document() {
        let document = "<!-- a --><order  b='1'><!-- c --><![CDATA[<]]>&lt;<x/> </order >\r\n<?pi?>";
        let (media_type, sent) = text(&format!("<body>\n {document} \n</body>"));
        assert_eq!((media_type.as_str(), sent.as_str()), ("application/xml", document));
        let (media_type, _) = text("<body type='application/atom+xml'><a/></body>");
        assert_eq!(media_type, "application/atom+xml");
    }

    #[test]
    fn a_document_without_foreign_namespaces_is_a_slice_of_the_batch() {
        let batch =
            Bytes::from_static(b"<batch><request method='PUT' href='/'><body><a/></body></request></batch>");
        let item = read(&batch, &BatchLimits::default()).unwrap().items.remove(0).content.unwrap();
        assert_eq!(item.body.unwrap().as_ptr(), batch[44..].as_ptr());
    }

    #[test]
    fn namespaces_in_scope_go_with_the_document() {
        let batch = "<b:batch xmlns:b='urn:batchgate:batch' xmlns='urn:o' xmlns:p='urn:p&amp;' xmlns:q='urn:q'>...</b:batch>";
        let batch = batch.replace("<request", "<b:request");
        let (open, close) = batch.split_once("...").unwrap();
        let body = format!(
            "{open}<b:request method='PUT' href='/'><b:body><a p:x='1' xmlns:q='urn:r'><q:c/></a></b:body></b:request>{close}"
        );
        let item =
            read(&Bytes::from(body), &BatchLimits::default()).unwrap().items.remove(0).content.unwrap();
        let expected = "<a xmlns=\"urn:o\" xmlns:p=\"urn:p&amp;\" p:x='1' xmlns:q='urn:r'><q:c/></a>";
        assert_eq!(item.body.as_deref(), Some(expected.as_bytes()));
    }

    #[test]
    fn text_is_unescaped() {
        let (media_type, sent) = text("<body>a&lt;b\r\n<![CDATA[&amp;]]><!-- c -->&#13;</body>");
        assert_eq!((media_type.as_str(), sent.as_str()), ("text/plain; charset=utf-8", "a<b\n&amp;\r"));
        assert_eq!(text("<body type='application/json'>{\"a\":1}</body>").1, "{\"a\":1}");
        assert_eq!(text("<body type='text/plain'> \n</body>").1, " \n");
        assert_eq!(text("<body/>").1, "");
        assert_eq!(text("<body><!-- c --></body>").1, "");
        assert_eq!(text("<body type='text/xml'>&lt;a/></body>").1, "<a/>");
    }

    #[test]
    fn charsets_are_kept() {
        let latin = "text/plain; charset=iso-8859-1";
        assert_eq!(sent(&format!("<body type='{latin}'>é</body>")), (latin.to_owned(), vec![0xe9]));
        let xml = "application/xml; charset=iso-8859-1";
        assert_eq!(sent(&format!("<body type='{xml}'><a>é</a></body>")).1, b"<a>\xe9</a>");
        assert!(is_bad(&format!("<body type='{latin}'>€</body>")));
        assert!(is_bad("<body type='text/plain; charset=klingon'>a</body>"));
    }

    #[test]
    fn base64_may_be_broken_into_lines() {
        let (media_type, bytes) = sent("<body encoding='base64'>\n /+8\n = </body>");
        assert_eq!(
            (media_type.as_str(), bytes.as_slice()),
            ("application/octet-stream", [0xff, 0xef].as_slice())
        );
        assert_eq!(sent("<body type='image/png' encoding='base64'/>").1, b"");
    }

    #[test]
    fn bodies_that_can_not_be_meant_reject_the_item() {
        for body in [
            "<body>x<a/></body>",
            "<body><a/>x</body>",
            "<body><a/><b/></body>",
            "<body encoding='base64'><a/></body>",
            "<body encoding='base64'>a=b</body>",
            "<body encoding='hex'>00</body>",
            "<body type='application/json'><a/></body>",
            "<body type='text/plain'><a/></body>",
        ] {
            assert!(is_bad(body), "{body}");
        }
    }

    #[test]
    fn a_header_may_say_the_type() {
        let item =
            read_item("<batch>...</batch>", "<header name='content-type'>text/csv</header><body>a,b</body>");
        let headers = item.unwrap().headers;
        assert_eq!(headers, [(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/csv"))]);
    }
}
