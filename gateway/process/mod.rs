//! The process: start, signals, reload, hand-over to a new version of the program, drain, and end.
//!
//! In: the path of a configuration file, and what the environment hands over (sockets of a predecessor or of systemd).
//! Out: an exit code. This is the only folder that puts the others together: it makes the gateway's state, hands
//! serve's front to the listener, and starts the background tasks.
//!
//! # Start
//!
//! `lifecycle` loads the configuration and binds every socket before anything is served, so that an error ends the
//! process with a message and nothing half-started. Signals are taken over before the first client can come in. Then
//! the listeners start, systemd is notified, and a predecessor is told to retire.
//!
//! # While it runs
//!
//! Signals (`signals`) and changes of files (`reload`) arrive in one loop, so that no two of these overlap:
//!
//! - A **reload** builds a new snapshot from the file and swaps it in. Requests keep the snapshot with which they
//!   began. A file with an error changes nothing.
//! - A **hand-over** (`handover`) starts the program again with our listening sockets. Both processes accept from the
//!   same sockets, so no connection is refused. Until the successor serves, and if it never does, this process goes on.
//!
//! # End
//!
//! A drain sets `/readyz` to 503, waits for `drain.delay`, stops accepting, and ends as soon as nothing is in flight,
//! or at `drain.deadline`. After a hand-over nothing waits for the end, so idle connections may stay until their clients
//! use them again. A second signal exits at once.
//!
//! # Invariants
//!
//! - From the first accepted connection on, no signal kills the process without a drain, except the second one.
//! - A successor that fails leaves everything as it was.
//! - systemd only ever gets notifications; a failure to notify is logged and changes nothing.
//!
//! pingora's own `Server` is not used: it sleeps through its complete grace period whatever happens, and SIGHUP kills
//! it. Clients are served by the [`workers`](crate::workers), which have a runtime each; everything else (accepting, the admin
//! listener, health checks, signals) runs on a runtime of its own.

pub(crate) mod lifecycle;
mod handover;
mod reload;
mod signals;
mod systemd;

/// The version of pingora that this gateway is built on.
pub(crate) const PINGORA_VERSION: &str = "0.9.1";
