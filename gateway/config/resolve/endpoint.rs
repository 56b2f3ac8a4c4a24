//! Batch endpoints, and how their deadlines fit the upstreams'.

use http::{HeaderName, StatusCode};

use super::{Resolved, Resolver, Seen, all};
use crate::batch::{BatchLimits, Dialect};
use crate::config::document::{BatchDocument, DialectDocument, Document, OrderDocument};
use crate::config::yaml::quantity::TimeLimit;
use crate::config::yaml::wrappers::At;
use crate::config::{BatchEndpoint, Order};
use crate::route::{CanonicalPath, Strictness};

const fn dialect(document: DialectDocument) -> Dialect {
    match document {
        DialectDocument::Batchgate => Dialect::Batchgate,
        DialectDocument::Odata => Dialect::Odata,
        DialectDocument::Graph => Dialect::Graph,
        DialectDocument::Apisix => Dialect::Apisix,
        DialectDocument::Tyk => Dialect::Tyk,
    }
}

impl Resolver<'_> {
    pub(super) fn endpoints(&mut self, documents: &[At<BatchDocument>]) -> Resolved<Vec<BatchEndpoint>> {
        let mut paths = Seen::new();
        let endpoints = documents.iter().map(|document| {
            let endpoint = self.endpoint(&document.value)?;
            let path = &document.value.path;
            if let Some(earlier) = paths.earlier(endpoint.path.clone(), path.span) {
                let message = format!("two batch endpoints have the path {}", path.shown());
                return self.refuse(path.span, message, earlier);
            }
            Ok(endpoint)
        });
        let endpoints = endpoints.collect();
        all(endpoints)
    }

    pub(super) fn endpoint(&mut self, document: &BatchDocument) -> Resolved<BatchEndpoint> {
        let path = self.path(&document.path);
        let dialect = dialect(document.dialect);
        let reply_status = self.reply_status(document.reply_status.as_ref(), dialect);
        let inherit = self.inherit(document.inherit.as_deref(), dialect);
        let limits = self.batch_limits(document);
        Ok(BatchEndpoint {
            path: path?,
            dialect,
            limits,
            concurrency: document.concurrency,
            deadline: document.deadline.value.0,
            order: match document.order {
                OrderDocument::Parallel => Order::Parallel,
                OrderDocument::Sequential => Order::Sequential,
            },
            reply_status: reply_status?,
            inherit: inherit?,
        })
    }

    fn reply_status(&mut self, status: Option<&At<u16>>, dialect: Dialect) -> Resolved<StatusCode> {
        let Some(status) = status else {
            let is_own = dialect == Dialect::Batchgate;
            return Ok(if is_own { StatusCode::MULTI_STATUS } else { StatusCode::OK });
        };
        match status.value {
            200 => Ok(StatusCode::OK),
            202 => Ok(StatusCode::ACCEPTED),
            207 => Ok(StatusCode::MULTI_STATUS),
            other => {
                let message = format!("`{other}` is not a status of an accepted batch");
                self.refuse(status.span, message, "possible here: 207, 200, 202")
            }
        }
    }

    /// `None`: all fields but those of the batch itself. Tyk's clients write into each item what it needs.
    fn inherit(
        &mut self,
        names: Option<&[At<String>]>,
        dialect: Dialect,
    ) -> Resolved<Option<Vec<HeaderName>>> {
        let Some(names) = names else { return Ok((dialect == Dialect::Tyk).then(Vec::new)) };
        let names = names.iter().map(|name| self.header_name(name)).collect();
        all(names).map(Some)
    }

    fn batch_limits(&mut self, document: &BatchDocument) -> BatchLimits {
        if document.max_item_reply.value.0 > document.max_reply.0 && document.max_item_reply.span.is_some() {
            self.warn(
                document.max_item_reply.span,
                "`max_item_reply` is more than `max_reply`, which it can never reach",
                "raise `max_reply`, or lower this",
            );
        }
        BatchLimits {
            max_items: document.max_items.get(),
            max_stream_items: document.max_stream_items.get(),
            max_body: document.max_body.0,
            max_depth: document.max_depth.get(),
            max_id: document.max_id.0,
            max_url: document.max_url.0,
            max_headers: document.max_headers.get(),
            max_header_bytes: document.max_header_bytes.0,
            max_item_reply: document.max_item_reply.value.0,
            max_reply: document.max_reply.0,
        }
    }

    /// Refuses routes at exactly a batch endpoint's path, which takes every request there.
    pub(super) fn hidden_routes(&mut self, document: &Document) {
        for route in &document.routes {
            let path = &route.value.path;
            let canonical = |path: &At<String>| CanonicalPath::parse(&path.value, Strictness::Item).ok();
            let Some(wanted) = canonical(path) else { continue };
            let mut endpoints = document.batch.iter();
            let endpoint =
                endpoints.find(|endpoint| canonical(&endpoint.value.path).as_ref() == Some(&wanted));
            if let Some(endpoint) = endpoint {
                let message = format!("the route {} is at a batch endpoint's path", path.shown());
                let help = match endpoint.value.path.span {
                    Some(span) => format!("the endpoint is on line {}", span.line),
                    None => "`/batch` is the endpoint by default; set `batch` to move it".to_owned(),
                };
                let _: Resolved<()> = self.refuse(path.span, message, help);
            }
        }
    }

    /// Warns about time limits that another one makes void.
    pub(super) fn deadlines(&mut self, document: &Document) {
        let batch = document.batch.iter().map(|endpoint| endpoint.value.deadline.value.0);
        let bulk = document.bulk.iter().map(|bulk| bulk.value.deadline.value.0);
        let longest = batch.chain(bulk).max();
        for (name, upstream) in &document.upstreams.0 {
            let TimeLimit(item) = upstream.timeout.item.value;
            let TimeLimit(connect) = upstream.timeout.connect.value;
            if longest.is_some_and(|longest| item > longest) {
                let message = format!("a call to {} may take longer than any batch", name.shown());
                let help = "lower `timeout.item`, or raise a batch endpoint's `deadline`";
                self.warn(upstream.timeout.item.span.or(name.span), message, help);
            }
            if connect > item {
                let message = format!("connecting to {} may take longer than a whole call", name.shown());
                let span = upstream.timeout.connect.span.or(upstream.timeout.item.span);
                self.warn(span, message, "lower `timeout.connect`, or raise `timeout.item`");
            }
        }
    }
}
