//! The head of a call on the wire: its request line and fields, with the framing that the gateway alone decides (RFC 9112
//! §6). Of what an item says, only its method, its canonical path, and fields that were checked can end up in it.

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use crate::dispatch::CallFailure;
use crate::header::field::Fields;
use crate::header::inherit::Put;
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
        let Sending { method, call, .. } = sending;
        let host = self.upstream.host_for(peer, self.behalf.authority);
        let mut head = Box::new(self.head.http1(host).ok_or(CallFailure::Internal)?);
        head.set_method(method.clone());
        head.set_uri(call.target.parse().map_err(|_| CallFailure::Internal)?);
        let mut fits = true;
        let mut put = |how, name, value| {
            fits &= match how {
                Put::Replace => head.insert_header(name, value).is_ok(),
                Put::Add => head.append_header(name, value).is_ok(),
            };
        };
        let own = |name: &HeaderName| field_names::spelt(name, &call.spellings);
        self.head.headers.put_own(&call.headers, |how, name, value| put(how, own(name), value));
        for (name, value) in self.fields_of_call(sending, peer)? {
            put(Put::Replace, own(&name), value);
        }
        if !fits {
            return Err(CallFailure::Internal);
        }
        Ok(head)
    }

    /// The header of a call over HTTP/2, which has the authority in its url (RFC 9113 §8.3.1).
    pub(super) fn header_h2(
        &self,
        sending: Sending<'_>,
        peer: &Peer,
    ) -> Result<Box<RequestHeader>, CallFailure> {
        let origin = self.upstream.origin_for(peer, self.behalf.authority);
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = sending.method.clone();
        parts.uri = format!("{origin}{}", sending.call.target).parse().map_err(|_| CallFailure::Internal)?;
        parts.version = http::Version::HTTP_2;
        parts.headers = self.head.headers.compose(&sending.call.headers);
        for (name, value) in self.fields_of_call(sending, peer)? {
            parts.headers.insert(name, value);
        }
        Ok(Box::new(RequestHeader::from(parts)))
    }

    /// The fields of a call that neither its batch nor its item decides.
    fn fields_of_call(
        &self,
        Sending { method, call, attempt, .. }: Sending<'_>,
        peer: &Peer,
    ) -> Result<Fields, CallFailure> {
        let length = content_length(method, call).map(|length| (header::CONTENT_LENGTH, length.into()));
        let trace = self.behalf.trace.of_call().map(|trace| (TRACEPARENT, trace));
        let left = || HeaderValue::from(attempt.deadline.remaining_milliseconds());
        let deadline = self.upstream.settings.deadline_header.as_ref().map(|name| (name.clone(), left()));
        let mut fields: Fields = length.into_iter().chain(trace).chain(deadline).collect();
        for (name, text) in &call.references {
            let origin = self.upstream.origin_for(peer, self.behalf.authority);
            let value =
                HeaderValue::from_str(&text.with_origin(&origin)).map_err(|_| CallFailure::Internal)?;
            fields.push((name.clone(), value));
        }
        Ok(fields)
    }
}

/// RFC 9110 §8.6: a length where there is a body, and where the method would have one.
fn content_length(method: &Method, call: &Call) -> Option<usize> {
    let expects_one = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    call.body.as_ref().map(Bytes::len).or_else(|| expects_one.then_some(0))
}
