//! How field names were spelt over HTTP/1.1, where their case is kept (protocol §7).
//!
//! In: the names of a message as they arrived. Out: each name as it is to be written. A [`HeaderName`] is always in lower case,
//! so the spelling travels with the fields, but apart from them. Names in their canonical case ([`names`]) are not kept: most
//! messages have no others, and cost nothing.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::names;

/// Characters of a name whose case is kept. Longer names are written in their canonical case.
const LONGEST: usize = 64;

/// The spelling of a name: which of its characters are capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spelling(u64);

/// The names of one message that are not in their canonical case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Spellings(Vec<(HeaderName, Spelling)>);

impl Spelling {
    fn of(written: &[u8]) -> Self {
        let bits = written.iter().take(LONGEST).enumerate();
        Self(bits.map(|(at, byte)| u64::from(byte.is_ascii_uppercase()) << at).sum())
    }

    fn write(self, name: &str, mut put: impl FnMut(&[u8])) {
        let mut buffer = [0; LONGEST];
        for (at, (to, byte)) in buffer.iter_mut().zip(name.as_bytes()).enumerate() {
            *to = if self.0 >> at & 1 == 1 { byte.to_ascii_uppercase() } else { *byte };
        }
        put(buffer.get(..name.len()).unwrap_or_default());
    }
}

impl Spellings {
    /// The spellings of these names. If a name occurs twice, the first one counts.
    #[must_use]
    pub fn from_names<'name>(names: impl Iterator<Item = (&'name HeaderName, &'name [u8])>) -> Self {
        let mut spellings = Self::default();
        for (name, written) in names {
            spellings.add(name, written);
        }
        spellings
    }

    /// Adds the spelling of one more name.
    pub fn add(&mut self, name: &HeaderName, written: &[u8]) {
        let is_plain = written.len() > LONGEST || names::is_canonical(name, written);
        if !is_plain && self.find(name).is_none() {
            self.0.push((name.clone(), Spelling::of(written)));
        }
    }

    /// Writes a name as it is spelt elsewhere.
    pub fn adopt(&mut self, name: &HeaderName, elsewhere: &Self) {
        self.0.retain(|(other, _)| other != name);
        self.0.extend(elsewhere.find(name).map(|spelling| (name.clone(), spelling)));
    }

    /// Passes a name as it was spelt to `put`, in one piece or several.
    pub fn write(&self, name: &HeaderName, put: impl FnMut(&[u8])) {
        match self.find(name) {
            Some(spelling) => spelling.write(name.as_str(), put),
            None => names::write(name, put),
        }
    }

    /// The same for a JSON result, where HTTP's own names are always in their canonical case: clients look them up.
    pub fn write_in_json(&self, name: &HeaderName, mut put: impl FnMut(&[u8])) {
        match names::registered(name) {
            Some(canonical) => put(canonical.as_bytes()),
            None => self.write(name, put),
        }
    }

    /// Whether the name was not in its canonical case.
    #[must_use]
    pub fn has(&self, name: &HeaderName) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &HeaderName) -> Option<Spelling> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, spelling)| *spelling)
    }
}

impl From<Spellings> for Vec<String> {
    fn from(spellings: Spellings) -> Self {
        let written = |(name, spelling): (HeaderName, Spelling)| {
            let mut text = String::new();
            spelling.write(name.as_str(), |piece| text.push_str(&String::from_utf8_lossy(piece)));
            text
        };
        spellings.0.into_iter().map(written).collect()
    }
}

impl From<Vec<String>> for Spellings {
    fn from(written: Vec<String>) -> Self {
        let mut spellings = Self::default();
        for text in written {
            if let Ok(name) = HeaderName::from_bytes(text.as_bytes()) {
                spellings.add(&name, text.as_bytes());
            }
        }
        spellings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spellings(written: &[&str]) -> Spellings {
        Spellings::from(written.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn text(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> String {
        let mut text = Vec::new();
        write(&mut |piece| text.extend_from_slice(piece));
        String::from_utf8(text).unwrap()
    }

    fn written(spellings: &Spellings, name: &'static str) -> String {
        text(|put| spellings.write(&HeaderName::from_static(name), put))
    }

    #[test]
    fn a_name_is_written_as_it_was_spelt() {
        for name in ["x-ms-error-code", "X-MS-Error-Code", "eTag", "ETag", "content-type", "X-A", "x-A"] {
            let lower = HeaderName::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(text(|put| spellings(&[name]).write(&lower, put)), name);
        }
        assert_eq!(written(&spellings(&["x-a", "X-A", "X-a"]), "x-a"), "x-a", "the first one counts");
        assert_eq!(written(&spellings(&["x-a"]), "x-b"), "X-B");
    }

    #[test]
    fn in_json_only_other_names_than_https_own_are_as_they_were_spelt() {
        let spellings = spellings(&["content-type", "Etag", "x-ms-error-code", "X-MS-Foo"]);
        for (name, expected) in [
            ("content-type", "Content-Type"),
            ("etag", "ETag"),
            ("x-ms-error-code", "x-ms-error-code"),
            ("x-ms-foo", "X-MS-Foo"),
            ("x-other", "X-Other"),
        ] {
            assert_eq!(text(|put| spellings.write_in_json(&HeaderName::from_static(name), put)), expected);
        }
    }

    #[test]
    fn canonical_and_very_long_names_cost_nothing() {
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(spellings(&["Content-Type", "X-Ms-Version", "WWW-Authenticate", &long]).0.capacity(), 0);
        let longest = "y".repeat(LONGEST);
        let name = HeaderName::from_bytes(longest.as_bytes()).unwrap();
        assert_eq!(text(|put| spellings(&[&longest]).write(&name, put)), longest);
    }

    #[test]
    fn spellings_can_be_stored() {
        let before = spellings(&["x-a", "X-B", "etag"]);
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(text, r#"["x-a","etag"]"#);
        assert_eq!(serde_json::from_str::<Spellings>(&text).unwrap(), before);
    }
}
