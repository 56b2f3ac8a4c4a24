//! Configurations: each is settings or a list of what is wrong, and settings shown are settings again.

use std::path::Path;

use batchgate::config::parse;

pub(crate) fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Files that it names are opened: only such as are not there.
    if text.contains("file") || text.contains("tls") || text.contains("ca") && text.contains('/') {
        return;
    }
    let load = |text: &str| parse(text, "fuzz.yaml", Path::new("/nowhere"), &|_| None);
    match load(text) {
        Ok(loaded) => {
            let shown = loaded.settings.shown;
            let again = load(&shown).unwrap_or_else(|wrong| panic!("{wrong}\n{shown}"));
            assert_eq!(again.settings.shown, shown, "what is shown loads as the same");
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "an error is told");
            assert!(!diagnostics.to_string().is_empty());
            // YAML 1.2 §5.4: CR alone breaks a line, too.
            let lines = text.split(['\r', '\n']).count();
            for diagnostic in diagnostics.iter() {
                assert!(diagnostic.line().is_none_or(|line| (1..=lines).contains(&line)));
                assert!(diagnostic.column() != Some(0));
            }
        }
    }
}
