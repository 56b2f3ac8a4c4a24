//! Makes the calls of a batch, for the dispatcher.
//!
//! **Why it exists.** The dispatcher decides which item is called when; this module knows how: over which connection, with
//! which fields, what a broken connection means, and which metrics count. Single requests go to the same upstreams by the same
//! rules (`upstream`), but their replies are handed on as they come (`streamed`) instead of collected.
//!
//! **In:** the upstreams of a configuration, and on whose behalf calls are made ([`Behalf`], [`SharedFields`]). It knows
//! neither the configuration as such nor the request behind the batch. **Out:** a [`BatchEngine`] for the dispatcher,
//! with permits, memory and channels.
//!
//! # The two kinds of channels
//!
//! - Over HTTP/1.1 a channel *holds a connection* for a run of calls (`held`). It takes one from the pool or opens one for
//!   its first call, and gives it back whenever it has to wait. Before each further call it checks that the upstream has
//!   sent nothing meanwhile.
//! - Over HTTP/2 each call is a *stream* (`streams`) of a connection in the pool, which all batches share; the channel holds
//!   nothing between calls. The capacity of the connection is the pool's business: one that has no room for another stream
//!   is passed over. A channel for each call under way, instead of one channel with many, costs an item neither an
//!   allocation nor a lock, and lets the ramp count calls in the same way for both versions.
//!
//! # One call
//!
//! `engine` has a channel make a call in as many attempts as the retry policy allows (`retry`). An attempt finds a target and a
//! connection, writes the head (`call`) and the body, and reads the complete reply (`reply`) within the batch's budget and
//! its memory reservation. `under_way` guards each attempt from its first byte on: whether it ends or is dropped, it is
//! counted once, the target's circuit hears of it, and it is in the item's timeline.
//!
//! # Without a network
//!
//! `replay` has these readers read bytes in memory, for the fuzzer (`tests/fuzz`).
//!
//! # Invariants
//!
//! - Dropping the future of a call closes its connection or resets its stream, and gives back what its reply held.
//! - A connection goes back to the pool only after a complete reply whose framing was checked (`incoming`).
//! - The client never decides where a call goes or how it is framed.

mod call;
mod context;
mod engine;
mod exchange;
mod head_lines;
mod held;
mod incoming;
mod pipe;
mod pipelined;
mod queued;
pub mod replay;
mod reply;
mod retry;
mod streamed;
mod streams;
mod under_way;

pub(crate) use context::{Behalf, SharedFields};
pub(crate) use engine::BatchEngine;
pub(crate) use queued::Queued;
pub(crate) use streamed::StreamedReply;
