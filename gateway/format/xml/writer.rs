//! Writes the results of a batch as a WebDAV multistatus (protocol §4.2; RFC 4918 §13, §14.16).
//!
//! Elements of the protocol come after those of `DAV:`, where readers that know only RFC 2518
//! look past them, and none has a name that `DAV:` uses, for readers that drop prefixes.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;

use super::escape::write_text;
use super::item;
use super::response::{Redirect, Response, Responses};
use crate::batch::{ItemIndex, ItemResult};
use crate::format::chunk_writer::ChunkWriter;
use crate::format::reason_phrase;
use crate::format::result_writer::{ReplyEnd, ResultWriter, expected_length};

const HEAD: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
    <D:multistatus xmlns:D=\"DAV:\" xmlns:b=\"urn:batchgate:batch\">";

/// Writes a reply in XML. Items that share a url share a `response`, whose status is the worst of theirs, so that nothing can
/// be written before the last result is known.
#[derive(Debug, Default)]
pub(crate) struct XmlWriter {
    output: ChunkWriter,
    responses: Responses,
    /// By the item's position; `None` once it is written.
    results: Vec<Option<ItemResult>>,
}

impl ResultWriter for XmlWriter {
    fn content_type(&self) -> Cow<'static, str> {
        "application/xml; charset=utf-8".into()
    }

    fn can_leave_early(&self) -> bool {
        false
    }

    fn expected_length(&self, result: &ItemResult) -> usize {
        result.subject.href.len() + expected_length(result, 192, 32)
    }

    fn begin(&mut self, expected: usize) {
        self.output = ChunkWriter::new(expected);
        self.output.put(HEAD);
    }

    fn put(&mut self, mut result: ItemResult) {
        self.responses.add(ItemIndex(self.results.len()), &mut result);
        self.results.push(Some(result));
    }

    fn end(&mut self, end: &ReplyEnd<'_>) {
        for response in std::mem::take(&mut self.responses).into_list() {
            write_response(&mut self.output, response, &mut self.results);
        }
        self.output.put(b"<D:responsedescription>");
        self.output.put_number(end.summary.items - end.summary.failed);
        self.output.put(b" of ");
        self.output.put_number(end.summary.items);
        self.output.put(b" succeeded</D:responsedescription></D:multistatus>\n");
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.output.take()
    }
}

/// In the order of RFC 4918 §14.24.
fn write_response(output: &mut ChunkWriter, response: Response, results: &mut [Option<ItemResult>]) {
    output.put(b"<D:response><D:href>");
    write_text(output, &response.href);
    output.put(b"</D:href>");
    if response.propstats.is_empty() {
        // Without a propstat there is an item here, or an upstream's status.
        write_status(output, response.status.unwrap_or(StatusCode::MULTI_STATUS.as_u16()));
    }
    for propstat in response.propstats {
        output.put_shared(propstat.into());
    }
    if let Some(error) = response.error {
        output.put(error.as_bytes());
    }
    if let Some(description) = response.description {
        output.put(b"<D:responsedescription>");
        write_text(output, &description);
        output.put(b"</D:responsedescription>");
    }
    match response.location {
        Some(Redirect::Url(url)) => {
            output.put(b"<D:location><D:href>");
            write_text(output, &url);
            output.put(b"</D:href></D:location>");
        }
        Some(Redirect::Element(element)) => output.put(element.as_bytes()),
        None => {}
    }
    for extension in response.extensions {
        output.put_shared(extension.into());
    }
    for index in response.items {
        if let Some(result) = results.get_mut(index.0).and_then(Option::take) {
            item::write(output, result);
        }
    }
    output.put(b"</D:response>");
}

/// Writes a complete status line (§14.28), with a reason also for unregistered codes.
fn write_status(output: &mut ChunkWriter, code: u16) {
    output.put(b"<D:status>HTTP/1.1 ");
    output.put_number(code);
    output.put(b" ");
    let status = StatusCode::from_u16(code).ok().filter(|_| code < 600);
    output.put(status.map_or("Unknown", reason_phrase).as_bytes());
    output.put(b"</D:status>");
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Method};

    use super::*;
    use crate::batch::{
        GatewayMade, ItemForm, ItemId, MultiStatus, OutcomeKind, Problem, ProxyError, ResultBody, Subject,
    };
    use crate::format::write_all;
    use crate::format::xml::read_back::Element;
    use crate::header::spelling::Spellings;

    const RESPONSE: &str = "{DAV:}response";
    const HREF: &str = "{DAV:}href";
    const STATUS: &str = "{DAV:}status";
    const PROPSTAT: &str = "{DAV:}propstat";
    const ITEM: &str = "{urn:batchgate:batch}item";
    const BODY: &str = "{urn:batchgate:batch}body";
    const HEADER: &str = "{urn:batchgate:batch}header";

    fn result(method: Method, href: &str, status: u16) -> ItemResult {
        ItemResult {
            subject: Subject {
                id: ItemId::from("<a>"),
                method,
                href: href.into(),
                form: ItemForm::default(),
            },
            status: StatusCode::from_u16(status).unwrap(),
            headers: Vec::new(),
            body: ResultBody::Absent,
            spellings: Spellings::default(),
            gateway: None,
            retryable: false,
            retry_after: None,
        }
    }

    fn with(mut result: ItemResult, name: &'static str, value: &'static str) -> ItemResult {
        result.headers.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
        result
    }

    fn body(result: ItemResult, media_type: &'static str, bytes: &[u8]) -> ItemResult {
        let body = ResultBody::Bytes(Bytes::copy_from_slice(bytes));
        ItemResult { body, ..with(result, "content-type", media_type) }
    }

    fn written(results: Vec<ItemResult>) -> Vec<Bytes> {
        write_all(Box::<XmlWriter>::default(), MultiStatus { results }).chunks
    }

    fn document(results: Vec<ItemResult>) -> Element {
        Element::parse(&written(results).concat())
    }

    fn responses(document: &Element) -> Vec<(&str, Option<&str>)> {
        document
            .all(RESPONSE)
            .into_iter()
            .map(|found| (found.text_of(HREF).unwrap(), found.text_of(STATUS)))
            .collect()
    }

    #[test]
    fn spellings_of_one_url_share_a_response() {
        let listing = "<multistatus xmlns='DAV:'><response><href>/a/%c3%a9</href><status>HTTP/1.1 423 Locked</status></response></multistatus>";
        let document = document(vec![
            result(Method::GET, "/a/%C3%A9", 200),
            result(Method::GET, "/a/é", 200),
            body(result(Method::DELETE, "/a", 207), "text/xml", listing.as_bytes()),
            result(Method::GET, "/a/%62", 200),
            result(Method::GET, "/a/b", 404),
        ]);
        let expected = [
            ("/a/%C3%A9", Some("HTTP/1.1 423 Locked")),
            ("/a", Some("HTTP/1.1 207 Multi-Status")),
            ("/a/%62", Some("HTTP/1.1 404 Not Found")),
        ];
        assert_eq!(responses(&document), expected);
    }

    #[test]
    fn each_url_has_its_response() {
        let created = with(result(Method::PUT, "/a&b", 201), "etag", "\"1\"");
        let document = document(vec![created, result(Method::GET, "/c", 404), result(Method::GET, "", 299)]);
        let expected = [
            ("/a&b", Some("HTTP/1.1 201 Created")),
            ("/c", Some("HTTP/1.1 404 Not Found")),
            ("urn:batchgate:item:3", Some("HTTP/1.1 299 Success")),
        ];
        assert_eq!(responses(&document), expected);
        assert_eq!(document.text_of("{DAV:}responsedescription"), Some("2 of 3 succeeded"));
        let item = document.all(RESPONSE)[0].only(ITEM);
        assert_eq!((item.attribute("id"), item.attribute("status")), (Some("<a>"), Some("201")));
        assert_eq!(item.only(HEADER).attribute("name"), Some("ETag"));
        assert_eq!(item.only(HEADER).text, "\"1\"");
        assert!(item.all(BODY).is_empty());
    }

    #[test]
    fn an_empty_batch_has_an_empty_multistatus() {
        let document = document(Vec::new());
        assert_eq!(document.name, "{DAV:}multistatus");
        assert_eq!(document.text_of("{DAV:}responsedescription"), Some("0 of 0 succeeded"));
    }

    #[test]
    fn items_with_the_same_url_share_a_response() {
        let results = vec![
            result(Method::PUT, "/a/", 200),
            result(Method::GET, "/b", 200),
            result(Method::GET, "/a", 423),
            result(Method::GET, "/a#x", 404),
        ];
        let document = document(results);
        assert_eq!(
            responses(&document),
            [("/a/", Some("HTTP/1.1 423 Locked")), ("/b", Some("HTTP/1.1 200 OK"))]
        );
        assert_eq!(document.all(RESPONSE)[0].all(ITEM).len(), 3);
    }

    #[test]
    fn what_a_post_created_is_the_url() {
        let post = |location| with(result(Method::POST, "/orders", 201), "location", location);
        let document = document(vec![
            post("https://gateway.example/orders/8?x#f"),
            post("/orders/9"),
            post("https://gateway.example"),
            with(result(Method::PUT, "/p", 201), "location", "/q"),
        ]);
        let hrefs: Vec<_> = responses(&document).into_iter().map(|(href, _)| href).collect();
        assert_eq!(hrefs, ["/orders/8?x", "/orders/9", "/orders", "/p"]);
    }

    #[test]
    fn a_redirection_has_its_location() {
        let document = document(vec![with(result(Method::GET, "/a", 302), "location", "/b?c&d")]);
        let location = document.all(RESPONSE)[0].only("{DAV:}location");
        assert_eq!(location.text_of(HREF), Some("/b?c&d"));
    }

    #[test]
    fn bodies_are_text_or_base64() {
        let cases: [(&str, &[u8], &str, bool); 9] = [
            ("application/json", b"{\"a\":\"<\"}", "{\"a\":\"<\"}", false),
            ("text/plain", "a]]>\r\n&é".as_bytes(), "a]]>\r\n&é", false),
            ("text/xml", b"<D:response xmlns:D='DAV:'/>", "<D:response xmlns:D='DAV:'/>", false),
            ("text/plain; charset=iso-8859-1", b"\xe9", "é", false),
            ("text/plain", b"\xe9", "6Q==", true),
            ("text/plain", b"a\0", "YQA=", true),
            ("text/plain", b"\xef\xbf\xbf", "77+/", true),
            ("image/png", b"x", "eA==", true),
            ("text/plain", b"", "", false),
        ];
        for (media_type, bytes, text, encoded) in cases {
            let document = document(vec![body(result(Method::GET, "/a", 200), media_type, bytes)]);
            let found = document.all(RESPONSE)[0].only(ITEM).only(BODY).clone();
            assert_eq!((found.text.as_str(), found.attribute("type")), (text, Some(media_type)));
            assert_eq!(found.attribute("encoding"), encoded.then_some("base64"), "{media_type} {bytes:?}");
            assert!(found.children.is_empty());
        }
        let typeless = ItemResult {
            body: ResultBody::Bytes(Bytes::from_static(b"x")),
            ..result(Method::GET, "/a", 200)
        };
        let found = document(vec![typeless]).all(RESPONSE)[0].only(ITEM).only(BODY).clone();
        assert_eq!((found.text.as_str(), found.attribute("type")), ("eA==", None));
    }

    #[test]
    fn what_the_gateway_made_says_so() {
        let problem = Problem {
            kind: "urn:x",
            title: "Too slow",
            status: StatusCode::GATEWAY_TIMEOUT,
            detail: "a <detail>".into(),
            place: None,
        };
        let made = ItemResult {
            body: ResultBody::Problem(Box::new(problem)),
            spellings: Spellings::default(),
            gateway: Some(GatewayMade { outcome: OutcomeKind::Unknown, error: ProxyError("x") }),
            retryable: true,
            ..with(result(Method::GET, "/a", 504), "proxy-status", "x")
        };
        let document = document(vec![made]);
        let item = document.all(RESPONSE)[0].only(ITEM);
        assert_eq!((item.attribute("outcome"), item.attribute("retryable")), (Some("unknown"), Some("true")));
        let headers: Vec<_> = item.all(HEADER).iter().map(|header| header.text.as_str()).collect();
        assert_eq!(headers, ["application/problem+xml", "x"]);
        let body = item.only(BODY);
        assert_eq!(body.attribute("type"), Some("application/problem+xml"));
        let problem = Element::parse(body.text.as_bytes());
        assert_eq!(problem.text_of("{urn:ietf:rfc:7807}detail"), Some("a <detail>"));
    }

    const PROPFIND: &[u8] = b"<?xml version='1.0'?><multistatus xmlns='DAV:' xmlns:o='urn:o'>\
        <response><href>/c/</href><propstat><prop><o:x>1</o:x></prop><status>HTTP/1.1 200 OK</status></propstat></response>\
        <response><href>/c/d</href><status>HTTP/1.1 423 Locked</status><error><lock-token-submitted/></error></response>\
        <sync-token>t</sync-token></multistatus>";

    #[test]
    fn an_upstreams_multistatus_is_merged_in() {
        let propfind = Method::from_bytes(b"PROPFIND").unwrap();
        let merged = body(result(propfind.clone(), "/c", 207), "text/xml; charset=\"utf-8\"", PROPFIND);
        let again = body(result(propfind, "/c/", 207), "application/xml", PROPFIND);
        let document = document(vec![result(Method::GET, "/c/d", 200), merged, again]);
        let locked = Some("HTTP/1.1 423 Locked");
        assert_eq!(responses(&document), [("/c/d", locked), ("/c", None)]);
        let [first, second] = document.all(RESPONSE)[..] else { panic!() };
        assert_eq!(first.only("{DAV:}error").children[0].name, "{DAV:}lock-token-submitted");
        let propstat = second.only(PROPSTAT);
        assert_eq!(propstat.only("{DAV:}prop").text_of("{urn:o}x"), Some("1"));
        assert_eq!(second.text_of("{DAV:}sync-token"), Some("t"));
        assert_eq!(second.all(ITEM).len(), 2);
        assert!(second.all(ITEM).iter().all(|item| item.all(BODY).is_empty()));
        assert_eq!(document.text_of("{DAV:}responsedescription"), Some("3 of 3 succeeded"));
    }

    #[test]
    fn a_failed_multistatus_is_merged_in_as_well() {
        let body_of = b"<D:multistatus xmlns:D='DAV:'><D:response><D:href>/c/d</D:href><D:status>HTTP/1.1 423 Locked</D:status>\
            </D:response></D:multistatus>";
        let document = document(vec![body(result(Method::DELETE, "/c/", 424), "application/xml", body_of)]);
        let expected =
            [("/c/", Some("HTTP/1.1 424 Failed Dependency")), ("/c/d", Some("HTTP/1.1 423 Locked"))];
        assert_eq!(responses(&document), expected);
    }

    #[test]
    fn a_dav_error_is_carried_and_the_body_stays() {
        let error =
            b"<?xml version='1.0'?>\n<D:error xmlns:D='DAV:'><D:lock-token-matches-request-uri/></D:error>";
        let document = document(vec![body(result(Method::PUT, "/a", 409), "text/xml", error)]);
        let response = document.all(RESPONSE)[0];
        assert_eq!(response.only("{DAV:}error").children[0].name, "{DAV:}lock-token-matches-request-uri");
        assert_eq!(response.only(ITEM).only(BODY).text.as_bytes(), error);
    }

    #[test]
    fn a_broken_multistatus_is_a_body() {
        let broken = b"<multistatus xmlns='DAV:'><response></multistatus>";
        let document = document(vec![body(result(Method::PUT, "/a", 207), "text/xml", broken)]);
        assert_eq!(responses(&document), [("/a", Some("HTTP/1.1 207 Multi-Status"))]);
        assert_eq!(document.all(RESPONSE)[0].only(ITEM).only(BODY).text.as_bytes(), broken);
    }

    #[test]
    fn elements_come_in_the_order_of_the_standard() {
        let propfind = Method::from_bytes(b"PROPFIND").unwrap();
        let document = document(vec![
            with(body(result(propfind, "/c", 302), "text/xml", PROPFIND), "location", "/x"),
            body(result(Method::GET, "/c", 409), "text/xml", b"<error xmlns='DAV:'/>"),
        ]);
        let names: Vec<_> =
            document.all(RESPONSE)[0].children.iter().map(|child| child.name.as_str()).collect();
        let expected = [HREF, PROPSTAT, "{DAV:}error", "{DAV:}location", "{DAV:}sync-token", ITEM, ITEM];
        assert_eq!(names, expected);
        assert_eq!(document.children.last().unwrap().name, "{DAV:}responsedescription");
    }
}
