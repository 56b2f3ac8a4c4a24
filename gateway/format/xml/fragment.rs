//! An element cut out of its document: the same text, with the namespaces that its surroundings
//! declared now declared by itself.

use super::namespaces::Declaration;

/// Where to cut, and what to declare.
#[derive(Clone, Debug)]
pub(super) struct Cut<'a> {
    /// The first byte to take; before the element, only comments and instructions.
    pub(super) start: usize,
    /// The byte after the element's name, where declarations go.
    pub(super) name_end: usize,
    /// The namespaces that are in force around the element and that it does not declare itself.
    pub(super) declarations: Vec<Declaration<'a>>,
}

/// The text from `cut.start` to `end` with the declarations in it, as far as their prefixes are
/// mentioned there at all; `None` if nothing is to be added. `slice` gives the document's text
/// between two places.
pub(super) fn with_declarations<'a>(
    cut: &Cut<'_>,
    end: usize,
    slice: impl Fn(usize, usize) -> &'a str,
) -> Option<String> {
    let head = slice(cut.start, cut.name_end);
    let tail = slice(cut.name_end, end);
    let is_mentioned = |prefix: &str| head.contains(prefix) || tail.contains(prefix);
    let mut added = String::new();
    for declaration in cut.declarations.iter().filter(|declaration| is_mentioned(declaration.prefix)) {
        added.push_str(if declaration.prefix.is_empty() { " xmlns" } else { " xmlns:" });
        added.push_str(declaration.prefix);
        added.push_str("=\"");
        push_attribute_value(&mut added, &declaration.namespace);
        added.push('"');
    }
    if added.is_empty() { None } else { Some([head, &added, tail].concat()) }
}

fn push_attribute_value(to: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '"' => to.push_str("&quot;"),
            '\t' => to.push_str("&#9;"),
            '\n' => to.push_str("&#10;"),
            '\r' => to.push_str("&#13;"),
            _ => to.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_go_behind_the_name() {
        let source = "<!--c--><p:a b='1'><q:c/></p:a>";
        let declare = |prefix, namespace| Declaration { prefix, namespace };
        let cut = Cut {
            start: 0,
            name_end: 12,
            declarations: vec![
                declare("", "u:1".into()),
                declare("q", "u:\"&<\n".into()),
                declare("unused", "u:3".into()),
            ],
        };
        let expected = "<!--c--><p:a xmlns=\"u:1\" xmlns:q=\"u:&quot;&amp;&lt;&#10;\" b='1'><q:c/></p:a>";
        let made = with_declarations(&cut, source.len(), |from, to| &source[from..to]);
        assert_eq!(made.as_deref(), Some(expected));
        let cut = Cut { declarations: Vec::new(), ..cut };
        assert_eq!(with_declarations(&cut, source.len(), |from, to| &source[from..to]), None);
    }
}
