//! Who may call an upstream, and when.
//!
//! An upstream bears a limited number of calls at once (`concurrency`) and perhaps a limited rate. Without a
//! limiter, one batch of a thousand items would take all of that and everybody else would wait for it. Each
//! upstream therefore has a [`FairLimiter`]. A call takes a [`Permit`] from it, holds the permit while the
//! upstream works, and gives it back by dropping it.
//!
//! In: a [`Flow`], which is one batch or one single request. Out: a permit, or [`QueueFull`]. A call passes three
//! stages, always in this order:
//! 1. **its client's share** ([`clients`]): no client holds more permits than `client_share` allows;
//! 2. **the rate** ([`pacer`]), if the upstream has one: calls start at its pace;
//! 3. **the permits** ([`permits`]): as many as `concurrency` says.
//!
//! Waiting calls are served in order: round robin over clients, within a client round robin over its flows, within a
//! flow first come, first served ([`queue`]). The number of flows that wait is bounded, in total and for each client
//! ([`queue_limit`]).
//!
//! Invariants:
//! - There are never more permits out than `concurrency`, and a client never holds more than its share.
//! - While a call waits, no permit is free that this call could use.
//! - A future that is dropped gives up its place, or passes on the permit it was given meanwhile.
//! - A flow that was let in once is not turned away later: a batch is shed before it starts, not in the middle.
//! - A free permit is taken without a lock. Only a call that has to wait locks and allocates.
//!
//! Exchanges that stay open (WebSocket, server-sent events) hold no permit. They are counted separately
//! ([`long_lived`]). This module knows nothing of time limits, retries or HTTP: its callers do.

mod client;
mod clients;
mod fair_limiter;
mod flow;
mod known;
mod limits;
mod long_lived;
mod pacer;
mod permits;
mod queue;
mod queue_limit;
mod share;
#[cfg(test)]
mod tests;

pub(crate) use client::Client;
pub(crate) use fair_limiter::{FairLimiter, Permit};
pub(crate) use flow::Flow;
pub(crate) use known::KnownClients;
pub(crate) use limits::{LimiterLimits, Rate};
pub(crate) use long_lived::{LongLived, LongLivedFull, LongLivedGuard, LongLivedLimits};
pub(crate) use queue_limit::QueueFull;
pub(crate) use share::ClientShare;
