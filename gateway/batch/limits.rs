//! What one batch may cost; every number comes from configuration and has a safe default.

/// Limits on one batch, as a batch endpoint sets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Items in one batch.
    pub max_items: usize,
    /// Items of one stream (NDJSON answered as NDJSON), in place of `max_items`.
    pub max_stream_items: usize,
    /// Bytes of the batch's body, before and after content decoding.
    pub max_body: usize,
    /// Nesting of JSON values or XML elements in the batch.
    pub max_depth: usize,
    /// Bytes of one item's id.
    pub max_id: usize,
    /// Bytes of one item's url.
    pub max_url: usize,
    /// Fields of one item.
    pub max_headers: usize,
    /// Bytes of one item's fields, names and values together.
    pub max_header_bytes: usize,
    /// Bytes of one item's reply body.
    pub max_item_reply: usize,
    /// Bytes of all items' reply bodies together.
    pub max_reply: usize,
    /// The earlier lines that a line of a stream can name.
    pub stream_window: StreamWindow,
}

/// How much a stream keeps of its earlier lines, so that later ones can wait for them and use their results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamWindow {
    /// Lines that can be named.
    pub items: usize,
    /// Bytes of the newest ones' results.
    pub bytes: usize,
}

impl Default for StreamWindow {
    fn default() -> Self {
        Self { items: 1000, bytes: 16 << 20 }
    }
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            max_items: 1000,
            max_stream_items: 1_000_000,
            max_body: 8 << 20,
            max_depth: 64,
            max_id: 1 << 10,
            max_url: 8 << 10,
            max_headers: 64,
            max_header_bytes: 16 << 10,
            max_item_reply: 8 << 20,
            max_reply: 128 << 20,
            stream_window: StreamWindow::default(),
        }
    }
}
