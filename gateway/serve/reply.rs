//! A reply that the gateway makes itself, before it is written: its status, the fields that only its handler knows, and
//! its body. Whatever every reply of ours says is added by `respond`.

use http::header::HeaderName;
use http::{HeaderValue, StatusCode};

use crate::format::EncodedBody;
use crate::memory::MemoryReservation;

/// W3C Server Timing §3.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long caches may keep a reply that does not say so itself in a Cache-Control of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// Not at all: it is true for this request only.
    Never,
    /// As HTTP has it for its status (RFC 9111 §4.2.2).
    ByStatus,
}

/// A reply that the gateway makes itself.
pub(crate) struct Reply<'gateway> {
    pub(super) status: StatusCode,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: EncodedBody,
    pub(super) caching: Caching,
    /// The memory that the body takes. It is given back once the reply was written.
    pub(super) memory: Option<MemoryReservation<'gateway>>,
}

impl<'gateway> Reply<'gateway> {
    pub(crate) const fn new(status: StatusCode, body: EncodedBody) -> Self {
        Self { status, fields: Vec::new(), body, caching: Caching::Never, memory: None }
    }

    pub(crate) fn without_body(status: StatusCode) -> Self {
        Self::new(status, EncodedBody::from_bytes(bytes::Bytes::new()))
    }

    /// Adds a field, unless its value is not valid in one.
    pub(crate) fn with(mut self, name: HeaderName, value: Option<String>) -> Self {
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            self.fields.push((name, value));
        }
        self
    }

    /// Adds fields, but not those whose value is not valid in one.
    pub(crate) fn with_all(self, fields: Vec<(HeaderName, String)>) -> Self {
        fields.into_iter().fold(self, |reply, (name, value)| reply.with(name, Some(value)))
    }

    /// Lets caches keep it as its status says: it is the same for every request to its url.
    pub(crate) fn same_for_all(self) -> Self {
        Self { caching: Caching::ByStatus, ..self }
    }

    /// Holds on to memory until the reply was written.
    pub(crate) fn holding(self, memory: MemoryReservation<'gateway>) -> Self {
        Self { memory: Some(memory), ..self }
    }
}
