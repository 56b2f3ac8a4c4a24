//! Items that refer to results of earlier ones (protocol §6).
//!
//! Their destination is decided before anything is sent: the route that the url matches with a harmless word in place of
//! each reference, or, for `$ID`, the route of that item. A result can fill the gaps and nothing else: the filled url
//! passes the canonicaliser again and must match the same route.

use super::call_template::{CallTemplate, Destination, Sources};
use super::routing::{PlanContext, Seeker, check_route};
use super::step::Step;
use super::url::parse_item_url;
use crate::batch::{Item, ItemId, ItemIndex, ItemRejection, Subject};
use crate::reference::expression::Expression;
use crate::reference::template::Template;
use crate::route::{RouteAction, RouteIndex};

/// Takes the place of a reference whose value is not known yet, once for each of its characters, so that the rest of the url
/// keeps its place.
const PLACEHOLDER: &str = "x";

/// Characters of a reference that are repeated in a rejection.
const MAX_SHOWN: usize = 96;

/// The problem with an expression whose id no item has.
const NO_SUCH_ITEM: &str =
    "names no item of this batch; it needs the id of an earlier one, as that is written";
/// The problem with a `$ID` at the start of a url.
const NO_ITEM_TO_FOLLOW: &str = "names no item of this batch; after a `$` at its start, a url has the id of an earlier item, whose Location it takes";

/// What an id names, seen from one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// An earlier item.
    Earlier(ItemIndex),
    /// The item itself.
    Itself,
    /// A later item.
    Later,
    /// No item.
    Nothing,
}

/// The other items, seen from one that refers to them.
pub(crate) trait Neighbours {
    /// What an id names.
    fn find(&self, id: &ItemId) -> Named;

    /// The route that an earlier item matched.
    fn route(&self, index: ItemIndex) -> Option<RouteIndex>;
}

/// Plans an item with references. Also returns the items that it refers to, and so waits for.
pub(crate) fn plan_template(
    subject: &Subject,
    item: Item,
    neighbours: &dyn Neighbours,
    context: &PlanContext<'_>,
    matched: &mut Option<RouteIndex>,
) -> Result<(Step, Vec<ItemIndex>), ItemRejection> {
    let Item { headers, spellings, body, timeout, template, .. } = item;
    let template = template.unwrap_or_default();
    let (sources, from) = sources(neighbours, &template)?;
    let indices = sources.iter().map(|(_, index)| *index).collect();
    let url = with_placeholders(subject, &template);
    let action = if let Some(from) = from {
        parse_item_url(&url, context.own_authority)?;
        *matched = neighbours.route(from);
        let route = matched.and_then(|index| Some((index, context.routes.get(index)?)));
        if let Some((_, route)) = route {
            check_route(route, &subject.method, body.as_ref())?;
        }
        route.map(|(index, route)| (index, &route.action))
    } else {
        let seeker = Seeker { method: &subject.method, headers: &headers };
        let found = context.route_for(&url, seeker, body.as_ref(), matched)?;
        if let RouteAction::Respond(respond) = &found.route.action {
            return Ok((Step::Respond(respond.clone()), indices));
        }
        Some((found.index, &found.route.action))
    };
    let destination = match action {
        Some((route, RouteAction::Forward { upstream, .. })) => {
            Some(Destination { route, upstream: *upstream })
        }
        // A fixed answer has no Location.
        Some((_, RouteAction::Respond(_))) | None => None,
    };
    let (method, href) = (subject.method.clone(), subject.href.clone());
    let later =
        CallTemplate { destination, method, href, template, headers, spellings, body, timeout, sources };
    Ok((Step::Later(Box::new(later)), indices))
}

/// The url with a placeholder for each value that is not known yet.
fn with_placeholders(subject: &Subject, template: &Template) -> String {
    let Some(url) = &template.url else { return subject.href.to_string() };
    let placeholder = |expression: &Expression| PLACEHOLDER.repeat(expression.to_string().chars().count());
    let rest = url
        .rest
        .fill(|expression: &Expression, _| Ok::<_, std::convert::Infallible>(placeholder(expression)));
    let Ok(rest) = rest;
    match &url.location_of {
        Some(id) => format!("/{}{rest}", PLACEHOLDER.repeat(id.as_str().len().max(1))),
        None => rest,
    }
}

/// The items that a template refers to, and the one whose Location it starts with.
fn sources(
    neighbours: &dyn Neighbours,
    template: &Template,
) -> Result<(Sources, Option<ItemIndex>), ItemRejection> {
    let mut sources = Sources::new();
    for expression in template.expressions() {
        let index = earlier(neighbours, &expression.item, NO_SUCH_ITEM, || expression.to_string())?;
        sources.push((expression.item.clone(), index));
    }
    let mut from = None;
    if let Some(id) = template.url.as_ref().and_then(|url| url.location_of.as_ref()) {
        let index = earlier(neighbours, id, NO_ITEM_TO_FOLLOW, || format!("${id}"))?;
        sources.push((id.clone(), index));
        from = Some(index);
    }
    sources.sort_unstable();
    sources.dedup();
    Ok((sources, from))
}

fn earlier(
    neighbours: &dyn Neighbours,
    id: &ItemId,
    nothing: &'static str,
    reference: impl Fn() -> String,
) -> Result<ItemIndex, ItemRejection> {
    let problem = match neighbours.find(id) {
        Named::Earlier(index) => return Ok(index),
        Named::Itself => "leads to the item itself",
        Named::Later => "leads to a later item; only earlier ones have results",
        Named::Nothing => nothing,
    };
    let shown = |text: String| text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    Err(ItemRejection::BadReference { reference: shown(reference()), problem })
}
