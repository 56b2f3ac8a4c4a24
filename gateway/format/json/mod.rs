//! `application/json`: batches and results in the shape of OData 4.01 and Microsoft Graph
//! (protocol §2.1, §4.1).

mod body;
mod conventions;
mod error;
mod error_form;
mod fields;
mod item;
mod lexer;
mod line;
mod members;
mod pointer;
mod problem;
mod reader;
mod result_body;
mod records;
mod strings;
mod template;
mod text;
mod writer;
pub(crate) mod plain;

pub(crate) use conventions::Base64Alphabet;
pub use conventions::{JsonInput, JsonOutput};
pub(crate) use error::{JsonError, JsonErrorKind};
pub use error_form::ErrorForm;
pub(crate) use fields::{Lists, write_fields};
pub(crate) use lexer::Lexer;
pub(crate) use line::{LineError, read_item};
pub use pointer::{quoted, text_of_value, value_at};
pub(crate) use problem::write as write_problem;
pub(crate) use reader::read;
pub(crate) use records::{read_array as read_records, read_line};
pub(crate) use strings::write as write_string;
pub(crate) use template::template;
pub(crate) use writer::{JsonWriter, write_item as write_result, write_summary};
