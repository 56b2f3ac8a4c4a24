//! `application/json`: batches and results in the shape of OData 4.01 and Microsoft Graph
//! (protocol §2.1, §4.1).

mod conventions;
mod error;
mod lexer;
pub(crate) mod plain;
mod strings;
mod members;
mod text;
mod reader;
mod records;
mod item;
mod line;
mod body;
mod writer;
mod problem;
mod pointer;
mod template;

pub(crate) use line::{LineError, read_item};
pub use pointer::{quoted, text_of_value, value_at};
pub(crate) use problem::{write as write_problem, write_error};
pub(crate) use reader::read;
pub(crate) use records::{read_array as read_records, read_line};
pub(crate) use template::template;
pub(crate) use writer::{problem_type, write, write_item as write_result};
