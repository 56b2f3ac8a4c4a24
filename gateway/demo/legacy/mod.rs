//! The demonstration's legacy API: the kind of service that a batching gateway is put in front of. A request is about one
//! resource. The API keeps state, speaks JSON at `/orders/{id}` and XML at `/legacy/orders/{id}`, and has errors and
//! delays:
//!
//! * order 9 takes 300 ms, order 13 is always a 500;
//! * `open` may become `paid` or `cancelled`, `paid` may become `shipped` or `cancelled`; anything
//!   else is a 409;
//! * every resource has an `ETag`, and `If-Match`, `If-None-Match` are honoured (412, 304).
//!
//! [`LegacyApi::respond`] is pure except for the state; only waiting is asynchronous.

mod documents;
mod fault;
mod media;
mod order;
mod orders;
mod precondition;
mod reply;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use documents::{DocumentKind, Documents};
use fault::Fault;
use media::Media;
use orders::Orders;

use crate::listener::plain_service::PlainHandler;

/// The delay of order 9.
const SLOW: Duration = Duration::from_millis(300);

/// The API with its state.
pub(crate) struct LegacyApi {
    state: Mutex<State>,
}

struct State {
    orders: Orders,
    documents: Documents,
}

/// The resource of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    /// `/orders`, `/legacy/orders`.
    Orders(Media),
    /// `/orders/{id}`, `/legacy/orders/{id}`.
    Order(Media, u32),
    /// `/notes/{id}`, `/pictures/{id}`.
    Document(DocumentKind, u32),
    /// `/health`.
    Health,
}

impl LegacyApi {
    /// The API with orders 1 to 20, one note and one picture.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { orders: Orders::seeded(), documents: Documents::seeded() }) }
    }

    /// The response to one request.
    pub(crate) fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match Resource::of_path(request.uri().path()) {
            Some(Resource::Orders(media)) => state.orders.answer_collection(media, request),
            Some(Resource::Order(media, id)) => state.orders.answer_order(media, id, request),
            Some(Resource::Document(kind, id)) => state.documents.answer(kind, id, request),
            Some(Resource::Health) => reply::text("the legacy API is well\n"),
            None => reply::fault(Media::Json, &Fault::NoSuchPath(request.uri().path().to_owned())),
        }
    }
}

impl PlainHandler for LegacyApi {
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        tokio::time::sleep(delay(request.uri().path())).await;
        self.respond(&request)
    }
}

fn delay(path: &str) -> Duration {
    match Resource::of_path(path) {
        Some(Resource::Order(_, 9)) => SLOW,
        Some(Resource::Orders(_) | Resource::Order(_, _) | Resource::Document(_, _) | Resource::Health)
        | None => Duration::ZERO,
    }
}

impl Resource {
    fn of_path(path: &str) -> Option<Self> {
        let (media, rest) = match path.strip_prefix("/legacy/") {
            Some(rest) => (Media::Xml, rest),
            None => (Media::Json, path.strip_prefix('/')?),
        };
        let (collection, id) = match rest.split_once('/') {
            Some((collection, id)) => (collection, Some(id.parse().ok()?)),
            None => (rest, None),
        };
        match (collection, id, media) {
            ("orders", None, _) => Some(Self::Orders(media)),
            ("orders", Some(id), _) => Some(Self::Order(media, id)),
            ("notes", Some(id), Media::Json) => Some(Self::Document(DocumentKind::Note, id)),
            ("pictures", Some(id), Media::Json) => Some(Self::Document(DocumentKind::Picture, id)),
            ("health", None, Media::Json) => Some(Self::Health),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
