//! The names of an object's members while they are read, so that none is accepted twice.

use std::borrow::Cow;

use super::error::{JsonError, JsonErrorKind};
use crate::format::shown::shown;

/// Members of a batch or an item. Far more than the protocol has, and few enough to compare each
/// with all.
const MAX_MEMBERS: usize = 64;

/// The names of an object's members so far; RFC 8259 §4 leaves open what a second one of the same
/// name means, so that the gateway and the upstream might differ.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<Cow<'a, str>>);

impl<'a> Members<'a> {
    /// Adds a name, or says that it is there already.
    pub(super) fn add(&mut self, name: Cow<'a, str>, at: usize) -> Result<(), JsonError> {
        if self.0.contains(&name) {
            return Err(JsonError { at, kind: JsonErrorKind::Twice(shown(&name)) });
        }
        if self.0.len() == MAX_MEMBERS {
            return Err(JsonError { at, kind: JsonErrorKind::NotABatch("there are more than 64 members") });
        }
        self.0.push(name);
        Ok(())
    }
}
