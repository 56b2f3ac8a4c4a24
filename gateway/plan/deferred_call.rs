//! Items that refer to results of earlier ones (protocol §6). Where such an item goes is settled
//! before anything is sent: its route is the one that its url meets with a harmless word in place
//! of each reference, or, for `$ID`, the route of that item. What an upstream answers can fill the
//! holes and nothing else: the filled url goes through the canonicaliser again, and has to meet the
//! same route.

use bytes::Bytes;

use super::dependencies::Names;
use super::url::parse_item_url;
use super::{Call, PlanContext, PlannedItem, Step, check_route, map_fields, meet};
use crate::batch::{Item, ItemId, ItemIndex, ItemRejection, Subject};
use crate::header::field::Fields;
use crate::reference::expression::Expression;
use crate::reference::template::Template;
use crate::route::{RouteAction, RouteIndex, UpstreamIndex};

/// Stands in a url for what is not known yet.
const PLACEHOLDER: &str = "x";

/// Characters of a reference that are repeated in a rejection.
const MAX_SHOWN: usize = 96;

/// The items that a template refers to, by id.
pub type Sources = Vec<(ItemId, ItemIndex)>;

/// A call that is known once the results are that it refers to.
#[derive(Debug, PartialEq)]
pub struct CallTemplate {
    /// Where it goes; `None` where it refers to the Location of an item that goes nowhere itself.
    pub destination: Option<Destination>,
    /// Its url as given.
    pub href: Box<str>,
    /// Where the references are.
    pub template: Box<Template>,
    /// Its fields as given.
    pub headers: Fields,
    /// Its body as given.
    pub body: Option<Bytes>,
    /// Its own time limit.
    pub timeout: Option<std::time::Duration>,
    /// The items that it refers to.
    pub sources: Sources,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The route that its url has to meet.
    pub route: RouteIndex,
    /// That route's upstream.
    pub upstream: UpstreamIndex,
}

/// What was put together for a call.
#[derive(Debug)]
pub struct Filled {
    /// The url.
    pub href: String,
    /// The fields.
    pub headers: Fields,
    /// The body.
    pub body: Option<Bytes>,
}

impl CallTemplate {
    /// The place of an item that this one refers to.
    #[must_use]
    pub fn source(&self, id: &ItemId) -> Option<ItemIndex> {
        self.sources.iter().find(|(other, _)| other == id).map(|(_, index)| *index)
    }

    /// The call, with everything filled in.
    ///
    /// # Errors
    /// Says why the filled item is refused: its url meets another route than the template's, or one
    /// of its fields leads elsewhere.
    pub fn call(&self, filled: Filled, context: &PlanContext<'_>) -> Result<Call, ItemRejection> {
        let url = parse_item_url(&filled.href, context.own_authority)?;
        if (context.is_batch_endpoint)(&url.path) {
            return Err(ItemRejection::NestedBatch);
        }
        let (index, route) = context.routes.find(&url.path).ok_or(ItemRejection::NoRoute)?;
        let same = self.destination.is_some_and(|destination| destination.route == index);
        let (true, RouteAction::Forward { upstream, mapping }) = (same, &route.action) else {
            return Err(ItemRejection::ForbiddenUrl {
                problem: "leads to another route once its references are filled in",
            });
        };
        let path = mapping.to_upstream(url.path.as_str());
        let (headers, references) = map_fields(filled.headers, (*upstream, mapping), context)?;
        Ok(Call {
            upstream: *upstream,
            target: format!("{path}{}", url.query).into_boxed_str(),
            headers,
            references,
            body: filled.body,
            timeout: self.timeout,
        })
    }
}

/// What planning knows of the batch, beside the context of all items.
pub(crate) struct Neighbours<'plan> {
    /// Where the item itself stands.
    pub(crate) index: ItemIndex,
    /// What items are called.
    pub(crate) names: &'plan Names,
    /// The items before this one.
    pub(crate) planned: &'plan [PlannedItem],
}

/// Plans an item with references. Says as well whom it refers to, and so waits for.
pub(crate) fn plan_template(
    subject: &Subject,
    item: Item,
    neighbours: &Neighbours<'_>,
    context: &PlanContext<'_>,
    met: &mut Option<RouteIndex>,
) -> Result<(Step, Vec<ItemIndex>), ItemRejection> {
    let Item { headers, body, timeout, template, .. } = item;
    let template = template.unwrap_or_default();
    let (sources, from) = neighbours.sources(&template)?;
    let indices = sources.iter().map(|(_, index)| *index).collect();
    let url = tried(subject, &template, from.is_some());
    let action = if let Some(from) = from {
        parse_item_url(&url, context.own_authority)?;
        *met = from.route;
        let route = from.route.and_then(|index| Some((index, context.routes.get(index)?)));
        if let Some((_, route)) = route {
            check_route(route, &subject.method, body.is_some())?;
        }
        route.map(|(index, route)| (index, &route.action))
    } else {
        let (_, index, route) = meet(&url, &subject.method, body.is_some(), context, met)?;
        if let RouteAction::Respond(respond) = &route.action {
            return Ok((Step::Respond(respond.clone()), indices));
        }
        Some((index, &route.action))
    };
    let destination = match action {
        Some((route, RouteAction::Forward { upstream, .. })) => {
            Some(Destination { route, upstream: *upstream })
        }
        // A fixed answer has no Location.
        Some((_, RouteAction::Respond(_))) | None => None,
    };
    let href = subject.href.clone();
    let later = CallTemplate { destination, href, template, headers, body, timeout, sources };
    Ok((Step::Later(Box::new(later)), indices))
}

/// The url with a placeholder for everything that is not known yet.
fn tried(subject: &Subject, template: &Template, from_location: bool) -> String {
    let Some(url) = &template.url else { return subject.href.to_string() };
    let rest = url.rest.fill(|_: &Expression, _| Ok::<_, std::convert::Infallible>(PLACEHOLDER.to_owned()));
    let Ok(rest) = rest;
    match &url.location_of {
        Some(_) if from_location => format!("/{PLACEHOLDER}{rest}"),
        // No item is called so: the url is what it says, which is no path.
        Some(_) => subject.href.to_string(),
        None => rest,
    }
}

impl<'plan> Neighbours<'plan> {
    /// The items that a template refers to, and among them the one whose Location it starts with.
    fn sources(&self, template: &Template) -> Result<(Sources, Option<&'plan PlannedItem>), ItemRejection> {
        let mut sources = Sources::new();
        for expression in template.expressions() {
            let index = self.earlier(&expression.item, || expression.to_string())?;
            sources.push((expression.item.clone(), index));
        }
        let location_of = template.url.as_ref().and_then(|url| url.location_of.as_ref());
        let mut from = None;
        if let Some(id) = location_of.filter(|id| self.names.item(id).is_some()) {
            let index = self.earlier(id, || format!("${id}"))?;
            sources.push((id.clone(), index));
            from = self.planned.get(index.0);
        }
        sources.sort_unstable();
        sources.dedup();
        Ok((sources, from))
    }

    fn earlier(&self, id: &ItemId, reference: impl Fn() -> String) -> Result<ItemIndex, ItemRejection> {
        let problem = match self.names.item(id) {
            Some(index) if index < self.index => return Ok(index),
            Some(index) if index == self.index => "leads to the item itself",
            Some(_) => "leads to a later item; only earlier ones have results",
            None => "names no item of this batch",
        };
        let shown = |text: String| text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        Err(ItemRejection::BadReference { reference: shown(reference()), problem })
    }
}
