//! Who may come in, and how often. `authentication` finds out who the caller is, before anything of a body is read;
//! `meter` asks all of a configuration's rate limits in their order. What an earlier one has let through stays
//! spent if a later one has no room.

mod api_keys;
mod authentication;
mod buckets;
mod caller;
mod forward;
mod forwarding;
mod identity;
mod jwt;
mod limiter;
mod meter;
mod trusted_proxy;

pub(crate) use authentication::authenticate;
pub(crate) use caller::{Caller, ConnectionInfo};
pub(crate) use forward::{Answer, AuthService, Question};
pub(crate) use identity::withheld;
pub(crate) use jwt::use_ring;
pub(crate) use limiter::Limiter;
pub(crate) use meter::{Batching, Meter};
