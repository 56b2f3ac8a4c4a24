//! A call to an upstream.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;

use crate::header::field::Fields;
use crate::header::spelling::Spellings;
use crate::route::{OriginText, RouteIndex, UpstreamIndex};

/// The call for an item.
#[derive(Debug, PartialEq)]
pub struct Call {
    /// The upstream to call.
    pub upstream: UpstreamIndex,
    /// The route that leads there; `None` if the gateway calls for itself.
    pub route: Option<RouteIndex>,
    /// The path and query of the request line, as the upstream sees it.
    pub target: Box<str>,
    /// The item's own fields.
    pub headers: Fields,
    /// How the names of these fields were spelt.
    pub spellings: Spellings,
    /// Fields whose urls need the origin of the chosen target.
    pub references: Vec<(HeaderName, OriginText)>,
    /// The body.
    pub body: Option<Bytes>,
    /// The item's own time limit.
    pub timeout: Option<Duration>,
}

impl Call {
    /// A call with no fields of its own and no body.
    #[must_use]
    pub fn new(upstream: UpstreamIndex, target: Box<str>) -> Self {
        Self {
            upstream,
            route: None,
            target,
            headers: Fields::new(),
            spellings: Spellings::default(),
            references: Vec::new(),
            body: None,
            timeout: None,
        }
    }
}
