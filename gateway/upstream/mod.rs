//! Everything between a call and a service. Items of batches and single requests come here with the same questions, and each
//! rule has one file:
//!
//! | question | file |
//! |---|---|
//! | what an upstream is, and what its calls share | `instance` |
//! | which target gets the call | `targets`, by `balance`; `failover` for one call |
//! | where the targets are | `discovery`, which asks `names` for hosts and `services` for SRV records; `learnt` says when to ask again |
//! | whether a target takes calls | `target_state`, with its `circuit`; `health_check` |
//! | over which connection | `connections` |
//! | how fast it answers | `pace` |
//! | what an error means | `error` |
//! | whether the call is sent once more | `retry`, within the `retry_budget` |
//!
//! A `peer` is a target at one address (`crate::address`: TCP or a Unix socket), and a `lease` is one call's use of it.
//! `client` sends the items of a batch; `serve::proxy` sends single requests.

pub(crate) mod balance;
pub(crate) mod circuit;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod discovery;
pub(crate) mod error;
pub(crate) mod failover;
pub(crate) mod health_check;
pub(crate) mod instance;
mod learnt;
pub(crate) mod lease;
pub(crate) mod names;
pub(crate) mod pace;
pub(crate) mod peer;
pub(crate) mod retry;
pub(crate) mod retry_budget;
mod services;
pub(crate) mod target_state;
pub(crate) mod targets;
