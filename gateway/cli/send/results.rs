//! Where the results go: standard output, or a file.
//!
//! The file is opened before anything is sent, so that no result is lost because it can't be. What it has is kept until the first
//! result is there: a run that fails before that changes nothing.

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
