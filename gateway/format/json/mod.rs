//! `application/json`: batches and results in the shape of OData 4.01 and Microsoft Graph
//! (protocol §2.1, §4.1).

mod fault;
mod lexer;
mod strings;
mod reader;
mod records;
mod item;
mod line;
mod body;
mod writer;
mod problem;
mod pointer;
mod template;

pub(super) use line::{LineFault, read_item};
pub use pointer::{quoted, text_of_value, value_at};
pub(super) use problem::write as write_problem;
pub(super) use reader::read;
pub(super) use records::{read_array as read_records, read_line};
pub(super) use template::template;
pub(super) use writer::{LineBreaks, write, write_item as write_result};
