//! The fields that the configuration adds to the reply of a request, and removes from it (`response_headers`).
//!
//! They are changed where each reply leaves, so that a service's reply, a fixed answer and an error of ours have them alike.

use std::sync::Arc;

use pingora::http::ResponseHeader;

use crate::header::changes::HeaderChanges;
use crate::header::field::Fields;
use crate::header::variables::Variables;
use crate::transport::field_names;

/// The changes of one reply.
pub(super) struct ReplyChanges {
    changes: Arc<HeaderChanges>,
    set: Fields,
}

impl ReplyChanges {
    pub(super) fn new(changes: &Arc<HeaderChanges>, variables: Variables<'_>) -> Self {
        Self { changes: Arc::clone(changes), set: changes.fields(variables) }
    }

    pub(super) fn apply(self, head: &mut ResponseHeader) -> pingora::Result<()> {
        let Self { changes, set } = self;
        for name in &changes.remove {
            head.remove_header(name);
        }
        for (name, value) in set {
            head.insert_header(field_names::spelt(&name, &changes.spellings), value)?;
        }
        Ok(())
    }
}
