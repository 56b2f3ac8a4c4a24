//! The stream's dispatcher against the fake engine: whatever each call does, and however its results
//! are taken, every item ends exactly once and never are more under way than allowed.

use super::{Act, Fake, WINDOW, limits, planned};
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use crate::batch::ItemRejection;
use crate::clock::Deadline;
use crate::dispatch::{
    CallFailure, DispatchLimits, Outcome, Sent, SkipReason, StreamDispatch, StreamWork, StreamedItem,
};
use crate::plan::Step;

/// Runs with a clock that is stopped while any task can make progress.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// Streams all of the fake's items, and returns them as they end. Those in `rejected` need no call.
fn stream(fake: &Fake, upstreams: usize, limits: DispatchLimits, rejected: &[usize]) -> Vec<StreamedItem> {
    block_on(async {
        let work = StreamWork::new(limits, WINDOW, fake);
        let mut dispatch = StreamDispatch::new(&work, &fake);
        let mut ended = Vec::new();
        let mut next = 0;
        while ended.len() < fake.count() {
            while next < fake.count() && dispatch.has_room() {
                let mut item = planned(next, next % upstreams);
                if rejected.contains(&next) {
                    item.step = Step::Rejected(ItemRejection::NoRoute);
                }
                dispatch.start(next + 1, item.into(), 1);
                next += 1;
            }
            dispatch.ready().await;
            ended.extend(std::iter::from_fn(|| dispatch.take()));
        }
        assert_eq!(dispatch.under_way(), 0);
        ended
    })
}

fn failure(item: &StreamedItem) -> Option<(CallFailure, Sent)> {
    if let Outcome::Failed { failure, sent } = &item.item.outcome { Some((*failure, *sent)) } else { None }
}

#[test]
fn each_kind_of_end_is_told_apart() {
    let acts = [Act::Answer(200), Act::FailUnsent, Act::FailSent, Act::Panic, Act::Hang, Act::HangUnsent];
    let mut items = stream(&Fake::new(&acts, 9), 1, limits(), &[]);
    items.sort_by_key(|item| item.position);
    let expected = [
        None,
        Some((CallFailure::ConnectionRefused, Sent::No)),
        Some((CallFailure::ConnectionLost, Sent::Maybe)),
        Some((CallFailure::Internal, Sent::Maybe)),
        Some((CallFailure::ReplyTimeout, Sent::Maybe)),
        Some((CallFailure::TimeoutBeforeSending, Sent::No)),
    ];
    assert_eq!(items.iter().map(failure).collect::<Vec<_>>(), expected);
}

#[test]
fn an_item_has_its_time_from_its_start() {
    let limits = DispatchLimits { concurrency: 2, patience: Duration::from_millis(20), ..limits() };
    let items = stream(&Fake::new(&[Act::Hang, Act::HangUnsent, Act::Answer(200)], 9), 1, limits, &[]);
    let expected = [
        Some((CallFailure::DeadlineDuringCall, Sent::Maybe)),
        Some((CallFailure::DeadlineBeforeCall, Sent::No)),
        None,
    ];
    assert_eq!(items.iter().map(failure).collect::<Vec<_>>(), expected);
    let waiting = DispatchLimits { patience: Duration::from_millis(20), ..limits };
    let items = stream(&Fake::new(&[Act::Hang; 2], 0), 1, waiting, &[]);
    assert!(items.iter().all(|item| failure(item) == Some((CallFailure::DeadlineBeforeCall, Sent::No))));
}

#[test]
fn sequential_order_is_the_order_of_the_stream() {
    let fake = Fake::new(&[Act::Answer(200); 9], 9);
    let items = stream(&fake, 3, DispatchLimits { sequential: true, ..limits() }, &[2, 5]);
    assert_eq!(items.iter().map(|item| item.position).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert_eq!(fake.calls(), [0, 1, 3, 4, 6, 7, 8]);
    assert_eq!(fake.most_under_way.load(Ordering::Relaxed), 1);
}

#[test]
fn a_stop_skips_all_that_follows() {
    let fake = Fake::new(&[Act::Answer(200), Act::Answer(404), Act::Answer(200), Act::Answer(200)], 9);
    let limits = DispatchLimits { sequential: true, stop_on_error: true, ..limits() };
    let items = stream(&fake, 1, limits, &[3]);
    assert_eq!(fake.calls(), [0, 1]);
    for item in &items[2..] {
        assert!(matches!(item.item.outcome, Outcome::Skipped(SkipReason::BatchStopped)), "{item:?}");
    }
}

#[test]
fn slow_upstreams_get_all_channels_at_once() {
    let fake = Fake::new(&[Act::Hang; 100], 100);
    stream(&fake, 1, DispatchLimits { concurrency: 50, ..limits() }, &[]);
    assert_eq!(fake.most_under_way.load(Ordering::Relaxed), 50);
}

#[test]
fn who_leaves_ends_every_item_that_was_started() {
    let fake = Fake::new(&[Act::Hang; 3], 9);
    block_on(async {
        let work = StreamWork::new(DispatchLimits { sequential: true, ..limits() }, WINDOW, &fake);
        let engine = &fake;
        let mut dispatch = StreamDispatch::new(&work, &engine);
        for number in 0..3 {
            dispatch.start(number + 1, planned(number, 0).into(), 1);
        }
        dispatch.alongside(tokio::time::sleep(Duration::from_millis(10))).await;
        dispatch.abandon();
        let mut ends: Vec<_> = std::iter::from_fn(|| dispatch.take()).map(|item| failure(&item)).collect();
        ends.sort_by_key(|end| end.map(|(_, sent)| sent == Sent::No));
        let gone = CallFailure::ClientGone;
        assert_eq!(ends, [Some((gone, Sent::Maybe)), Some((gone, Sent::No)), Some((gone, Sent::No))]);
        assert_eq!(fake.calls(), [0]);
    });
}

#[test]
fn large_items_leave_room_for_few() {
    let fake = Fake::new(&[Act::Hang; 3], 9);
    let work = StreamWork::new(DispatchLimits { max_bytes: 10, ..limits() }, WINDOW, &fake);
    let engine = &fake;
    let mut dispatch = StreamDispatch::new(&work, &engine);
    assert!(dispatch.has_room());
    dispatch.start(1, planned(0, 0).into(), 9);
    assert!(dispatch.has_room());
    dispatch.start(2, planned(1, 0).into(), 9);
    assert!(!dispatch.has_room());
}

proptest! {
    #[test]
    fn whenever_the_client_leaves_each_item_that_was_started_ends_once(
        acts in proptest::collection::vec(crate::dispatch::tests::act(), 1..40),
        concurrency in 1usize..9,
        permits in 0usize..5,
        stop_on_error: bool,
        leaves in 0u64..1500,
    ) {
        let fake = Fake::new(&acts, permits);
        let (engine, limits) = (&fake, DispatchLimits { concurrency, stop_on_error, ..limits() });
        let (started, mut positions) = block_on(async {
            let work = StreamWork::new(limits, WINDOW, engine);
            let mut dispatch = StreamDispatch::new(&work, &engine);
            let mut ended = Vec::new();
            let mut next = 0;
            let gone = Deadline::after(Duration::from_millis(leaves));
            while ended.len() < fake.count() && !gone.is_over() {
                while next < fake.count() && dispatch.has_room() {
                    dispatch.start(next + 1, planned(next, next % 3).into(), 1);
                    next += 1;
                }
                // Dropped again and again, in the middle of the calls.
                let _ready = Deadline::after(Duration::from_millis(7)).race(dispatch.ready()).await;
                ended.extend(std::iter::from_fn(|| dispatch.take()).map(|item| item.position));
            }
            dispatch.abandon();
            ended.extend(std::iter::from_fn(|| dispatch.take()).map(|item| item.position));
            assert_eq!((dispatch.under_way(), dispatch.bytes_under_way()), (0, 0));
            (next, ended)
        });
        positions.sort_unstable();
        prop_assert_eq!(positions, (1..=started).collect::<Vec<_>>());
        let calls = fake.calls();
        let once: std::collections::BTreeSet<_> = calls.iter().collect();
        prop_assert_eq!(once.len(), calls.len());
        prop_assert_eq!(fake.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn n_items_in_n_results_out(
        acts in proptest::collection::vec(crate::dispatch::tests::act(), 0..60),
        upstreams in 1usize..4,
        concurrency in 1usize..9,
        permits in 1usize..5,
        sequential: bool,
        stop_on_error: bool,
        patience in 0u64..2000,
        rejected in proptest::collection::vec(0usize..60, 0..5),
    ) {
        let fake = Fake::new(&acts, permits);
        let patience = Duration::from_millis(patience);
        let limits = DispatchLimits { concurrency, sequential, stop_on_error, patience, ..limits() };
        let items = stream(&fake, upstreams, limits, &rejected);
        let mut positions: Vec<_> = items.iter().map(|item| item.position).collect();
        prop_assert!(!sequential || positions.is_sorted());
        positions.sort_unstable();
        prop_assert_eq!(positions, (1..=acts.len()).collect::<Vec<_>>());
        let mut calls = fake.calls();
        calls.sort_unstable();
        prop_assert!(calls.windows(2).all(|pair| pair[0] < pair[1]), "an item was called twice: {:?}", calls);
        let most = if sequential { 1 } else { concurrency.min(permits * upstreams) };
        prop_assert!(fake.most_under_way.load(Ordering::Relaxed) <= most);
        for item in &items {
            let called = calls.contains(&(item.position - 1));
            let skipped = matches!(item.item.outcome, Outcome::Skipped(_));
            prop_assert!(!skipped || (stop_on_error && !called));
            if let Outcome::Answered(reply) = &item.item.outcome {
                prop_assert_eq!(Act::Answer(reply.status.as_u16()), acts[item.position - 1]);
            }
        }
    }
}
