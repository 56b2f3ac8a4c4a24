//! `application/xml` and `text/xml`: batches in the protocol's own vocabulary (§2.2), results as
//! an RFC 4918 multistatus (§4.2).

mod chars;
mod vocabulary;
mod error;
mod unescape;
mod tag;
mod namespaces;
mod tokens;
mod reader;
mod records;
mod request;
mod body;
mod fragment;
pub mod dav;
mod multistatus;
mod response;
mod escape;
mod item;
mod problem;
mod writer;
#[cfg(test)]
pub(crate) mod read_back;

pub(crate) use escape::write_text;
pub(crate) use problem::write as write_problem;
pub(crate) use reader::read;
pub(crate) use records::read as read_records;
pub(crate) use writer::XmlWriter;
