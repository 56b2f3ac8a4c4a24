//! An upstream's own DAV multistatus (RFC 4918 §13, §14.16), taken apart so that its responses can
//! appear among those of the batch.

use super::chars::trimmed;
use super::dav::{DAV, UPSTREAM_LIMITS, dav_name, open_root};
use super::namespaces::Declaration;
use super::tag::Tag;
use super::tokens::{Token, Tokens};
use super::vocabulary::{BATCH_NAMESPACE, BATCH_PREFIX, DAV_PREFIX};

/// One response of an upstream. The elements are texts that fit into the gateway's document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UpstreamResponse {
    /// Whose response this is: one or more urls.
    pub(super) hrefs: Vec<String>,
    /// The status, where it has one.
    pub(super) status: Option<u16>,
    /// `DAV:propstat` elements.
    pub(super) propstats: Vec<String>,
    /// The `DAV:error` element.
    pub(super) error: Option<String>,
    /// The text of `DAV:responsedescription`.
    pub(super) description: Option<String>,
    /// The `DAV:location` element.
    pub(super) location: Option<String>,
    /// Elements of other vocabularies.
    pub(super) extensions: Vec<String>,
}

/// A multistatus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UpstreamMultistatus {
    /// Its responses.
    pub(super) responses: Vec<UpstreamResponse>,
    /// Elements other than the responses, such as RFC 6578's `DAV:sync-token`.
    pub(super) extensions: Vec<String>,
}

/// Bytes that the elements may take more than the document that they came from, which declares
/// for all of them at once what each has to declare for itself.
const MAX_GROWTH: usize = 64 << 10;

/// Takes the document apart; `None` if it is not a multistatus that can be merged without
/// loss: then it stays a body like any other.
pub(super) fn parse(body: &[u8]) -> Option<UpstreamMultistatus> {
    let multistatus = Parser::new(body)?.multistatus()?;
    let is_complete = |response: &UpstreamResponse| {
        !response.hrefs.is_empty()
            && response.hrefs.iter().all(|href| !href.is_empty())
            && (response.status.is_some() || !response.propstats.is_empty())
    };
    multistatus.responses.iter().all(is_complete).then_some(multistatus)
}

/// The `DAV:error` that is a document's root, as an element for the gateway's document.
pub(super) fn parse_error(body: &[u8]) -> Option<String> {
    let mut parser = Parser::new(body)?;
    let root = parser.root("error")?;
    let error = parser.element(&root)?;
    // The rest has to be well-formed, too.
    while parser.next()? != Token::End {}
    Some(error)
}

/// `None` from any of its methods means that the document can't be merged.
struct Parser<'a> {
    tokens: Tokens<'a>,
    /// Bytes that elements may still take.
    budget: usize,
}

impl<'a> Parser<'a> {
    fn new(body: &'a [u8]) -> Option<Self> {
        let tokens = Tokens::new(body, UPSTREAM_LIMITS).ok()?;
        Some(Self { tokens, budget: 2 * body.len() + MAX_GROWTH })
    }

    fn next(&mut self) -> Option<Token<'a>> {
        self.tokens.next().ok()
    }

    /// The root's tag, if it is this one of `DAV:`.
    fn root(&mut self, local: &str) -> Option<Tag<'a>> {
        open_root(&mut self.tokens).filter(|tag| tag.name.local == local)
    }

    fn multistatus(&mut self) -> Option<UpstreamMultistatus> {
        self.root("multistatus")?;
        let mut multistatus = UpstreamMultistatus::default();
        loop {
            match self.next()? {
                Token::Open(tag) => match dav_name(&self.tokens, &tag) {
                    Some("response") => multistatus.responses.push(self.response()?),
                    // The gateway's document has its own.
                    Some("responsedescription") => self.tokens.skip_element().ok()?,
                    Some(_) | None => multistatus.extensions.push(self.element(&tag)?),
                },
                Token::End => return Some(multistatus),
                Token::Text(_) | Token::Other | Token::Close => {}
            }
        }
    }

    fn response(&mut self) -> Option<UpstreamResponse> {
        let outside = self.tokens.depth() - 1;
        let mut response = UpstreamResponse::default();
        loop {
            match self.next()? {
                Token::Open(tag) => self.part(&tag, &mut response)?,
                Token::Close if self.tokens.depth() == outside => return self.charged(response),
                Token::Close | Token::Text(_) | Token::Other | Token::End => {}
            }
        }
    }

    /// A response to several urls is going to be copied to each of them; `None` once the budget
    /// is used up.
    fn charged(&mut self, response: UpstreamResponse) -> Option<UpstreamResponse> {
        let elements = response.propstats.iter().chain(&response.error).chain(&response.location);
        let texts = elements.chain(&response.extensions).chain(&response.description);
        let size: usize = texts.map(String::len).sum();
        let copies = response.hrefs.len().saturating_sub(1);
        self.budget = self.budget.checked_sub(size.saturating_mul(copies))?;
        Some(response)
    }

    /// Reads one element of a response.
    fn part(&mut self, tag: &Tag<'a>, response: &mut UpstreamResponse) -> Option<()> {
        match dav_name(&self.tokens, tag) {
            Some("href") => response.hrefs.push(trimmed(&self.text()?).to_owned()),
            Some("status") => response.status = Some(status_in(&self.text()?)?),
            Some("responsedescription") => response.description = Some(self.text()?),
            Some("propstat") => response.propstats.push(self.element(tag)?),
            Some("error") => response.error = Some(self.element(tag)?),
            Some("location") => response.location = Some(self.element(tag)?),
            Some(_) | None => response.extensions.push(self.element(tag)?),
        }
        Some(())
    }

    /// The text in the element opened last.
    fn text(&mut self) -> Option<String> {
        self.tokens.read_text().ok().map(|(text, _)| text)
    }

    /// The element opened last, cut out; `None` once the budget is used up.
    fn element(&mut self, tag: &Tag<'a>) -> Option<String> {
        let mut cut = self.tokens.cut(tag);
        cut.declarations.retain(|declaration| !is_declared_by_gateway(declaration));
        self.tokens.skip_element().ok()?;
        let element = self.tokens.cut_out(&cut, self.tokens.end()).into_owned();
        self.budget = self.budget.checked_sub(element.len())?;
        Some(element)
    }
}

fn is_declared_by_gateway(declaration: &Declaration<'_>) -> bool {
    matches!(
        (declaration.prefix, declaration.namespace.as_ref()),
        (DAV_PREFIX, DAV) | (BATCH_PREFIX, BATCH_NAMESPACE)
    )
}

/// The code of a status line such as `HTTP/1.1 424 Failed Dependency`.
fn status_in(line: &str) -> Option<u16> {
    let code = trimmed(line).strip_prefix("HTTP/")?.split_ascii_whitespace().nth(1)?;
    let code = Some(code).filter(|code| code.len() == 3)?.parse().ok()?;
    (100..=599).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APACHE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="urn:o">
<D:response xmlns:lp1="DAV:"><D:href>/files/</D:href>
<D:propstat><D:prop><lp1:getetag>"1"</lp1:getetag><ns0:x/></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response>
<D:response><D:href>/files/a</D:href><D:href>/files/b</D:href><D:status>HTTP/1.1 423 Locked</D:status>
<D:error><D:lock-token-submitted/></D:error><D:responsedescription>held</D:responsedescription></D:response>
<D:sync-token>t</D:sync-token></D:multistatus>
"#;

    #[test]
    fn a_multistatus_is_taken_apart() {
        let read = parse(APACHE.as_bytes()).unwrap();
        assert_eq!(read.extensions, ["<D:sync-token>t</D:sync-token>"]);
        let [first, second] = read.responses.as_slice() else { panic!("{read:?}") };
        assert_eq!(first.hrefs, ["/files/"]);
        assert_eq!(
            first.propstats,
            [concat!(
                r#"<D:propstat xmlns:ns0="urn:o" xmlns:lp1="DAV:"><D:prop><lp1:getetag>"1"</lp1:getetag><ns0:x/>"#,
                "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
            )]
        );
        assert_eq!(first.status, None);
        assert_eq!(second.hrefs, ["/files/a", "/files/b"]);
        assert_eq!(second.status, Some(423));
        assert_eq!(second.error.as_deref(), Some("<D:error><D:lock-token-submitted/></D:error>"));
        assert_eq!(second.description.as_deref(), Some("held"));
    }

    #[test]
    fn other_prefixes_are_declared_by_each_element() {
        let body = "<multistatus xmlns='DAV:'><response><href>/a</href><status>HTTP/1.1 404 Not Found</status>\
                    <location><href>/b</href></location><x xmlns='u:1'/></response></multistatus>";
        let read = parse(body.as_bytes()).unwrap();
        let [response] = read.responses.as_slice() else { panic!("{read:?}") };
        assert_eq!(response.location.as_deref(), Some("<location xmlns=\"DAV:\"><href>/b</href></location>"));
        assert_eq!(response.extensions, ["<x xmlns='u:1'/>"]);
    }

    #[test]
    fn a_multistatus_that_can_not_be_merged_stays_unchanged() {
        let within = |content: &str| {
            parse(format!("<D:multistatus xmlns:D='DAV:'>{content}</D:multistatus>").as_bytes())
        };
        assert_eq!(within(""), Some(UpstreamMultistatus::default()));
        assert_eq!(within("<D:response/>"), None);
        assert_eq!(within("<D:response><D:href/><D:status>HTTP/1.1 200 OK</D:status></D:response>"), None);
        assert_eq!(within("<D:response><D:href>/a</D:href></D:response>"), None);
        assert_eq!(within("<D:response><D:href>/a</D:href><D:status>fine</D:status></D:response>"), None);
        assert_eq!(within("<D:response>"), None);
        assert_eq!(parse(b"<multistatus/>"), None);
        assert_eq!(parse(b"{}"), None);
    }

    #[test]
    fn growth_by_declarations_is_bounded() {
        let namespace = "u".repeat(10_000);
        let elements = "<p:x/>".repeat(1000);
        let body = format!("<D:multistatus xmlns:D='DAV:' xmlns:p='{namespace}'>{elements}</D:multistatus>");
        assert_eq!(parse(body.as_bytes()), None);
    }

    #[test]
    fn growth_by_many_urls_is_bounded() {
        let hrefs = "<D:href>/a</D:href>".repeat(1000);
        let text = "x".repeat(10_000);
        let body = format!(
            "<D:multistatus xmlns:D='DAV:'><D:response>{hrefs}<D:status>HTTP/1.1 423 Locked</D:status>\
             <D:error>{text}</D:error></D:response></D:multistatus>"
        );
        assert_eq!(parse(body.as_bytes()), None);
    }

    #[test]
    fn an_error_document_is_an_element() {
        let body = "<?xml version='1.0'?><D:error xmlns:D='DAV:'><D:x/></D:error>\n";
        assert_eq!(parse_error(body.as_bytes()).as_deref(), Some("<D:error xmlns:D='DAV:'><D:x/></D:error>"));
        assert_eq!(parse_error(b"<error/>"), None);
        assert_eq!(parse_error(b"<D:error xmlns:D='DAV:'/>x"), None);
    }

    #[test]
    fn status_lines_are_read() {
        assert_eq!(status_in(" HTTP/1.1 424 Failed Dependency\n"), Some(424));
        assert_eq!(status_in("HTTP/2 200"), Some(200));
        for line in ["", "200 OK", "HTTP/1.1", "HTTP/1.1 20 OK", "HTTP/1.1 999 X", "HTTP/1.1 +20 X"] {
            assert_eq!(status_in(line), None, "{line}");
        }
    }
}
