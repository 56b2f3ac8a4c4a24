//! The machinery below the configuration. It knows no key of batchgate's.
//!
//! `tree` reads YAML into nodes that know where they are written ([`span::Span`]), `schema` derives the JSON Schema from
//! the types of the sections, `schema_check` compares the two and reports every mistake with an `example` of what is
//! right, `deserialize` reads the types from the tree, [`written::Written`] finds a
//! value again for a message, `library` says in plain words why a text is not YAML, and `diagnostic` renders what was found.

pub(crate) mod deserialize;
pub(crate) mod diagnostic;
mod example;
mod flow;
pub(crate) mod library;
pub(crate) mod quantity;
pub(crate) mod schema;
pub(crate) mod schema_check;
mod schema_form;
pub(crate) mod secrets;
pub(crate) mod span;
pub(crate) mod tree;
pub(crate) mod wrappers;
pub(crate) mod written;
