//! What the YAML library says, in words for people who know neither it nor Rust.

use serde_saphyr::Error;

use super::diagnostic::{Diagnostic, quoted};
use super::flow;
use super::span::Span;

/// What the library says, a part of it that tells it from the rest; what is said instead; and what to do.
const WORDS: [(&str, &str, &str); 9] = [
    (
        "budget breached: Documents",
        "it has more than one document",
        "remove everything from the second `---` on",
    ),
    ("budget breached", "it is nested too deeply, or too large once its aliases are expanded", ""),
    ("limit exceeded", "it is nested too deeply, or too large once its aliases are expanded", ""),
    (
        "null into string",
        "a key here is `null`, `~` or nothing",
        "write a name before the `:`, in quotes if it is one of these: `\"null\":`",
    ),
    (
        "expected string scalar",
        "a key here is a list or a mapping",
        "put quotes around a name that begins with `[` or `{`",
    ),
    (
        "mapping values are not allowed",
        "there is a `:` where no key can be",
        "put quotes around a value that has a colon and a blank in it, and look at the indentation: keys of one mapping begin in one column",
    ),
    (
        "illegal placement of ':'",
        "there is a `:` where no key can be",
        "look for a `[`, `{` or quote that is not closed",
    ),
    ("tabs disallowed", "a tab indents a line", "indent with blanks"),
    ("unknown anchor", "the anchor of an alias is missing", "put quotes around a value that begins with `*`"),
];

/// What is wrong with a text, and what to do, or nothing where the message says it.
pub(crate) fn in_words(error: &Error) -> (String, &'static str) {
    let message = error.without_snippet().to_string();
    // The place is said by others.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let known = WORDS.iter().find(|(part, ..)| message.contains(part));
    known.map_or_else(|| (message.to_owned(), ""), |(_, words, help)| ((*words).to_owned(), *help))
}

/// The report of a file that is not YAML.
pub(super) fn not_yaml(error: &Error, text: &str) -> Diagnostic {
    let span = error.location().map(Span::from);
    let is_read_to = span.filter(|_| !matches!(error.without_snippet(), Error::Budget { .. }));
    let reference = is_read_to.and_then(|span| flow::unquoted_brace(text, span.line));
    if let Some(reference) = reference {
        let written = text.get(reference.start..reference.end).unwrap_or("${NAME}");
        let message =
            format!("{} has to be in quotes here, between `{{` and `}}` or `[` and `]`", quoted(written));
        return Diagnostic::error(Some(reference), message)
            .help(format!("put quotes around the whole value: `\"{written}\"`"));
    }
    let (message, help) = in_words(error);
    let diagnostic = Diagnostic::error(span, format!("the file can't be read as YAML: {message}"));
    if help.is_empty() { diagnostic } else { diagnostic.help(help) }
}
