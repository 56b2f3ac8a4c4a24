//! A part of the configuration file's text: where a key or a value is written.

/// Line and column from 1, columns in characters, and the bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) struct Span {
    pub(in crate::config) line: usize,
    pub(in crate::config) column: usize,
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
}
