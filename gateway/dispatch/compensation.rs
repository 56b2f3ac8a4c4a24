//! What becomes of one group that is undone if it fails. Pure: how its members ended goes in; which of them are undone, in
//! which order, and what becomes of each comes out.
//!
//! A group fails with the first member that does. From then on no member begins. Once none is under way, those that have
//! changed something are undone, the last one first. That goes on to the end, whatever becomes of one of them.

use crate::words::words;

/// How a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Below 400.
    Succeeded,
    /// At 400 or above, or without a result.
    Failed(Effect),
}

/// Whether a member that failed may have changed something nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Possible,
}

words! {
    /// How undoing a member ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Undone {
        /// All is as it was.
        Done = "undone",
        /// It is not, or not known to be.
        Failed = "failed",
    }
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has its own result.
    Own,
    /// It succeeded, and an attempt was made to undo it.
    Undone(Undone),
    /// It did not begin, because another one had failed.
    NeverRan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    UnderWay,
    Ended(Ended),
}

#[derive(Clone, Copy, Debug)]
struct Member {
    phase: Phase,
    undone: Option<Undone>,
}

impl Member {
    fn waits_for_undo(self) -> bool {
        self.undone.is_none() && has_effect(self.phase)
    }
}

/// A group and how far it has come.
#[derive(Debug)]
pub(super) struct Compensation {
    members: Vec<Member>,
}

impl Compensation {
    pub(super) fn new(members: usize) -> Self {
        Self { members: vec![Member { phase: Phase::Waiting, undone: None }; members] }
    }

    /// A member begins, if it may.
    pub(super) fn begin(&mut self, member: usize) -> bool {
        let may = !self.has_failed();
        if may {
            self.enter(member, Phase::UnderWay);
        }
        may
    }

    /// A member was not sent after all.
    pub(super) fn withdraw(&mut self, member: usize) {
        self.enter(member, Phase::Waiting);
    }

    /// A member has ended. Each ends once.
    pub(super) fn end(&mut self, member: usize, ended: Ended) {
        self.enter(member, Phase::Ended(ended));
    }

    fn enter(&mut self, member: usize, phase: Phase) {
        if let Some(member) = self.members.get_mut(member)
            && !matches!(member.phase, Phase::Ended(_))
        {
            member.phase = phase;
        }
    }

    /// Nothing more is started. What is under way ends with this; a group in the middle of its members fails.
    pub(super) fn cut_off(&mut self, under_way: Effect) {
        let is_under_way = |member: &Member| member.phase == Phase::UnderWay;
        let next = self.members.iter().position(is_under_way).or_else(|| {
            let next = self.members.iter().position(|member| member.phase == Phase::Waiting);
            next.filter(|next| *next > 0 && !self.has_failed())
        });
        if let Some(next) = next {
            self.end(next, Ended::Failed(under_way));
        }
    }

    /// The member that is under way.
    pub(super) fn under_way(&self) -> Option<usize> {
        self.members.iter().position(|member| member.phase == Phase::UnderWay)
    }

    /// Whether a member has ended already.
    pub(super) fn has_begun(&self) -> bool {
        self.members.iter().any(|member| matches!(member.phase, Phase::Ended(_)))
    }

    /// Whether a member has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.cause().is_some()
    }

    /// The first member that failed.
    pub(super) fn cause(&self) -> Option<usize> {
        self.members.iter().position(|member| matches!(member.phase, Phase::Ended(Ended::Failed(_))))
    }

    /// The member to be undone next; `None` as long as one is under way, and once all are undone.
    pub(super) fn next_undo(&self) -> Option<usize> {
        let last = self.members.iter().rposition(|member| member.waits_for_undo());
        last.filter(|_| self.has_failed() && self.under_way().is_none())
    }

    /// How many members are still to be undone.
    pub(super) fn undos_left(&self) -> u32 {
        self.members.iter().map(|member| u32::from(member.waits_for_undo())).sum()
    }

    /// The first member that had succeeded and could not be undone.
    pub(super) fn left_over(&self) -> Option<usize> {
        (0..self.members.len()).find(|member| self.verdict(*member) == Verdict::Undone(Undone::Failed))
    }

    /// An attempt was made to undo a member.
    pub(super) fn undone(&mut self, member: usize, undone: Undone) {
        self.members.get_mut(member).into_iter().for_each(|member| member.undone = Some(undone));
    }

    /// How undoing a member ended.
    pub(super) fn undo_of(&self, member: usize) -> Option<Undone> {
        self.members.get(member)?.undone
    }

    /// What becomes of a member.
    pub(super) fn verdict(&self, member: usize) -> Verdict {
        let Some(member) = self.members.get(member).filter(|_| self.has_failed()) else {
            return Verdict::Own;
        };
        match member.phase {
            Phase::Waiting | Phase::UnderWay => Verdict::NeverRan,
            Phase::Ended(Ended::Failed(_)) => Verdict::Own,
            Phase::Ended(Ended::Succeeded) => Verdict::Undone(member.undone.unwrap_or(Undone::Failed)),
        }
    }
}

fn has_effect(phase: Phase) -> bool {
    match phase {
        Phase::Waiting | Phase::UnderWay | Phase::Ended(Ended::Failed(Effect::None)) => false,
        Phase::Ended(Ended::Succeeded | Ended::Failed(Effect::Possible)) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ended() -> impl Strategy<Value = Ended> {
        prop_oneof![
            5 => Just(Ended::Succeeded),
            1 => Just(Ended::Failed(Effect::None)),
            1 => Just(Ended::Failed(Effect::Possible)),
        ]
    }

    /// Runs a group as a batch does, up to `cut` steps. Returns which members ended, in their order.
    fn run(group: &mut Compensation, ends: &[Ended], cut: usize) -> Vec<usize> {
        let mut ran = Vec::new();
        for (member, end) in ends.iter().enumerate() {
            if member >= cut || !group.begin(member) {
                break;
            }
            group.end(member, *end);
            ran.push(member);
        }
        ran
    }

    /// Undoes all there is, and returns it in order.
    fn undo(group: &mut Compensation, works: &[bool]) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(member) = group.next_undo() {
            assert!(order.len() < works.len(), "a member is undone again");
            group.undone(member, if works[member] { Undone::Done } else { Undone::Failed });
            order.push(member);
        }
        order
    }

    proptest! {
        #[test]
        fn what_was_done_is_undone_once_in_reverse(
            ends in proptest::collection::vec(ended(), 2..12),
            works in proptest::collection::vec(any::<bool>(), 12),
            cut in 0usize..14,
            sent: bool,
        ) {
            let mut group = Compensation::new(ends.len());
            let mut ran = run(&mut group, &ends, cut);
            let mut ended: Vec<_> = ends[..ran.len()].to_vec();
            if cut < ends.len() && ran.len() == cut && !group.has_failed() {
                // The deadline comes while this member is under way.
                group.begin(cut);
                prop_assert_eq!(group.next_undo(), None);
                let effect = if sent { Effect::Possible } else { Effect::None };
                group.cut_off(effect);
                ran.push(cut);
                ended.push(Ended::Failed(effect));
            }
            let cause = ended.iter().position(|end| matches!(end, Ended::Failed(_)));
            prop_assert_eq!(group.cause(), cause);
            let changed = |member: &usize| ended[*member] != Ended::Failed(Effect::None);
            let expected: Vec<_> = ran.iter().copied().rev().filter(changed).collect();
            let order = undo(&mut group, &works);
            prop_assert_eq!(order, if cause.is_some() { expected } else { Vec::new() });
            for (member, works) in works[..ends.len()].iter().enumerate() {
                let undone = if *works { Undone::Done } else { Undone::Failed };
                let expected = match (cause, ended.get(member)) {
                    (None, _) | (Some(_), Some(Ended::Failed(_))) => Verdict::Own,
                    (Some(_), Some(Ended::Succeeded)) => Verdict::Undone(undone),
                    (Some(_), None) => Verdict::NeverRan,
                };
                prop_assert_eq!(group.verdict(member), expected);
            }
        }
    }

    #[test]
    fn a_group_that_is_cut_off_before_it_began_is_left_alone() {
        let mut group = Compensation::new(2);
        group.cut_off(Effect::None);
        assert_eq!((group.cause(), group.verdict(0), group.verdict(1)), (None, Verdict::Own, Verdict::Own));
        assert!(group.begin(0));
        group.withdraw(0);
        group.cut_off(Effect::None);
        assert_eq!(group.cause(), None);
    }

    #[test]
    fn between_two_members_the_next_one_is_the_cause() {
        let mut group = Compensation::new(3);
        group.end(0, Ended::Succeeded);
        group.cut_off(Effect::None);
        assert_eq!((group.cause(), group.next_undo()), (Some(1), Some(0)));
    }

    #[test]
    fn nothing_is_undone_while_a_member_is_under_way() {
        let mut group = Compensation::new(3);
        assert!(group.begin(0));
        // A member after it is skipped meanwhile, because what it depends on has failed.
        group.end(2, Ended::Failed(Effect::None));
        assert!(!group.begin(1));
        assert_eq!(group.next_undo(), None);
        group.end(0, Ended::Succeeded);
        assert_eq!(group.next_undo(), Some(0));
        assert_eq!(group.verdict(1), Verdict::NeverRan);
    }
}
