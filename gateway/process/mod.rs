//! The process: start, signals, reload, hand-over to a successor, drain, and what systemd is told.

pub(crate) mod handover;
pub(crate) mod lifecycle;
pub(crate) mod reload;
pub(crate) mod signals;
pub(crate) mod systemd;

/// The version of pingora that this gateway is built on.
pub(crate) const PINGORA_VERSION: &str = "0.9.1";
