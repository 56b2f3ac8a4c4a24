//! Items that share a call: each ends as the one that is called, in its own place.

use super::*;
use crate::batch::ItemIndex;

/// A plan in which items share the call of the item given; `None` is called itself.
fn shared(fake: &Fake, upstreams: usize, of: &[Option<usize>]) -> Plan {
    let mut plan = fake.plan(upstreams);
    for (item, first) in plan.items.iter_mut().zip(of) {
        if let Some(first) = first {
            item.step = Step::Same(ItemIndex(*first));
        }
    }
    plan
}

/// An outcome, for comparing.
fn shown(item: &DispatchedItem) -> String {
    format!("{:?} {:?} {:?}", item.outcome, item.upstream, item.timeline)
}

fn is_stopped(item: &DispatchedItem) -> bool {
    matches!(item.outcome, Outcome::Skipped(SkipReason::BatchStopped))
}

#[test]
fn a_copy_ends_as_its_first_did_well_or_not() {
    let acts =
        [Act::Answer(200), Act::FailUnsent, Act::FailSent, Act::Panic, Act::Hang, Act::Answer(503)].repeat(2);
    let fake = Fake::new(&acts, 9);
    let of: Vec<_> = (0..12).map(|number: usize| number.checked_sub(6)).collect();
    let items = run_plan(&fake, shared(&fake, 2, &of), |_| {});
    let mut calls = fake.calls();
    calls.sort_unstable();
    assert_eq!(calls, (0..6).collect::<Vec<_>>());
    for (first, copy) in items.iter().zip(&items[6..]) {
        assert_eq!(shown(first), shown(copy));
        assert_eq!((first.coalesced, copy.coalesced), (false, true));
        assert_ne!(first.subject.id, copy.subject.id);
    }
}

#[test]
fn a_copy_ends_with_the_batch() {
    let of = [None, Some(0), None, Some(2)];
    let fake = Fake::new(&[Act::Hang; 4], 9);
    let items = run_plan(&fake, shared(&fake, 1, &of), |limits| {
        limits.concurrency = 1;
        limits.patience = Duration::from_millis(20);
    });
    let (during, before) = (CallFailure::DeadlineDuringCall, CallFailure::DeadlineBeforeCall);
    let [during, before] = [Some((during, Sent::Maybe)), Some((before, Sent::No))];
    assert_eq!(items.iter().map(failure).collect::<Vec<_>>(), [during, during, before, before]);
}

#[test]
fn nothing_behind_a_stop_is_answered_by_a_call_before_it() {
    let fake = Fake::new(&[Act::Answer(200); 4], 9);
    for dependencies in [Vec::new(), vec![Vec::new(), Vec::new(), Vec::new(), vec![ItemIndex(2)]]] {
        let mut plan = Plan { dependencies, ..shared(&fake, 1, &[None, None, Some(0), None]) };
        plan.items[1].step = Step::Rejected(ItemRejection::NoRoute);
        let items = run_plan(&fake, plan, |limits| limits.stop_on_error = true);
        assert!(matches!(items[0].outcome, Outcome::Answered(_)));
        assert!(is_stopped(&items[2]) && is_stopped(&items[3]) && !items[2].coalesced);
    }
}

#[test]
fn a_call_that_the_batch_stopped_before_belongs_to_no_item() {
    let fake = Fake::new(&[Act::Answer(404), Act::Answer(200), Act::Answer(200)], 9);
    let items = run_plan(&fake, shared(&fake, 1, &[None, None, Some(1)]), |limits| {
        (limits.stop_on_error, limits.concurrency) = (true, 1);
    });
    assert!(is_stopped(&items[1]) && is_stopped(&items[2]) && !items[2].coalesced);
}

#[test]
fn what_waits_for_a_copy_goes_on_or_is_skipped_with_it() {
    let fake = Fake::new(&[Act::Answer(200), Act::Answer(404)].repeat(3), 9);
    let mut plan = shared(&fake, 1, &[None, None, Some(0), Some(1), None, None]);
    plan.dependencies = vec![Vec::new(); 4];
    plan.dependencies.extend([vec![ItemIndex(2)], vec![ItemIndex(3)]]);
    let items = run_plan(&fake, plan, |_| {});
    assert!(matches!(items[4].outcome, Outcome::Answered(_)));
    let on = ItemId::from("3");
    assert!(
        matches!(&items[5].outcome, Outcome::Skipped(SkipReason::DependencyFailed { on: id, .. }) if *id == on)
    );
    assert_eq!(fake.calls().len(), 3);
    assert_eq!((shown(&items[0]), shown(&items[1])), (shown(&items[2]), shown(&items[3])));
}

#[test]
fn each_copy_counts_against_all_replies_and_none_against_one() {
    let budget = ReplyBudget::new(10, 4);
    budget.take(0, 3).unwrap();
    budget.take(1, 3).unwrap();
    assert_eq!(budget.take_copy(6), Err(CallFailure::RepliesTooLarge { limit: 10 }));
    budget.give_back(2);
    assert_eq!(budget.take_copy(6), Ok(()), "fields and body of one reply may be more than its body's limit");
}

proptest! {
    #[test]
    fn n_items_in_n_outcomes_out_and_a_call_for_each_that_differs(
        acts in proptest::collection::vec(act(), 1..40),
        picks in proptest::collection::vec(any::<proptest::sample::Index>(), 40),
        waits in proptest::collection::vec(proptest::option::weighted(0.2, any::<proptest::sample::Index>()), 40),
        upstreams in 1usize..4,
        concurrency in 1usize..9,
        stop_on_error: bool,
        deadline in 0u64..2000,
    ) {
        let waits_for = |number: usize| waits[number].filter(|_| number > 0).map(|pick| pick.index(number));
        let called = |number: &usize| picks[*number].index(*number + 1) == *number || waits_for(*number).is_some();
        let first = |number: usize| {
            let may_share = !called(&number);
            let picked = may_share.then(|| picks[number].index(number + 1))?;
            (called(&picked) && waits_for(picked).is_none()).then_some(picked)
        };
        let of: Vec<_> = (0..acts.len()).map(first).collect();
        let fake = Fake::new(&acts, 9);
        let mut plan = shared(&fake, upstreams, &of);
        if (0..acts.len()).any(|number| waits_for(number).is_some()) {
            plan.dependencies =
                (0..acts.len()).map(|number| waits_for(number).map(ItemIndex).into_iter().collect()).collect();
        }
        let items = run_plan(&fake, plan, |limits| {
            limits.concurrency = concurrency;
            limits.stop_on_error = stop_on_error;
            limits.patience = Duration::from_millis(deadline);
        });
        let ids: Vec<_> = items.iter().map(|item| item.subject.id.clone()).collect();
        prop_assert_eq!(ids, (0..acts.len()).map(|number| subject(number).id).collect::<Vec<_>>());
        let calls = fake.calls();
        let once: std::collections::BTreeSet<_> = calls.iter().collect();
        prop_assert_eq!(once.len(), calls.len());
        for (number, item) in items.iter().enumerate() {
            prop_assert!(!calls.contains(&number) || of[number].is_none());
            if let Some(first) = of[number] {
                prop_assert_eq!(shown(item), shown(&items[first]));
            }
            if let Some(on) = waits_for(number).filter(|_| calls.contains(&number)) {
                prop_assert!(!items[on].outcome.is_error());
            }
        }
    }
}
