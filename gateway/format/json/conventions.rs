//! What dialects of JSON batches do differently, as data for the shared reader and writer.
//!
//! The defaults are the gateway's own way. A dialect fills these in (`dialect`); nothing here knows which dialects there
//! are.

use super::error_form::ErrorForm;
use crate::batch::IdCase;
use crate::format::media::TextTypes;
use crate::format::relative::UrlBase;

/// How the items of a JSON batch are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonInput<'a> {
    /// What urls are relative to.
    pub(crate) url_base: UrlBase<'a>,
    /// Which bodies are text.
    pub(crate) text_types: TextTypes,
    /// Whether an id has to be a string (OData JSON §19.1); elsewhere it may be an integer.
    pub(crate) ids_are_strings: bool,
    /// Another name for `dependsOn`.
    pub(crate) other_depends_on: Option<&'static str>,
    /// Whether ids that differ only by case are different ids.
    pub(crate) id_case: IdCase,
    /// Whether the items of a group have to be neighbours, under no item's id (OData JSON §19.1).
    pub(crate) strict_groups: bool,
}

/// How results are written as JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonOutput {
    /// Whether the members are there that only the gateway has: `outcome`, `retryable`, `encoding`, and the summary.
    pub(crate) own_members: bool,
    /// Whether a result repeats the group of its item.
    pub(crate) echoes_group: bool,
    /// Written for an absent body, with the comma before it.
    pub(crate) absent_body: &'static [u8],
    /// How bodies that are neither JSON nor text are written.
    pub(crate) base64: Base64Alphabet,
    /// How an error is written.
    pub(crate) error: ErrorForm,
}

/// An alphabet of base64 (RFC 4648).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base64Alphabet {
    /// §4.
    Standard,
    /// §5.
    UrlSafe,
}

impl JsonOutput {
    /// With the members that clients of other services know, and no others.
    pub(crate) const fn interoperable(error: ErrorForm) -> Self {
        Self {
            own_members: false,
            echoes_group: false,
            absent_body: b"",
            base64: Base64Alphabet::Standard,
            error,
        }
    }
}

impl Default for JsonOutput {
    fn default() -> Self {
        Self { own_members: true, ..Self::interoperable(ErrorForm::PROBLEM) }
    }
}
