//! The fenced blocks of Markdown documents, with the words behind the fence, which say what a block is.

use std::fs;
use std::path::Path;

/// One fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The document's path in the repository.
    pub(crate) document: String,
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// The first word behind the fence: the language.
    pub(crate) kind: String,
    /// The other words behind the fence.
    words: Vec<String>,
    /// What it has in it, with a line break at the end.
    pub(crate) text: String,
}

impl Block {
    /// Commands that are in no Markdown; `words` as behind a fence.
    pub(crate) fn of_commands(document: &str, line: usize, words: &[&str], text: &str) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { document: document.to_owned(), line, kind: "sh".to_owned(), words, text: text.to_owned() }
    }

    /// Whether this word is behind its fence.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// The value of `name=value` behind its fence.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The blocks of a document of the repository, in order.
///
/// # Panics
/// When a block has no end.
pub(crate) fn blocks_of(root: &Path, document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root.join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
    let mut lines = (1..).zip(text.lines());
    let mut blocks = Vec::new();
    while let Some((line, fence)) = lines.next() {
        let Some(info) = fence.trim_start().strip_prefix("```") else { continue };
        let margin = fence.len() - fence.trim_start().len();
        let mut words = info.split_whitespace().map(str::to_owned);
        let kind = words.next().unwrap_or_default();
        let words = words.collect();
        let mut block = Block { document: document.to_owned(), line, kind, words, text: String::new() };
        loop {
            let (_, inside) = lines.next().unwrap_or_else(|| panic!("{} has no end", block.place()));
            if inside.trim() == "```" {
                break;
            }
            let starts = inside.char_indices().find(|(at, c)| *at >= margin || *c != ' ');
            let own = starts.map_or("", |(at, _)| &inside[at..]);
            block.text.push_str(own);
            block.text.push('\n');
        }
        blocks.push(block);
    }
    blocks
}
