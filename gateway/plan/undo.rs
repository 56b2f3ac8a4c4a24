//! Groups that are undone if they fail (`groups: compensate`): this module decides for each member what undoes it, before anything is
//! sent. A group with a member that nothing undoes is rejected.
//!
//! Items outside of a group see it as one. So an item that waits for a member also waits for the last member, and starts
//! when it is known what becomes of the group.

use http::Method;

use super::step::{Plan, PlannedItem, Step, Undo};
use crate::batch::{ItemIndex, ItemRejection, SetAnswer};
use crate::route::{RouteTable, UndoRule, is_safe, names_collection};

/// Characters of a method that are repeated in a rejection.
const MAX_METHOD: usize = 32;

/// Decides what undoes the members of all groups.
pub(super) fn settle(plan: &mut Plan, routes: &RouteTable) {
    plan.undos = vec![None; plan.items.len()];
    let mut undone = Groups::new(&plan.follows);
    for group in &mut undone.groups {
        match undos_of(plan, group, routes) {
            Ok(undos) => {
                for (member, undo) in group.iter().zip(undos) {
                    plan.undos.get_mut(*member).into_iter().for_each(|place| *place = Some(undo.clone()));
                }
            }
            Err(rejection) => {
                reject(plan, group, &rejection);
                group.clear();
            }
        }
    }
    for (number, on) in plan.dependencies.iter_mut().enumerate() {
        let last: Vec<_> = on.iter().filter_map(|index| undone.last_before(index.0, number)).collect();
        if !last.is_empty() {
            on.extend(last);
            on.sort_unstable();
            on.dedup();
        }
    }
}

/// The groups of several.
struct Groups {
    /// The members of each, in their order.
    groups: Vec<Vec<usize>>,
    /// By item: its group.
    group_of: Vec<Option<usize>>,
}

impl Groups {
    fn new(follows: &[Option<ItemIndex>]) -> Self {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut group_of = vec![None; follows.len()];
        for (number, before) in follows.iter().enumerate() {
            let Some(before) = before else { continue };
            let known = group_of.get(before.0).copied().flatten();
            let group = known.unwrap_or_else(|| {
                groups.push(vec![before.0]);
                groups.len() - 1
            });
            groups.get_mut(group).into_iter().for_each(|members| members.push(number));
            for member in [before.0, number] {
                group_of.get_mut(member).into_iter().for_each(|place| *place = Some(group));
            }
        }
        Self { groups, group_of }
    }

    /// The last member before `number` of the group that has this member, if `number` is not in that group.
    fn last_before(&self, member: usize, number: usize) -> Option<ItemIndex> {
        let group_of = |item: usize| self.group_of.get(item).copied().flatten();
        let group = group_of(member).filter(|group| group_of(number) != Some(*group))?;
        let members = self.groups.get(group)?;
        let before = members.partition_point(|other| *other < number);
        members.get(before.checked_sub(1)?).map(|last| ItemIndex(*last))
    }
}

fn undos_of(plan: &Plan, members: &[usize], routes: &RouteTable) -> Result<Vec<Undo>, ItemRejection> {
    members.iter().filter_map(|member| plan.items.get(*member)).map(|item| undo_of(item, routes)).collect()
}

fn undo_of(item: &PlannedItem, routes: &RouteTable) -> Result<Undo, ItemRejection> {
    let target = match &item.step {
        Step::Call(call) => &call.target,
        Step::Later(template) => &template.href,
        Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => return Ok(Undo::Nothing),
    };
    let method = &item.subject.method;
    // One that leads to no route refers to the Location of an item that has none, and is never sent.
    let route = item.route.and_then(|index| routes.get(index)).filter(|_| !is_safe(method));
    let Some(route) = route else { return Ok(Undo::Nothing) };
    route
        .undo
        .get(method)
        .filter(|rule| **rule != UndoRule::Snapshot || !names_collection(target))
        .cloned()
        .map(Undo::By)
        .ok_or_else(|| ItemRejection::NoUndo { method: shown(method), route: route.name.clone() })
}

fn shown(method: &Method) -> String {
    method.as_str().chars().take(MAX_METHOD).collect()
}

/// Rejects all members, except for those that are rejected already.
fn reject(plan: &mut Plan, members: &[usize], rejection: &ItemRejection) {
    for (place, member) in members.iter().enumerate() {
        let Some(item) = plan.items.get_mut(*member) else { continue };
        if !matches!(item.step, Step::Rejected(_)) {
            item.step = Step::Rejected(rejection.clone());
        }
        let answer = if place == 0 { SetAnswer::ByThis } else { SetAnswer::ByOther };
        item.subject.answer_set(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_each_group_are_found() {
        let follows = [None, Some(0), None, Some(1), None, Some(4)].map(|before| before.map(ItemIndex));
        let groups = Groups::new(&follows);
        assert_eq!(groups.groups, [vec![0, 1, 3], vec![4, 5]]);
        let last = |member, number| groups.last_before(member, number).map(|last| last.0);
        assert_eq!((last(0, 2), last(0, 3), last(0, 5), last(2, 3)), (Some(1), None, Some(3), None));
    }
}
