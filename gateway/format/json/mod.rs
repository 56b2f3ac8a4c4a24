//! `application/json`: batches and results in the shape of OData 4.01 and Microsoft Graph
//! (protocol §2.1, §4.1).

mod fault;
mod lexer;
mod strings;
mod reader;
mod item;
mod line;
mod body;
mod writer;
mod problem;

pub(super) use line::{LineFault, read_item};
pub(super) use problem::write as write_problem;
pub(super) use reader::read;
pub(super) use writer::{write, write_item as write_result};
