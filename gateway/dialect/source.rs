//! Where the items of a request come from: a batch, in one of its dialect's formats, or the records of a bulk route, in one
//! of theirs. From here on both are alike.
//!
//! [`ItemSource::recognize`] looks at Content-Type and the first byte and gives an [`ItemReader`], which reads the body. The
//! format of the reply and of a refusal is known between the two, before a body that may be broken is read.

use bytes::Bytes;

use super::handle::Dialect;
use super::rules::ExecutionPolicy;
use crate::batch::{Batch, BatchRefusal};
use crate::format::{Bulk, Format, ReadContext, RecordForm, request_format};

/// What takes a request, and so makes items of its body.
#[derive(Clone, Copy, Debug)]
pub enum ItemSource<'request> {
    /// A batch endpoint of this dialect: items that say themselves what they are.
    Batch(Dialect),
    /// A bulk route: records, each an item by the route's template.
    Records(Bulk<'request>),
}

/// A source whose body is in a known format.
#[derive(Clone, Copy, Debug)]
pub enum ItemReader<'request> {
    /// A batch in this format.
    Batch(Dialect, Format),
    /// Records in this form.
    Records(Bulk<'request>, RecordForm),
}

/// How the items were written, for metrics, messages and the choice of the reply's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// A batch.
    Batch(Format),
    /// Records.
    Records(RecordForm),
}

impl<'request> ItemSource<'request> {
    /// How a body of this type is read, its content codings undone.
    ///
    /// # Errors
    /// Refuses a body that is in none of the source's formats.
    pub fn recognize(
        self,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<ItemReader<'request>, BatchRefusal> {
        match self {
            Self::Batch(dialect) => request_format(content_type, body, dialect.formats())
                .map(|format| ItemReader::Batch(dialect, format)),
            Self::Records(bulk) => bulk.form(content_type, body).map(|form| ItemReader::Records(bulk, form)),
        }
    }

    /// Whether this is a batch endpoint.
    #[must_use]
    pub const fn is_batch(self) -> bool {
        matches!(self, Self::Batch(_))
    }
}

impl ItemReader<'_> {
    /// The body's format.
    #[must_use]
    pub const fn format(&self) -> InputFormat {
        match *self {
            Self::Batch(_, format) => InputFormat::Batch(format),
            Self::Records(_, form) => InputFormat::Records(form),
        }
    }

    /// Reads the items. An item that is wrong is rejected alone.
    ///
    /// # Errors
    /// Says why the request is refused, and where its body is wrong.
    pub fn read(&self, body: &Bytes, context: &ReadContext<'_>) -> Result<Batch, BatchRefusal> {
        match *self {
            Self::Batch(dialect, format) => dialect.read(format, body, context),
            Self::Records(bulk, form) => bulk.read(form, body, context.limits),
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

    /// The format of the reply, if Accept names none.
    #[must_use]
    pub const fn usual_reply(self) -> Format {
        match self {
            Self::Batch(format) => format,
            Self::Records(form) => form.usual_reply(),
        }
    }

    /// How these items run in a dialect, if neither the endpoint nor the client says anything.
    #[must_use]
    pub fn execution(self, dialect: Dialect) -> ExecutionPolicy {
        match self {
            Self::Batch(format) => dialect.execution(format),
            Self::Records(_) => ExecutionPolicy::default(),
        }
    }
}
