//! Who is let in, and how often. `authentication` tells who asks, before anything of a body is read; `meter`
//! asks all of a configuration's rate limits in their order. What an earlier one has let through stays
//! spent if a later one has no room.

mod api_keys;
mod authentication;
mod buckets;
mod forward;
mod identity;
mod jwt;
mod limiter;
mod meter;

pub(super) use authentication::{Asking, authenticate};
pub(super) use identity::{Identity, withheld};
pub(super) use jwt::use_ring;
pub(super) use limiter::Limiter;
pub(super) use meter::{Batching, Meter};
