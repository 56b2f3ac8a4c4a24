//! Who is let in, and how often. `authentication` tells who asks, before anything of a body is read; `meter`
//! asks all of a configuration's rate limits in their order. What an earlier one has let through stays
//! spent if a later one has no room.

pub(crate) mod forwarded_for;
pub(crate) mod forwarding;
mod api_keys;
mod authentication;
mod buckets;
mod forward;
mod identity;
mod jwt;
mod limiter;
mod meter;

pub(crate) use authentication::{Asking, authenticate};
pub(crate) use identity::{Identity, withheld};
pub(crate) use jwt::use_ring;
pub(crate) use limiter::Limiter;
pub(crate) use meter::{Batching, Meter};
