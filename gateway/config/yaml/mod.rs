//! The machinery below the configuration: a YAML tree with spans, its check against the schema, and diagnostics.
//!
//! Knows nothing of batchgate's keys.

pub(crate) mod deserialize;
pub(crate) mod diagnostic;
pub(crate) mod quantity;
pub(crate) mod schema;
pub(crate) mod schema_check;
pub(crate) mod span;
pub(crate) mod tree;
