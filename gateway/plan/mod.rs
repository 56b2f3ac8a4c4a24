//! What we will do: each item meets the routes and becomes a call, or is settled already. Pure;
//! takes the batch by move.
//!
//! In: a [`Batch`] and what its endpoint knows. Out: a [`Plan`] with one [`PlannedItem`] for each
//! item, in order. Nothing a client writes can name a host: a call has a route from the
//! configuration and a path that went through the canonicaliser.

pub(crate) mod deferred_call;
mod coalescing;
mod conditions;
mod dependencies;
mod preferences;
mod url;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method};

use crate::batch::{Batch, BatchItem, BatchRefusal, Item, ItemIndex, ItemRejection, Subject};
use crate::header::field::Fields;
use crate::header::forwarded;
use crate::route::{
    CanonicalPath, Mapping, OriginText, ReferenceRules, Respond, Route, RouteAction, RouteIndex, RouteTable,
    Strictness, UpstreamIndex,
};

use crate::header::forwarded::X_FORWARDED_PREFIX;
pub use coalescing::coalesce;
pub use conditions::{Conditions, PlannedCondition};
pub use deferred_call::{CallTemplate, Destination, Filled, Sources};
use dependencies::Names;
pub use preferences::Preferences;
pub use url::{ItemUrl, parse_item_url};

/// A batch, ready to be dispatched.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// One for each item, in the order of the request.
    pub items: Vec<PlannedItem>,
    /// What each item waits for, by place in the batch, in order; all of it comes before the item. Empty
    /// where no item of the batch waits for any.
    pub dependencies: Vec<Vec<ItemIndex>>,
    /// Whether the batch itself asks for its items to be run one by one.
    pub sequential: bool,
    /// The items that are started only if a condition holds. They wait for what it asks about, and do
    /// so whether that goes well or not.
    pub conditions: Conditions,
    /// Members of the batch that the protocol does not know; for explanations.
    pub ignored: Vec<Box<str>>,
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
    /// An upstream is called, once the results are there that the item refers to.
    Later(Box<CallTemplate>),
    /// It ends as the item at this earlier place, whose call it shares.
    Same(ItemIndex),
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
#[derive(Clone, Copy)]
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
///
/// # Errors
/// Says which item depends on what it can't wait for.
pub fn plan(batch: Batch, context: &PlanContext<'_>) -> Result<Plan, BatchRefusal> {
    if let Some(names) = Names::of(&batch) {
        return plan_dependent(batch, &names, context);
    }
    let Batch { items, sequential, ignored } = batch;
    let items = items.into_iter().map(|item| plan_item(item, context)).collect();
    Ok(Plan { items, dependencies: Vec::new(), conditions: Conditions::new(), sequential, ignored })
}

/// The same for a batch in which items depend on each other.
fn plan_dependent(mut batch: Batch, names: &Names, context: &PlanContext<'_>) -> Result<Plan, BatchRefusal> {
    let sequential = batch.sequential;
    let ignored = std::mem::take(&mut batch.ignored);
    let mut dependencies = names.resolve(&batch)?;
    let conditions = conditions::take(&mut batch, names, &mut dependencies)?;
    let mut planned = Vec::with_capacity(batch.items.len());
    for (number, (item, waits_for)) in batch.items.into_iter().zip(&mut dependencies).enumerate() {
        let one = match item {
            BatchItem { subject, content: Ok(asked), .. } if asked.template.is_some() => {
                let neighbours =
                    deferred_call::Neighbours { index: ItemIndex(number), names, planned: &planned };
                let mut route = None;
                let step = deferred_call::plan_template(&subject, asked, &neighbours, context, &mut route);
                let step = step.map_or_else(Step::Rejected, |(step, sources)| {
                    waits_for.extend(sources);
                    step
                });
                PlannedItem { subject, route, step }
            }
            item => plan_item(item, context),
        };
        waits_for.sort_unstable();
        waits_for.dedup();
        planned.push(one);
    }
    Ok(Plan { items: planned, dependencies, conditions, sequential, ignored })
}

fn plan_item(item: BatchItem, context: &PlanContext<'_>) -> PlannedItem {
    let BatchItem { subject, content, .. } = item;
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
    let (url, _, route) = meet(&subject.href, &subject.method, item.body.is_some(), context, met)?;
    match &route.action {
        RouteAction::Respond(respond) => Ok(Step::Respond(respond.clone())),
        RouteAction::Forward { upstream, mapping } => {
            let path = mapping.to_upstream(url.path.as_str());
            let target = format!("{path}{}", url.query).into_boxed_str();
            let (headers, references) = map_fields(item.headers, (*upstream, mapping), context)?;
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

/// The route that a url meets; it stands in `met` even where it does not allow the item.
fn meet<'url, 'context>(
    href: &'url str,
    method: &Method,
    has_body: bool,
    context: &PlanContext<'context>,
    met: &mut Option<RouteIndex>,
) -> Result<(ItemUrl<'url>, RouteIndex, &'context Route), ItemRejection> {
    let url = parse_item_url(href, context.own_authority)?;
    if (context.is_batch_endpoint)(&url.path) {
        return Err(ItemRejection::NestedBatch);
    }
    let (index, route) = context.routes.find(&url.path).ok_or(ItemRejection::NoRoute)?;
    if context.only_route.is_some_and(|only| only != index) {
        return Err(ItemRejection::OtherRoute);
    }
    *met = Some(index);
    check_route(route, method, has_body)?;
    Ok((url, index, route))
}

/// Whether the route takes the item.
fn check_route(route: &Route, method: &Method, has_body: bool) -> Result<(), ItemRejection> {
    if !route.batchable {
        return Err(ItemRejection::NotBatchable);
    }
    if !route.methods.allows(method) {
        let allowed = route.methods.allow_value();
        return Err(ItemRejection::MethodNotAllowed { allowed });
    }
    if *method == Method::TRACE && has_body {
        return Err(ItemRejection::BadBody { problem: "can't go with TRACE (RFC 9110 §9.3.8)" });
    }
    Ok(())
}

type Split = (Fields, Vec<(HeaderName, OriginText)>);

/// Maps the fields whose urls lead somewhere, Destination and If, and says which prefix is stripped.
fn map_fields(
    mut fields: Fields,
    (upstream, mapping): (UpstreamIndex, &Mapping),
    context: &PlanContext<'_>,
) -> Result<Split, ItemRejection> {
    // No item can set it: `batch::is_forbidden_in_item`.
    fields.extend(forwarded::stripped_prefix(mapping).map(|prefix| (X_FORWARDED_PREFIX, prefix)));
    let rules = ReferenceRules {
        routes: context.routes,
        own_authority: context.own_authority,
        upstream,
        strictness: Strictness::Item,
    };
    let mut references = Vec::new();
    let mut refused = None;
    fields.retain(|(name, value)| {
        let Some(mapped) = rules.map(name, value) else { return true };
        match mapped {
            Ok(text) => references.push((name.clone(), text)),
            Err(why) => refused = refused.or(Some(why)),
        }
        false
    });
    match refused {
        Some(why) => Err(why.into()),
        None => Ok((fields, references)),
    }
}
