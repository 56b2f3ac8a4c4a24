//! What happens to a proxied reply: fields of the hop leave, urls are mapped back to the gateway's, in its fields and in
//! DAV bodies.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use crate::format::{self, xml};
use crate::plan::{Kept, hop_by_hop_fields};
use crate::stitch::problem::Limit;

use super::super::failure;
use super::super::forwarding::Reached;
use super::super::snapshot::Snapshot;
use super::{Context, Proxied};

/// Bytes of a DAV body that are held while its hrefs are mapped.
const MAX_MAPPED_BODY: usize = 16 << 20;

/// Maps the reply's fields, and prepares for mapping its body.
pub(in super::super) fn response(
    session: &Session,
    response: &mut ResponseHeader,
    context: &mut Context,
) -> pingora::Result<()> {
    context.keep_time()?;
    let request_id = context.request_id.as_str().to_owned();
    let Context { snapshot, reached, proxied, limit_fields, answered, .. } = context;
    let Some(proxied) = proxied else { return Ok(()) };
    if response.status == StatusCode::SWITCHING_PROTOCOLS && !session.is_upgrade_req() {
        // RFC 9110 §15.2.2: nobody asked for it, and what follows would be read by nobody's rules.
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "an upgrade that was not asked for");
    }
    if response.status.is_informational() {
        // Also 101, whose Connection names the upgrade.
        return Ok(());
    }
    if response.status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: a client could wait for the bytes, or take the next reply for them.
        response.remove_header(&header::CONTENT_LENGTH);
    }
    if !failure::is_framing_read(&response.headers) {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "a transfer coding that nobody undoes");
    }
    *answered = Some(response.status);
    for name in hop_by_hop_fields(&response.headers, Kept::Trailer) {
        if name != header::TRANSFER_ENCODING {
            response.remove_header(&name);
        }
    }
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let Some(url) = response.headers.get(&name).and_then(|value| value.to_str().ok()) else { continue };
        let mapped = proxied.to_gateway(url, snapshot, reached);
        if mapped != url {
            response.insert_header(name, HeaderValue::from_str(&mapped).map_err(|_| unmappable())?)?;
        }
    }
    response.insert_header("x-request-id", request_id)?;
    for (name, value) in limit_fields {
        response.append_header(name.clone(), value.as_str())?;
    }
    if proxied.maps_bodies && response.status != StatusCode::NO_CONTENT && is_xml(&response.headers) {
        response.remove_header(&header::CONTENT_LENGTH);
        response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        proxied.mapped_body = Some(BytesMut::new());
    }
    Ok(())
}

/// RFC 9112 §6.1, RFC 9110 §15.2: a client that speaks HTTP/1.0 knows neither chunks nor interim
/// replies; the end of the connection is the end of a body without a length.
pub(in super::super) fn suit_http_1_0(session: &mut Session, response: &mut ResponseHeader) {
    if session.req_header().version != Version::HTTP_10 || response.status.is_informational() {
        return;
    }
    if response.remove_header(&header::TRANSFER_ENCODING).is_some() {
        session.as_downstream_mut().set_keepalive(None);
    }
}

fn is_xml(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = !headers.contains_key(header::CONTENT_ENCODING);
    plain && content_type.is_some_and(format::is_xml)
}

/// Holds back a body whose hrefs are to be mapped until it is whole.
pub(in super::super) fn response_body(
    body: &mut Option<Bytes>,
    end: bool,
    context: &mut Context,
) -> pingora::Result<()> {
    let Context { snapshot, reached, proxied, reason, limit, .. } = context;
    let Some(proxied) = proxied else { return Ok(()) };
    let Some(mut held) = proxied.mapped_body.take() else { return Ok(()) };
    if let Some(bytes) = body.take() {
        held.extend_from_slice(&bytes);
    }
    if held.len() > MAX_MAPPED_BODY {
        (*reason, *limit) = (Some("reply_too_large"), Some(Limit::Key("mapped_body")));
        return Error::e_explain(
            ErrorType::InternalError,
            "a body whose hrefs are to be mapped is too large",
        );
    }
    if end {
        let mapped = xml::dav::map_hrefs(&held, &|url| proxied.to_gateway(url, snapshot, reached).into());
        *body = Some(mapped.map_or_else(|| held.freeze(), Bytes::from));
    } else {
        proxied.mapped_body = Some(held);
    }
    Ok(())
}

impl Proxied {
    fn to_gateway(&self, url: &str, snapshot: &Snapshot, reached: &Reached) -> String {
        let is_upstream = |authority: &str| snapshot.goes_by(self.upstream, authority, &reached.authority);
        self.mapping.reference_to_gateway(url, is_upstream, &reached.origin()).into_owned()
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "pingora's results want it so")]
fn unmappable() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "a mapped url can't stand in a field")
}
