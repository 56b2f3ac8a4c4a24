//! `application/x-ndjson`: one JSON item a line, one result a line (protocol §2.4, §4.4).
//!
//! In a stream, [`Lines`] takes the body as it arrives, [`read_line`] makes an item of a line, and
//! [`LineWriter`] makes lines of results. A batch that is read at once goes through the same three.

mod lines;
mod item;
mod batch;
mod writer;

pub use item::{check_start, read_line};
pub use lines::{Line, Lines};
pub use writer::LineWriter;

pub(crate) use batch::read;
