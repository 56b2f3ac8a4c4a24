//! Dispatch: the calls of a plan are made, and each item ends in exactly one outcome.
//!
//! **Why it exists.** A batch is a promise: as many results as items, whatever happens to the calls. A target refuses, a
//! reply is too large, the deadline comes, the client leaves, our own code panics: the item still has an outcome, and the
//! outcome says whether a byte of it may have reached the upstream. To keep that promise in one place, this module makes
//! no call itself. It decides which item is called when, over what, and for how long, and it knows neither pingora nor
//! the configuration; an [`Engine`] does the calls. That is also how it is tested: the property tests run it over an
//! engine whose calls answer, fail, hang and panic at random.
//!
//! **In:** a [`Plan`](crate::plan::Plan) by move ([`dispatch`]) or items one by one ([`StreamDispatch`]); an engine; a
//! [`Resolver`], which fills in references to earlier results; a [`Client`], which may take items of a batch while calls go
//! on ([`InOrder`]). **Out:** one [`DispatchedItem`] for each item: its [`Outcome`] and its [`Timeline`].
//!
//! # The words
//!
//! - A **source** has the items that were not taken yet, in one or more queues, and takes their outcomes. There are three:
//!   `queues` for a plan in which no item waits for another, `graph` for one in which some do, `arriving` for a
//!   stream. What becomes of an item that waits for others is decided in `turn`, for the last two alike.
//! - A **worker** drives one **channel** to one upstream, item by item. A channel carries one call at a time and may keep a
//!   connection in between; the future of a call is its ticket (`engine` explains why).
//! - A **permit** is the right to have one call under way at an upstream. The upstream's limiter hands permits out fairly
//!   among all clients and batches. A call holds its permit from before its first attempt until after its last, pauses
//!   between attempts included.
//! - The **ramp** decides how many channels a batch opens: a few at first, eight times as many whenever nothing at all has
//!   come back for a millisecond.
//!
//! # The life of an item
//!
//! 1. It waits in its source. An item that needs no call (a fixed answer, a rejection, a condition that does not hold)
//!    ends here.
//! 2. A worker takes it. From here on no other worker can.
//! 3. It waits for its permit and for memory, while the worker's connection goes back to the pool.
//! 4. Its call is made. It may take as long as the upstream's `timeout.item`, or less if the item or the batch says so.
//!    Retries happen within that time, inside the channel.
//! 5. Its outcome goes to the source. In a graph, that makes others ready or ends them; in a stream, it can be taken now;
//!    otherwise it stays in the item's slot until the client takes it (`in_order`) or the batch has ended (`collect`).
//!
//! # Groups that are undone
//!
//! Members of a group run one after the other, and each only if those before it succeeded. If the plan says what undoes
//! them, a group that fails is undone: `compensation` decides what and in which order, `undo_groups` keeps what is needed
//! for it, `undo` makes the calls out of that, and `undoing` carries them out. A snapshot is a job of its own, before the
//! member's: it goes through the scheduler like every other. Undoing begins as soon as no member is under way. It ends
//! neither with the deadline nor when the client leaves: only then would it be needed most. It has its own time limit,
//! and the items end after it. What waits for a member waits for that, too.
//!
//! Items that share the call of another (`coalesced`) are not called: they end with that one.
//!
//! # Invariants
//!
//! - **Each item exactly once.** It is taken by one worker (an atomic cursor, or a lock), and ends once (a `slot`
//!   is filled once; in a stream the item itself is moved). What was not taken or was cut off when the batch ended gets its
//!   outcome then (`collect`, [`StreamDispatch::abandon`]). A panic in a call ends that item alone.
//! - **One task for each batch.** All workers are futures that the batch's own task polls. So dropping the future of
//!   [`dispatch`] drops every call under way and starts no more, nothing outlives its request, and the locks and atomics
//!   here are never contended; they are there only because a task may move between threads.
//! - **Cancel-safety.** [`StreamDispatch::ready`] and [`StreamDispatch::alongside`] may be dropped at any time; the calls go on
//!   when either is called again. Dropping the future of [`dispatch`] gives up the batch. To end it early and still have its
//!   items, let [`Client::attend`] return.
//! - **No deadlock by waiting.** Items wait for earlier ones only. No call waits for memory while holding a permit, or for either while holding a connection.
//! - **The same early and at the end.** Items leave in the order of the request, and one that is taken early has the outcome
//!   that it would have at the end.
//! - **Order.** In sequential order there is one queue with one channel, and a retry stays within its call, so no item
//!   overtakes another.
//!
//! # What it does not do
//!
//! It does not choose targets, open connections, or decide on retries (`upstream`), does not choose a status for what went
//! wrong (`problem`), and does not write results (`stitch`, `format`).

mod answer;
mod arriving;
mod batch;
mod budget;
mod coalesced;
mod collect;
mod compensation;
mod condition;
mod connecting;
mod deferred;
mod engine;
mod failure;
mod graph;
mod in_order;
mod items;
mod line;
mod need;
mod outcome;
mod placed_call;
mod progress;
mod queues;
mod ramp;
mod reply;
mod resolve;
mod scheduler;
mod slot;
mod source;
mod sources;
mod stream;
mod timeline;
mod turn;
mod undo;
mod undo_groups;
mod undoing;
mod window;

pub use arriving::{StreamWork, StreamedItem};
pub use batch::dispatch;
pub use budget::ReplyBudget;
pub use compensation::Undone;
pub use connecting::{ConnectNotes, FailedConnect, FailedConnects, GIVEN_UP};
pub use engine::{Attempt, Channel, Engine};
pub use failure::{CallFailure, FailureKind};
pub use in_order::{Client, InOrder, Next, Pace, Piece};
pub use outcome::{DispatchedItem, Outcome, SkipReason, WindowLimit};
pub use progress::{Progress, Sent};
pub use ramp::first_channels;
pub use reply::UpstreamReply;
pub use resolve::{Answers, Resolver, Surroundings, Unfit, locate, resolve};
pub use source::DispatchLimits;
pub use stream::StreamDispatch;
pub use timeline::{AttemptTimes, Attempts, SpanId, Timeline, UndoTimes};

#[cfg(test)]
mod tests;
