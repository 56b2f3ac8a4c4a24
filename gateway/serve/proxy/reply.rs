//! Makes the head of an upstream's reply one of ours: the fields of the hop are removed, urls are mapped back to the
//! gateway's, and the message gets the gateway's own version and framing (RFC 9110 §2.5, RFC 9112 §6).

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};

use crate::format::{self, xml};
use crate::header::X_REQUEST_ID;
use crate::header::hop::{Kept, hop_by_hop_fields};
use crate::route::{FIELDS_WITH_URLS, ReplyUrls};
use crate::serve::cors;
use crate::session::{Rest, Session};
use crate::transport::field_names;
use crate::upstream::error;

use super::plan::Job;

/// Bytes of a DAV body that are held while its hrefs are mapped.
const MAX_MAPPED_BODY: usize = 16 << 20;

/// Makes an upstream's interim reply one of ours; `None`: it is not for the client.
pub(super) fn interim(mut head: ResponseHeader) -> Option<ResponseHeader> {
    // The gateway has sent its own (RFC 9110 §10.1.1).
    if head.status == StatusCode::CONTINUE {
        return None;
    }
    remove_hop_and_framing(&mut head);
    Some(head)
}

/// For a reply without a body.
fn remove_hop_and_framing(head: &mut ResponseHeader) {
    remove_fields(head, Kept::Nothing);
    head.remove_header(&header::CONTENT_LENGTH);
    head.set_version(Version::HTTP_11);
}

fn remove_fields(head: &mut ResponseHeader, kept: Kept) {
    for name in hop_by_hop_fields(&head.headers, kept) {
        head.remove_header(&name);
    }
}

/// Makes an upstream's 101 one of ours.
pub(super) fn switching(head: &mut ResponseHeader, asked: Option<&HeaderValue>) {
    let chosen = head.headers.get(header::UPGRADE).or(asked).cloned();
    remove_hop_and_framing(head);
    let _ = head.insert_header(header::CONNECTION, "Upgrade");
    if let Some(chosen) = chosen {
        let _ = head.insert_header(header::UPGRADE, chosen);
    }
}

/// How a reply's body goes on to the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// There is none.
    None,
    /// As it comes. Its length was announced.
    Sized,
    /// As it comes, until it ends.
    Unsized,
    /// Held until it is complete, so that its hrefs can be mapped.
    Mapped,
}

/// Makes an upstream's final reply one of ours. `rest`: whether anything follows its head.
///
/// # Errors
/// It has a transfer coding that is not undone here.
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub(super) fn final_head(
    session: &mut Session,
    head: &mut ResponseHeader,
    job: Job<'_>,
    rest: Rest,
) -> pingora::Result<Body> {
    check_framing(head)?;
    remove_fields(head, Kept::Trailer);
    if head.status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: a client could wait for the bytes, or take the next reply for them.
        head.remove_header(&header::CONTENT_LENGTH);
    }
    map_urls(head, job)?;
    head.insert_header(field_names::canonical(&X_REQUEST_ID), job.context.caller.request_id.as_str())?;
    if !job.context.cors.is_empty() {
        cors::replace(head, &job.context.cors)?;
    }
    for (name, value) in &job.context.limit_fields {
        head.append_header(field_names::canonical(name), value.as_str())?;
    }
    head.set_version(Version::HTTP_11);
    let has_body = session.req_header().method != Method::HEAD
        && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if !has_body {
        Body::None
    } else if job.plan.maps_bodies && is_xml(&head.headers) {
        head.remove_header(&header::CONTENT_LENGTH);
        Body::Mapped
    } else if head.headers.contains_key(header::CONTENT_LENGTH) {
        Body::Sized
    } else if rest == Rest::Nothing {
        head.insert_header(header::CONTENT_LENGTH, 0)?;
        Body::None
    } else {
        Body::Unsized
    };
    frame(session, head, &body)?;
    Ok(body)
}

/// A reply of HTTP/1.0 has no chunks (RFC 9112 §6.1), and no reply has a transfer coding that is not undone here.
fn check_framing(head: &ResponseHeader) -> pingora::Result<()> {
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    if !error::is_framing_read(&head.headers) || is_chunked && head.version == Version::HTTP_10 {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "a transfer coding that is not undone");
    }
    Ok(())
}

fn map_urls(head: &mut ResponseHeader, job: Job<'_>) -> pingora::Result<()> {
    // Few replies have such a field. One look at the names costs less than a search for each of them.
    if !head.headers.keys().any(|name| FIELDS_WITH_URLS.contains(name)) {
        return Ok(());
    }
    with_urls(job, |urls| {
        for name in FIELDS_WITH_URLS {
            let values: Vec<_> = head.headers.get_all(&name).iter().cloned().collect();
            let mapped: Vec<_> = values.iter().map(|value| urls.field(&name, value)).collect();
            if mapped.iter().all(Option::is_none) {
                continue;
            }
            let written = field_names::spelt(&name, &field_names::of_reply(head));
            head.remove_header(&name);
            for (value, mapped) in values.into_iter().zip(mapped) {
                head.append_header(written.clone(), mapped.unwrap_or(value))?;
            }
        }
        Ok(())
    })
}

/// Chunks for HTTP/1.1. A client that speaks HTTP/1.0 knows neither chunks nor trailers: the end of the connection is
/// the end of a body without a length. HTTP/2 frames by itself.
fn frame(session: &mut Session, head: &mut ResponseHeader, body: &Body) -> pingora::Result<()> {
    let has_length = matches!(body, Body::None | Body::Sized);
    match session.req_header().version {
        Version::HTTP_2 => return Ok(()),
        Version::HTTP_11 if !has_length => {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        Version::HTTP_11 => {}
        _ if !has_length => session.close_after_reply(),
        _ => {}
    }
    if has_length || !session.takes_trailers() {
        head.remove_header(&header::TRAILER);
    }
    Ok(())
}

fn is_xml(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = !headers.contains_key(header::CONTENT_ENCODING);
    plain && content_type.is_some_and(format::is_xml)
}

/// A DAV body while it comes, until its hrefs can be mapped.
#[derive(Default)]
pub(super) struct MappedBody(BytesMut);

impl MappedBody {
    /// Adds a piece.
    ///
    /// # Errors
    /// The body is too large to be held.
    pub(super) fn push(&mut self, piece: &Bytes) -> Result<(), TooLarge> {
        if self.0.len() + piece.len() > MAX_MAPPED_BODY {
            return Err(TooLarge);
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }

    /// The body with its hrefs mapped.
    pub(super) fn map(self, job: Job<'_>) -> Bytes {
        let mapped =
            with_urls(job, |urls| xml::dav::map_hrefs(&self.0, &|url| urls.url(url).into_owned().into()));
        mapped.map_or_else(|| self.0.freeze(), Bytes::from)
    }
}

/// A body whose hrefs are to be mapped is larger than what may be held.
#[derive(Debug)]
pub(super) struct TooLarge;

/// The mapping of the reply's urls.
fn with_urls<T>(job: Job<'_>, work: impl FnOnce(&ReplyUrls<'_>) -> T) -> T {
    let Job { upstream, context, plan, .. } = job;
    let caller = &context.caller;
    work(&ReplyUrls {
        mapping: &plan.mapping,
        is_upstream: &|authority: &str| upstream.goes_by(authority, &caller.authority),
        own_origin: &caller.origin(),
    })
}
