//! Lines of a stream that wait for earlier ones: whatever becomes of those, each ends exactly once, and none waits forever.

use proptest::prelude::*;
use proptest::sample::Index;

use super::conditions::planned_condition;
use super::*;
use crate::batch::StreamWindow;
use crate::clock::Deadline;
use crate::plan::{AwaitedLine, Needed, PlannedLine, Waits};

/// A line that waits for these, and has this condition.
fn line(number: usize, on: &[usize], condition: Option<&str>) -> PlannedLine {
    let awaited = |on: &usize| AwaitedLine {
        id: on.to_string().as_str().into(),
        index: ItemIndex(*on),
        needed: Needed::End,
    };
    let waits =
        Waits { lines: on.iter().map(awaited).collect(), condition: condition.map(planned_condition) };
    PlannedLine { item: planned(number, number % 3), waits: Some(Box::new(waits)) }
}

/// Streams lines, and returns them in the order of the stream. Panics if the stream gets stuck.
fn stream_within(
    window: StreamWindow,
    fake: &Fake,
    limits: DispatchLimits,
    line: impl Fn(usize) -> PlannedLine,
) -> Vec<StreamedItem> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let mut ended = runtime.block_on(async {
        let work = StreamWork::new(limits, window, fake);
        let mut dispatch = StreamDispatch::new(&work, &fake);
        let (mut ended, mut next) = (Vec::new(), 0);
        while ended.len() < fake.count() {
            while next < fake.count() && dispatch.has_room() {
                dispatch.start(next + 1, line(next), 1);
                next += 1;
            }
            let ready = Deadline::after(Duration::from_secs(3600)).race(dispatch.ready()).await;
            assert!(ready.is_some(), "stuck after {} of {}", ended.len(), fake.count());
            ended.extend(std::iter::from_fn(|| dispatch.take()));
        }
        assert_eq!((dispatch.under_way(), dispatch.bytes_under_way()), (0, 0));
        ended
    });
    ended.sort_by_key(|item| item.position);
    ended
}

fn stream(fake: &Fake, limits: DispatchLimits, line: impl Fn(usize) -> PlannedLine) -> Vec<StreamedItem> {
    stream_within(WINDOW, fake, limits, line)
}

fn skipped_for(item: &StreamedItem) -> Option<&str> {
    if let Outcome::Skipped(SkipReason::DependencyFailed { on, .. }) = &item.item.outcome {
        Some(on.as_str())
    } else {
        None
    }
}

#[test]
fn a_line_waits_for_those_that_it_names() {
    let fake = Fake::new(&[Act::Answer(200); 4], 9);
    let on: [&[usize]; 4] = [&[], &[0], &[], &[1, 2]];
    let items = stream(&fake, limits(), |number| line(number, on[number], None));
    assert!(items.iter().all(|item| matches!(item.item.outcome, Outcome::Answered(_))));
    let place = |number| fake.calls().iter().position(|call| *call == number).unwrap();
    assert!(place(0) < place(1) && place(1) < place(3) && place(2) < place(3));
}

#[test]
fn a_failure_skips_at_once_all_that_waits_for_it() {
    let fake = Fake::new(&[Act::Answer(404), Act::Hang, Act::Answer(200), Act::Answer(200)], 9);
    let on: [&[usize]; 4] = [&[], &[], &[0, 1], &[2]];
    let items = stream(&fake, limits(), |number| line(number, on[number], None));
    assert_eq!((skipped_for(&items[2]), skipped_for(&items[3])), (Some("0"), Some("2")));
    let mut calls = fake.calls();
    calls.sort_unstable();
    assert_eq!(calls, [0, 1]);
}

#[test]
fn a_long_chain_of_skipped_lines_is_no_deep_call() {
    let count = 20_000;
    let mut acts = vec![Act::Answer(200); count];
    acts[0] = Act::FailSent;
    let fake = Fake::new(&acts, 9);
    let wide = DispatchLimits { concurrency: count, max_bytes: count, ..limits() };
    let before = |number: usize| number.checked_sub(1).into_iter().collect::<Vec<_>>();
    let items = stream(&fake, wide, |number| line(number, &before(number), None));
    assert!(items[1..].iter().all(|item| skipped_for(item).is_some()));
    assert_eq!(fake.calls(), [0]);
}

#[test]
fn a_condition_decides_alone() {
    let fake = Fake::new(&[Act::Answer(404), Act::Answer(200), Act::Answer(200), Act::Answer(200)], 9);
    let conditions = [None, Some("not $0/$succeeded"), Some("$0/$succeeded"), None];
    let on: [&[usize]; 4] = [&[], &[0], &[0], &[1]];
    for sequential in [false, true] {
        let limits = DispatchLimits { sequential, ..limits() };
        let items = stream(&fake, limits, |number| line(number, on[number], conditions[number]));
        assert!(matches!(items[1].item.outcome, Outcome::Answered(_)));
        let reason = SkipReason::ConditionNotMet { condition: "$0/$succeeded".to_owned() };
        assert!(matches!(&items[2].item.outcome, Outcome::Skipped(other) if *other == reason));
        assert!(matches!(items[3].item.outcome, Outcome::Answered(_)));
    }
}

#[test]
fn what_is_rejected_does_not_wait_and_what_is_answered_by_its_route_does() {
    let fake = Fake::new(&[Act::Hang, Act::Answer(200), Act::Answer(200)], 9);
    let respond = || {
        let (body, content_type) = (Bytes::new(), String::new());
        Step::Respond(crate::route::Respond {
            status: StatusCode::OK,
            body,
            content_type,
            headers: Vec::new(),
        })
    };
    let items = stream(&fake, limits(), |number| {
        let mut line = line(number, if number == 0 { &[] } else { &[0] }, None);
        match number {
            1 => line.item.step = Step::Rejected(ItemRejection::NoRoute),
            2 => line.item.step = respond(),
            _ => {}
        }
        line
    });
    assert!(matches!(items[1].item.outcome, Outcome::Rejected(ItemRejection::NoRoute)));
    assert_eq!(skipped_for(&items[2]), Some("0"));
}

#[test]
fn a_client_that_leaves_ends_those_that_wait() {
    let fake = Fake::new(&[Act::Hang, Act::Answer(200), Act::Answer(200)], 9);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(async {
        let engine = &fake;
        let work = StreamWork::new(limits(), WINDOW, engine);
        let mut dispatch = StreamDispatch::new(&work, &engine);
        for (number, condition) in [None, None, Some("not $0/$succeeded")].into_iter().enumerate() {
            dispatch.start(number + 1, line(number, if number == 0 { &[] } else { &[0] }, condition), 1);
        }
        dispatch.alongside(tokio::time::sleep(Duration::from_millis(10))).await;
        dispatch.abandon();
        let ends: Vec<_> = std::iter::from_fn(|| dispatch.take()).map(|item| failure(&item.item)).collect();
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|end| matches!(end, Some((CallFailure::ClientGone, _)))), "{ends:?}");
        assert_eq!(dispatch.under_way(), 0);
    });
}

/// For each line, up to three of the `window` lines before it.
fn picked(count: usize, window: usize, picks: &[Vec<Index>]) -> Vec<Vec<usize>> {
    let of = |number: usize| {
        let (most, picks) = (number.min(window), picks.get(number).map_or(&[][..], Vec::as_slice));
        let mut on: Vec<_> =
            picks.iter().filter(|_| most > 0).map(|pick| number - 1 - pick.index(most)).collect();
        on.sort_unstable();
        on.dedup();
        on
    };
    (0..count).map(of).collect()
}

proptest! {
    #[test]
    fn each_line_ends_once_and_starts_only_after_all_it_names_went_well(
        acts in proptest::collection::vec(act(), 1..60),
        picks in proptest::collection::vec(proptest::collection::vec(any::<Index>(), 0..4), 60),
        conditions in proptest::collection::vec(0usize..8, 60),
        concurrency in 1usize..9,
        permits in 1usize..5,
        window in 1usize..12,
        sequential: bool,
        stop_on_error: bool,
        patience in 0u64..2000,
    ) {
        let fake = Fake::new(&acts, permits);
        let patience = Duration::from_millis(patience);
        let limits = DispatchLimits { concurrency, sequential, stop_on_error, patience, ..limits() };
        let on = picked(acts.len(), window, &picks);
        let condition = |number: usize| {
            let first = on[number].first()?;
            match conditions[number] {
                0 => Some(format!("${first}/$succeeded")),
                1 => Some(format!("not ${first}/$succeeded")),
                2 => Some("true".to_owned()),
                _ => None,
            }
        };
        let within = StreamWindow { items: window, bytes: 1000 };
        let items =
            stream_within(within, &fake, limits, |number| line(number, &on[number], condition(number).as_deref()));
        let positions: Vec<_> = items.iter().map(|item| item.position).collect();
        prop_assert_eq!(positions, (1..=acts.len()).collect::<Vec<_>>());
        let calls = fake.calls();
        let once: std::collections::BTreeSet<_> = calls.iter().collect();
        prop_assert_eq!(once.len(), calls.len());
        prop_assert!(!sequential || calls.is_sorted());
        let most = if sequential { 1 } else { concurrency };
        prop_assert!(fake.most_under_way.load(Ordering::Relaxed) <= most);
        let well = |number: usize| matches!(&items[number].item.outcome, Outcome::Answered(reply) if reply.status.as_u16() < 400);
        let before = fake.before.lock().unwrap();
        for (number, answered) in before.iter() {
            if condition(*number).is_none() {
                prop_assert!(on[*number].iter().all(|on| answered.contains(on)), "{} went too early", number);
            }
        }
        for (number, item) in items.iter().enumerate() {
            if let Some(failed) = skipped_for(item) {
                let failed: usize = failed.parse().unwrap();
                prop_assert!(on[number].contains(&failed) && !well(failed) && !calls.contains(&number));
                prop_assert!(condition(number).is_none());
            }
            if let Outcome::Skipped(SkipReason::ConditionNotMet { .. }) = &item.item.outcome {
                let first = on[number][0];
                prop_assert_eq!(well(first), conditions[number] == 1);
            }
            if let (Outcome::Answered(_), 0 | 1) = (&item.item.outcome, conditions[number])
                && let Some(first) = on[number].first()
            {
                prop_assert_eq!(well(*first), conditions[number] == 0);
            }
            let stopped = matches!(item.item.outcome, Outcome::Skipped(SkipReason::BatchStopped));
            prop_assert!(!stopped || (stop_on_error && !calls.contains(&number)));
        }
    }
}
