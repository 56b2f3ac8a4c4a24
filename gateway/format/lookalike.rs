//! Recognizes names that differ a little from one that the protocol knows: `depends_on`, `header`, `URL`.
//!
//! The protocol ignores unknown members, because clients send more than it asks for. A name like
//! these is different: its client means something that would not happen. So readers refuse it and
//! say the right name.

/// The one of the known names from which `name` differs only by case, `-`, `_`, blanks, or an `s` that makes a plural. A
/// known name is never like another one. Allocates nothing, because a batch can be full of unknown names.
pub(crate) fn meant_by(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if known.contains(&name) {
        return None;
    }
    known.iter().find(|known| essence(known).eq(essence(name))).copied()
}

/// Words that other services, and people, have for the same member. Unlike a slip, such a name can be a member of a client's
/// own, so it is only a hint where something is wrong anyway.
const WORDS: [&[&str]; 2] =
    [&["url", "uri", "href", "path", "relative_url"], &["method", "verb", "httpMethod", "http_method"]];

/// The one of the known names for which `name` is another word.
pub(super) fn other_word_for(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let has = |words: &&&[&str], name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let words = WORDS.iter().find(|words| has(words, name))?;
    known.iter().find(|known| has(&words, known)).copied()
}

/// The name among those that were met for which `member` is another word.
pub(super) fn met_instead(member: &'static str, met: &[Box<str>]) -> Option<String> {
    met.iter().find(|name| other_word_for(name, &[member]).is_some()).map(ToString::to_string)
}

/// The letters of a name in lower case, without an `s` but at its start. All known names are ASCII.
fn essence(name: &str) -> impl Iterator<Item = u8> {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b' ')).enumerate();
    letters
        .map(|(index, byte)| (index, byte.to_ascii_lowercase()))
        .filter(|(index, byte)| *index == 0 || *byte != b's')
        .map(|(_, byte)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 9] =
        ["id", "method", "url", "headers", "body", "timeout", "dependsOn", "atomicityGroup", "if"];

    #[test]
    fn slips_of_case_hyphens_and_number_are_found() {
        for (name, meant) in [
            ("depends_on", "dependsOn"),
            ("depends-on", "dependsOn"),
            ("dependson", "dependsOn"),
            ("DependsOn", "dependsOn"),
            ("DEPENDS_ON", "dependsOn"),
            ("dependOn", "dependsOn"),
            ("depend_on", "dependsOn"),
            ("header", "headers"),
            ("Header", "headers"),
            ("HEADERS", "headers"),
            ("Body", "body"),
            ("_body", "body"),
            ("URL", "url"),
            ("Url", "url"),
            ("urls", "url"),
            ("Method", "method"),
            ("ID", "id"),
            ("_id", "id"),
            ("atomicity_group", "atomicityGroup"),
            ("AtomicityGroup", "atomicityGroup"),
            ("atomicitygroups", "atomicityGroup"),
            ("If", "if"),
            ("time_out", "timeout"),
            ("timeOut", "timeout"),
        ] {
            assert_eq!(meant_by(name, &KNOWN), Some(meant), "{name}");
        }
    }

    #[test]
    fn other_words_are_known() {
        for (name, known, meant) in [
            ("uri", &KNOWN[..], Some("url")),
            ("path", &KNOWN, Some("url")),
            ("HREF", &KNOWN, Some("url")),
            ("verb", &KNOWN, Some("method")),
            ("httpMethod", &KNOWN, Some("method")),
            ("url", &["href", "method"], Some("href")),
            ("url", &["path"], Some("path")),
            ("uri", &["id"], None),
            ("name", &KNOWN, None),
            ("", &KNOWN, None),
        ] {
            assert_eq!(other_word_for(name, known), meant, "{name}");
        }
    }

    #[test]
    fn other_names_are_like_none() {
        for name in [
            "id",
            "dependsOn",
            "uri",
            "sid",
            "é",
            "path",
            "name",
            "",
            "_",
            "s",
            "priority",
            "headersx",
            "@odata.type",
            "ihr",
        ] {
            assert_eq!(meant_by(name, &KNOWN), None, "{name}");
        }
        assert_eq!(meant_by(&"_".repeat(10_000), &KNOWN), None);
        assert_eq!(meant_by("header", &["header", "body"]), None);
        assert_eq!(meant_by("headers", &["header", "body"]), Some("header"));
        assert_eq!(meant_by("dependsOn", &["depends-on"]), Some("depends-on"));
    }
}
