//! `undo` of a route: how to take back what its methods did, for groups at endpoints with `groups: compensate`.

use http::Method;

use super::resolver::{Resolved, Resolver, Seen, all};
use super::yaml::wrappers::{At, Named};
use crate::route::{MethodSet, UndoRule, UndoRules, is_safe};

/// By method: `snapshot`, or `METHOD {location}`.
pub(super) type UndoDocument = Named<At<String>>;

/// Whether all that a method changes is the resource at its url, which a PUT puts back.
fn restores(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::PATCH | Method::DELETE)
}

impl Resolver<'_> {
    /// The rules of a route with these methods.
    pub(super) fn undo(
        &mut self,
        document: Option<&At<UndoDocument>>,
        methods: &MethodSet,
    ) -> Resolved<UndoRules> {
        let Some(document) = document else { return Ok(UndoRules::default()) };
        let mut seen = Seen::new();
        let rules = all(document.value.0.iter().map(|(name, text)| {
            let rule = self.undo_rule(text);
            let method = self.undoable(name)?;
            self.only_once(&mut seen, method.clone(), name, |name| format!("{name} is there twice"))?;
            let rule = rule?;
            if rule == UndoRule::Snapshot && !restores(&method) {
                let message = format!(
                    "`snapshot` can't undo {method}, which changes more than the resource at its url"
                );
                let help = "write `DELETE {location}`, or remove it: `snapshot` is for PUT, PATCH and DELETE";
                return self.refuse(text.span, message, help);
            }
            if !methods.allows(&method) {
                let message =
                    format!("`undo` of {method} does nothing: the route does not allow that method");
                self.warn(name.span, message, "remove it, or add the method to `methods`");
            }
            Ok((method, rule))
        }));
        rules.map(UndoRules::new)
    }

    /// A method whose effect can be undone.
    fn undoable(&mut self, name: &At<String>) -> Resolved<Method> {
        let method = self.method(name)?;
        if is_safe(&method) {
            let message = format!("{method} changes nothing, so there is nothing to undo");
            return self.refuse(name.span, message, "remove it");
        }
        Ok(method)
    }

    fn undo_rule(&mut self, text: &At<String>) -> Resolved<UndoRule> {
        UndoRule::parse(&text.value).or_else(|error| {
            let help = "write `snapshot`, or `DELETE {location}` for the url in the reply's Location";
            self.refuse(text.span, format!("{} {error}", text.shown()), help)
        })
    }
}
