//! Changes of header fields that the configuration wants: of calls (`headers` of an upstream, `request_headers` of a route)
//! and of replies (`response_headers`).

use http::{HeaderName, HeaderValue};

use super::field::Fields;
use super::spelling::Spellings;
use super::variables::{FieldValue, Variables};

/// Fields that messages get and lose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderChanges {
    /// Set, in place of what was there.
    pub set: Vec<(HeaderName, FieldValue)>,
    /// How the configuration spells their names.
    pub spellings: Spellings,
    /// Removed, before anything is set.
    pub remove: Vec<HeaderName>,
}

impl HeaderChanges {
    /// The spellings of a field's name: the configuration's if it sets the field, otherwise those that its sender used.
    #[must_use]
    pub fn spellings_of<'all>(&'all self, name: &HeaderName, senders: &'all Spellings) -> &'all Spellings {
        if self.set.iter().any(|(set, _)| set == name) { &self.spellings } else { senders }
    }

    /// The fields that are set, with their values for one request.
    pub fn filled<'all>(
        &'all self,
        variables: Variables<'all>,
    ) -> impl Iterator<Item = (&'all HeaderName, HeaderValue)> {
        self.set.iter().map(move |(name, value)| (name, value.fill(variables)))
    }

    /// The same fields as a list.
    #[must_use]
    pub fn fields(&self, variables: Variables<'_>) -> Fields {
        self.filled(variables).map(|(name, value)| (name.clone(), value)).collect()
    }

    /// These changes, and then `later` ones, which decide where both do.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        let decides =
            |name: &HeaderName| later.remove.contains(name) || later.set.iter().any(|(set, _)| set == name);
        let kept = self.set.iter().filter(|(name, _)| !decides(name));
        let mut spellings = later.spellings.clone();
        for (name, _) in kept.clone() {
            spellings.adopt(name, &self.spellings);
        }
        Self {
            set: kept.chain(&later.set).cloned().collect(),
            spellings,
            remove: self.remove.iter().chain(&later.remove).cloned().collect(),
        }
    }

    /// Changes the fields of a reply.
    pub fn apply(&self, fields: &mut Fields, spellings: &mut Spellings, variables: Variables<'_>) {
        let is_changed =
            |name: &HeaderName| self.remove.contains(name) || self.set.iter().any(|(set, _)| set == name);
        fields.retain(|(name, _)| !is_changed(name));
        for (name, value) in self.filled(variables) {
            spellings.adopt(name, &self.spellings);
            fields.push((name.clone(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(set: &[(&str, &'static str)], remove: &[&str]) -> HeaderChanges {
        let value = |value| FieldValue::Fixed(HeaderValue::from_static(value));
        HeaderChanges {
            set: set.iter().map(|(name, text)| (name.parse().unwrap(), value(text))).collect(),
            spellings: set.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>().into(),
            remove: remove.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    const VARIABLES: Variables<'_> = Variables { client: None, request_id: "", host: "" };

    fn written(changes: &HeaderChanges) -> Vec<String> {
        let line = |(name, value): (HeaderName, HeaderValue)| {
            let mut line = Vec::new();
            changes.spellings.write(&name, |piece| line.extend_from_slice(piece));
            format!("{}: {}", String::from_utf8(line).unwrap(), value.to_str().unwrap())
        };
        changes.fields(VARIABLES).into_iter().map(line).collect()
    }

    #[test]
    fn a_route_decides_where_its_upstream_does_too() {
        let upstream = changes(&[("X-A", "u"), ("x-odd", "u"), ("X-Gone", "u")], &["cookie"]);
        let both = upstream.then(&changes(&[("x-A", "r"), ("X-B", "r")], &["x-gone"]));
        assert_eq!(written(&both), ["x-odd: u", "x-A: r", "X-B: r"]);
        assert_eq!(both.remove, ["cookie", "x-gone"]);
    }

    #[test]
    fn a_reply_loses_and_gets_fields() {
        let mut fields: Fields =
            changes(&[("server", "s"), ("x-a", "1"), ("x-b", "2")], &[]).fields(VARIABLES);
        let mut spellings = Spellings::default();
        changes(&[("x-ODD", "3"), ("x-a", "4")], &["server", "x-none"]).apply(
            &mut fields,
            &mut spellings,
            VARIABLES,
        );
        let names: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(names, [("x-b", "2"), ("x-odd", "3"), ("x-a", "4")]);
        let mut line = Vec::new();
        spellings.write(&fields[1].0, |piece| line.extend_from_slice(piece));
        assert_eq!(line, b"x-ODD");
    }
}
