//! The names of operations, which generators make function names of: letters, digits and `_`, each once.

use std::collections::BTreeSet;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name made of what the operation does and its path.
    pub(super) fn name(&mut self, what: &str, path: &str) -> String {
        let words = path.split(|character: char| !character.is_ascii_alphanumeric());
        let words = std::iter::once(what).chain(words.filter(|word| !word.is_empty()));
        let name = words.collect::<Vec<_>>().join("_");
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut free = std::iter::once(name.clone()).chain(numbered).filter(|name| !self.0.contains(name));
        let free = free.next().unwrap_or_default();
        self.0.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        let given = ["/a-b", "/a/b/", "/", "/a_b"].map(|path| names.name("send", path));
        assert_eq!(given, ["send_a_b", "send_a_b_2", "send", "send_a_b_3"]);
    }
}
