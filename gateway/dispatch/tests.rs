//! The dispatcher against a fake engine: whatever each call does, every item ends exactly once.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderMap, Method, StatusCode};
use proptest::prelude::*;

mod conditions;
mod copies;
mod dependencies;
mod fake;
mod groups;
mod in_order;
mod lines;
mod references;
mod stream;
mod timeline;
mod undo;
mod waiting;

use fake::limiter_with;
pub(crate) use fake::{Act, Fake};
use waiting::Waiting;

use super::*;
use crate::batch::{ItemForm, ItemId, ItemIndex, ItemRejection, StreamWindow, Subject};
use crate::clock::Stopwatch;
use crate::header::field::Fields;
use crate::header::spelling::Spellings;
use crate::limiter::{Client as LimitedClient, ClientShare, FairLimiter, Flow, LimiterLimits, Permit};
use crate::plan::{Call, CallTemplate, Plan, PlannedItem, Step};
use crate::route::{RouteIndex, UpstreamIndex};

pub(crate) fn planned(number: usize, upstream: usize) -> PlannedItem {
    PlannedItem {
        subject: subject(number),
        route: None,
        step: Step::Call(Call {
            route: None,
            upstream: UpstreamIndex(upstream),
            target: format!("/{number}").into(),
            headers: Vec::new(),
            spellings: Spellings::default(),
            references: Vec::new(),
            body: None,
            timeout: None,
        }),
    }
}

fn subject(number: usize) -> Subject {
    Subject {
        id: ItemId::from(number.to_string()),
        method: Method::GET,
        href: format!("/{number}").into(),
        form: ItemForm::default(),
    }
}

const WINDOW: StreamWindow = StreamWindow { items: 100, bytes: 1000 };

fn limits() -> DispatchLimits {
    DispatchLimits {
        concurrency: 4,
        sequential: false,
        stop_on_error: false,
        patience: Duration::from_secs(5),
        max_bytes: 1000,
        max_item_reply: 10,
        max_reply: 100,
    }
}

fn run(fake: &Fake, upstreams: usize, change: impl FnOnce(&mut DispatchLimits)) -> Vec<DispatchedItem> {
    run_plan(fake, fake.plan(upstreams), change)
}

fn run_plan(fake: &Fake, plan: Plan, change: impl FnOnce(&mut DispatchLimits)) -> Vec<DispatchedItem> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut limits = limits();
        change(&mut limits);
        dispatch(plan, &fake, fake, limits, &mut Waiting::until(std::future::pending())).await
    })
}

fn failure(item: &DispatchedItem) -> Option<(CallFailure, Sent)> {
    if let Outcome::Failed { failure, sent } = &item.outcome { Some((*failure, *sent)) } else { None }
}

#[test]
fn channels_are_opened_for_free_permits_and_one_that_waits() {
    for (held, expected) in [(0, 100), (60, 41), (99, 2)] {
        let mut fake = Fake::new(&[Act::Answer(200); 100], 100);
        fake.delays = vec![40; 100];
        let others = Flow::new(LimitedClient::default());
        for _ in 0..held {
            std::mem::forget(FairLimiter::try_acquire(&fake.limiters[0].0, &others));
        }
        let items = run(&fake, 1, |limits| limits.concurrency = 100);
        assert!(items.iter().all(|item| failure(item).is_none()));
        let most = fake.most_under_way.load(Ordering::Relaxed);
        assert_eq!((fake.channels.load(Ordering::Relaxed), most), (expected, 100 - held), "{held} held");
    }
}

#[test]
fn each_kind_of_end_is_told_apart() {
    let fake = Fake::new(
        &[Act::Answer(200), Act::FailUnsent, Act::FailSent, Act::Panic, Act::Hang, Act::HangUnsent],
        9,
    );
    let ends: Vec<_> = run(&fake, 1, |_| {}).iter().map(failure).collect();
    let expected = [
        None,
        Some((CallFailure::ConnectionRefused, Sent::No)),
        Some((CallFailure::ConnectionLost, Sent::Maybe)),
        Some((CallFailure::Internal, Sent::Maybe)),
        Some((CallFailure::ReplyTimeout, Sent::Maybe)),
        Some((CallFailure::TimeoutBeforeSending, Sent::No)),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn the_deadline_ends_calls_in_progress_and_waiting_ones() {
    let fake = Fake::new(&[Act::Hang, Act::HangUnsent, Act::Hang], 9);
    let items = run(&fake, 1, |limits| {
        limits.concurrency = 2;
        limits.patience = Duration::from_millis(20);
    });
    let ends: Vec<_> = items.iter().map(failure).collect();
    let expected = [
        Some((CallFailure::DeadlineDuringCall, Sent::Maybe)),
        Some((CallFailure::DeadlineBeforeCall, Sent::No)),
        Some((CallFailure::DeadlineBeforeCall, Sent::No)),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn sequential_order_is_the_request_order_over_all_upstreams() {
    let fake = Fake::new(&[Act::Answer(200); 9], 9);
    run(&fake, 3, |limits| limits.sequential = true);
    assert_eq!(fake.calls(), (0..9).collect::<Vec<_>>());
    assert_eq!(fake.most_under_way.load(Ordering::Relaxed), 1);
}

#[test]
fn a_stop_skips_the_rest() {
    let fake = Fake::new(&[Act::Answer(200), Act::Answer(404), Act::Answer(200)], 9);
    let items = run(&fake, 1, |limits| {
        limits.sequential = true;
        limits.stop_on_error = true;
    });
    assert_eq!(fake.calls(), [0, 1]);
    assert!(matches!(items[2].outcome, Outcome::Skipped(SkipReason::BatchStopped)));
}

#[test]
fn nothing_behind_a_rejected_item_starts_once_the_batch_stops_on_errors() {
    let fake = Fake::new(&[Act::Answer(200); 3], 9);
    let mut plan = fake.plan(1);
    plan.items[1].step = Step::Rejected(ItemRejection::NoRoute);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limits = DispatchLimits { stop_on_error: true, ..runtime.block_on(async { limits() }) };
    let mut client = Waiting::until(std::future::pending());
    let items = runtime.block_on(dispatch(plan, &&fake, &fake, limits, &mut client));
    assert_eq!(fake.calls(), [0]);
    assert!(matches!(items[1].outcome, Outcome::Rejected(ItemRejection::NoRoute)));
    assert!(matches!(items[2].outcome, Outcome::Skipped(SkipReason::BatchStopped)));
}

#[test]
fn a_client_that_leaves_ends_every_item() {
    let fake = Fake::new(&[Act::Answer(200), Act::Hang, Act::Hang], 9);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let items = runtime.block_on(async {
        let limits = DispatchLimits { concurrency: 2, ..limits() };
        let gone = tokio::time::sleep(Duration::from_millis(10));
        dispatch(fake.plan(1), &&fake, &fake, limits, &mut Waiting::until(gone)).await
    });
    let ends: Vec<_> = items.iter().map(failure).collect();
    let gone = CallFailure::ClientGone;
    assert_eq!(ends, [None, Some((gone, Sent::Maybe)), Some((gone, Sent::Maybe))]);
    assert_eq!(fake.calls(), [0, 1, 2]);
}

#[test]
fn slow_upstreams_get_all_channels_at_once() {
    let fake = Fake::new(&[Act::Hang; 100], 100);
    run(&fake, 1, |limits| limits.concurrency = 100);
    assert_eq!(fake.most_under_way.load(Ordering::Relaxed), 100);
}

#[test]
fn the_reply_budget_names_the_limit() {
    let budget = ReplyBudget::new(10, 6);
    assert_eq!(budget.take(0, 7), Err(CallFailure::ReplyTooLarge { limit: 6 }));
    assert_eq!(budget.take(0, 6), Ok(()));
    assert_eq!(budget.take(0, 5), Err(CallFailure::RepliesTooLarge { limit: 10 }));
    budget.give_back(6);
    assert_eq!(budget.take(0, 5), Ok(()));
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (200u16..600).prop_map(Act::Answer),
        1 => Just(Act::FailUnsent),
        1 => Just(Act::FailSent),
        1 => Just(Act::Panic),
        1 => Just(Act::Hang),
        1 => Just(Act::HangUnsent),
    ]
}

proptest! {
    #[test]
    fn whenever_the_client_leaves_each_item_ends_once(
        acts in proptest::collection::vec(act(), 0..40),
        waits in proptest::collection::vec(proptest::option::weighted(0.3, any::<proptest::sample::Index>()), 40),
        upstreams in 1usize..4,
        concurrency in 1usize..9,
        permits in 0usize..5,
        stop_on_error: bool,
        leaves in 0u64..1500,
    ) {
        let fake = Fake::new(&acts, permits);
        let mut plan = fake.plan(upstreams);
        let waits_for = |number: usize| waits[number].filter(|_| number > 0).map(|pick| ItemIndex(pick.index(number)));
        if (0..acts.len()).any(|number| waits_for(number).is_some()) {
            plan.dependencies = (0..acts.len()).map(|number| waits_for(number).into_iter().collect()).collect();
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let items = runtime.block_on(async {
            let limits = DispatchLimits { concurrency, stop_on_error, ..limits() };
            let gone = tokio::time::sleep(Duration::from_millis(leaves));
            dispatch(plan, &&fake, &fake, limits, &mut Waiting::until(gone)).await
        });
        let ids: Vec<_> = items.iter().map(|item| item.subject.id.clone()).collect();
        prop_assert_eq!(ids, (0..acts.len()).map(|number| subject(number).id).collect::<Vec<_>>());
        let calls = fake.calls();
        let once: std::collections::BTreeSet<_> = calls.iter().collect();
        prop_assert_eq!(once.len(), calls.len());
        prop_assert_eq!(fake.under_way.load(Ordering::Relaxed), 0);
        for (number, item) in items.iter().enumerate() {
            prop_assert_eq!(item.timeline.permit.is_some(), calls.contains(&number));
            prop_assert_eq!(item.timeline.permit.is_some(), item.timeline.end.is_some());
        }
    }

    #[test]
    fn n_items_in_n_outcomes_out(
        acts in proptest::collection::vec(act(), 0..40),
        upstreams in 1usize..4,
        concurrency in 1usize..9,
        permits in 1usize..5,
        sequential: bool,
        stop_on_error: bool,
        deadline in 0u64..2000,
    ) {
        let fake = Fake::new(&acts, permits);
        let items = run(&fake, upstreams, |limits| {
            limits.concurrency = concurrency;
            limits.sequential = sequential;
            limits.stop_on_error = stop_on_error;
            limits.patience = Duration::from_millis(deadline);
        });
        let ids: Vec<_> = items.iter().map(|item| item.subject.id.clone()).collect();
        prop_assert_eq!(ids, (0..acts.len()).map(|number| subject(number).id).collect::<Vec<_>>());
        let mut calls = fake.calls();
        calls.sort_unstable();
        let once = calls.windows(2).all(|pair| pair[0] < pair[1]);
        prop_assert!(once, "an item was called twice: {:?}", calls);
        prop_assert!(fake.most_under_way.load(Ordering::Relaxed) <= concurrency.min(permits * upstreams));
        for (number, item) in items.iter().enumerate() {
            let skipped = matches!(item.outcome, Outcome::Skipped(_));
            prop_assert!(!skipped || (stop_on_error && !calls.contains(&number)));
            if let Outcome::Answered(reply) = &item.outcome {
                prop_assert_eq!(Act::Answer(reply.status.as_u16()), acts[number]);
            }
        }
    }
}
