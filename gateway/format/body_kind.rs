//! What a request to the gateway is read as: a batch, or a bulk with its url template. Beyond this,
//! both are alike.

use bytes::Bytes;

use super::bulk::{Bulk, RecordForm};
use super::negotiation::request_format;
use super::{Format, ReadContext};
use crate::batch::{Batch, BatchRefusal, Dialect};

/// What a request's body is to be read as.
#[derive(Clone, Copy, Debug)]
pub enum BodyKind<'request> {
    /// Items that say themselves what they are.
    Batch,
    /// Records, each an item by the bulk's template.
    Bulk(Bulk<'request>),
}

/// How the items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum InputFormat {
    /// A batch.
    Batch(Format),
    /// Records.
    Records(RecordForm),
}

impl BodyKind<'_> {
    /// The form of a body of this type, content codings undone. Records have no dialects.
    ///
    /// # Errors
    /// Refuses what is in none of the forms.
    pub fn form(
        &self,
        content_type: Option<&str>,
        body: &[u8],
        dialect: Dialect,
    ) -> Result<InputFormat, BatchRefusal> {
        match self {
            Self::Batch => request_format(content_type, body, dialect).map(InputFormat::Batch),
            Self::Bulk(bulk) => bulk.form(content_type, body).map(InputFormat::Records),
        }
    }

    /// Reads the items. What is wrong with one of them alone stands in that item.
    ///
    /// # Errors
    /// Says why all is refused, and where it is wrong.
    pub fn read(
        &self,
        form: InputFormat,
        body: &Bytes,
        context: &ReadContext<'_>,
    ) -> Result<Batch, BatchRefusal> {
        match (self, form) {
            (Self::Bulk(bulk), InputFormat::Records(form)) => bulk.read(form, body, context.limits),
            (Self::Batch, InputFormat::Batch(format)) => format.read(body, context),
            // `form` made it, and made it for the same kind.
            (Self::Batch, InputFormat::Records(_)) | (Self::Bulk(_), InputFormat::Batch(_)) => {
                Err(BatchRefusal::Internal)
            }
        }
    }
}

impl InputFormat {
    /// Its name in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch(format) => format.as_str(),
            Self::Records(form) => form.as_str(),
        }
    }

    /// The format of the reply, where Accept names none.
    #[must_use]
    pub const fn usual_reply(self) -> Format {
        match self {
            Self::Batch(format) => format,
            Self::Records(form) => form.usual_reply(),
        }
    }
}
