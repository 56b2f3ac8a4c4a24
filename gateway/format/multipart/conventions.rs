//! What dialects of multipart batches do differently, as data for the shared reader and writer.
//!
//! The defaults are the gateway's own way. A dialect fills these in (`dialect`); nothing here knows which dialects there
//! are.

use crate::format::json::ErrorForm;

/// How the items of a multipart batch are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultipartInput<'a> {
    /// The query of the batch's own url, if it belongs to every item.
    pub(crate) query: Option<&'a str>,
}

/// How results are written in multipart.
#[derive(Clone, Copy, Debug)]
pub struct MultipartOutput {
    /// How a Content-ID comes back.
    pub(crate) ids: ContentIds,
    /// Which results of change sets of one are written as sets.
    pub(crate) sets: Sets,
    /// How an error is written.
    pub(crate) error: ErrorForm,
}

impl MultipartOutput {
    /// The gateway's own way, with errors in this form.
    pub(crate) const fn new(error: ErrorForm) -> Self {
        Self { ids: ContentIds::Repeated, sets: Sets::All, error }
    }
}

/// How a Content-ID comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentIds {
    /// As it was; `<id>`, which is how Google's clients write it, as `<response-id>`.
    Repeated,
    /// With `response-` before it, in brackets and without.
    Prefixed,
}

/// Which results of change sets are written as sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    /// All of them.
    All,
    /// Those that succeeded; a set that failed is answered by its error alone.
    Succeeded,
}
