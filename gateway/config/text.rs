//! One text of a configuration: from its bytes to a tree with the values of variables in it. What may be secret in it is known
//! before anything is reported.

use std::path::Path;

use super::environment::{Environment, substitute};
use super::masking;
use super::yaml::diagnostic::{Findings, Text};
use super::yaml::tree::Node;
use super::yaml::{secrets, tree};

/// Bytes of a text.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// A text as it is before anything is known about it.
pub(super) fn text_of(text: &str, name: &str, base: &Path) -> Text {
    let secret = secrets::in_words(text);
    Text { name: name.to_owned(), content: text.to_owned(), base: base.to_owned(), secret }
}

/// Reads a text into a tree, with the values of variables in it. `None`: it is not YAML, and that has been reported.
pub(super) fn read(text: Text, env: Environment<'_>, findings: &mut Findings) -> Option<Node> {
    let read = tree::read(&text.content);
    let number = findings.add(text);
    let text = findings.text(number)?;
    let mut tree = match read {
        Ok(tree) => tree.in_text(number),
        Err(error) => {
            text.secret = masking::in_text(&text.content);
            findings.push(error.in_text(number));
            return None;
        }
    };
    text.secret.extend(masking::in_tree(&tree));
    let text = text.content.clone();
    substitute(&mut tree, &text, env, findings);
    Some(tree)
}
