//! Items that wait for each other: whatever becomes of those before, each ends exactly once.

use super::*;
use crate::batch::ItemIndex;

fn after(fake: &Fake, upstreams: usize, dependencies: &[&[usize]]) -> Plan {
    let lists = dependencies.iter().map(|on| on.iter().map(|number| ItemIndex(*number)).collect());
    Plan { dependencies: lists.collect(), ..fake.plan(upstreams) }
}

fn skipped_for(item: &DispatchedItem) -> Option<&str> {
    if let Outcome::Skipped(SkipReason::DependencyFailed { on, .. }) = &item.outcome {
        Some(on.as_str())
    } else {
        None
    }
}

#[test]
fn an_item_waits_for_what_it_depends_on() {
    let fake = Fake::new(&[Act::Answer(201); 4], 9);
    let plan = after(&fake, 2, &[&[], &[0], &[], &[1, 2]]);
    assert!(run_plan(&fake, plan, |_| {}).iter().all(|item| matches!(item.outcome, Outcome::Answered(_))));
    let calls = fake.calls();
    let place = |number| calls.iter().position(|call| *call == number).unwrap();
    assert!(place(0) < place(1) && place(1) < place(3) && place(2) < place(3), "{calls:?}");
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_names_it() {
    let acts = [Act::Answer(404), Act::Answer(200), Act::Answer(200), Act::Answer(200), Act::Answer(399)];
    let fake = Fake::new(&acts, 9);
    let items = run_plan(&fake, after(&fake, 1, &[&[], &[0], &[1], &[], &[3]]), |_| {});
    let skipped: Vec<_> = items.iter().map(skipped_for).collect();
    assert_eq!(skipped, [None, Some("0"), Some("1"), None, None]);
    let mut calls = fake.calls();
    calls.sort_unstable();
    assert_eq!(calls, [0, 3, 4]);
}

#[test]
fn what_depends_on_a_rejected_item_is_skipped() {
    let fake = Fake::new(&[Act::Answer(200); 3], 9);
    let mut plan = after(&fake, 1, &[&[], &[0], &[]]);
    plan.items[0].step = Step::Rejected(ItemRejection::NoRoute);
    let items = run_plan(&fake, plan, |_| {});
    assert!(matches!(items[0].outcome, Outcome::Rejected(ItemRejection::NoRoute)));
    assert_eq!((skipped_for(&items[1]), fake.calls()), (Some("0"), vec![2]));
}

#[test]
fn fixed_answers_wait_as_well() {
    let respond = |status| {
        let (body, content_type) = (Bytes::new(), String::new());
        Step::Respond(crate::route::Respond {
            status: StatusCode::from_u16(status).unwrap(),
            body,
            content_type,
            headers: Vec::new(),
        })
    };
    let fake = Fake::new(&[Act::Answer(500); 5], 9);
    let mut plan = after(&fake, 1, &[&[], &[0], &[], &[2], &[3]]);
    for (number, status) in [(1, 200), (2, 204), (3, 503), (4, 200)] {
        plan.items[number].step = respond(status);
    }
    let items = run_plan(&fake, plan, |_| {});
    assert_eq!((skipped_for(&items[1]), skipped_for(&items[4])), (Some("0"), Some("3")));
    assert!(matches!(items[3].outcome, Outcome::Responded(_)));
}

#[test]
fn what_waits_for_a_fixed_answer_is_called_once() {
    let fake = Fake::new(&[Act::Answer(200); 2], 9);
    let mut plan = after(&fake, 1, &[&[], &[0]]);
    let (body, content_type) = (Bytes::new(), String::new());
    plan.items[0].step = Step::Respond(crate::route::Respond {
        status: StatusCode::OK,
        body,
        content_type,
        headers: Vec::new(),
    });
    run_plan(&fake, plan, |_| {});
    assert_eq!(fake.calls(), [1]);
}

#[test]
fn a_slow_item_delays_only_the_items_that_wait_for_it() {
    let fake = Fake::new(&[Act::Hang, Act::Answer(200), Act::Answer(200), Act::Answer(200)], 9);
    let items = run_plan(&fake, after(&fake, 1, &[&[], &[0], &[], &[2]]), |limits| {
        limits.concurrency = 2;
        limits.patience = Duration::from_millis(100);
    });
    assert_eq!(fake.calls(), [0, 2, 3]);
    assert_eq!(failure(&items[1]), Some((CallFailure::DeadlineBeforeCall, Sent::No)));
    assert!(matches!(items[3].outcome, Outcome::Answered(_)));
}

#[test]
fn all_that_is_ready_goes_side_by_side() {
    let fake = Fake::new(&[Act::Hang; 60], 99);
    let mut plan = after(&fake, 1, &[&[][..]; 60]);
    plan.dependencies[59] = vec![ItemIndex(0)];
    let items = run_plan(&fake, plan, |limits| limits.concurrency = 100);
    assert_eq!(fake.most_under_way.load(Ordering::Relaxed), 59);
    assert_eq!(skipped_for(&items[59]), Some("0"));
}

/// For each item a few earlier ones.
fn lists(count: usize, picks: &[Vec<proptest::sample::Index>]) -> Vec<Vec<ItemIndex>> {
    let of = |number: usize| {
        let picks = picks.get(number).map_or(&[][..], Vec::as_slice);
        let mut on: Vec<_> =
            picks.iter().filter(|_| number > 0).map(|pick| ItemIndex(pick.index(number))).collect();
        on.sort_unstable();
        on.dedup();
        on
    };
    (0..count).map(of).collect()
}

proptest! {
    #[test]
    fn an_item_is_called_only_after_all_it_depends_on_went_well(
        acts in proptest::collection::vec(act(), 1..40),
        picks in proptest::collection::vec(proptest::collection::vec(any::<proptest::sample::Index>(), 0..4), 0..40),
        upstreams in 1usize..4,
        concurrency in 1usize..9,
        permits in 1usize..5,
        sequential: bool,
        stop_on_error: bool,
        deadline in 0u64..2000,
        rejected in proptest::collection::vec(any::<proptest::sample::Index>(), 0..2),
    ) {
        let fake = Fake::new(&acts, permits);
        let mut plan = fake.plan(upstreams);
        plan.dependencies = lists(acts.len(), &picks);
        for pick in &rejected {
            plan.items[pick.index(acts.len())].step = Step::Rejected(ItemRejection::NoRoute);
        }
        let dependencies = plan.dependencies.clone();
        let items = run_plan(&fake, plan, |limits| {
            limits.concurrency = concurrency;
            limits.sequential = sequential;
            limits.stop_on_error = stop_on_error;
            limits.patience = Duration::from_millis(deadline);
        });
        let ids: Vec<_> = items.iter().map(|item| item.subject.id.clone()).collect();
        prop_assert_eq!(ids, (0..acts.len()).map(|number| subject(number).id).collect::<Vec<_>>());
        let before = fake.before.lock().unwrap();
        for (number, answered) in before.iter() {
            prop_assert!(dependencies[*number].iter().all(|on| answered.contains(&on.0)));
        }
        let calls = fake.calls();
        let once: std::collections::BTreeSet<_> = calls.iter().collect();
        prop_assert_eq!(once.len(), calls.len());
        prop_assert!(!sequential || calls.is_sorted());
        prop_assert!(fake.most_under_way.load(Ordering::Relaxed) <= concurrency.min(permits * upstreams));
        let answered = fake.answered.lock().unwrap();
        for (number, item) in items.iter().enumerate() {
            if let Some(on) = skipped_for(item) {
                let on: usize = on.parse().unwrap();
                prop_assert!(dependencies[number].contains(&ItemIndex(on)) && !answered.contains(&on));
                prop_assert!(!calls.contains(&number));
            }
            let stopped = matches!(item.outcome, Outcome::Skipped(SkipReason::BatchStopped));
            prop_assert!(!stopped || (stop_on_error && !calls.contains(&number)));
        }
    }
}
