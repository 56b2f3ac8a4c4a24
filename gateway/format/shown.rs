//! Names that a client wrote, made fit to be repeated: in a rejection, in an explanation, or as an id.

/// Bytes of a name that are repeated.
pub(super) const MAX_NAME_SHOWN: usize = 64;

/// Characters that an id or url can't have in every format: control characters, and what XML 1.0
/// §2.2 can't carry.
pub(super) fn is_unfit_for_names(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// A name from the client, cut to a sensible length and free of control characters.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|character| !is_unfit_for_names(*character)).take(MAX_NAME_SHOWN).collect()
}

/// A name from the client, cut like any other, in which control characters are visible, because they are what is wrong.
pub(super) fn shown_escaped(name: &str) -> String {
    let mut escaped = String::new();
    for character in name.chars().take(MAX_NAME_SHOWN) {
        if is_unfit_for_names(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped.chars().take(MAX_NAME_SHOWN).collect()
}
