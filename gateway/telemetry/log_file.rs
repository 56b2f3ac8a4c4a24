//! A log file that can be rotated: before each write its path is looked at, and if the file was renamed or removed, it is opened
//! anew. Nobody has to send a signal. A file that was copied and truncated needs nothing, because all writes are at its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// A log file.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Which file is open: its device and its number there.
    identity: (u64, u64),
}

impl LogFile {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let about = file.metadata()?;
        Ok(Self { path, identity: (about.dev(), about.ino()), file })
    }

    /// # Errors
    /// The file is gone, and no other can be opened: what is written to it would be lost.
    fn reopen_if_moved(&mut self) -> io::Result<()> {
        let there = std::fs::metadata(&self.path).map(|about| (about.dev(), about.ino()));
        if there.is_ok_and(|identity| identity == self.identity) {
            return Ok(());
        }
        match Self::open(self.path.clone()) {
            Ok(new) => *self = new,
            Err(error) if self.file.metadata()?.nlink() == 0 => return Err(error),
            // It was renamed, and has a name still.
            Err(_) => {}
        }
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reopen_if_moved()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_renamed_or_removed_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let read = |path| std::fs::read_to_string(path).unwrap();
        std::fs::write(&path, "before\n").unwrap();
        let mut log = LogFile::open(path.clone()).unwrap();
        log.write_all(b"one\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!((read(&old), read(&path)), ("before\none\n".to_owned(), "two\n".to_owned()));
        std::fs::remove_file(&path).unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(read(&path), "three\n");
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        log.write_all(b"four\n").unwrap();
        assert_eq!(read(&path), "four\n");
        let folder_in_its_place = || std::fs::create_dir(&path).unwrap();
        std::fs::rename(&path, &old).unwrap();
        folder_in_its_place();
        log.write_all(b"five\n").unwrap();
        assert_eq!(read(&old), "four\nfive\n", "the old file has a name");
        std::fs::remove_file(&old).unwrap();
        log.write_all(b"lost\n").unwrap_err();
        std::fs::remove_dir(&path).unwrap();
        log.write_all(b"six\n").unwrap();
        assert_eq!(read(&path), "six\n");
    }
}
