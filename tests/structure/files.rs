//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// The files with this extension below a folder of the repository, in order.
pub(crate) fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = found.unwrap().path();
            let hidden = path.file_name().unwrap().to_string_lossy().starts_with(['.', '_']);
            if path.is_dir()
                && !hidden
                && !["target", "stand-in", "shared"].iter().any(|name| path.ends_with(name))
            {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("gateway/lib.rs").is_file()).unwrap().to_owned()
}
