//! The groups of a batch that are undone if they fail: which item is a member of which, how far each group has come
//! ([`Compensation`]), and what was read before its members changed it.
//!
//! All of it is one task's, so that no lock here is ever contended.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::batch::{ItemId, ItemIndex, SetAnswer};
use crate::plan::{Call, Undo};
use crate::route::UndoRule;

use super::compensation::{Compensation, Effect, Ended, Undone, Verdict};
use super::outcome::{DispatchedItem, Outcome, SkipReason};
use super::placed_call::{PlacedCall, SnapshotJob};
use super::progress::{Progress, Sent};
use super::timeline::UndoTimes;
use super::undo::{Before, snapshot_of, to_same_place};

/// The groups of a batch. Empty if none is undone.
#[derive(Default)]
pub(super) struct UndoGroups {
    /// By item.
    undos: Vec<Option<Undo>>,
    /// By item: its group, and its place there.
    places: Vec<Option<GroupPlace>>,
    groups: Vec<Group>,
    failed: Mutex<Failed>,
}

#[derive(Clone, Copy)]
struct GroupPlace {
    group: usize,
    member: usize,
}

/// A group.
struct Group {
    /// The positions of its members in the batch.
    members: Vec<usize>,
    state: Mutex<State>,
}

struct State {
    compensation: Compensation,
    /// By member.
    kept: Vec<Kept>,
    /// Bytes of what was read before members.
    held: usize,
    is_queued: bool,
    /// By member: the call that undid it.
    undo_times: Vec<Option<Arc<UndoTimes>>>,
}

/// What is kept of a member, to undo it.
#[derive(Default)]
struct Kept {
    /// A call to where its own went.
    call: Option<Call>,
    before: Option<Before>,
}

/// The groups that have failed.
#[derive(Default)]
struct Failed {
    /// Those that are not being undone yet.
    queue: Vec<usize>,
    /// Those that are not undone yet.
    open: usize,
}

/// An item as a member of its group.
#[derive(Clone, Copy)]
pub(super) struct Member<'items> {
    groups: &'items UndoGroups,
    at: GroupPlace,
    undo: &'items Undo,
}

impl UndoGroups {
    /// The groups of a plan: the member that each item follows, and what undoes each item.
    pub(super) fn new(follows: &[Option<ItemIndex>], undos: Vec<Option<Undo>>) -> Self {
        let mut places: Vec<Option<GroupPlace>> = vec![None; undos.len()];
        let mut members: Vec<Vec<usize>> = Vec::new();
        for number in (0..undos.len()).filter(|number| undos.get(*number).is_some_and(Option::is_some)) {
            let before = follows.get(number).copied().flatten();
            let known = before.and_then(|before| places.get(before.0).copied().flatten());
            let group = known.map_or(members.len(), |place| place.group);
            if group == members.len() {
                members.push(Vec::new());
            }
            let Some(of_group) = members.get_mut(group) else { continue };
            let place = GroupPlace { group, member: of_group.len() };
            of_group.push(number);
            places.get_mut(number).into_iter().for_each(|slot| *slot = Some(place));
        }
        let groups = members.into_iter().map(Group::new).collect();
        Self { undos, places, groups, failed: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The item as a member of a group that is undone; `None` for all other items.
    pub(super) fn member(&self, number: usize) -> Option<Member<'_>> {
        let at = self.places.get(number).copied().flatten()?;
        Some(Member { groups: self, at, undo: self.undos.get(number)?.as_ref()? })
    }

    /// Whether the group of an item has failed.
    pub(super) fn has_failed(&self, number: usize) -> bool {
        self.member(number).is_some_and(Member::group_has_failed)
    }

    /// Whether an item has the result of its own call, as far as is known yet.
    pub(super) fn keeps_result(&self, number: usize) -> bool {
        let verdict = self
            .member(number)
            .and_then(|member| member.of_state(|state| state.compensation.verdict(member.at.member)));
        verdict.is_none_or(|verdict| verdict == Verdict::Own)
    }

    /// The position of the member because of which an item never ran.
    pub(super) fn held_up_by(&self, number: usize) -> Option<usize> {
        let member = self.member(number)?;
        let group = self.groups.get(member.at.group)?;
        let state = group.state.lock();
        let never_ran = state.compensation.verdict(member.at.member) == Verdict::NeverRan;
        group.members.get(state.compensation.cause().filter(|_| never_ran)?).copied()
    }

    /// The positions of the members of a group.
    pub(super) fn members(&self, group: usize) -> &[usize] {
        self.groups.get(group).map_or(&[], |group| &group.members)
    }

    /// A group that has failed, and is not being undone yet.
    pub(super) fn take_failed(&self) -> Option<usize> {
        self.failed.lock().queue.pop()
    }

    /// Whether a group has failed and is not undone yet.
    pub(super) fn is_undoing(&self) -> bool {
        !self.is_empty() && self.failed.lock().open > 0
    }

    /// All of a group that can be undone is.
    pub(super) fn is_undone(&self) {
        let mut failed = self.failed.lock();
        failed.open = failed.open.saturating_sub(1);
    }

    /// The member of a group to be undone next, and its position in the batch.
    pub(super) fn next_undo(&self, group: usize) -> Option<(Member<'_>, usize)> {
        let group = self.groups.get(group)?;
        let member = group.state.lock().compensation.next_undo()?;
        let number = *group.members.get(member)?;
        Some((self.member(number)?, number))
    }

    /// How many members of a group are still to be undone.
    pub(super) fn undos_left(&self, group: usize) -> u32 {
        self.groups.get(group).map_or(0, |group| group.state.lock().compensation.undos_left())
    }

    /// Bytes that were held to undo a group, and are not needed any more.
    pub(super) fn take_held(&self, group: usize) -> usize {
        self.groups.get(group).map_or(0, |group| group.state.lock().let_go())
    }

    /// The dispatch has come to its end: groups in the middle of their members fail. `sent`: whether a byte of the item at
    /// this position may have left.
    pub(super) fn cut_off(&self, sent: impl Fn(usize) -> Sent) {
        for (number, group) in self.groups.iter().enumerate() {
            let mut state = group.state.lock();
            let under_way = state.compensation.under_way().and_then(|member| group.members.get(member));
            let effect = match under_way.map(|number| sent(*number)) {
                Some(Sent::Maybe) => Effect::Possible,
                Some(Sent::No) | None => Effect::None,
            };
            state.compensation.cut_off(effect);
            drop(state);
            self.queue_if_failed(number);
        }
    }

    /// Queues a group to be undone, once it has failed and none of its members is under way.
    fn queue_if_failed(&self, number: usize) {
        let Some(group) = self.groups.get(number) else { return };
        let mut state = group.state.lock();
        let compensation = &state.compensation;
        if compensation.has_failed() && compensation.under_way().is_none() && !state.is_queued {
            state.is_queued = true;
            let mut failed = self.failed.lock();
            failed.queue.push(number);
            failed.open += 1;
        }
    }

    /// Gives an item that has ended the result that it has as a member of its group. `ids`: of all items.
    pub(super) fn judge(&self, number: usize, item: &mut DispatchedItem, ids: &[ItemId]) {
        let Some(GroupPlace { group, member }) = self.places.get(number).copied().flatten() else { return };
        let Some(group) = self.groups.get(group) else { return };
        let state = group.state.lock();
        let Some(first) = state.compensation.cause() else { return };
        // A client that is told of one member only has to know if not all of the group was undone.
        let told = state.compensation.left_over().unwrap_or(first);
        let cause = group.members.get(first).and_then(|number| ids.get(*number));
        let on = cause.unwrap_or(&item.subject.id).clone();
        item.undone = state.compensation.undo_of(member);
        item.timeline.undo = state.undo_times.get(member).cloned().flatten();
        item.subject.answer_set(if member == told { SetAnswer::ByThis } else { SetAnswer::ByOther });
        match state.compensation.verdict(member) {
            Verdict::Own => {}
            Verdict::Undone(undone) => item.outcome = Outcome::Undone { undone, on },
            Verdict::NeverRan => item.outcome = Outcome::Skipped(SkipReason::NeverRan { on }),
        }
    }
}

impl Group {
    fn new(members: Vec<usize>) -> Self {
        let state = State {
            compensation: Compensation::new(members.len()),
            kept: members.iter().map(|_| Kept::default()).collect(),
            held: 0,
            is_queued: false,
            undo_times: vec![None; members.len()],
        };
        Self { members, state: Mutex::new(state) }
    }
}

impl State {
    /// Drops what was kept to undo members. Returns how many bytes were held for it.
    fn let_go(&mut self) -> usize {
        self.kept.iter_mut().for_each(|kept| *kept = Kept::default());
        std::mem::take(&mut self.held)
    }
}

impl<'items> Member<'items> {
    fn of_state<T>(self, work: impl FnOnce(&mut State) -> T) -> Option<T> {
        let group = self.groups.groups.get(self.at.group)?;
        Some(work(&mut group.state.lock()))
    }

    /// Its group's place among those of the batch.
    pub(super) fn group(self) -> usize {
        self.at.group
    }

    /// It begins, if its group has not failed.
    pub(super) fn begin(self) -> bool {
        self.of_state(|state| state.compensation.begin(self.at.member)).unwrap_or(false)
    }

    /// Its call, or the one that has to be made before it.
    pub(super) fn prepare(self, call: PlacedCall<'items>) -> PlacedCall<'items> {
        let Undo::By(rule) = self.undo else { return call };
        self.of_state(|state| {
            if let Some(kept) = state.kept.get_mut(self.at.member) {
                kept.call = Some(to_same_place(call.call()));
            }
        });
        match rule {
            UndoRule::AtLocation(_) => call,
            UndoRule::Snapshot => {
                let snapshot = snapshot_of(call.call());
                PlacedCall::Snapshot(Box::new(SnapshotJob::new(snapshot, call)))
            }
        }
    }

    /// What was there before it is known now, and `bytes` are held for it.
    pub(super) fn keep(self, before: Before, bytes: usize) {
        self.of_state(|state| {
            state.held += bytes;
            if let Some(kept) = state.kept.get_mut(self.at.member) {
                kept.before = Some(before);
            }
        });
    }

    /// It was not sent after all.
    pub(super) fn withdraw(self) {
        self.of_state(|state| state.compensation.withdraw(self.at.member));
        self.groups.queue_if_failed(self.at.group);
    }

    /// It has ended.
    pub(super) fn end(self, ended: Ended) {
        self.of_state(|state| state.compensation.end(self.at.member, ended));
        self.groups.queue_if_failed(self.at.group);
    }

    /// Whether its group can't be stopped any more, because it has begun.
    pub(super) fn has_begun(self) -> bool {
        let begun = self.of_state(|state| {
            state.compensation.has_begun() || state.kept.iter().any(|kept| kept.before.is_some())
        });
        begun.unwrap_or(false)
    }

    /// Whether a member of its group was sent, or read before it was.
    pub(super) fn has_run(self) -> bool {
        self.of_state(|state| state.kept.iter().any(|kept| kept.call.is_some())).unwrap_or(false)
    }

    /// Whether its group has failed.
    pub(super) fn group_has_failed(self) -> bool {
        self.of_state(|state| state.compensation.has_failed()).unwrap_or(false)
    }

    /// An attempt was made to undo it.
    pub(super) fn undone(self, undone: Undone) {
        self.of_state(|state| state.compensation.undone(self.at.member, undone));
    }

    /// A call to undo it was made, whatever came of it.
    pub(super) fn was_undone_by(self, times: UndoTimes) {
        self.of_state(|state| {
            if let Some(place) = state.undo_times.get_mut(self.at.member) {
                *place = Some(Arc::new(times));
            }
        });
    }

    /// What undoes it, and what was kept for that; `None` if it changes nothing.
    pub(super) fn rule(self) -> Option<&'items UndoRule> {
        match self.undo {
            Undo::Nothing => None,
            Undo::By(rule) => Some(rule),
        }
    }

    /// Looks at what was kept of it.
    pub(super) fn with_kept<T>(self, look: impl FnOnce(Option<&Call>, Option<&Before>) -> T) -> Option<T> {
        self.of_state(|state| {
            let kept = state.kept.get(self.at.member);
            look(kept.and_then(|kept| kept.call.as_ref()), kept.and_then(|kept| kept.before.as_ref()))
        })
    }
}

impl Ended {
    /// How an outcome counts for a group.
    pub(super) fn from_outcome(outcome: &Outcome, progress: &Progress) -> Self {
        let unknown = |is_unknown| Self::Failed(if is_unknown { Effect::Possible } else { Effect::None });
        match outcome {
            _ if !outcome.is_error() => Self::Succeeded,
            // A gateway behind us lost the service's answer (RFC 9110 §15.6.3, §15.6.5), or we did, and tried again.
            Outcome::Answered(reply) => {
                unknown(matches!(reply.status.as_u16(), 502 | 504) || progress.has_lost_attempt())
            }
            Outcome::Failed { sent, .. } => unknown(*sent == Sent::Maybe),
            Outcome::Responded(_) | Outcome::Rejected(_) | Outcome::Skipped(_) | Outcome::Undone { .. } => {
                unknown(false)
            }
        }
    }
}
