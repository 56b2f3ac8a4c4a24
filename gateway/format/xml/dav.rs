//! XML of WebDAV servers (RFC 4918 §14), as far as the gateway looks into it: to know a
//! multistatus, and to rewrite the urls in it.

use std::borrow::Cow;

use super::chars::trimmed;
use super::escape::write_text;
use super::tag::Tag;
use super::tokens::{Token, TokenLimits, Tokens};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::media::MediaType;

/// The namespace of WebDAV.
pub(super) const DAV: &str = "DAV:";

/// What a server's document may cost: generous, for it is bounded in bytes already. A document
/// over these is not looked into.
pub(super) const UPSTREAM_LIMITS: TokenLimits =
    TokenLimits { depth: 256, tag: 1 << 20, attributes: 256, declarations: 128 };

/// Whether a reply is a DAV multistatus: by its type and its root element, whatever its status.
#[must_use]
pub fn is_multistatus(content_type: Option<&str>, body: &[u8]) -> bool {
    content_type.is_some_and(is_dav_type) && root_of(body).as_deref() == Some("multistatus")
}

/// Whether the type is one of WebDAV's documents (RFC 4918 §8.2). `+xml` types are XML (`format::is_xml`), but
/// the formats of others, whatever their root.
pub(super) fn is_dav_type(content_type: &str) -> bool {
    let essence = MediaType::parse(content_type).essence;
    ["application/xml", "text/xml"].iter().any(|name| name.eq_ignore_ascii_case(essence))
}

/// The local name of the document's root element, if that is in `DAV:`.
pub(super) fn root_of(body: &[u8]) -> Option<String> {
    // Most replies end here.
    memchr::memmem::find(body, DAV.as_bytes())?;
    let mut tokens = Tokens::new(body, UPSTREAM_LIMITS).ok()?;
    open_root(&mut tokens).map(|tag| tag.name.local.to_owned())
}

/// Reads up to and with the root's tag; `None` if it is not in `DAV:`.
pub(super) fn open_root<'a>(tokens: &mut Tokens<'a>) -> Option<Tag<'a>> {
    loop {
        if let Token::Open(tag) = tokens.next().ok()? {
            return dav_name(tokens, &tag).is_some().then_some(tag);
        }
    }
}

/// The local name of the element opened last, which has this tag, if it is in `DAV:`.
pub(super) fn dav_name<'a>(tokens: &Tokens<'a>, tag: &Tag<'a>) -> Option<&'a str> {
    (tokens.namespace_of(tag.name) == DAV).then_some(tag.name.local)
}

/// The document with the url in every `DAV:` href replaced by what `map` makes of it, and every
/// other byte as it was; `None` if this is not XML with a root in `DAV:`.
pub fn map_hrefs(body: &[u8], map: &dyn Fn(&str) -> Cow<'_, str>) -> Option<Vec<u8>> {
    memchr::memmem::find(body, DAV.as_bytes())?;
    let mut tokens = Tokens::new(body, UPSTREAM_LIMITS).ok()?;
    open_root(&mut tokens)?;
    let mut output = ChunkWriter::new(body.len());
    // Bytes of the body that are in the output, or replaced there.
    let mut done = 0;
    loop {
        match tokens.next().ok()? {
            Token::Open(tag) if dav_name(&tokens, &tag) == Some("href") => {
                let (text, has_elements) = tokens.read_text().ok()?;
                let url = trimmed(&text);
                let mapped = if has_elements || url.is_empty() { Cow::Borrowed(url) } else { map(url) };
                if mapped != url {
                    output.put(body.get(done..tag.end).unwrap_or_default());
                    write_text(&mut output, &mapped);
                    done = tokens.start();
                }
            }
            Token::End => break,
            Token::Open(_) | Token::Close | Token::Text(_) | Token::Other => {}
        }
    }
    output.put(body.get(done..).unwrap_or_default());
    Some(output.finish().concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maps `/up/…` to `/down/…`, as a route with a prefix does.
    fn map(body: &str) -> Option<String> {
        let mapped = map_hrefs(body.as_bytes(), &|url| match url.strip_prefix("/up/") {
            Some(rest) => Cow::Owned(format!("/down/{rest}")),
            None => Cow::Borrowed(url),
        });
        mapped.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_multistatus_is_known_by_its_root() {
        let body = b"<?xml version='1.0'?><!--c--><x:multistatus xmlns:x='DAV:'/>";
        assert!(is_multistatus(Some("text/xml; charset=\"utf-8\""), body));
        assert!(is_multistatus(Some("application/xml"), body));
        assert!(is_multistatus(Some("Application/XML"), b"<multistatus xmlns='DAV:'>"));
        assert!(!is_multistatus(Some("text/html"), body));
        assert!(!is_multistatus(None, body));
        assert!(!is_multistatus(Some("text/xml"), b"<multistatus/>"));
        assert!(!is_multistatus(Some("text/xml"), b"<multistatus xmlns='DAV:x'/>"));
        assert!(!is_multistatus(Some("text/xml"), b"<error xmlns='DAV:'/>"));
        assert!(!is_multistatus(Some("text/xml"), b"<!DOCTYPE x><multistatus xmlns='DAV:'/>"));
        assert!(!is_multistatus(Some("text/xml"), b"DAV:"));
    }

    #[test]
    fn hrefs_are_mapped_and_all_else_stays() {
        let body = "\u{feff}<?xml version=\"1.0\"?>\r\n<D:multistatus xmlns:D='DAV:' xmlns:o='o'>\
            <D:response><D:href>/up/a&amp;b</D:href><o:href>/up/x</o:href><D:href>\n /up/c </D:href>\
            <D:href>/other/</D:href><D:href/><D:href><![CDATA[/up/<d>]]></D:href><D:prop> é&#65;</D:prop>\
            <D:lockroot><href xmlns='DAV:'>/up/e</href></D:lockroot></D:response></D:multistatus>\n";
        let expected = body
            .replace("<D:href>/up/a&amp;b", "<D:href>/down/a&amp;b")
            .replace("\n /up/c ", "/down/c")
            .replace("<![CDATA[/up/<d>]]>", "/down/&lt;d&gt;")
            .replace("/up/e", "/down/e");
        assert_eq!(map(body), Some(expected));
    }

    #[test]
    fn without_a_change_the_bytes_are_the_same() {
        let body = "<D:error  xmlns:D=\"DAV:\"  ><D:href>/o&#x2F;</D:href>\r\n</D:error >";
        assert_eq!(map(body).as_deref(), Some(body));
    }

    #[test]
    fn other_documents_are_not_touched() {
        for body in [
            "",
            "DAV:",
            "<html xmlns:D='DAV:'><D:href>/up/a</D:href></html>",
            "<D:multistatus xmlns:D='DAV:'><D:href>/up/a</D:href>",
            "<!DOCTYPE a><D:multistatus xmlns:D='DAV:'/>",
            "{\"DAV:\":1}",
        ] {
            assert_eq!(map(body), None, "{body}");
        }
    }
}
