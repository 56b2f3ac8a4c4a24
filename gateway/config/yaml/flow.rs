//! `${NAME}` and `/orders/{id}` in YAML's flow style: between brackets or braces, a `{` of its own begins another mapping, so
//! that a reference, and a path with variables, has to be in quotes there. The YAML library says so in its own words; this
//! finds the place.

use super::span::Span;

/// The first reference, or path with a variable, without quotes between brackets or braces, down to this line.
///
/// Reads only as much of YAML as that needs: quotes, comments, brackets. Is asked only about a text that is not YAML.
pub(in crate::config) fn unquoted_brace(text: &str, last_line: usize) -> Option<Span> {
    let mut scan = Scan { depth: 0, quote: None, before: '\n', previous: '\n' };
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').take(last_line).enumerate() {
        for (column, (at, character)) in line.char_indices().enumerate() {
            let rest = line.get(at..).unwrap_or_default();
            if scan.is_comment(character) {
                break;
            }
            if scan.depth > 0 && scan.quote.is_none() && rest.starts_with("${") {
                let length = rest.find('}').map_or(2, |end| end + 1);
                return Some(Span {
                    file: 0,
                    line: index + 1,
                    column: column + 1,
                    start: start + at,
                    end: start + at + length,
                });
            }
            if scan.depth > 0 && scan.quote.is_none() && character == '{' && scan.previous == '/' {
                let begin = begin_of_value(line, at);
                return Some(Span {
                    file: 0,
                    line: index + 1,
                    column: 1 + line.get(..begin).unwrap_or_default().chars().count(),
                    start: start + begin,
                    end: start + at + length_of_rest(rest),
                });
            }
            scan.step(character);
        }
        start += line.len();
        scan.end_line();
    }
    None
}

/// Where the value begins that has something at `at`.
fn begin_of_value(line: &str, at: usize) -> usize {
    let before = line.get(..at).unwrap_or_default();
    let ends = |character: char| character.is_whitespace() || matches!(character, ',' | '[' | '{');
    before.rfind(ends).map_or(0, |end| end + 1)
}

/// How long the rest of a path is, which begins with a brace.
fn length_of_rest(rest: &str) -> usize {
    let mut is_open = false;
    let end = rest.find(|character: char| {
        let is_variable = is_open;
        is_open = character == '{' || (is_open && character != '}');
        match character {
            '}' => !is_variable,
            ',' | ']' => true,
            other => other.is_whitespace(),
        }
    });
    end.unwrap_or(rest.len())
}

struct Scan {
    /// How many brackets and braces are open.
    depth: usize,
    /// The quote that is open.
    quote: Option<char>,
    /// The last character that was not blank.
    before: char,
    /// The last character.
    previous: char,
}

impl Scan {
    fn is_comment(&self, character: char) -> bool {
        character == '#' && self.quote.is_none() && self.previous.is_whitespace()
    }

    fn step(&mut self, character: char) {
        // Where a value begins; elsewhere a quote or a bracket is a character like others.
        let begins = matches!(self.before, '\n' | ':' | ',' | '[' | '{' | '-');
        match (self.quote, character) {
            (Some(quote), _) if character == quote && self.previous != '\\' => self.quote = None,
            (None, '"' | '\'') if begins => self.quote = Some(character),
            (None, '{' | '[') if begins || self.depth > 0 => self.depth += 1,
            (None, '}' | ']') => self.depth = self.depth.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
        if !character.is_whitespace() {
            self.before = character;
        }
        self.previous = character;
    }

    fn end_line(&mut self) {
        self.previous = '\n';
        if self.depth == 0 && self.quote.is_none() {
            self.before = '\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_paths_in_flow_style_are_found() {
        for (text, line, column, written) in [
            ("a: { b: ${C} }", 1, 9, "${C}"),
            ("a: [${C}, d]", 1, 5, "${C}"),
            ("a: { b: x${C:-1}y }", 1, 10, "${C:-1}"),
            ("a: it's\nb:\n  - { c: 'ü', d: ${E} } # f", 3, 18, "${E}"),
            ("a: {\n  b: \"${C}\",\n  d: ${E}\n}", 3, 6, "${E}"),
            ("a: { b: ${C", 1, 9, "${"),
            ("a: { b: /c/{d}/e, f: g }", 1, 9, "/c/{d}/e"),
            ("a:\n  - { ü: /{d} }", 2, 10, "/{d}"),
            ("a: [/c/{d}, /{e}]", 1, 5, "/c/{d}"),
            ("a: {b: /c/{d}}", 1, 8, "/c/{d}"),
            ("a: { b: /c/{d", 1, 9, "/c/{d"),
        ] {
            let span = unquoted_brace(text, usize::MAX).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((span.line, span.column), (line, column), "{text}");
            assert_eq!(&text[span.start..span.end], written, "{text}");
        }
    }

    #[test]
    fn others_are_not() {
        for text in [
            "a: ${B}",
            "a: { b: \"${C}\" }",
            "a: { b: '${C}' }",
            "a: x[${B}",
            "a: 1 # { ${B}",
            "a: { b: c } \nd: ${E}",
            "a: { b: $batch }",
            "a: { b: \"/c/{d}\" }",
            "a: /c/{d}",
            "",
        ] {
            assert_eq!(unquoted_brace(text, usize::MAX), None, "{text}");
        }
        assert_eq!(unquoted_brace("a: [\n${B}]", 1), None);
    }
}
