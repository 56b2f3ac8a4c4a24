//! What requests share: the gateway's counters and connections, the configuration in force, and the memory budget.

pub(crate) mod activity;
pub(crate) mod gateway;
pub(crate) mod snapshot;
