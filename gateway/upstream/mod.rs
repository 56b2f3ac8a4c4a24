//! Everything between a call and a service: which target gets it, over which connection, and what its failures mean.

pub(crate) mod balance;
pub(crate) mod circuit;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod discovery;
pub(crate) mod error;
pub(crate) mod failover;
pub(crate) mod health_check;
pub(crate) mod instance;
pub(crate) mod lease;
pub(crate) mod names;
pub(crate) mod peer;
pub(crate) mod retry;
pub(crate) mod retry_budget;
pub(crate) mod target_state;
pub(crate) mod targets;
