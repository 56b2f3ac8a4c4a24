//! A part of a text of the configuration: where a key or a value is written.

/// The text's number; line and column from 1, columns in characters; and the bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) struct Span {
    /// 0 is the configuration's own file; others are included, or set by the command line.
    pub(in crate::config) file: usize,
    pub(in crate::config) line: usize,
    pub(in crate::config) column: usize,
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
}
