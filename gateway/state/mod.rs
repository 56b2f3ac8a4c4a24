//! What all requests share: one [`Gateway`](gateway::Gateway) for the life of the process, and one
//! [`Snapshot`](snapshot::Snapshot) for each configuration.
//!
//! In: a resolved configuration. Out: the objects that serve it (listeners, upstreams, rate limits), and the counts and switches
//! that the rest of the gateway reads. Nothing here serves a request, and nothing here reads a file.
//!
//! # What belongs where
//!
//! - The **gateway** outlives every reload: metrics, the memory budget, the count of requests and connections
//!   ([`activity`]), and the two switches of a drain.
//! - A **snapshot** is one configuration and what it takes to serve it. A reload builds a new one. Whatever has to
//!   outlive the configuration is taken over from the snapshot before: permits that are taken, open long-lived
//!   exchanges, retry budgets, the state of targets, the counts of unchanged rate limits, the keys of TLS sessions, and the pool of connections.
//!
//! # Invariants
//!
//! - A request loads the snapshot once, when it begins, and holds it to its end. So a reload never changes the rules
//!   under a request, and an old snapshot is freed with its last request.
//! - Only the snapshot in use has health checks. Replacing it ends those of the one before.
//! - A request or connection is counted from before its first byte is served until its guard is dropped. So "nothing in
//!   flight" is never true too early.

pub(crate) mod activity;
pub(crate) mod gateway;
pub(crate) mod served_listener;
pub(crate) mod snapshot;
