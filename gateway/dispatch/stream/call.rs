//! One worker of a stream: it takes the items that wait and makes their calls, one after the other, on
//! the lane it holds.

use std::panic::AssertUnwindSafe;

use futures_util::future::FutureExt;

use crate::clock::Deadline;
use crate::plan::{Call, Step};
use crate::route::UpstreamIndex;

use super::StreamWork;
use super::work::{Entry, InFlightGuard, SKIPPED};
use crate::dispatch::{Attempt, CallFailure, Engine, Lane, Outcome, Sent, give_back, take_permit};

/// Works until no item waits.
pub(super) async fn work_off<E: Engine>(work: &StreamWork, engine: &E) {
    let mut held: Option<(UpstreamIndex, E::Lane)> = None;
    while let Some(under_way) = work.next() {
        let Some(upstream) = upstream_of(&under_way) else { continue };
        let lane = match held.take() {
            Some((of, lane)) if of == upstream => lane,
            Some((_, mut other)) => {
                other.rest();
                engine.lane(upstream)
            }
            None => engine.lane(upstream),
        };
        held = settle(work, engine, under_way, lane).await.map(|lane| (upstream, lane));
    }
    if let Some((_, mut lane)) = held {
        lane.rest();
    }
}

fn upstream_of(under_way: &InFlightGuard<'_>) -> Option<UpstreamIndex> {
    match &under_way.entry()?.item.step {
        Step::Call(call) => Some(call.upstream),
        Step::Later(_) | Step::Same(_) | Step::Respond(_) | Step::Rejected(_) => None,
    }
}

/// Makes one item's call. Gives the lane back unless the call broke it.
async fn settle<E: Engine>(
    work: &StreamWork,
    engine: &E,
    under_way: InFlightGuard<'_>,
    mut lane: E::Lane,
) -> Option<E::Lane> {
    let entry = under_way.entry()?;
    let Step::Call(call) = &entry.item.step else { return Some(lane) };
    let made = entry.deadline.race(make(work, engine, entry, call, &mut lane)).await;
    let started = entry.progress.elapsed().is_some();
    let (outcome, usable) =
        made.unwrap_or_else(|| (at_deadline(entry, engine.was_held_back(call.upstream)), !started));
    under_way.end(outcome);
    usable.then_some(lane)
}

/// Says how the call ended, and whether its lane can be used again.
async fn make<E: Engine>(
    work: &StreamWork,
    engine: &E,
    entry: &Entry,
    call: &Call,
    lane: &mut E::Lane,
) -> (Outcome, bool) {
    let permit = match take_permit(engine, call.upstream, lane).await {
        Ok(permit) => permit,
        Err(failure) => return (failed(entry, failure), true),
    };
    if work.is_stopped() {
        return (SKIPPED, true);
    }
    entry.progress.mark_started();
    let patience = engine.call_timeout(call.upstream);
    let patience = call.timeout.map_or(patience, |own| own.min(patience));
    let over_at = Deadline::after(patience);
    let deadline = over_at.earlier(entry.deadline);
    let attempt = Attempt { progress: &entry.progress, budget: &work.budget, deadline };
    let made = AssertUnwindSafe(lane.call(&entry.item.subject.method, call, attempt)).catch_unwind();
    let (outcome, usable) = match over_at.race(made).await {
        Some(Ok(Ok(reply))) => (Outcome::Answered(reply), true),
        Some(Ok(Err(failure))) => (failed(entry, failure), true),
        Some(Err(_panic)) => (failed(entry, CallFailure::Internal), false),
        None => (over_time(entry), false),
    };
    give_back(permit, Some(lane).filter(|_| usable));
    (outcome, usable)
}

fn failed(entry: &Entry, failure: CallFailure) -> Outcome {
    Outcome::Failed { failure, sent: entry.progress.sent() }
}

fn over_time(entry: &Entry) -> Outcome {
    failed(
        entry,
        match entry.progress.sent() {
            Sent::No => CallFailure::TimeoutBeforeSending,
            Sent::Maybe => CallFailure::ReplyTimeout,
        },
    )
}

fn at_deadline(entry: &Entry, was_held_back: bool) -> Outcome {
    failed(
        entry,
        match entry.progress.sent() {
            Sent::Maybe => CallFailure::DeadlineDuringCall,
            Sent::No if entry.progress.elapsed().is_some() => CallFailure::TimeoutBeforeSending,
            Sent::No if was_held_back => CallFailure::ClientShareDeadline,
            Sent::No => CallFailure::DeadlineBeforeCall,
        },
    )
}
