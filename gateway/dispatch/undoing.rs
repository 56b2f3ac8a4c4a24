//! Undoes the groups that have failed: makes the calls that [`undo`](super::undo) makes up, one after the other in each
//! group, until each has worked, can't work, or the time is over.
//!
//! It is polled alongside the other calls of the batch, by the same task. It is not dropped with them when the deadline
//! comes or the client leaves, because what is half done would stay so. It ends by itself: each group has [`PATIENCE`],
//! and each call [`ATTEMPTS`] in that time.

use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::StatusCode;
use parking_lot::Mutex;

use crate::clock::{Deadline, Stopwatch};

use super::budget::ReplyBudget;
use super::compensation::Undone;
use super::engine::{Attempt, Channel, Engine};
use super::items::Items;
use super::outcome::Outcome;
use super::progress::{Progress, Sent};
use super::reply::UpstreamReply;
use super::resolve::Resolver;
use super::timeline::Attempts;
use super::undo::{Impossible, Left, UndoCall, Written};
use super::undo_groups::Member;

/// How long undoing a group may take. A client, or a gateway that drains, waits for it, and a service that restarts is back
/// by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a call is made at most. With the pauses between them the last one starts after about six seconds.
const ATTEMPTS: u32 = 7;

/// The pause after the first attempt. Each further one is twice as long as the one before it.
const PAUSE: Duration = Duration::from_millis(100);

/// What is being undone.
pub(super) struct Undoing<'run, E> {
    items: &'run Items,
    engine: &'run E,
    resolver: &'run dyn Resolver,
    /// Each ends with the number of its group.
    groups: FuturesUnordered<BoxFuture<'run, usize>>,
}

impl<'run, E: Engine> Undoing<'run, E> {
    pub(super) fn new(items: &'run Items, engine: &'run E, resolver: &'run dyn Resolver) -> Self {
        Self { items, engine, resolver, groups: FuturesUnordered::new() }
    }

    /// Goes on. Ready with a group that is undone, or with `None` if there is nothing to undo, which may change as soon as
    /// another group fails.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        while let Some(group) = self.items.groups.take_failed() {
            let Self { items, engine, resolver, .. } = *self;
            self.groups.push(Undo { items, engine, resolver }.group(group).boxed());
        }
        self.groups.poll_next_unpin(context)
    }

    /// Undoes all that is left, once nothing else is under way.
    pub(super) async fn finish(&mut self) {
        let places = &self.items.places;
        self.items
            .groups
            .cut_off(|number| places.get(number).map_or(Sent::No, |place| place.progress.sent()));
        while std::future::poll_fn(|context| self.poll(context)).await.is_some() {}
    }
}

/// What undoing needs.
struct Undo<'run, E> {
    items: &'run Items,
    engine: &'run E,
    resolver: &'run dyn Resolver,
}

/// What one attempt brought.
enum Made {
    Done(Left),
    Failed,
    Again,
}

impl<E: Engine> Undo<'_, E> {
    async fn group(self, group: usize) -> usize {
        let over_at = Deadline::after(PATIENCE);
        let mut left = Vec::new();
        while let Some((member, number)) = self.items.groups.next_undo(group) {
            // So that one that hangs leaves time for the others.
            let share = Deadline::after(over_at.remaining() / self.items.groups.undos_left(group).max(1));
            let undone = match self.call_for(member, number, &left) {
                Ok(None) => Undone::Done,
                Ok(Some(call)) => {
                    let attempts = Mutex::new(Attempts::none());
                    let began = Stopwatch::start();
                    let made = share.race(self.make(&call, share, &attempts)).await.flatten();
                    member.was_undone_by(call.times(began, attempts.into_inner()));
                    match made {
                        Some(trace) => {
                            left.push(trace);
                            Undone::Done
                        }
                        None => Undone::Failed,
                    }
                }
                Err(Impossible) => Undone::Failed,
            };
            member.undone(undone);
        }
        group
    }

    /// The call that undoes a member.
    fn call_for(
        &self,
        member: Member<'_>,
        number: usize,
        left: &[Left],
    ) -> Result<Option<UndoCall>, Impossible> {
        let (Some(rule), Some(place)) = (member.rule(), self.items.places.get(number)) else {
            return Ok(None);
        };
        let reply = match place.slot.kept() {
            Some(Outcome::Answered(reply)) => Some(reply),
            Some(
                Outcome::Responded(_)
                | Outcome::Rejected(_)
                | Outcome::Skipped(_)
                | Outcome::Failed { .. }
                | Outcome::Undone { .. },
            )
            | None => None,
        };
        let route = place.item.route;
        let made = member.with_kept(|call, before| {
            let call = call.ok_or(Impossible)?;
            let written = Written { method: &place.item.subject.method, call, before, reply, left };
            UndoCall::new(rule, &written, |location, method, fields| {
                self.resolver.locate(location, route?, method, fields)
            })
        });
        made.unwrap_or(Err(Impossible))
    }

    /// Makes a call until it has worked or can't. Returns what it left.
    async fn make(&self, call: &UndoCall, over_at: Deadline, attempts: &Mutex<Attempts>) -> Option<Left> {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.attempt(call, over_at, attempts).await {
                Made::Done(left) => return Some(left),
                Made::Failed => return None,
                Made::Again if attempt < ATTEMPTS => tokio::time::sleep(pause).await,
                Made::Again => {}
            }
            pause *= 2;
        }
        None
    }

    async fn attempt(&self, undo: &UndoCall, over_at: Deadline, attempts: &Mutex<Attempts>) -> Made {
        let UndoCall { method, call, .. } = undo;
        let Ok(_permit) = self.engine.permit(call.upstream).await else { return Made::Again };
        let Noted { progress, .. } = &Noted { progress: Progress::new(Stopwatch::start()), attempts };
        let deadline = progress.mark_started().deadline(self.engine.call_timeout(call)).earlier(over_at);
        let max = self.items.run.limits.max_item_reply;
        // Not the batch's own: a batch whose replies are too large is to be undone as well.
        let budget = ReplyBudget::new(max, max);
        let mut channel = self.engine.channel(call.upstream);
        let attempt = Attempt { progress, budget: &budget, deadline };
        let made = AssertUnwindSafe(channel.call(method, call, attempt)).catch_unwind();
        match deadline.race(made).await {
            Some(Ok(Ok(reply))) => {
                channel.rest();
                self.engine.let_go(reply.bytes());
                after_reply(undo, &reply)
            }
            Some(Ok(Err(_))) | None => Made::Again,
            Some(Err(_panic)) => Made::Failed,
        }
    }
}

/// Takes note of the attempts of a call that has ended, or was dropped.
struct Noted<'undo> {
    progress: Progress,
    attempts: &'undo Mutex<Attempts>,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let ended = self.progress.take_timeline().attempts;
        self.attempts.lock().append(ended);
    }
}

fn after_reply(undo: &UndoCall, reply: &UpstreamReply) -> Made {
    let status = reply.status;
    if undo.is_done(status) {
        return Made::Done(Left::by(&undo.call, &reply.headers));
    }
    let may_pass = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    if may_pass { Made::Again } else { Made::Failed }
}
