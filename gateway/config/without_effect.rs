//! Keys of batch endpoints and bulk routes that do nothing where they are written: the endpoint's dialect has nothing that
//! they could be about, or another key or the lack of a route leaves them without effect. So does an `undo` of a route that no endpoint uses.
//!
//! In: the documents of both, and the routes. Out: warnings, which `check --strict` refuses. A key that is written
//! with its default is not reported, because `/config` shows every key and has to load without a warning.

use super::batch::{BatchDocument, BatchEndpoint, ItemOrder, OtherMethods};
use super::bulk::BulkDocument;
use super::resolver::Resolver;
use super::route::RouteDocument;
use super::yaml::diagnostic::quoted;
use super::yaml::wrappers::At;
use super::yaml::written::Written;
use crate::batch::Groups;
use crate::dialect::Feature;
use crate::route::RouteTable;

/// A key that does something only where the dialect has a feature.
struct FeatureKey {
    name: &'static str,
    feature: Feature,
    is_same: fn(&BatchDocument, &BatchDocument) -> bool,
}

/// Defines the table: the key, and the feature that it is about.
macro_rules! feature_keys {
    ($($key:ident: $feature:ident),* $(,)?) => {
        &[$(FeatureKey {
            name: stringify!($key),
            feature: Feature::$feature,
            is_same: |one, other| one.$key == other.$key,
        }),*]
    };
}

const FEATURE_KEYS: &[FeatureKey] = feature_keys! {
    changesets: ChangeSets,
    groups: Groups,
    max_depth: Nesting,
    max_id: Ids,
    max_stream_items: Streams,
    reply_format: NegotiatedReplies,
    stream_window: Streams,
};

impl Resolver<'_> {
    /// Warns of keys of batch endpoints that do nothing.
    pub(super) fn keys_without_effect(&mut self, documents: &[At<BatchDocument>]) {
        for (index, document) in documents.iter().enumerate() {
            let written = self.written.key("batch").element(index);
            self.without_feature(&document.value, written);
            self.empty_query(&document.value, written);
            self.concurrency_of_one(&document.value, written);
            self.window_of_no_lines(&document.value, written);
        }
    }

    /// Warns of an `undo` that nothing uses, and of groups that nothing can undo.
    pub(super) fn unused_undo(&mut self, routes: &[At<RouteDocument>], batch: &[At<BatchDocument>]) {
        let undos = || routes.iter().filter_map(|route| route.value.undo.as_ref());
        let compensates = |endpoint: &At<BatchDocument>| endpoint.value.groups == Groups::Compensate;
        if !batch.iter().any(compensates) {
            for undo in undos() {
                let message = "`undo` does nothing: no batch endpoint has `groups: compensate`";
                self.warn(undo.span, message, "add that to an endpoint under `batch`, or remove this");
            }
        } else if undos().next().is_none() {
            for number in (0..batch.len()).filter(|number| batch.get(*number).is_some_and(compensates)) {
                let span = self.written.key("batch").element(number).key("groups").span();
                let message =
                    "`groups: compensate` refuses all groups that change something: no route has `undo`";
                self.warn(
                    span,
                    message,
                    "add to a route: `undo: { POST: \"DELETE {location}\", PUT: snapshot }`",
                );
            }
        }
    }

    /// Warns of keys of bulk routes that do nothing.
    pub(super) fn keys_of_bulk_without_effect(&mut self, documents: &[At<BulkDocument>]) {
        for (index, document) in documents.iter().enumerate() {
            let written = self.written.key("bulk").element(index);
            self.concurrency_of_one(&document.value.as_batch(), written);
        }
    }

    fn without_feature(&mut self, document: &BatchDocument, written: Written<'_>) {
        let (usual, dialect) = (BatchDocument::default(), document.dialect);
        for key in FEATURE_KEYS {
            let span = written.key(key.name).span();
            if span.is_none() || dialect.has(key.feature) || (key.is_same)(document, &usual) {
                continue;
            }
            let message = format!(
                "{} does nothing in the dialect {}: {}",
                quoted(key.name),
                quoted(dialect.name()),
                key.feature.absence()
            );
            self.warn(span, message, "remove it, or change `dialect`");
        }
    }

    fn empty_query(&mut self, document: &BatchDocument, written: Written<'_>) {
        let span = written.key("query").span();
        if span.is_some() && document.query.is_empty() {
            let help =
                "name the parameters that a batch has, for example `query: { comp: batch }`, or remove it";
            self.warn(
                span,
                "`query` is empty and does nothing: the endpoint takes every request to its path",
                help,
            );
        }
    }

    fn concurrency_of_one(&mut self, document: &BatchDocument, written: Written<'_>) {
        let is_usual = document.concurrency == BatchDocument::default().concurrency;
        let span = written.key("concurrency").span();
        if span.is_some() && !is_usual && document.order == ItemOrder::Sequential {
            let message =
                "`concurrency` does nothing with `order: sequential`, which runs one item at a time";
            self.warn(span, message, "remove it, or write `order: parallel`");
        }
    }

    fn window_of_no_lines(&mut self, document: &BatchDocument, written: Written<'_>) {
        let span = written.key("stream_window").key("bytes").span();
        let is_usual = document.stream_window.bytes == BatchDocument::default().stream_window.bytes;
        if span.is_some() && !is_usual && document.stream_window.items == 0 {
            let message =
                "`stream_window.bytes` does nothing with `items: 0`: no line can name an earlier one";
            self.warn(span, message, "remove it, or set `items`");
        }
    }

    /// Warns of endpoints that leave requests to a route that does not exist. `endpoints` are the resolved documents.
    pub(super) fn other_methods_without_route(
        &mut self,
        documents: &[At<BatchDocument>],
        endpoints: &[BatchEndpoint],
        routes: &RouteTable,
    ) {
        for (index, (document, endpoint)) in documents.iter().zip(endpoints).enumerate() {
            if endpoint.other_methods == OtherMethods::Refuse || has_route(endpoint, routes) {
                continue;
            }
            let path = document.value.path.shown();
            let span = self.written.key("batch").element(index).key("other_methods").span();
            let message = format!("`other_methods: route` leads nowhere: no route covers {path}");
            self.warn(span, message, format!("add a route that covers {path}, or remove `other_methods`"));
        }
    }
}

/// Whether a request that the endpoint leaves to the routes can find one. With `query`, the endpoint is also for the paths
/// below its own.
fn has_route(endpoint: &BatchEndpoint, routes: &RouteTable) -> bool {
    let is_below = || routes.routes().iter().any(|route| route.path.is_below(&endpoint.path));
    !routes.met_at(&endpoint.path).is_empty() || !endpoint.query.is_empty() && is_below()
}
