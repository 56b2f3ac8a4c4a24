//! Writes the results of a batch as a WebDAV multistatus (protocol §4.2; RFC 4918 §13, §14.16).
//!
//! Elements of the protocol stand after those of `DAV:`, where readers that know only RFC 2518
//! look past them, and none has a name that `DAV:` uses, for readers that drop prefixes.

use bytes::Bytes;
use http::StatusCode;

use super::escape::write_text;
use super::item;
use super::response::{Redirect, Response, Responses};
use crate::format::rope::{Rope, copied_length};
use crate::format::{ItemIndex, ItemResult, MultiStatus, ResultBody};

const HEAD: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
    <D:multistatus xmlns:D=\"DAV:\" xmlns:b=\"urn:batchgate:batch\">";

/// Bytes that an item takes beside its url, header values and body, roughly.
const ITEM_OVERHEAD: usize = 192;

/// Writes the results, freeing each as soon as it is written.
pub(in crate::format) fn write(mut results: MultiStatus) -> Vec<Bytes> {
    let summary = results.summary();
    let mut rope = Rope::new(results.results.iter().map(expected_length).sum());
    let mut responses = Responses::default();
    for (index, result) in results.results.iter_mut().enumerate() {
        responses.add(ItemIndex(index), result);
    }
    let mut left: Vec<Option<ItemResult>> = results.results.into_iter().map(Some).collect();
    rope.put(HEAD);
    for response in responses.into_list() {
        write_response(&mut rope, response, &mut left);
    }
    rope.put(b"<D:responsedescription>");
    rope.put_number(summary.items - summary.failed);
    rope.put(b" of ");
    rope.put_number(summary.items);
    rope.put(b" succeeded</D:responsedescription></D:multistatus>\n");
    rope.finish()
}

fn expected_length(result: &ItemResult) -> usize {
    let fields: usize =
        result.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    let body = match &result.body {
        ResultBody::Absent => 0,
        ResultBody::Bytes(bytes) => copied_length(bytes),
        ResultBody::Problem(problem) => problem.detail.len() + 320,
    };
    ITEM_OVERHEAD + result.subject.id.as_str().len() + result.subject.href.len() + fields + body
}

/// In the order of RFC 4918 §14.24.
fn write_response(rope: &mut Rope, response: Response, results: &mut [Option<ItemResult>]) {
    rope.put(b"<D:response><D:href>");
    write_text(rope, &response.href);
    rope.put(b"</D:href>");
    if response.propstats.is_empty() {
        // Without a propstat there is an item here, or an upstream's status.
        write_status(rope, response.status.unwrap_or(StatusCode::MULTI_STATUS.as_u16()));
    }
    for propstat in response.propstats {
        rope.put_shared(propstat.into());
    }
    if let Some(error) = response.error {
        rope.put(error.as_bytes());
    }
    if let Some(description) = response.description {
        rope.put(b"<D:responsedescription>");
        write_text(rope, &description);
        rope.put(b"</D:responsedescription>");
    }
    match response.location {
        Some(Redirect::Url(url)) => {
            rope.put(b"<D:location><D:href>");
            write_text(rope, &url);
            rope.put(b"</D:href></D:location>");
        }
        Some(Redirect::Element(element)) => rope.put(element.as_bytes()),
        None => {}
    }
    for extension in response.extensions {
        rope.put_shared(extension.into());
    }
    for index in response.items {
        if let Some(result) = results.get_mut(index.0).and_then(Option::take) {
            item::write(rope, result);
        }
    }
    rope.put(b"</D:response>");
}

/// A whole status line (§14.28), with a reason for codes that nobody has registered, too.
fn write_status(rope: &mut Rope, code: u16) {
    rope.put(b"<D:status>HTTP/1.1 ");
    rope.put_number(code);
    rope.put(b" ");
    let registered = StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    let reason = registered.unwrap_or(match code / 100 {
        1 => "Informational",
        2 => "Success",
        3 => "Redirection",
        4 => "Client Error",
        5 => "Server Error",
        _ => "Unknown",
    });
    rope.put(reason.as_bytes());
    rope.put(b"</D:status>");
}
