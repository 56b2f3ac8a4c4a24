//! Not there yet.
use crate::format::rope::Rope;
use crate::format::{Batch, BatchLimits, BatchRefusal, MultiStatus, Problem};
use bytes::Bytes;
pub(in crate::format) fn read(_: &Bytes, _: &BatchLimits) -> Result<Batch, BatchRefusal> {
    Err(BatchRefusal::UnsupportedMediaType)
}
pub(in crate::format) fn write(_: MultiStatus) -> Vec<Bytes> {
    Vec::new()
}
pub(in crate::format) fn write_problem(_: &mut Rope, _: &Problem) {}
