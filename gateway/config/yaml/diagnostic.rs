//! Problems of a configuration, reported as a compiler does: message, place, snippet, help.
//!
//! Findings are collected without text while the file is read, and get their snippets at the end
//! from the [`Text`]s; what may be secret is masked (`masking.rs`). Control characters never
//! reach the terminal; columns count characters from 1.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::secrets::{masked, without};
use super::span::Span;
use crate::terminal::steers;

/// The number of diagnostics that people are shown, and that machines are; the rest is only counted.
const MAX_SHOWN: usize = 50;
const MAX_KEPT: usize = 1000;
/// Characters of a line that a snippet shows before and after its column.
const SNIPPET_REACH: usize = 80;
/// Characters of a quoted name or value.
const MAX_QUOTED: usize = 64;

/// What messages call the environment.
const ENVIRONMENT: &str = "the environment";

/// Shown in place of a value that must not be shown.
pub(in crate::config) const HIDDEN: &str = "`***` (from the environment)";

/// Everything found in a configuration, in the order of its files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    entries: Vec<Diagnostic>,
    not_kept: usize,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it is an error or a warning.
    pub severity: Severity,
    /// What it is about: a file, standard input, what the command line sets, or the environment.
    file: String,
    span: Option<Span>,
    /// The problem.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    snippet: Option<Snippet>,
}

/// Whether the gateway can run with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can't.
    Error,
    /// It can, but hardly as meant.
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Snippet {
    line: String,
    /// Characters of `line` before the marked ones.
    before: usize,
    marked: usize,
}

impl Diagnostics {
    /// A file that can't even be looked at.
    pub(in crate::config) fn of_file(file: &str, message: String) -> Self {
        let found = Diagnostic { file: file.to_owned(), ..Diagnostic::error(None, message) };
        Self { entries: vec![found], not_kept: 0 }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are, those beyond the cap included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() + self.not_kept
    }

    /// Each of them, up to the cap.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.entries.iter()
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic {
    /// An error.
    pub(in crate::config) fn error(span: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: String::new(),
            span,
            message: message.into(),
            hint: None,
            snippet: None,
        }
    }

    /// A warning.
    pub(in crate::config) fn warning(span: Option<Span>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// The same in the text with this number.
    pub(in crate::config) fn in_text(mut self, number: usize) -> Self {
        // Without a place of its own it is about the complete text.
        let span = self.span.unwrap_or_else(|| Span { line: 1, column: 1, ..Span::default() });
        self.span = if number == 0 { self.span } else { Some(span) };
        self.span = self.span.map(|span| Span { file: number, ..span });
        self
    }

    /// The same about a variable of the environment, and not about a text.
    pub(in crate::config) fn of_environment(self) -> Self {
        Self { file: ENVIRONMENT.to_owned(), ..self }
    }

    /// With a way out of it.
    pub(in crate::config) fn help(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Its file, standard input, what the command line sets, or the environment.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its line, from 1; `None` if it is about the complete file.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.span.map(|span| span.line)
    }

    /// Its column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.span.map(|span| span.column)
    }
}

/// One text of a configuration: a file, or what the command line sets.
#[derive(Debug, Default)]
pub(in crate::config) struct Text {
    /// What messages call it.
    pub(in crate::config) name: String,
    pub(in crate::config) content: String,
    /// The folder for relative paths in it.
    pub(in crate::config) base: PathBuf,
    /// Bytes that no snippet shows.
    pub(in crate::config) secret: Vec<Range<usize>>,
}

/// The texts that were read so far, and what was found in them; order does not matter.
#[derive(Debug, Default)]
pub(in crate::config) struct Findings {
    /// A span's `file` is an index here.
    texts: Vec<Text>,
    found: Vec<Diagnostic>,
}

impl Findings {
    /// Adds a text, and returns its number.
    pub(in crate::config) fn add(&mut self, text: Text) -> usize {
        self.texts.push(text);
        self.texts.len() - 1
    }

    /// The text with this number, to add what must not be shown of it.
    pub(in crate::config) fn text(&mut self, number: usize) -> Option<&mut Text> {
        self.texts.get_mut(number)
    }

    /// The folder for relative paths at this place.
    pub(in crate::config) fn base(&self, span: Option<Span>) -> &Path {
        let text = self.texts.get(span.map_or(0, |span| span.file));
        text.map_or(Path::new(""), |text| &text.base)
    }

    pub(in crate::config) fn push(&mut self, finding: Diagnostic) {
        self.found.push(finding);
    }

    /// Forgets what was found, but not the texts.
    pub(in crate::config) fn forget(&mut self) {
        self.found.clear();
    }

    pub(in crate::config) fn has_errors(&self) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Such as `it is already on line 7`: the help for a duplicate.
    pub(in crate::config) fn already(&self, earlier: Option<Span>) -> String {
        let Some(span) = earlier else { return "it is there by default".to_owned() };
        match self.texts.get(span.file) {
            Some(text) if self.texts.len() > 1 => {
                format!("it is already in {}, line {}", text.name, span.line)
            }
            Some(_) | None => format!("it is already on line {}", span.line),
        }
    }

    /// The findings in the order of the texts, each with its snippet; the same one twice (through
    /// an alias) counts once.
    pub(in crate::config) fn diagnostics(self) -> Diagnostics {
        let mut entries = self.found;
        entries.sort_by(|one, other| {
            let key = |entry: &Diagnostic| (entry.span, entry.severity);
            key(one).cmp(&key(other)).then_with(|| one.message.cmp(&other.message))
        });
        entries.dedup();
        let not_kept = entries.len().saturating_sub(MAX_KEPT);
        entries.truncate(MAX_KEPT);
        let nowhere = Text::default();
        for (index, entry) in entries.iter_mut().enumerate() {
            let text = self.texts.get(entry.span.map_or(0, |span| span.file)).unwrap_or(&nowhere);
            entry.snippet = entry.span.filter(|_| index < MAX_SHOWN).and_then(|span| text.snippet(span));
            if entry.file.is_empty() {
                entry.file.clone_from(&text.name);
            }
            let secrets = || self.texts.iter().flat_map(Text::secrets);
            entry.message = without(&entry.message, secrets());
            entry.hint = entry.hint.as_deref().map(|hint| without(hint, secrets()));
        }
        Diagnostics { entries, not_kept }
    }
}

impl Text {
    fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secret.iter().filter_map(|range| self.content.get(range.clone()))
    }

    fn snippet(&self, span: Span) -> Option<Snippet> {
        let start = self.line_start(span.line)?;
        let line = self.content.get(start..)?.lines().next()?;
        let before = span.column.saturating_sub(1).min(line.chars().count());
        let marked = self
            .content
            .get(span.start..span.end)
            .map_or(1, |marked| marked.lines().next().unwrap_or_default().trim_end().chars().count());
        let cut = before.saturating_sub(SNIPPET_REACH);
        let end = start + line.len();
        let secret: Vec<_> =
            self.secret.iter().filter(|range| range.start < end && start < range.end).cloned().collect();
        let shown: String = line
            .char_indices()
            .skip(cut)
            .take(before - cut + SNIPPET_REACH)
            .map(|(at, character)| shown(&secret, start + at, character))
            .collect();
        let room = shown.chars().count().saturating_sub(before - cut);
        Some(Snippet { line: shown, before: before - cut, marked: marked.clamp(1, room.max(1)) })
    }

    fn line_start(&self, line: usize) -> Option<usize> {
        let skipped = line.checked_sub(1)?;
        if skipped == 0 {
            return Some(0);
        }
        memchr::memchr_iter(b'\n', self.content.as_bytes()).nth(skipped - 1).map(|at| at + 1)
    }
}

fn shown(secret: &[Range<usize>], at: usize, character: char) -> char {
    if secret.iter().any(|range| range.contains(&at)) {
        return '*';
    }
    if steers(character) { ' ' } else { character }
}

/// A name or value in a message: in backticks, cut, without control characters and what may be secret.
pub(in crate::config) fn quoted(text: &str) -> String {
    let text = masked(text);
    let mut shown: String = text.chars().take(MAX_QUOTED).map(|c| if steers(c) { ' ' } else { c }).collect();
    if text.chars().count() > MAX_QUOTED {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The name among `known` that was probably meant by `name`.
pub(in crate::config) fn nearest<'name>(
    name: &str,
    known: impl IntoIterator<Item = &'name str>,
) -> Option<&'name str> {
    let folded = fold(name);
    let limit = 1 + folded.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `maxItems`, `max-items` and `max_items` differ in manner only. Cut, since the distance costs
/// the product of both lengths.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .take(MAX_QUOTED)
        .flat_map(char::to_lowercase)
        .collect()
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().take(MAX_SHOWN).enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            entry.write(formatter)?;
        }
        if self.len() > MAX_SHOWN {
            writeln!(formatter, "\n… and {} more", self.len() - MAX_SHOWN)?;
        }
        Ok(())
    }
}

impl Diagnostic {
    fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(formatter, "{severity}: {}", self.message)?;
        let Some(span) = self.span else {
            writeln!(formatter, "  --> {file}")?;
            return self.write_hint(formatter, 1);
        };
        let width = span.line.to_string().len();
        writeln!(formatter, "{:width$}--> {file}:{}:{}", "", span.line, span.column)?;
        if let Some(Snippet { line, before, marked }) = &self.snippet {
            let marks = "^".repeat(*marked);
            writeln!(formatter, "{:width$} |", "")?;
            writeln!(formatter, "{} | {}", span.line, line.trim_end())?;
            writeln!(formatter, "{:width$} | {:before$}{marks}", "", "")?;
        }
        self.write_hint(formatter, width)
    }

    fn write_hint(&self, formatter: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        match &self.hint {
            Some(hint) => writeln!(formatter, "{:width$} = help: {hint}", ""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str, secret: Vec<Range<usize>>) -> Findings {
        let mut findings = Findings::default();
        findings.add(Text { name: "c.yaml".to_owned(), content: text.to_owned(), secret, ..Text::default() });
        findings
    }

    #[test]
    fn a_report_looks_like_a_compilers() {
        let mut findings = findings("a: 1\nkey: secret\n", Vec::from([10..16, 0..0]));
        let span = Span { file: 0, line: 2, column: 1, start: 5, end: 8 };
        findings.push(Diagnostic::error(Some(span), "unknown key `key`").help("did you mean `kex`?"));
        let expected = "error: unknown key `key`\n --> c.yaml:2:1\n  |\n2 | key: ******\n  | ^^^\n  = help: did you mean `kex`?\n";
        assert_eq!(findings.diagnostics().to_string(), expected);
    }

    #[test]
    fn a_finding_names_its_text() {
        let mut findings = findings("a: 1", Vec::new());
        let number =
            findings.add(Text { name: "d.yaml".to_owned(), content: "b: 2".to_owned(), ..Text::default() });
        let span = Span { file: number, line: 1, column: 4, start: 3, end: 4 };
        let help = findings.already(Some(Span { file: 0, ..span }));
        findings.push(Diagnostic::error(Some(span), "x").help(help));
        let shown = findings.diagnostics().to_string();
        assert!(shown.contains("d.yaml:1:4") && shown.contains("1 | b: 2"), "{shown}");
        assert!(shown.contains("it is already in c.yaml, line 1"), "{shown}");
    }

    #[test]
    fn a_place_outside_of_the_text_has_no_snippet() {
        for (line, column, start, end, file) in
            [(0, 0, 0, 0, 0), (9, 9, 9, 9, 0), (1, 9, 1, 2, 0), (1, 1, 5, 2, 0), (1, 1, 0, 1, 9)]
        {
            let mut findings = findings("ä", Vec::new());
            findings.push(Diagnostic::error(Some(Span { file, line, column, start, end }), "x"));
            assert!(findings.diagnostics().to_string().starts_with("error: x\n"));
        }
    }

    #[test]
    fn the_nearest_name_is_one_that_may_be_meant() {
        let known = ["max_items", "max_body", "path", "item"];
        for (name, meant) in [
            ("maxitems", Some("max_items")),
            ("maxItems", Some("max_items")),
            ("pth", Some("path")),
            ("paht", Some("path")),
            ("timeout", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }

    #[test]
    fn quoted_text_is_cut_and_harmless() {
        assert_eq!(quoted("a\u{1b}[2Jb"), "`a [2Jb`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 67);
    }

    #[test]
    fn a_flood_is_cut() {
        let mut findings = findings("", Vec::new());
        for line in 1..=80 {
            findings.push(Diagnostic::error(Some(Span { line, ..Span::default() }), "x"));
        }
        let all = findings.diagnostics();
        assert_eq!(all.len(), 80);
        assert!(all.to_string().ends_with("… and 30 more\n"));
    }
}
