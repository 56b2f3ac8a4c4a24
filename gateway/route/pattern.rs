//! The path of a route: a prefix, in which a segment may be a variable (`/orders/{id}/lines`).
//!
//! In: a path of the configuration, or of a request. Out: the pattern, and what it covers. A variable is one complete segment,
//! which is not empty. A pattern is a prefix: it also covers what is below it. With a slash at its end it
//! covers only that. An exact pattern covers no path but its own, with or without the slash as it is written.

use super::canonical::{CanonicalPath, PathError, Strictness};

/// Takes the place of a variable where a path is checked.
const PLACEHOLDER: &str = "x";

/// The path of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// In its canonical spelling, with its variables.
    text: Box<str>,
    segments: Box<[Segment]>,
    covers: Covers,
    is_exact: bool,
}

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, as paths are compared.
    Literal(Box<str>),
    /// Any text, by this name.
    Variable(Box<str>),
}

/// What a pattern covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covers {
    /// Its own path, and what is below it.
    Itself,
    /// Only what is below it.
    Below,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A brace within a segment.
    #[error("has a variable that is only a part of a segment")]
    PartOfSegment,
    /// The variable has no proper name.
    #[error("has a variable whose name is not made of letters, digits and `_`")]
    Name,
    /// Two variables have one name.
    #[error("has two variables with one name")]
    Twice,
    /// The text around the variables is not a valid path.
    #[error("{0}")]
    Path(PathError),
}

impl PathPattern {
    /// Reads a path with or without variables.
    ///
    /// # Errors
    /// Says why the text is refused.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut names: Vec<Option<&str>> = Vec::new();
        for segment in text.split('/') {
            let name = variable(segment)?;
            if name.is_some() && names.contains(&name) {
                return Err(PatternError::Twice);
            }
            names.push(name);
        }
        let filled: Vec<_> = text
            .split('/')
            .zip(&names)
            .map(|(segment, name)| if name.is_some() { PLACEHOLDER } else { segment })
            .collect();
        let path = CanonicalPath::parse(&filled.join("/"), Strictness::Item).map_err(PatternError::Path)?;
        Ok(Self::new(&path, &names))
    }

    /// The pattern of a path. `names`: for each of its segments, and for the nothing before its first slash, the
    /// variable in its place.
    fn new(path: &CanonicalPath, names: &[Option<&str>]) -> Self {
        let name = |place: usize| names.get(place).copied().flatten();
        let spelt: Vec<_> = path
            .as_str()
            .split('/')
            .enumerate()
            .map(|(place, segment)| {
                name(place).map_or_else(|| segment.to_owned(), |name| format!("{{{name}}}"))
            })
            .collect();
        let segments =
            path.compared().split('/').enumerate().skip(1).map(|(place, segment)| match name(place) {
                Some(name) => Segment::Variable(name.into()),
                None => Segment::Literal(segment.into()),
            });
        let mut segments: Vec<_> = segments.collect();
        let covers = if path.as_str().ends_with('/') { Covers::Below } else { Covers::Itself };
        if covers == Covers::Below {
            segments.pop();
        }
        Self { text: spelt.join("/").into(), segments: segments.into(), covers, is_exact: false }
    }

    /// The same for its own path only.
    #[must_use]
    pub const fn exactly(mut self) -> Self {
        self.is_exact = true;
        self
    }

    /// Whether it covers nothing below its own path.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// The pattern as it was written, in its canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A path that it covers, with this text in place of each variable and, unless it is exact, in a segment below.
    pub(super) fn filled_with(&self, text: &str) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(literal) => literal,
            Segment::Variable(_) => text,
        });
        let below = match (self.is_exact, self.covers) {
            (false, _) => Some(text),
            (true, Covers::Below) => Some(""),
            (true, Covers::Itself) => None,
        };
        segments.chain(below).flat_map(|segment| ["/", segment]).collect()
    }

    /// The names of its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Variable(name) => Some(&**name),
        })
    }

    /// Whether it is a path without variables.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.variables().next().is_none()
    }

    /// Whether it covers exactly the paths that the other one covers: only the names of their variables may differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Literal(one), Segment::Literal(other)) => one == other,
            (Segment::Variable(_), Segment::Variable(_)) => true,
            (Segment::Literal(_), Segment::Variable(_)) | (Segment::Variable(_), Segment::Literal(_)) => {
                false
            }
        };
        self.covers == other.covers
            && self.is_exact == other.is_exact
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    /// The same below a path without a slash at its end.
    #[must_use]
    pub fn below(&self, base: &str) -> Self {
        if base.is_empty() {
            return self.clone();
        }
        let above = Self::from(&CanonicalPath::from(base.to_owned()));
        let segments = above.segments.iter().chain(&self.segments).cloned().collect();
        Self {
            text: format!("{base}{}", self.text).into(),
            segments,
            covers: self.covers,
            is_exact: self.is_exact,
        }
    }

    /// Whether it is this path, without variables, whatever else it covers.
    #[must_use]
    pub fn is_path(&self, path: &CanonicalPath) -> bool {
        let as_prefix = Self { is_exact: false, ..self.clone() };
        self.is_literal() && as_prefix.is_same(&path.into())
    }

    /// Whether all that it covers is below this path.
    #[must_use]
    pub fn is_below(&self, path: &CanonicalPath) -> bool {
        let above = Self::from(path);
        let starts = self.segments.starts_with(&above.segments);
        starts
            && (self.segments.len() > above.segments.len()
                || above.covers == Covers::Itself
                || self.covers == Covers::Below)
    }

    /// Whether the segment at this place is a literal one.
    pub(super) fn is_literal_at(&self, place: usize) -> bool {
        match self.segments.get(place) {
            Some(Segment::Literal(_)) => true,
            Some(Segment::Variable(_)) | None => false,
        }
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) const fn covers(&self) -> Covers {
        self.covers
    }
}

impl From<&CanonicalPath> for PathPattern {
    fn from(path: &CanonicalPath) -> Self {
        Self::new(path, &[])
    }
}

/// The name of the variable that a segment is.
fn variable(segment: &str) -> Result<Option<&str>, PatternError> {
    if !segment.contains(['{', '}']) {
        return Ok(None);
    }
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let name = name.filter(|name| !name.contains(['{', '}'])).ok_or(PatternError::PartOfSegment)?;
    let is_fine = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_fine { Ok(Some(name)) } else { Err(PatternError::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn variables_are_complete_segments() {
        let lines = pattern("/orders/{id}/lines/{line_2}");
        assert_eq!(lines.variables().collect::<Vec<_>>(), ["id", "line_2"]);
        assert_eq!(lines.as_str(), "/orders/{id}/lines/{line_2}");
        assert_eq!(pattern("/%61/{id}/").as_str(), "/a/{id}/");
        assert!(pattern("/orders/").is_literal() && !lines.is_literal());
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, error) in [
            ("/orders/{id}.json", PatternError::PartOfSegment),
            ("/orders/a{id}", PatternError::PartOfSegment),
            ("/orders/{id", PatternError::PartOfSegment),
            ("/orders/id}", PatternError::PartOfSegment),
            ("/orders/{{id}}", PatternError::PartOfSegment),
            ("/orders/{a}{b}", PatternError::PartOfSegment),
            ("/orders/{}", PatternError::Name),
            ("/orders/{a-b}", PatternError::Name),
            ("/orders/{+id}", PatternError::Name),
            ("/{id}/{id}", PatternError::Twice),
            ("{id}", PatternError::Path(PathError::NotAbsolute)),
            ("/{id}//x", PatternError::Path(PathError::EmptySegment)),
            ("/{id}/..", PatternError::Path(PathError::DotSegment)),
        ] {
            assert_eq!(PathPattern::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn patterns_are_the_same_whatever_their_variables_are_called() {
        assert!(pattern("/a/{x}").is_same(&pattern("/%61/{y}")));
        for (one, other) in [("/a/{x}", "/a/{x}/"), ("/a/{x}", "/a/x"), ("/a/{x}", "/a/{x}/b")] {
            assert!(!pattern(one).is_same(&pattern(other)), "{one} {other}");
        }
    }

    #[test]
    fn patterns_are_below_paths() {
        for (text, path, expected) in [
            ("/a/b", "/a", true),
            ("/a/{x}", "/a/", true),
            ("/a", "/a", true),
            ("/a/", "/a", true),
            ("/a", "/a/", false),
            ("/ab", "/a", false),
            ("/{x}/b", "/a", false),
            ("/a", "/", true),
        ] {
            let path = CanonicalPath::parse(path, Strictness::Item).unwrap();
            assert_eq!(pattern(text).is_below(&path), expected, "{text} {path:?}");
        }
    }
}
