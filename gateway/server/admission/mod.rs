//! Who is let in, and how often. All of a configuration's rate limits are asked in their order; what an
//! earlier one has let through stays spent if a later one has no room.

mod buckets;
mod limiter;
mod meter;

pub(super) use limiter::Limiter;
pub(super) use meter::{Batching, Meter};
