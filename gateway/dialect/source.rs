//! Where the items of a request come from: a batch, in one of its dialect's formats, or the records of a bulk route, in one
//! of theirs. From here on both are alike.
//!
//! [`ItemSource::recognize`] finds the format by Content-Type and the first byte, [`ItemSource::read`] reads the items. The
//! format of the reply and of a refusal is known between the two, before a body that may be broken is read.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

/// How the items were written. It also decides the usual format of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputFormat {
    /// A batch.
    Batch(Format),
    /// Records.
    Records(RecordForm),
}

impl ItemSource<'_> {
    /// The format of a body of this type, its content codings undone.
    ///
    /// # Errors
    /// Refuses a body that is in none of the source's formats.
    pub fn recognize(&self, content_type: Option<&str>, body: &[u8]) -> Result<InputFormat, BatchRefusal> {
        match self {
            Self::Batch(dialect) => {
                request_format(content_type, body, dialect.formats()).map(InputFormat::Batch)
            }
            Self::Records(bulk) => bulk.form(content_type, body).map(InputFormat::Records),
        }
    }

    /// Reads the items of a body in this format. An item that is wrong is rejected alone.
    ///
    /// # Errors
    /// Says why the request is refused, and where its body is wrong.
    #[inline(never)] // tests/benches/instructions.py finds it by its name
    pub fn read(
        &self,
        format: InputFormat,
        body: &Bytes,
        context: &ReadContext<'_>,
    ) -> Result<Batch, BatchRefusal> {
        match (self, format) {
            (Self::Batch(dialect), InputFormat::Batch(format)) => dialect.read(format, body, context),
            (Self::Records(bulk), InputFormat::Records(form)) => bulk.read(form, body, context.limits),
            // A stored request whose path is a source of another kind by now.
            (Self::Batch(_), InputFormat::Records(_)) | (Self::Records(_), InputFormat::Batch(_)) => {
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
