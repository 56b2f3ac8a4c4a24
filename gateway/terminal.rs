//! What commands write: their output to stdout, lines for people to stderr, in colour where it helps.
//!
//! A full disk makes a command fail that writes its output there. A reader that has closed its pipe, such as `head`, has all
//! that it wanted: that is no failure, and nothing is said about it.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Why the output of a command is not where it was to go.
#[derive(Debug, thiserror::Error)]
#[error("standard output can't be written: {0}")]
pub(crate) struct Unwritten(io::Error);

/// Writes a line, or a text without its last line end, to stdout: the only way in which commands write their output.
///
/// # Errors
/// Not all of it could be written, and the reader has not closed its pipe.
pub(crate) fn print_line(line: impl Display) -> Result<(), Unwritten> {
    let mut output = io::stdout().lock();
    unless_closed(writeln!(output, "{line}").and_then(|()| output.flush()))
}

/// What came of writing for a reader: one that has closed its pipe wants no more.
pub(crate) fn unless_closed(written: io::Result<()>) -> Result<(), Unwritten> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Unwritten(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a line, or several, to stderr. If that fails, there is nowhere to say so.
pub(crate) fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&line.to_string()));
}

/// The text with what steers a terminal as escapes, but for the ends of its lines.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_steering = |character: char| steers(character) && !matches!(character, '\n' | '\t');
    if !text.contains(is_steering) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_steering(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    On,
    Off,
}

/// A colour or style of text (ECMA-48 select graphic rendition).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Magenta,
    Cyan,
}

impl Colour {
    /// On if stdout is a terminal and `NO_COLOR` is not set (<https://no-color.org>).
    pub(crate) fn for_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if io::stdout().is_terminal() && !refused { Self::On } else { Self::Off }
    }

    /// The text, with colour if that is on.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::On if !text.is_empty() => format!("\x1b[{}m{text}\x1b[0m", paint.code()),
            Self::On | Self::Off => text.to_owned(),
        }
    }
}

impl Paint {
    fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Magenta => 35,
            Self::Cyan => 36,
        }
    }
}

/// A number of things: `1 item`, `2 items`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// At most `width` characters of the text, on one line and harmless: white space becomes one space, and a character
/// that could control a terminal becomes a dot.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_harmless = |character: &char| !steers(*character);
    let mut shown: String =
        flat.chars().take(width).map(|c| Some(c).filter(is_harmless).unwrap_or('·')).collect();
    if flat.chars().count() > width {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Whether a terminal, an editor or a pager may obey the character in place of showing it: control characters, ends of lines, and those
/// that show others in a different order, or not at all. The two joiners, which texts and emoji need, only join.
pub(crate) const fn steers(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_harmless() {
        assert_eq!(one_line("a \n\t b", 9), "a b");
        assert_eq!(one_line("\u{1b}[31mred\u{202e}", 9), "·[31mred·");
        assert_eq!(one_line("\u{feff}a\u{200d}b", 9), "·a\u{200d}b");
        assert_eq!(harmless("a\n\tb"), "a\n\tb");
        assert_eq!(harmless("\u{1b}[2J\u{202e}c\n"), "\\u{1b}[2J\\u{202e}c\n");
        assert_eq!(one_line("12345", 5), "12345");
        assert_eq!(one_line("123456", 5), "1234…");
    }

    #[test]
    fn one_thing_is_not_several() {
        for (count, text) in [(0, "0 batches"), (1, "1 batch"), (2, "2 batches")] {
            assert_eq!(counted(count, "batch", "batches"), text);
        }
    }

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert_eq!(Colour::Off.paint(Paint::Red, "a"), "a");
        assert_eq!(Colour::On.paint(Paint::Red, "a"), "\x1b[31ma\x1b[0m");
    }
}
