//! CSV as RFC 4180 has it, in the plainest way: a character after the other.

/// The rows of a document whose quotes are known to be right. Empty lines are none.
pub(super) fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let (mut quoted, mut blank) = (false, true);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let field = row.last_mut().expect("a row has a field");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => (quoted, blank) = (!quoted, false),
            ',' if !quoted => {
                row.push(String::new());
                blank = false;
            }
            '\r' | '\n' if !quoted => {
                let ended = std::mem::replace(&mut row, vec![String::new()]);
                if !blank {
                    rows.push(ended);
                }
                blank = true;
            }
            plain => {
                field.push(plain);
                blank = false;
            }
        }
    }
    if !blank {
        rows.push(row);
    }
    rows
}
