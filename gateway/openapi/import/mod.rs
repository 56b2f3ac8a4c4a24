//! Makes a configuration of an OpenAPI document (3.0 or 3.1), as YAML that a person reads and edits.
//!
//! In: the document's text, JSON or YAML. Out: an [`Imported`], the text of a complete configuration and a list of what the
//! document says and the configuration can't ([`Loss`]), each with its JSON pointer. It makes no calls and reads no files.
//!
//! - `servers` become upstreams, paths become routes with their methods.
//! - What the document does not say outright is derived where it is certain (`derived`): bulk routes of collections whose
//!   items have a path, and undoing what a method did.
//! - What does not matter to a gateway is not read: schemas, examples, tags, links, descriptions. The services judge what they
//!   get, as before. What would matter and can't be kept is a loss, and a key that is not known is one, too.
//!
//! The document is read as plain JSON values: the crates with types for OpenAPI (`openapiv3` for 3.0, `oas3` for 3.1) drop what
//! they do not know, and nothing may get lost in silence here.

mod derived;
mod error;
mod loss;
mod operations;
mod paths;
mod security;
mod servers;
mod source;
mod unique;
mod written;

pub use error::ImportError;
pub use loss::Loss;

use loss::Losses;
use source::Source;

/// A configuration made of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration. Comments in it list the losses.
    pub text: String,
    /// What the document says and the configuration can't.
    pub losses: Vec<Loss>,
}

/// Makes a configuration of a document that comes from the file `name`. `upstream` is the url of the service, in place
/// of `servers`.
///
/// # Errors
/// The document can't be read, or there is nothing in it to make a configuration of.
pub fn import(text: &str, name: &str, upstream: Option<&str>) -> Result<Imported, ImportError> {
    let source = Source::parse(text)?;
    let mut losses = Losses::default();
    let root = source.root();
    let upstreams = servers::Upstreams::of_document(&root, upstream, &mut losses)?;
    let found = paths::read(&source, upstreams, &mut losses)?;
    let secured = security::read(&source, &mut losses);
    losses.of_root(&root);
    let derived = derived::derive(&source, &found.paths);
    let content = written::Content { name, found: &found, derived: &derived, secured, losses: &losses };
    let text = written::write(&content);
    Ok(Imported { text, losses: losses.into_list() })
}
