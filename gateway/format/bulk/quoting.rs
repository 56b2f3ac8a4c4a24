//! The quotes of CSV (RFC 4180 §2). Readers accept misplaced quotes, each in its own way, and a
//! quote that is never closed would swallow all records after it. So such a document is refused.

/// Checks a document's quotes. An error has its byte and a message.
pub(crate) fn check(text: &[u8]) -> Result<(), (usize, &'static str)> {
    // Lines end with a carriage return alone in all of a document, or in none of it: where others end with a
    // line feed, an unquoted one is data, and the reader would break the row there.
    let (mut lone_return, mut line_feed) = (None, false);
    let mut at = 0;
    while at < text.len() {
        let end = end_of_field(text, at)?;
        match text.get(end..).unwrap_or_default() {
            [b'\n', ..] | [b'\r', b'\n', ..] => line_feed = true,
            [b'\r', ..] => lone_return = lone_return.or(Some(end)),
            _ => {}
        }
        if let (Some(place), true) = (lone_return, line_feed) {
            return Err((place, "a carriage return has no line feed after it; in a field it must be quoted"));
        }
        at = end + 1;
    }
    Ok(())
}

/// Where the field that starts at `start` ends: at a comma, at a line's end, or with the document.
fn end_of_field(text: &[u8], start: usize) -> Result<usize, (usize, &'static str)> {
    let from = |at: usize| text.get(at..).unwrap_or_default();
    if text.get(start) != Some(&b'"') {
        let found = from(start).iter().position(|byte| matches!(byte, b',' | b'\r' | b'\n' | b'"'));
        let end = found.map_or(text.len(), |found| start + found);
        return match text.get(end) {
            Some(b'"') => Err((end, "a quote is in a field that does not start with one")),
            Some(_) | None => Ok(end),
        };
    }
    let mut at = start + 1;
    loop {
        let quote = memchr::memchr(b'"', from(at)).ok_or((start, "a quoted field has no end"))?;
        at += quote + 1;
        match text.get(at) {
            Some(b'"') => at += 1,
            Some(b',' | b'\r' | b'\n') | None => return Ok(at),
            Some(_) => return Err((at, "something follows the end of a quoted field")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_enclose_complete_fields() {
        for text in [
            "",
            "a",
            "a,b\r\n1,2\r\n",
            "\"a\",\"b\"\"c\",\"\"\n\"\r\n,\r\",x",
            "\"\"\"\"",
            ",,\n,,",
            "a\rb\r",
            "a\r\"b\nc\"\r",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
        for (text, place) in [
            ("a\n\"b", 2),
            ("a\"b", 1),
            ("\"a\"b", 3),
            ("\"a\" ,b", 3),
            ("\"", 0),
            ("x,\"\"\"", 2),
            ("a\nb\rc", 3),
            ("\"a\"\r1\n", 3),
            ("a\r\n1\r", 4),
        ] {
            assert_eq!(check(text.as_bytes()).unwrap_err().0, place, "{text}");
        }
    }
}
