//! A path as other servers may read it.
//!
//! A path is sent as it was written, and servers differ in how they read some of it. A rule that has to hold for a path has to
//! hold in each of its readings, or a client could get past the rule. In: a canonical path. Out: its other readings.
//! None of them is ever sent.

use super::canonical::CanonicalPath;
use super::pattern::PathPattern;

/// A path as another server may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The path that this server reads.
    pub path: CanonicalPath,
    /// Why it reads another path.
    pub why: Ambiguity,
}

/// What servers read differently in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// Encoded slashes and backslashes, which some take for slashes.
    Slashes,
    /// The parameters of segments, which some drop.
    Parameters,
}

impl Ambiguity {
    /// Why an item with such a path is refused if it leads to another route in this reading.
    #[must_use]
    pub const fn leads_elsewhere(self) -> &'static str {
        match self {
            Self::Slashes => "leads to another route if its encoded slash or backslash is taken for a slash",
            Self::Parameters => "leads to another route if the parameters of its segments (`;…`) are dropped",
        }
    }
}

impl CanonicalPath {
    /// The path as other servers may read it: with encoded slashes and backslashes as slashes, without the parameters of its
    /// segments (RFC 3986 §3.3, `/a;v=1`), and with both. Several slashes are one in all of them.
    pub fn other_readings(&self) -> impl Iterator<Item = Reading> {
        self.other_readings_but(None)
    }

    /// The same, with the parameters that the segments of this pattern have.
    pub(super) fn other_readings_of(&self, pattern: &PathPattern) -> impl Iterator<Item = Reading> {
        self.other_readings_but(Some(pattern))
    }

    /// The other readings. The literal segments of the pattern keep their parameters.
    fn other_readings_but(&self, kept: Option<&PathPattern>) -> impl Iterator<Item = Reading> {
        let reading = |why| move |path| Reading { path, why };
        let slashes = self.with_slashes_read();
        let read = slashes.iter().chain([self]).filter_map(|path| path.without_parameters(kept));
        let read = read.map(reading(Ambiguity::Parameters)).collect::<Vec<_>>();
        slashes.map(reading(Ambiguity::Slashes)).into_iter().chain(read)
    }

    /// `None` if the path has no slash that a server may read differently.
    fn with_slashes_read(&self) -> Option<Self> {
        let path = self.as_str();
        let is_encoded = path.contains('%') && (path.contains("%2F") || path.contains("%5C"));
        let is_ambiguous = is_encoded || path.as_bytes().windows(2).any(|two| two == b"//");
        is_ambiguous.then(|| merge_slashes(self.as_str().replace("%2F", "/").replace("%5C", "/")).into())
    }

    /// `None` if the path has no other parameters than those that are kept.
    fn without_parameters(&self, kept: Option<&PathPattern>) -> Option<Self> {
        let is_kept = |place: usize| kept.is_some_and(|pattern| pattern.is_literal_at(place));
        let segments = || self.compared().split('/').skip(1).enumerate();
        segments().find(|(place, segment)| segment.contains(';') && !is_kept(*place))?;
        let mut read = String::with_capacity(self.compared().len());
        for (place, segment) in segments() {
            let name = if is_kept(place) { segment } else { segment.split(';').next().unwrap_or_default() };
            read.extend(["/", name]);
        }
        Some(merge_slashes(read).into())
    }
}

fn merge_slashes(mut path: String) -> String {
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Strictness;

    #[test]
    fn a_path_can_be_read_in_several_ways() {
        let readings = |path: &str| {
            let path = CanonicalPath::parse(path, Strictness::Proxied).unwrap();
            path.other_readings().map(|read| read.path.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert!(readings("/a/b").is_empty());
        assert_eq!(readings("/a;v=1/b"), ["/a/b"]);
        assert_eq!(readings("/a%3Bv=1/b"), ["/a/b"]);
        assert_eq!(readings("/a%2Fb"), ["/a/b"]);
        assert_eq!(readings("/%2Fa%5Cb"), ["/a/b"]);
        assert_eq!(readings("/a%2Fb;x"), ["/a/b;x", "/a/b", "/a%2Fb"]);
        assert_eq!(readings("/a//b"), ["/a/b"]);
        assert_eq!(readings("/a/;x/b;"), ["/a/b"]);
    }

    #[test]
    fn a_pattern_keeps_its_parameters() {
        for (text, pattern, read) in [
            ("/s%3bv=2/a;x/b", "/s;v=2", Some("/s;v=2/a/b")),
            ("/s;v=2/a", "/s;v=2", None),
            ("/s;v=2/a", "/", Some("/s/a")),
            ("/s/a;x", "/s/", Some("/s/a")),
            ("/7;x/s;v=2/a", "/{id}/s;v=2", Some("/7/s;v=2/a")),
            ("/7/s;v=2", "/{id}/s;v=2", None),
        ] {
            let path = CanonicalPath::parse(text, Strictness::ItemWithSlashes).unwrap();
            let found = path.other_readings_of(&PathPattern::parse(pattern).unwrap()).next();
            assert_eq!(found.as_ref().map(|reading| reading.path.as_str()), read, "{text} by {pattern}");
        }
    }
}
