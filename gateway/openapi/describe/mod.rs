//! Describes the gateway's endpoints. The shapes of batches, replies and errors come from the dialects, the statuses from the
//! table of problems, and the limits from the settings: nothing here repeats a rule.
//!
//! Replies are described as they are on purpose, each status by itself: a `default` would fit anything, and a program that
//! compares a gateway with its description would find nothing.

mod bulk;
mod content;
mod document;
mod endpoint;
mod names;
mod replies;
mod security;

pub use document::{Document, describe};
