//! `application/json`: batches and results in the shape of OData 4.01 and Microsoft Graph
//! (protocol §2.1, §4.1).

mod lexer;
mod strings;
mod reader;
mod item;
mod body;
mod writer;
mod problem;

pub(super) use problem::write as write_problem;
pub(super) use reader::read;
pub(super) use writer::write;
