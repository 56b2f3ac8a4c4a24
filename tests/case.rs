//! Golden cases of malformed and hostile batches: reads the files that `tests/cases/README.md`
//! describes. Plain std, so that any test can include it with `#[path]`; nothing here judges, it
//! only says what is sent and what is expected.

use std::fs;
use std::path::Path;

/// One file: a request, and what has to come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// The file's name without its ending.
    pub(crate) name: String,
    /// What the case is about, in a sentence.
    pub(crate) about: String,
    /// The request's method.
    pub(crate) method: String,
    /// The request's target.
    pub(crate) target: String,
    /// The request's fields in order. Host and Content-Length are for the sender to add.
    pub(crate) fields: Vec<(String, String)>,
    /// The request's body.
    pub(crate) body: Vec<u8>,
    /// What has to come of it.
    pub(crate) expected: Expected,
}

/// What has to come of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The outer status.
    pub(crate) status: u16,
    /// The end of the problem's type, after the last colon; for a batch refused whole.
    pub(crate) kind: Option<String>,
    /// What stands somewhere in the problem's detail.
    pub(crate) details: Vec<String>,
    /// The reply's media type, without parameters.
    pub(crate) content_type: Option<String>,
    /// What becomes of each item, in order.
    pub(crate) items: Vec<ExpectedItem>,
    /// The method and the target of each request that the upstream gets, in order.
    pub(crate) sent: Vec<String>,
    /// The reply's body.
    pub(crate) reply: Option<Vec<u8>>,
}

/// What has to become of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedItem {
    /// Its id in the reply.
    pub(crate) id: String,
    /// How it ends.
    pub(crate) end: ExpectedEnd,
    /// What its problem's detail has somewhere.
    pub(crate) details: Vec<String>,
}

/// How an item ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedEnd {
    /// It is sent upstream. Everything that is not is expected to leave no trace there.
    Sent,
    /// The gateway settles it.
    Settled {
        /// The status.
        status: u16,
        /// The word on the wire: `rejected`, `skipped`, …
        outcome: String,
        /// The end of the problem's type, after the last colon.
        kind: String,
    },
}

/// All cases in a folder, in the order of their names.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<Case>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "case"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| error.to_string());
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        text.and_then(|text| parse(name, &text)).map_err(|error| format!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Parses one file's text.
pub(crate) fn parse(name: String, text: &str) -> Result<Case, String> {
    let about_length: usize =
        text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    let (about, rest) = text.split_at(about_length);
    let about = about.lines().map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ");
    let (head, rest) = rest.split_once("\n\n").ok_or("there is no blank line after the head")?;
    let (body, expected) = match rest.split_once("\n--- expect\n") {
        Some(parts) => parts,
        None => ("", rest.strip_prefix("--- expect\n").ok_or("there is no line `--- expect`")?),
    };
    let (expected, reply) = match expected.split_once("--- reply\n") {
        Some((expected, reply)) => (expected, Some(expand(reply.strip_suffix('\n').unwrap_or(reply))?)),
        None => (expected, None),
    };
    let mut lines = head.lines();
    let request_line = lines.next().unwrap_or_default();
    let mut words = request_line.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("this is no request line: {request_line}"));
    };
    Ok(Case {
        name,
        about,
        method: method.to_owned(),
        target: target.to_owned(),
        fields: lines.map(parse_field).collect::<Result<_, _>>()?,
        body: expand(body)?,
        expected: Expected { reply, ..parse_expected(expected)? },
    })
}

fn parse_field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(": ").ok_or_else(|| format!("this is no field: {line}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_expected(text: &str) -> Result<Expected, String> {
    let mut expected = Expected::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').ok_or_else(|| format!("this expects nothing: {line}"))?;
        match word {
            "status" => expected.status = rest.parse().map_err(|_| format!("no status: {rest}"))?,
            "type" => expected.kind = Some(rest.to_owned()),
            "detail" => expected.details.push(rest.to_owned()),
            "content-type" => expected.content_type = Some(rest.to_owned()),
            "item" => expected.items.push(parse_item(rest)?),
            "item-detail" => {
                let item =
                    expected.items.last_mut().ok_or_else(|| format!("this is about no item: {line}"))?;
                item.details.push(rest.to_owned());
            }
            "sent" => expected.sent.push(rest.to_owned()),
            _ => return Err(format!("nobody knows how to expect this: {line}")),
        }
    }
    if expected.status == 0 { Err("no status is expected".to_owned()) } else { Ok(expected) }
}

fn parse_item(text: &str) -> Result<ExpectedItem, String> {
    let words: Vec<&str> = text.split(' ').collect();
    let (id, end) = match *words.as_slice() {
        [id, "sent"] => (id, ExpectedEnd::Sent),
        [id, status, outcome, kind] => {
            let status = status.parse().map_err(|_| format!("no status: {status}"))?;
            (id, ExpectedEnd::Settled { status, outcome: outcome.to_owned(), kind: kind.to_owned() })
        }
        _ => return Err(format!("this is no item: {text}")),
    };
    Ok(ExpectedItem { id: id.to_owned(), end, details: Vec::new() })
}

/// A body's bytes: escapes undone, directives carried out.
fn expand(text: &str) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let mut rest = text;
    while let Some((plain, directive)) = rest.split_once("{{") {
        unescape(plain, &mut body)?;
        let end = directive.find("}}").ok_or("a directive has no end")?;
        let (directive, after) = directive.split_at(end);
        carry_out(directive, &mut body)?;
        rest = after.get(2..).unwrap_or_default();
    }
    unescape(rest, &mut body)?;
    Ok(body)
}

/// `repeat 1000 "text"`, with `{n}` in the text standing for 1, 2, …; or `hex 1f8b08`.
fn carry_out(directive: &str, body: &mut Vec<u8>) -> Result<(), String> {
    let wrong = || format!("this is no directive: {directive}");
    let (word, rest) = directive.split_once(' ').ok_or_else(wrong)?;
    match word {
        "repeat" => {
            let (count, quoted) = rest.split_once(' ').ok_or_else(wrong)?;
            let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(wrong)?;
            for number in 1..=count.parse::<usize>().map_err(|_| wrong())? {
                if text.contains("{n}") {
                    unescape(&text.replace("{n}", &number.to_string()), body)?;
                } else {
                    unescape(text, body)?;
                }
            }
        }
        "hex" => {
            let digits: Vec<char> = rest.chars().filter(|character| !character.is_whitespace()).collect();
            for pair in digits.chunks(2) {
                body.push(byte_of(pair).ok_or_else(wrong)?);
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

/// `\xNN`, `\r`, `\n`, `\t`, `\0`, `\\`, `\"`, and a backslash at a line's end for no line's end.
fn unescape(text: &str, body: &mut Vec<u8>) -> Result<(), String> {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            body.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match characters.next() {
            Some('x') => {
                let digits: Vec<char> = characters.by_ref().take(2).collect();
                body.push(byte_of(&digits).ok_or("`\\x` needs two hexadecimal digits")?);
            }
            Some('r') => body.push(b'\r'),
            Some('n') => body.push(b'\n'),
            Some('t') => body.push(b'\t'),
            Some('0') => body.push(0),
            Some(plain @ ('\\' | '"')) => body.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
            Some('\n') => {}
            other => return Err(format!("there is no escape \\{}", other.unwrap_or(' '))),
        }
    }
    Ok(())
}

fn byte_of(digits: &[char]) -> Option<u8> {
    let [high, low] = digits else { return None };
    u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_request_and_what_comes_of_it() {
        let text = "# About\n# this.\nPOST /batch HTTP/1.1\nContent-Type: a/b\nX: y: z\n\n\
                    {\\x41\\n\\\\u{{repeat 3 \"{n}\\\",\"}}{{hex 00 ff}}\\\n}\n--- expect\nstatus 207\n\ndetail a b\nitem 1 sent\nitem a 400 rejected bad\nitem-detail c d\n";
        let case = parse("name".into(), text).unwrap();
        assert_eq!(
            (case.about.as_str(), case.method.as_str(), case.target.as_str()),
            ("About this.", "POST", "/batch")
        );
        assert_eq!(case.fields, [("Content-Type".into(), "a/b".into()), ("X".into(), "y: z".into())]);
        assert_eq!(case.body, b"{A\n\\u1\",2\",3\",\0\xff}");
        assert_eq!(case.expected.details, ["a b"]);
        assert_eq!(case.expected.items.len(), 2);
        assert_eq!(case.expected.items[0].end, ExpectedEnd::Sent);
        assert_eq!(case.expected.items[1].details, ["c d"]);
    }

    #[test]
    fn a_case_may_say_what_is_sent_and_replied() {
        let text =
            "POST / HTTP/1.1\n\n--- expect\nstatus 200\nsent GET /a\nsent PUT /b\n--- reply\na\\r\nb\\r\n\n";
        let expected = parse("name".into(), text).unwrap().expected;
        assert_eq!(expected.sent, ["GET /a", "PUT /b"]);
        assert_eq!(expected.reply.unwrap(), b"a\r\nb\r\n");
    }

    #[test]
    fn a_case_may_have_no_fields_and_no_body() {
        let case = parse("name".into(), "PUT /batch HTTP/1.1\n\n--- expect\nstatus 405\n").unwrap();
        assert!(case.fields.is_empty() && case.body.is_empty() && case.about.is_empty());
    }

    #[test]
    fn mistakes_in_a_case_are_told() {
        for text in [
            "POST /batch\n\n--- expect\nstatus 400\n",
            "POST /batch HTTP/1.1\n\nbody\nstatus 400\n",
            "POST /batch HTTP/1.1\n\n--- expect\n",
            "POST /batch HTTP/1.1\n\n--- expect\nstate 400\n",
            "POST /batch HTTP/1.1\n\n\\q\n--- expect\nstatus 400\n",
            "POST /batch HTTP/1.1\n\n{{repeat x \"a\"}}\n--- expect\nstatus 400\n",
            "POST /batch HTTP/1.1\n\n{{hex 0}}\n--- expect\nstatus 400\n",
            "POST /batch HTTP/1.1\n\n{{\n--- expect\nstatus 400\n",
            "POST /batch HTTP/1.1\n\n--- expect\nstatus 207\nitem-detail of no item\n",
        ] {
            assert!(parse("name".into(), text).is_err(), "{text}");
        }
    }
}
