//! The records of a bulk (protocol §2.5): a collection of data in one of five forms, each record of
//! which becomes an item. Its url is the template filled with the record's own values, its id the
//! record's position, its body the record.
//!
//! JSON and XML are read in the folders of those formats (`json/records.rs`,
//! `xml/records.rs`); the forms that only bulks have are here.

mod collector;
mod csv;
mod lines;
mod query;
mod quoting;
mod reader;
mod records;

pub(crate) use collector::{Collector, Record, Value};
pub(crate) use quoting::check as check_quotes;
pub use records::{Bulk, RecordForm, takes_query};

#[cfg(test)]
mod tests;
