//! Where a configuration comes from: a file that can be read again, or a text from standard input.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listener::ListenAddress;
use super::load::{Loaded, admin_in, parse_with};
use super::overrides::Override;
use super::text::MAX_FILE;
use super::yaml::diagnostic::Diagnostics;

/// A configuration's origin. Reads it as often as needed.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    input: Input,
    overrides: Vec<Override>,
}

#[derive(Clone, Debug)]
enum Input {
    File(PathBuf),
    /// What standard input held. It can be read only once.
    Text(Arc<str>),
}

impl ConfigSource {
    /// What `--config` names: a file, or standard input as `-`, which is read here.
    ///
    /// # Errors
    /// Standard input can't be read.
    pub fn from_argument(argument: &Path) -> Result<Self, Diagnostics> {
        if argument.as_os_str() != "-" {
            return Ok(Self::from_file(argument));
        }
        let text =
            text_of(std::io::stdin().lock()).map_err(|message| Diagnostics::of_file(STDIN, message))?;
        Ok(Self { input: Input::Text(text.into()), overrides: Vec::new() })
    }

    /// A file.
    #[must_use]
    pub fn from_file(file: &Path) -> Self {
        Self { input: Input::File(file.to_owned()), overrides: Vec::new() }
    }

    /// The same with other values in it.
    #[must_use]
    pub fn with(self, overrides: &[Override]) -> Self {
        Self { overrides: overrides.to_owned(), ..self }
    }

    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.input {
            Input::File(file) => Some(file),
            Input::Text(_) => None,
        }
    }

    /// The text that came from standard input.
    #[must_use]
    pub fn stdin(&self) -> Option<&Arc<str>> {
        match &self.input {
            Input::File(_) => None,
            Input::Text(text) => Some(text),
        }
    }

    /// Reads it. Paths in it are relative to its folder, or to the current one if it came from standard input.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Diagnostics> {
        parse_with(&self.text()?, &self.to_string(), self.base(), &environment, &self.overrides)
    }

    /// Reads only where operators come in. The rest may have errors, so that a gateway whose file is being edited can still
    /// be asked how it is.
    ///
    /// # Errors
    /// The text is not YAML, or `admin` is wrong.
    pub fn admin(&self) -> Result<Option<ListenAddress>, Diagnostics> {
        admin_in(&self.text()?, &self.to_string(), self.base(), &environment, &self.overrides)
    }

    fn base(&self) -> &Path {
        self.file().and_then(Path::parent).unwrap_or_else(|| Path::new(""))
    }

    fn text(&self) -> Result<Arc<str>, Diagnostics> {
        let file = match &self.input {
            Input::Text(text) => return Ok(Arc::clone(text)),
            Input::File(file) => file,
        };
        let text = std::fs::File::open(file).map_err(|error| unreadable(&error)).and_then(text_of);
        text.map(Arc::from).map_err(|message| Diagnostics::of_file(&self.to_string(), message))
    }
}

/// What messages call it.
impl fmt::Display for ConfigSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.input {
            Input::File(file) => file.display().fmt(formatter),
            Input::Text(_) => formatter.write_str(STDIN),
        }
    }
}

const STDIN: &str = "standard input";

fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn text_of(input: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    input.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("the file is not UTF-8: byte {} does not start a character", error.utf8_error().valid_up_to())
    })
}

fn unreadable(error: &std::io::Error) -> String {
    format!("the file can't be read: {error}")
}
