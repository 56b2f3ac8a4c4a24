//! The head of a call on the wire: its request line and fields, with the framing that the gateway alone decides (RFC 9112
//! §6). Of what an item says, only its method, its canonical path, and fields that were checked can end up in it.

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Uri};
use pingora::http::RequestHeader;

use crate::dispatch::CallFailure;
use crate::plan::Call;

use super::context::{Calls, Sending};
use crate::transport::field_names;
use crate::upstream::peer::Peer;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

impl Calls<'_> {
    /// The header of a call to a target over HTTP/1.1.
    pub(super) fn header(
        &self,
        sending: Sending<'_>,
        peer: &Peer,
    ) -> Result<Box<RequestHeader>, CallFailure> {
        let uri = sending.call.target.parse().map_err(|_| CallFailure::Internal)?;
        let mut parts = self.parts(sending, peer, uri)?;
        let host = self.upstream.host_for(peer, self.behalf.authority);
        parts.headers.insert(header::HOST, host);
        let call = sending.call;
        let is_own = |name: &HeaderName| call.headers.iter().any(|(own, _)| own == name);
        let written = |name: &HeaderName| {
            if is_own(name) { field_names::spelt(name, &call.spellings) } else { self.names.written(name) }
        };
        let header = field_names::request(parts, written).map_err(|_| CallFailure::Internal)?;
        Ok(Box::new(header))
    }

    /// The header of a call over HTTP/2, which has the authority in its url (RFC 9113 §8.3.1).
    pub(super) fn header_h2(
        &self,
        sending: Sending<'_>,
        peer: &Peer,
    ) -> Result<Box<RequestHeader>, CallFailure> {
        let origin = self.upstream.origin_for(peer, self.behalf.authority);
        let uri = format!("{origin}{}", sending.call.target).parse().map_err(|_| CallFailure::Internal)?;
        let mut header = RequestHeader::from(self.parts(sending, peer, uri)?);
        header.set_version(http::Version::HTTP_2);
        Ok(Box::new(header))
    }

    fn parts(
        &self,
        Sending { method, call, attempt, .. }: Sending<'_>,
        peer: &Peer,
        uri: Uri,
    ) -> Result<Parts, CallFailure> {
        let deadline = attempt.deadline;
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = method.clone();
        parts.uri = uri;
        parts.headers = self.headers.compose(&call.headers);
        if let Some(length) = content_length(method, call) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(trace) = self.behalf.trace.of_call() {
            parts.headers.insert(TRACEPARENT, trace);
        }
        if let Some(name) = &self.upstream.settings.deadline_header {
            parts.headers.insert(name.clone(), HeaderValue::from(deadline.remaining_milliseconds()));
        }
        for (name, text) in &call.references {
            let origin = self.upstream.origin_for(peer, self.behalf.authority);
            let value =
                HeaderValue::from_str(&text.with_origin(&origin)).map_err(|_| CallFailure::Internal)?;
            parts.headers.insert(name.clone(), value);
        }
        Ok(parts)
    }
}

/// RFC 9110 §8.6: a length where there is a body, and where the method would have one.
fn content_length(method: &Method, call: &Call) -> Option<usize> {
    let expects_one = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    call.body.as_ref().map(bytes::Bytes::len).or_else(|| expects_one.then_some(0))
}
