//! Plans a batch, item by item.

use super::call::Call;
use super::conditions::{self, Conditions};
use super::deferred_call::{Named, Neighbours, plan_template};
use super::dependencies::Names;
use super::groups;
use super::routing::{PlanContext, Seeker, map_references};
use super::step::{Plan, PlannedItem, Step};
use super::undo;
use crate::batch::{
    Batch, BatchItem, BatchRefusal, ChangeSet, Groups, Item, ItemId, ItemIndex, ItemRejection, Subject,
};
use crate::route::{RouteAction, RouteIndex};

/// Characters of a path that are repeated in a rejection.
const MAX_PATH_SHOWN: usize = 96;

/// Plans a batch: N items in, N planned items out, in order.
///
/// # Errors
/// Names the item with a dependency that can't be resolved.
#[inline(never)] // tests/benches/instructions.py finds it by its name
pub fn plan(mut batch: Batch, context: &PlanContext<'_>) -> Result<Plan, BatchRefusal> {
    let follows = groups::followed(&batch.items);
    groups::settle(&mut batch.items, &follows, context.groups);
    let mut plan = match Names::new(&batch) {
        Some(names) => plan_dependent(batch, &names, context)?,
        None => plan_independent(batch, context),
    };
    if !follows.is_empty() {
        plan.dependencies.resize(plan.items.len(), Vec::new());
    }
    plan.follows = follows;
    match context.groups {
        Groups::Refuse => {}
        Groups::Independent => plan.forget_groups(),
        Groups::Compensate if plan.follows.is_empty() => {}
        Groups::Compensate => undo::settle(&mut plan, context.routes),
    }
    Ok(plan)
}

/// Plans a batch none of whose items depends on another.
fn plan_independent(batch: Batch, context: &PlanContext<'_>) -> Plan {
    let Batch { items, sequential, ignored, id_case: _ } = batch;
    let items = items.into_iter().map(|item| plan_item(item, context)).collect();
    Plan {
        items,
        dependencies: Vec::new(),
        conditions: Conditions::new(),
        follows: Vec::new(),
        undos: Vec::new(),
        sequential,
        ignored,
    }
}

/// Plans a batch whose items depend on each other.
fn plan_dependent(mut batch: Batch, names: &Names, context: &PlanContext<'_>) -> Result<Plan, BatchRefusal> {
    let sequential = batch.sequential;
    let ignored = std::mem::take(&mut batch.ignored);
    let mut dependencies = names.resolve(&batch)?;
    let conditions = conditions::take(&mut batch, names, &mut dependencies)?;
    let mut planned = Vec::with_capacity(batch.items.len());
    for (number, (item, waits_for)) in batch.items.into_iter().zip(&mut dependencies).enumerate() {
        let one = match item {
            BatchItem { subject, content: Ok(item), .. } if item.template.is_some() => {
                let (index, set) = (ItemIndex(number), subject.form.set);
                let neighbours = InBatch { index, set, names, planned: &planned };
                let mut route = None;
                let step = plan_template(&subject, item, &neighbours, context, &mut route);
                let step = match step {
                    Ok((step, sources)) => {
                        waits_for.extend(sources);
                        step
                    }
                    Err(rejection) => rejected(rejection, &subject),
                };
                PlannedItem { subject, route, step }
            }
            item => plan_item(item, context),
        };
        waits_for.sort_unstable();
        waits_for.dedup();
        planned.push(one);
    }
    let (follows, undos) = (Vec::new(), Vec::new());
    Ok(Plan { items: planned, dependencies, conditions, follows, undos, sequential, ignored })
}

/// The other items of a batch, as one of them names them.
struct InBatch<'plan> {
    /// The position of the item itself.
    index: ItemIndex,
    /// Its change set.
    set: Option<ChangeSet>,
    /// The names of the items.
    names: &'plan Names,
    /// The items before this one.
    planned: &'plan [PlannedItem],
}

impl Neighbours for InBatch<'_> {
    fn find(&self, id: &ItemId) -> Named {
        match self.names.item(id, self.set) {
            Some(index) if index < self.index => Named::Earlier(index),
            Some(index) if index == self.index => Named::Itself,
            Some(_) => Named::Later,
            None => Named::Nothing,
        }
    }

    fn route(&self, index: ItemIndex) -> Option<RouteIndex> {
        self.planned.get(index.0)?.route
    }
}

/// Plans an item that names no other.
pub(super) fn plan_item(item: BatchItem, context: &PlanContext<'_>) -> PlannedItem {
    let BatchItem { subject, content, .. } = item;
    let mut route = None;
    let step = content
        .and_then(|content| plan_content(&subject, content, context, &mut route))
        .unwrap_or_else(|rejection| rejected(rejection, &subject));
    PlannedItem { subject, route, step }
}

/// A place in the url is a place in what the client wrote, and a path that it did not write is named.
pub(super) fn rejected(mut rejection: ItemRejection, subject: &Subject) -> Step {
    if let ItemRejection::UrlCharacter { position, .. } = &mut rejection {
        *position = position.saturating_sub(subject.added_to_url());
    }
    if rejection == ItemRejection::NoRoute && subject.added_to_url() > 0 {
        let path = subject.href.split('?').next().unwrap_or_default().chars().take(MAX_PATH_SHOWN).collect();
        rejection = ItemRejection::NoRouteForRelative { path };
    }
    Step::Rejected(rejection)
}

pub(super) fn plan_content(
    subject: &Subject,
    item: Item,
    context: &PlanContext<'_>,
    matched: &mut Option<RouteIndex>,
) -> Result<Step, ItemRejection> {
    let seeker = Seeker { method: &subject.method, headers: &item.headers };
    let found = context.route_for(&subject.href, seeker, item.body.as_ref(), matched)?;
    match &found.route.action {
        RouteAction::Respond(respond) => Ok(Step::Respond(respond.clone())),
        RouteAction::Redirect(redirect) => {
            Ok(Step::Respond(redirect.respond(found.url.path.as_written(), &found.url.query)))
        }
        RouteAction::Forward { upstream, mapping } => {
            let (upstream, target) = (*upstream, found.url.to_upstream(mapping));
            let Item { headers, spellings, body, timeout, .. } = item;
            let references = Vec::new();
            let route = Some(found.index);
            let call = Call { upstream, route, target, headers, spellings, references, body, timeout };
            map_references(call, &subject.method, mapping, context).map(Step::Call)
        }
    }
}
