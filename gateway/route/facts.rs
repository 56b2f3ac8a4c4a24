//! What a request says of itself that routes are chosen by, apart from its path; and the conditions of a route on it.
//!
//! In: the head of a single request, or an item with the fields that it inherits from its batch. An item's host is its batch's.

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::method::MethodSet;

/// What a request says of itself, apart from its path.
#[derive(Clone, Copy)]
pub struct RequestFacts<'request> {
    /// What the client called the gateway: `Host`, or `:authority`.
    pub authority: &'request str,
    /// The method.
    pub method: &'request Method,
    /// The fields of an item. They take the place of inherited ones with the same name.
    pub own: &'request [(HeaderName, HeaderValue)],
    /// The fields of a single request, or those that an item inherits.
    pub shared: &'request HeaderMap,
}

impl RequestFacts<'_> {
    /// Whether a field has this value, in one of its lines.
    fn has(&self, name: &HeaderName, wanted: &HeaderValue) -> bool {
        let mut own = self.own.iter().filter(|(other, _)| other == name).map(|(_, value)| value).peekable();
        if own.peek().is_some() {
            return own.any(|value| value == wanted);
        }
        self.shared.get_all(name).iter().any(|value| value == wanted)
    }
}

/// What a route asks of a request, in addition to its host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The methods that it may have; `None`: any.
    pub methods: Option<MethodSet>,
    /// The fields that it has to have, with these values.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl Conditions {
    /// Whether a request meets all of them.
    #[must_use]
    pub fn are_met(&self, facts: &RequestFacts<'_>) -> bool {
        self.takes_method(facts.method) && self.have_fields(facts)
    }

    /// Whether a request may meet them of which only its preflight is known (Fetch §3.2.2): `facts` has the method that it
    /// will have and the fields of the preflight, `named` are the fields that it will have with values that nobody knows yet.
    #[must_use]
    pub fn may_be_met(&self, facts: &RequestFacts<'_>, named: &[HeaderName]) -> bool {
        let will_have =
            |(name, value): &(HeaderName, HeaderValue)| named.contains(name) || facts.has(name, value);
        self.takes_method(facts.method) && self.fields.iter().all(will_have)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.methods.is_some()) + self.fields.len()
    }

    /// Whether every request that meets `other` meets these.
    #[must_use]
    pub fn follow_from(&self, other: &Self) -> bool {
        let methods = match (&self.methods, &other.methods) {
            (None, _) => true,
            (Some(own), Some(others)) => own.includes(others),
            (Some(_), None) => false,
        };
        methods && self.fields.iter().all(|field| other.fields.contains(field))
    }

    pub(super) fn takes_method(&self, method: &Method) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.allows(method))
    }

    pub(super) fn have_fields(&self, facts: &RequestFacts<'_>) -> bool {
        self.fields.iter().all(|(name, value)| facts.has(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(HeaderName, HeaderValue)> {
        let field = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        };
        text.split(' ').filter(|pair| !pair.is_empty()).map(field).collect()
    }

    fn conditions(methods: &[Method], text: &str) -> Conditions {
        let methods = (!methods.is_empty()).then(|| MethodSet::Only(methods.to_vec()));
        Conditions { methods, fields: fields(text) }
    }

    #[test]
    fn all_conditions_have_to_be_met() {
        let asked = conditions(&[Method::GET], "x-version=2 x-tenant=acme");
        for (method, own, shared, expected) in [
            (Method::GET, "x-version=2 x-tenant=acme", "", true),
            (Method::HEAD, "x-version=2", "x-tenant=acme", true),
            (Method::GET, "", "x-version=2 x-tenant=acme", true),
            (Method::GET, "x-version=1 x-version=2", "x-tenant=acme", true),
            (Method::POST, "x-version=2 x-tenant=acme", "", false),
            (Method::GET, "x-version=2", "", false),
            (Method::GET, "x-version=3", "x-version=2 x-tenant=acme", false),
            (Method::GET, "x-version=2", "x-tenant=Acme", false),
        ] {
            let (own, shared) = (fields(own), fields(shared).into_iter().collect());
            let facts = RequestFacts { authority: "", method: &method, own: &own, shared: &shared };
            assert_eq!(asked.are_met(&facts), expected, "{method} {own:?} {shared:?}");
        }
    }

    #[test]
    fn a_preflight_names_the_fields_but_not_their_values() {
        let asked = conditions(&[Method::PUT], "x-version=2 origin=https://a.example");
        for (method, named, shared, expected) in [
            (Method::PUT, "x-version", "origin=https://a.example", true),
            (Method::PUT, "x-other x-version", "origin=https://a.example", true),
            (Method::PUT, "", "origin=https://a.example", false),
            (Method::PUT, "x-version", "origin=https://b.example", false),
            (Method::GET, "x-version", "origin=https://a.example", false),
        ] {
            let named: Vec<HeaderName> = named.split_whitespace().map(|name| name.parse().unwrap()).collect();
            let shared = fields(shared).into_iter().collect();
            let facts = RequestFacts { authority: "", method: &method, own: &[], shared: &shared };
            assert_eq!(asked.may_be_met(&facts, &named), expected, "{method} {named:?} {shared:?}");
        }
    }

    #[test]
    fn conditions_follow_from_stricter_ones() {
        let get = [Method::GET];
        for (one, other, expected) in [
            (conditions(&[], ""), conditions(&get, "a=1"), true),
            (conditions(&[Method::GET, Method::PUT], ""), conditions(&get, ""), true),
            (conditions(&get, ""), conditions(&[Method::HEAD], ""), true),
            (conditions(&get, ""), conditions(&[Method::GET, Method::PUT], ""), false),
            (conditions(&get, ""), conditions(&[], ""), false),
            (conditions(&[], "a=1"), conditions(&[], "a=1 b=2"), true),
            (conditions(&[], "a=1"), conditions(&[], "a=2"), false),
        ] {
            assert_eq!(one.follow_from(&other), expected, "{one:?} {other:?}");
        }
    }
}
