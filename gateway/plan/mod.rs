//! What we will do: each item meets the routes and becomes a call, or is settled already. Pure;
//! takes the batch by move.
//!
//! In: a [`Batch`] and what its endpoint knows. Out: a [`Plan`] with one [`PlannedItem`] for each
//! item, in order. Nothing a client writes can name a host: a call has a route from the
//! configuration and a path that went through the canonicaliser.

mod hand_down;
mod preferences;
mod url;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method};

use crate::batch::{Batch, BatchItem, Fields, Item, ItemRejection, Subject};
use crate::route::{
    CanonicalPath, OriginText, Respond, RouteAction, RouteIndex, RouteTable, Strictness, UpstreamIndex,
    map_reference, same_authority,
};

pub use hand_down::{
    CallHeaders, ForwardedBy, inherited_fields, joined_cookies, named_by_connection, strip_connection_fields,
};
pub use preferences::Preferences;
pub use url::{ItemUrl, parse_item_url};

/// A batch, ready to be dispatched.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// One for each item, in the order of the request.
    pub items: Vec<PlannedItem>,
}

/// One item and what happens to it.
#[derive(Debug, PartialEq)]
pub struct PlannedItem {
    /// Who it is.
    pub subject: Subject,
    /// The route it met, if any.
    pub route: Option<RouteIndex>,
    /// What happens.
    pub step: Step,
}

/// What happens to an item.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// An upstream is called.
    Call(Call),
    /// The route answers by itself.
    Respond(Respond),
    /// The gateway refuses it; nothing is sent.
    Rejected(ItemRejection),
}

/// What we send for an item.
#[derive(Debug, PartialEq)]
pub struct Call {
    /// The upstream to call.
    pub upstream: UpstreamIndex,
    /// The path and query of the request line, as the upstream sees it.
    pub target: Box<str>,
    /// The item's own fields.
    pub headers: Fields,
    /// Fields whose urls need the chosen target's origin.
    pub references: Vec<(HeaderName, OriginText)>,
    /// The body.
    pub body: Option<Bytes>,
    /// The item's own time limit.
    pub timeout: Option<Duration>,
}

/// What a batch's endpoint knows that planning needs.
pub struct PlanContext<'context> {
    /// The routes.
    pub routes: &'context RouteTable,
    /// The authority under which the client reached the gateway.
    pub own_authority: &'context str,
    /// Whether a path is a batch endpoint's.
    pub is_batch_endpoint: &'context (dyn Fn(&CanonicalPath) -> bool + Sync),
    /// The only route that items may meet; a bulk's records can't leave their template's.
    pub only_route: Option<RouteIndex>,
}

/// Plans a batch: N items in, N planned items out, in order.
#[must_use]
pub fn plan(batch: Batch, context: &PlanContext<'_>) -> Plan {
    Plan { items: batch.items.into_iter().map(|item| plan_item(item, context)).collect() }
}

fn plan_item(item: BatchItem, context: &PlanContext<'_>) -> PlannedItem {
    let BatchItem { subject, content } = item;
    let mut route = None;
    let step = content
        .and_then(|content| plan_content(&subject, content, context, &mut route))
        .unwrap_or_else(Step::Rejected);
    PlannedItem { subject, route, step }
}

fn plan_content(
    subject: &Subject,
    item: Item,
    context: &PlanContext<'_>,
    met: &mut Option<RouteIndex>,
) -> Result<Step, ItemRejection> {
    let url = parse_item_url(&subject.href, context.own_authority)?;
    if (context.is_batch_endpoint)(&url.path) {
        return Err(ItemRejection::NestedBatch);
    }
    let (index, route) = context.routes.find(&url.path).ok_or(ItemRejection::NoRoute)?;
    if context.only_route.is_some_and(|only| only != index) {
        return Err(ItemRejection::OtherRoute);
    }
    *met = Some(index);
    if !route.methods.allows(&subject.method) {
        let allowed = route.methods.allow_value();
        return Err(ItemRejection::MethodNotAllowed { allowed });
    }
    if subject.method == Method::TRACE && item.body.is_some() {
        return Err(ItemRejection::BadBody { problem: "can't go with TRACE (RFC 9110 §9.3.8)" });
    }
    match &route.action {
        RouteAction::Respond(respond) => Ok(Step::Respond(respond.clone())),
        RouteAction::Forward { upstream, mapping } => {
            let path = mapping.to_upstream(url.path.as_str());
            let target = format!("{path}{}", url.query).into_boxed_str();
            let (headers, references) = split_references(item.headers, *upstream, context)?;
            Ok(Step::Call(Call {
                upstream: *upstream,
                target,
                headers,
                references,
                body: item.body,
                timeout: item.timeout,
            }))
        }
    }
}

type Split = (Fields, Vec<(HeaderName, OriginText)>);

fn split_references(
    fields: Fields,
    upstream: UpstreamIndex,
    context: &PlanContext<'_>,
) -> Result<Split, ItemRejection> {
    let is_reference = |name: &HeaderName| *name == "destination" || *name == "if";
    if !fields.iter().any(|(name, _)| is_reference(name)) {
        return Ok((fields, Vec::new()));
    }
    let mut plain = Fields::with_capacity(fields.len());
    let mut references = Vec::new();
    for (name, value) in fields {
        if !is_reference(&name) {
            plain.push((name, value));
            continue;
        }
        let field = if name == "destination" { "Destination" } else { "If" };
        let refuse = |problem| ItemRejection::ForbiddenReference { field, problem };
        let text = value.to_str().map_err(|_| refuse("has characters that a url can't have"))?;
        let own = |authority: &str| same_authority(authority, context.own_authority);
        let mapped = map_reference((field, text), context.routes, own, upstream, Strictness::Item);
        references.push((name, mapped.map_err(refuse)?));
    }
    Ok((plain, references))
}
