//! Reads one item of an XML batch: a `request` element (protocol §2.2).
//!
//! Unlike JSON's members, XML's attributes and elements are written by hand, so that one which the
//! protocol does not know is taken for a typo and rejects the item. Attributes with a prefix are
//! foreign and are skipped.

use bytes::Bytes;

use super::body::RawBody;
use super::chars::{is_blank_text, trimmed};
use super::error::{XmlError, XmlErrorKind};
use super::tag::Tag;
use super::tokens::Tokens;
use super::vocabulary::BATCH_NAMESPACE;
use crate::batch::{BatchItem, BatchLimits, ItemIndex, ItemRejection};
use crate::format::item_builder::{ItemBuilder, MemberNames};

/// The attributes that an item can have.
const ATTRIBUTES: [&str; 6] = ["id", "method", "href", "timeout", "depends-on", "if"];

const NAMES: MemberNames = MemberNames { url: "href" };

/// Whether an element of this tag is one of the protocol's, of whatever name.
pub(super) fn is_ours(tokens: &Tokens<'_>, tag: &Tag<'_>) -> bool {
    matches!(tokens.namespace_of(tag.name), "" | BATCH_NAMESPACE)
}

/// Reads the element whose tag came last, to its end.
pub(super) fn read<'a>(
    tokens: &mut Tokens<'a>,
    tag: &Tag<'a>,
    index: ItemIndex,
    whole: &Bytes,
    limits: &BatchLimits,
) -> Result<BatchItem, XmlError> {
    let mut builder = ItemBuilder::new(limits, NAMES);
    if tag.name.local != "request" || !is_ours(tokens, tag) {
        builder.reject(ItemRejection::WrongShape { expected: "a `request` element" });
        tokens.skip_element()?;
        return Ok(builder.finish(index, None));
    }
    read_attributes(&mut builder, tag);
    let body = read_children(tokens, &mut builder)?;
    let body = body.and_then(|body| body.prepare(tokens, &mut builder, whole));
    Ok(builder.finish(index, body))
}

fn read_attributes(builder: &mut ItemBuilder<'_>, tag: &Tag<'_>) {
    for attribute in tag.attributes.iter().filter(|attribute| attribute.name.prefix.is_empty()) {
        let value = attribute.value.as_ref();
        match attribute.name.local {
            "id" => builder.set_id(value),
            "method" => builder.set_method(value),
            "href" => builder.set_url(value),
            "timeout" => builder.set_timeout(value),
            "depends-on" | "if" if is_blank_text(value) => {}
            "xmlns" => {}
            "depends-on" => names_in(value).for_each(|name| builder.add_dependency(name)),
            "if" => builder.set_condition(value),
            unknown => builder.reject_unknown(unknown, &ATTRIBUTES),
        }
    }
}

/// A list of ids, separated by blanks or commas.
fn names_in(list: &str) -> impl Iterator<Item = &str> {
    list.split([' ', '\t', '\r', '\n', ',']).filter(|name| !name.is_empty())
}

fn read_children<'a>(
    tokens: &mut Tokens<'a>,
    builder: &mut ItemBuilder<'_>,
) -> Result<Option<RawBody<'a>>, XmlError> {
    let mut body = None;
    tokens.children("text is not allowed between the elements of a `request`", |tokens, tag| {
        match (is_ours(tokens, tag), tag.name.local) {
            (true, "header") => read_header(tokens, tag, builder)?,
            (true, "body") if body.is_some() => {
                return Err(XmlError { at: tag.start, kind: XmlErrorKind::Twice("body") });
            }
            (true, "body") => {
                check_attributes(builder, tag, &["type", "encoding"]);
                body = Some(RawBody::read(tokens, tag, builder)?);
            }
            (_, unknown) => {
                builder.reject_unknown(unknown, &["header", "body"]);
                tokens.skip_element()?;
            }
        }
        Ok(())
    })?;
    Ok(body)
}

/// A field: its name is an attribute, its value the text. White space around the value is layout.
fn read_header(
    tokens: &mut Tokens<'_>,
    tag: &Tag<'_>,
    builder: &mut ItemBuilder<'_>,
) -> Result<(), XmlError> {
    check_attributes(builder, tag, &["name"]);
    let (value, has_elements) = tokens.read_text()?;
    if has_elements {
        builder.reject_member("header", "has an element where its value should be");
    }
    match tag.attribute("name") {
        Some(name) => builder.add_header(name, trimmed(&value).as_bytes()),
        None => builder.reject_member("header", "has no `name`"),
    }
    Ok(())
}

fn check_attributes(builder: &mut ItemBuilder<'_>, tag: &Tag<'_>, known: &[&'static str]) {
    for attribute in &tag.attributes {
        let name = attribute.name;
        if name.prefix.is_empty() && name.local != "xmlns" && !known.contains(&name.local) {
            builder.reject_unknown(name.local, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::{BatchRefusal, Item};
    use crate::format::xml::reader;
    use crate::header::field::FieldError;

    fn read_one(item: &str) -> Result<BatchItem, BatchRefusal> {
        let body = Bytes::from(format!("<batch>{item}</batch>"));
        reader::read(&body, &BatchLimits::default()).map(|mut batch| batch.items.remove(0))
    }

    fn with_attributes(attributes: &str) -> Result<Item, ItemRejection> {
        read_one(&format!("<request method='PUT' href='/a' {attributes}/>")).unwrap().content
    }

    fn with_content(content: &str) -> Result<Item, ItemRejection> {
        read_one(&format!("<request method='PUT' href='/a'>{content}</request>")).unwrap().content
    }

    #[test]
    fn attributes_and_headers_are_read() {
        let item = read_one(
            "<request id='&#x78;' method='move' href='/a?b=1&amp;c=2' timeout='250' depends-on=' ' if='' xml:lang='en' \
             xmlns:o='urn:o' o:x='1'><!-- c --><header name='Destination'>\n /b&amp;c\n</header>\n\
             <header name='X-A'><![CDATA[<1>]]></header><header name='X-A'/></request>",
        )
        .unwrap();
        assert_eq!((item.subject.id.as_str(), item.subject.method.as_str()), ("x", "MOVE"));
        assert_eq!(&*item.subject.href, "/a?b=1&c=2");
        let content = item.content.unwrap();
        assert_eq!(content.timeout, Some(Duration::from_millis(250)));
        let headers: Vec<_> =
            content.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("destination", "/b&c"), ("x-a", "<1>"), ("x-a", "")]);
        assert_eq!(content.body, None);
    }

    #[test]
    fn method_and_href_have_to_be_there() {
        let missing = |item: &str| read_one(item).unwrap().content;
        assert_eq!(
            missing("<request href='/'/>"),
            Err(ItemRejection::MissingMember { member: "method", instead: None })
        );
        assert_eq!(
            missing("<request method='GET'/>"),
            Err(ItemRejection::MissingMember { member: "href", instead: None })
        );
    }

    #[test]
    fn typos_are_told_by_name() {
        let unknown = |rejected: Result<Item, ItemRejection>| {
            let Err(ItemRejection::UnknownMember { member, meant }) = rejected else {
                panic!("{rejected:?}")
            };
            (member, meant)
        };
        let like = |member: &str, meant| (member.to_owned(), Some(meant));
        let unlike = |member: &str| (member.to_owned(), None);
        assert_eq!(unknown(with_attributes("depend-on='1'")), like("depend-on", "depends-on"));
        assert_eq!(unknown(with_attributes("dependsOn='1'")), like("dependsOn", "depends-on"));
        assert_eq!(unknown(with_attributes("ID='1'")), like("ID", "id"));
        assert_eq!(unknown(with_attributes("url='/b'")), like("url", "href"));
        assert_eq!(unknown(with_content("<headers/>")), like("headers", "header"));
        assert_eq!(unknown(with_content("<Body/>")), like("Body", "body"));
        assert_eq!(unknown(with_content("<o:body xmlns:o='urn:o'>x</o:body>")), unlike("body"));
        assert_eq!(unknown(with_content("<header Name='x'>y</header>")), like("Name", "name"));
        assert_eq!(unknown(with_content("<body content-type='text/plain'>y</body>")), unlike("content-type"));
    }

    #[test]
    fn dependencies_are_a_list() {
        let names = with_attributes("depends-on=' b a,c,\n,b '").unwrap().depends_on;
        assert_eq!(names, ["b".into(), "a".into(), "c".into(), "b".into()]);
    }

    #[test]
    fn conditions_are_read() {
        let condition = with_attributes("if=\"$a/x eq 'b &lt; c'\"").unwrap().condition.unwrap();
        assert_eq!(condition.to_string(), "$a/x eq 'b < c'");
        assert!(matches!(with_attributes("if='1'"), Err(ItemRejection::BadCondition { column: 1, .. })));
    }

    #[test]
    fn headers_are_checked() {
        let error = |content: &str| {
            let rejected = with_content(content);
            let Err(ItemRejection::BadHeader { error, .. }) = rejected else { panic!("{rejected:?}") };
            error
        };
        assert_eq!(error("<header name='Host'>x</header>"), FieldError::Forbidden);
        assert_eq!(error("<header name='a b'>x</header>"), FieldError::Name);
        assert_eq!(error("<header name=''>x</header>"), FieldError::Name);
        assert_eq!(error("<header name='a'>x&#13;&#10;b: c</header>"), FieldError::Value);
        assert_eq!(error("<header name='a'>x\ny</header>"), FieldError::Value);
        let two = "<header name='Content-Type'>a/b</header><header name='Content-Type'>c/d</header>";
        assert_eq!(error(two), FieldError::Once);
        assert_eq!(error("<header name='content-type'>a/b</header><body type='c/d'/>"), FieldError::Once);
        for content in ["<header>x</header>", "<header name='a'>x<y/></header>"] {
            assert!(matches!(with_content(content), Err(ItemRejection::BadMember { member: "header", .. })));
        }
    }

    #[test]
    fn text_and_second_bodies_refuse_the_batch() {
        let text = read_one("<request method='PUT' href='/'>text</request>");
        assert!(matches!(text, Err(BatchRefusal::NotABatch { .. })));
        let two = read_one("<request method='PUT' href='/'><body>1</body><body>2</body></request>");
        assert!(matches!(two, Err(BatchRefusal::DuplicateMember { .. })));
    }
}
