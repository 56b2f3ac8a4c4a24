//! All orders, one at a time.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Response};

use super::fault::Fault;
use super::media::Media;
use super::order::{Order, OrderChange, OrderStatus};
use super::precondition::{self, Permission};
use super::reply;

const COLLECTION_METHODS: &str = "GET, HEAD, POST";
const ORDER_METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE";
/// The order that always fails.
const BROKEN: u32 = 13;

/// The orders by number.
pub(super) struct Orders {
    orders: BTreeMap<u32, Versioned>,
}

struct Versioned {
    order: Order,
    version: u32,
}

impl Versioned {
    fn etag(&self) -> String {
        format!("\"{}.{}\"", self.order.id, self.version)
    }

    fn found(&self, media: Media) -> Response<Bytes> {
        reply::found(media.content_type(), &self.etag(), media.write_order(&self.order))
    }
}

impl Orders {
    /// Orders 1 to 20.
    pub(super) fn seeded() -> Self {
        Self { orders: (1..=20).map(|id| (id, Versioned { order: seed(id), version: 1 })).collect() }
    }

    /// `GET` lists the numbers, `POST` creates an order.
    pub(super) fn answer_collection(&mut self, own: Media, request: &Request<Bytes>) -> Response<Bytes> {
        let media = Media::of_reply(own, request.headers());
        let response = match *request.method() {
            Method::GET | Method::HEAD => Ok(self.list(media)),
            Method::POST => {
                let id = self.orders.keys().next_back().map_or(1, |last| last + 1);
                self.create(own, id, request)
            }
            _ => Err(Fault::MethodNotAllowed { allowed: COLLECTION_METHODS }),
        };
        response.unwrap_or_else(|fault| reply::fault(media, &fault))
    }

    /// The methods of one order.
    pub(super) fn answer_order(&mut self, own: Media, id: u32, request: &Request<Bytes>) -> Response<Bytes> {
        let media = Media::of_reply(own, request.headers());
        self.try_answer_order(own, id, request).unwrap_or_else(|fault| reply::fault(media, &fault))
    }

    fn try_answer_order(
        &mut self,
        own: Media,
        id: u32,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Fault> {
        if id == BROKEN {
            return Err(Fault::Broken);
        }
        let (method, headers) = (request.method(), request.headers());
        let current = self.orders.get(&id).map(Versioned::etag);
        if precondition::check(method, headers, current.as_deref())? == Permission::Unchanged {
            return Ok(reply::unchanged(current.as_deref().unwrap_or_default()));
        }
        match *method {
            Method::GET | Method::HEAD => Ok(self.order(id)?.found(Media::of_reply(own, headers))),
            Method::PUT if current.is_none() => self.create(own, id, request),
            Method::PUT => self.change(own, id, request, OrderChange::complete),
            Method::PATCH => self.change(own, id, request, Ok),
            Method::DELETE => self.delete(id),
            _ => Err(Fault::MethodNotAllowed { allowed: ORDER_METHODS }),
        }
    }

    fn order(&mut self, id: u32) -> Result<&mut Versioned, Fault> {
        self.orders.get_mut(&id).ok_or(Fault::NoSuch { what: "order", id })
    }

    fn list(&self, media: Media) -> Response<Bytes> {
        let ids: Vec<u32> = self.orders.keys().copied().collect();
        let etag = format!("\"{}\"", ids.len());
        reply::found(media.content_type(), &etag, media.write_ids(&ids))
    }

    fn create(&mut self, own: Media, id: u32, request: &Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let body = Media::of_body(own, request.headers())?.read_order(request.body())?;
        let new = Versioned { order: body.into_order(id)?, version: 1 };
        let location = format!("{}/orders/{id}", own.prefix());
        let response = reply::created(&location, new.found(Media::of_reply(own, request.headers())));
        self.orders.insert(id, new);
        Ok(response)
    }

    fn change(
        &mut self,
        own: Media,
        id: u32,
        request: &Request<Bytes>,
        checked: fn(OrderChange) -> Result<OrderChange, Fault>,
    ) -> Result<Response<Bytes>, Fault> {
        let order = self.order(id)?;
        let change = Media::of_body(own, request.headers())?.read_order(request.body())?;
        order.order = order.order.changed(checked(change)?)?;
        order.version += 1;
        Ok(order.found(Media::of_reply(own, request.headers())))
    }

    fn delete(&mut self, id: u32) -> Result<Response<Bytes>, Fault> {
        let status = self.order(id)?.order.status;
        if status == OrderStatus::Shipped {
            return Err(Fault::Conflict { id, is: status.as_str(), wanted: "deleted" });
        }
        self.orders.remove(&id);
        Ok(reply::gone())
    }
}

/// Order 2 is paid, 4 cancelled, 5 shipped; the others are open.
fn seed(id: u32) -> Order {
    let customer = match id % 4 {
        0 => "Ada",
        1 => "Grace",
        2 => "Edsger",
        _ => "Łukasz & Søn",
    };
    let article = match id % 3 {
        0 => "lamp",
        1 => "chair",
        _ => "desk",
    };
    let status = match id {
        2 => OrderStatus::Paid,
        4 => OrderStatus::Cancelled,
        5 => OrderStatus::Shipped,
        _ => OrderStatus::Open,
    };
    Order { id, customer: customer.to_owned(), article: article.to_owned(), quantity: id % 5 + 1, status }
}
