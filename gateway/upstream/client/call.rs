//! The head of a call on the wire: its request line and fields, with the framing that the gateway alone decides (RFC 9112
//! §6). Of what an item says, only its method, its canonical path, and fields that were checked can end up in it.

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use crate::dispatch::CallFailure;
use crate::header::field::Fields;
use crate::plan::Call;
use crate::telemetry::TRACEPARENT;

use super::context::{Calls, Sending};
use super::head_lines::write_line;
use crate::upstream::peer::Peer;

impl Calls<'_> {
    /// Writes the head of a call to a target over HTTP/1.1 into `head`, which is empty.
    pub(super) fn write_head(
        &self,
        sending: Sending<'_>,
        peer: &Peer,
        head: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        let Sending { method, call, .. } = sending;
        // Paths come encoded. One that is not would end the request line early.
        if !call.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CallFailure::Internal);
        }
        for piece in [method.as_str(), " ", &*call.target, " HTTP/1.1\r\n"] {
            head.extend_from_slice(piece.as_bytes());
        }
        let host = self.upstream.host_for(peer, self.behalf.authority);
        write_line(head, &header::HOST, &host, &call.spellings);
        let last = self.fields_of_call(sending, peer)?;
        let is_last = |name: &HeaderName| last.iter().any(|(other, _)| other == name);
        let mut own = Fields::new();
        self.head_of(call).headers.put_own(&call.headers, |_, name, value| {
            if !is_last(name) {
                own.push((name.clone(), value));
            }
        });
        let is_own = |name: &HeaderName| own.iter().any(|(other, _)| other == name);
        self.lines_of(call).write(head, |name| is_last(name) || is_own(name));
        for (name, value) in own.iter().chain(&last) {
            write_line(head, name, value, &call.spellings);
        }
        head.extend_from_slice(b"\r\n");
        Ok(())
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
        parts.headers = self.head_of(sending.call).headers.compose(&sending.call.headers);
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
        let trace = self.behalf.trace.of_call().map(|span| {
            attempt.progress.mark_span(span.id);
            (TRACEPARENT, span.traceparent)
        });
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
