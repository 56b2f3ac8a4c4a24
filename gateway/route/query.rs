//! Queries of items' urls (RFC 3986 §3.4).

/// Whether an item's query may contain this byte as it is: the bytes that the RFC allows, and those that real clients
/// leave raw (`[`, `|`, `{`, …). A `#` would end the query; the callers refuse it first.
#[must_use]
pub const fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>')
}
