//! XML of WebDAV servers (RFC 4918 §14), as far as the gateway looks into it: to know a
//! multistatus, and to rewrite the urls in it.

use std::borrow::Cow;

use super::chars::trimmed;
use super::error::XmlError;
use super::escape::write_text;
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
    open_root(&mut tokens).ok()?
}

fn open_root(tokens: &mut Tokens<'_>) -> Result<Option<String>, XmlError> {
    loop {
        if let Token::Open(tag) = tokens.next()? {
            let is_dav = tokens.namespace_of(tag.name)? == DAV;
            return Ok(is_dav.then(|| tag.name.local.to_owned()));
        }
    }
}

/// The document with the url in every `DAV:` href replaced by what `map` makes of it, and every
/// other byte as it was; `None` if this is not XML with a root in `DAV:`.
pub fn map_hrefs(body: &[u8], map: &dyn Fn(&str) -> Cow<'_, str>) -> Option<Vec<u8>> {
    memchr::memmem::find(body, DAV.as_bytes())?;
    let mut mapped = Mapped { body, done: 0, output: ChunkWriter::new(body.len()) };
    mapped.read(map).ok()?.then(|| mapped.finish())
}

struct Mapped<'a> {
    body: &'a [u8],
    /// Bytes of the body that are in the output, or replaced there.
    done: usize,
    output: ChunkWriter,
}

impl Mapped<'_> {
    /// Whether the root is in `DAV:`.
    fn read(&mut self, map: &dyn Fn(&str) -> Cow<'_, str>) -> Result<bool, XmlError> {
        let body = self.body;
        let mut tokens = Tokens::new(body, UPSTREAM_LIMITS)?;
        if open_root(&mut tokens)?.is_none() {
            return Ok(false);
        }
        loop {
            match tokens.next()? {
                Token::Open(tag) if tag.name.local == "href" && tokens.namespace_of(tag.name)? == DAV => {
                    if let Some((url, end)) = read_url(&mut tokens)? {
                        self.replace(tag.end, end, &url, &map(&url));
                    }
                }
                Token::End => return Ok(true),
                Token::Open(_) | Token::Close | Token::Text(_) | Token::Other => {}
            }
        }
    }

    fn replace(&mut self, from: usize, to: usize, url: &str, mapped: &str) {
        if url != mapped {
            self.output.put(self.body.get(self.done..from).unwrap_or_default());
            write_text(&mut self.output, mapped);
            self.done = to;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.output.put(self.body.get(self.done..).unwrap_or_default());
        self.output.finish().concat()
    }
}

/// The url in the href opened last, and where its text ends; `None` if there is no text, or
/// elements in it.
fn read_url(tokens: &mut Tokens<'_>) -> Result<Option<(String, usize)>, XmlError> {
    let outside = tokens.depth() - 1;
    let mut text = String::new();
    let mut is_text = true;
    loop {
        match tokens.next()? {
            Token::Text(more) => text.push_str(&more),
            Token::Open(_) => is_text = false,
            Token::Close if tokens.depth() == outside => break,
            Token::Close | Token::Other | Token::End => {}
        }
    }
    let url = trimmed(&text);
    Ok((is_text && !url.is_empty()).then(|| (url.to_owned(), tokens.start())))
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
