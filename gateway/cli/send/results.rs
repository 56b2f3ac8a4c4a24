//! Where the results go: standard output, or a file.
//!
//! The file is opened before anything is sent, so that no result is lost because it can't be. What it has is kept until the first
//! result is there: a run that fails before that changes nothing.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Opens the results. The file is emptied when something is written or flushed.
pub(super) fn open(path: Option<&Path>) -> io::Result<Box<dyn Write>> {
    let Some(path) = path else { return Ok(Box::new(BufWriter::new(io::stdout()))) };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    let is_begun = !file.metadata()?.is_file();
    Ok(Box::new(BufWriter::new(ResultsFile { file, is_begun })))
}

/// Results that could not be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) error: io::Error,
    /// The numbers of their records.
    pub(super) records: BTreeSet<u64>,
}

impl Unwritten {
    /// The numbers for people: `1-100, 201`.
    pub(super) fn records(&self) -> String {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for number in &self.records {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *number => *last = *number,
                Some(_) | None => ranges.push((*number, *number)),
            }
        }
        let shown = |(first, last): &(u64, u64)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        ranges.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

struct ResultsFile {
    file: File,
    /// Whether it has been emptied. Only a regular file can be.
    is_begun: bool,
}

impl ResultsFile {
    fn begin(&mut self) -> io::Result<()> {
        if !self.is_begun {
            self.file.set_len(0)?;
            self.is_begun = true;
        }
        Ok(())
    }
}

impl Write for ResultsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begin()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.begin()?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_results_are_named_in_ranges() {
        for (records, shown) in [(&[][..], ""), (&[7], "7"), (&[3, 1, 2, 9, 6, 5], "1-3, 5-6, 9")] {
            let records = records.iter().copied().collect();
            let unwritten = Unwritten { error: io::ErrorKind::StorageFull.into(), records };
            assert_eq!(unwritten.records(), shown);
        }
    }

    #[test]
    fn what_a_file_has_is_kept_until_the_first_result() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let text = || std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, "an earlier run").unwrap();
        drop(open(Some(&path)).unwrap());
        assert_eq!(text(), "an earlier run");
        let mut results = open(Some(&path)).unwrap();
        results.write_all(b"new").unwrap();
        results.flush().unwrap();
        assert_eq!(text(), "new");
        open(Some(&path)).unwrap().flush().unwrap();
        assert_eq!(text(), "");
    }
}
