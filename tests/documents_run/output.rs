//! Whether a program has printed what a document shows. White space does not count, `…` in the document stands for
//! anything, and so do request ids, dates and durations, which are never the same twice.

/// What stands for a run of hexadecimal digits of at least this length: an id, a hash, a boundary.
const LONG_RUN: usize = 16;

/// Says what is wrong, if something is.
pub(super) fn difference(shown: &str, printed: &str, is_ordered: bool) -> Option<String> {
    let report = |what: &str| Some(format!("{what}\n--- shown:\n{shown}\n--- printed:\n{printed}"));
    if is_ordered {
        return if fits(shown, printed) { None } else { report("what is shown is not what is printed") };
    }
    let mut printed: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in shown.lines().filter(|line| !line.trim().is_empty()) {
        let Some(at) = printed.iter().position(|printed| fits(line, printed)) else {
            return report(&format!("nothing printed is like this line: {line}"));
        };
        printed.remove(at);
    }
    if printed.is_empty() { None } else { report(&format!("lines that are not shown: {printed:#?}")) }
}

fn fits(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (masked(shown), masked(printed));
    let mut pieces = shown.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The text without white space, and without what differs each time.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for word in without_dates(text).split_whitespace() {
        // `16.159` before `ms` in the next word is masked with it below.
        masked += &without_ids(word);
    }
    without_durations(&masked)
}

/// `Thu, 26 Nov 2026 12:58:51 GMT` in the 29 characters before the end of each ` GMT`.
fn without_dates(text: &str) -> String {
    let mut pieces = text.split(" GMT").peekable();
    let mut rest = String::new();
    while let Some(piece) = pieces.next() {
        let is_before_a_date = pieces.peek().is_some();
        let start =
            piece.len().checked_sub(25).filter(|start| is_before_a_date && piece.is_char_boundary(*start));
        match start {
            Some(start) => rest = rest + &piece[..start] + "DATE",
            None => rest += piece,
        }
    }
    rest
}

fn without_ids(word: &str) -> String {
    let mut pieces = String::new();
    for piece in word.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let run = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        pieces += &if run.len() >= LONG_RUN { piece.replace(run, "ID") } else { piece.to_owned() };
    }
    pieces
}

fn without_durations(text: &str) -> String {
    let is_of_a_number = |c: char| c.is_ascii_digit() || c == '.';
    let pieces: Vec<_> = text.split("ms").collect();
    let Some((last, before)) = pieces.split_last() else { return String::new() };
    let masked = before.iter().map(|piece| piece.trim_end_matches(is_of_a_number).to_owned() + "ms");
    masked.collect::<String>() + last
}

#[test]
fn what_is_shown_has_to_be_printed() {
    assert!(fits("a … c", "a b\nc\n"));
    assert!(fits("…\nc", "a b\nc\n"));
    assert!(fits("{ \"a\": 1 }", "{\"a\":1}"));
    assert!(fits(
        "x-request-id: f0387e77f6baed804322dcb122765c36",
        "x-request-id: 00000000000000000000000000000000"
    ));
    assert!(fits("Date: Thu, 26 Nov 2026 12:58:51 GMT", "Date: Fri, 27 Nov 2026 02:08:01 GMT"));
    assert!(fits("in 363 ms.", "in 12.5 ms."));
    assert!(!fits("a … c", "a b"));
    assert!(!fits("a", "a b"));
    assert!(!fits("{\"status\": 200}", "{\"status\":201}"));
    assert_eq!(difference("b\na…", "abc\nb\n", false), None);
    assert!(difference("b", "a\nb", false).is_some());
}
