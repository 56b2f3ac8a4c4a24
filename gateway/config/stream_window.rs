//! `stream_window` of a batch endpoint: what an NDJSON stream keeps of its earlier lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::yaml::quantity::ByteSize;
use crate::batch::StreamWindow;

/// The earlier lines that a line of an NDJSON stream can depend on and refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct StreamWindowDocument {
    /// The last lines that can be named; 0: none.
    #[schemars(range(max = 100_000))]
    pub(in crate::config) items: usize,
    /// Their results, the newest first; of the others it is still known how they ended.
    pub(in crate::config) bytes: ByteSize,
}

impl Default for StreamWindowDocument {
    fn default() -> Self {
        let StreamWindow { items, bytes } = StreamWindow::default();
        Self { items, bytes: ByteSize(bytes) }
    }
}

impl StreamWindowDocument {
    pub(super) const fn window(self) -> StreamWindow {
        StreamWindow { items: self.items, bytes: self.bytes.0 }
    }
}
