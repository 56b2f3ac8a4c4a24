//! `batchgate init`: writes a configuration to start from. What it writes has passed the check.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::new_file::{self, NewFileError};
use crate::config::{self, Diagnostics, scalar};
use crate::terminal::{Unwritten, print_error, print_line};

/// The file, with `@NAME@` in place of what the options say.
const TEMPLATE: &str = include_str!("init.yaml");

#[derive(Debug, clap::Args)]
pub(super) struct InitArguments {
    /// The file to write, or `-` for standard output
    #[arg(value_name = "FILE", default_value = "batchgate.yaml")]
    pub(super) file: PathBuf,
    /// The service behind the gateway: http, https, h2c or h2
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9001")]
    pub(super) upstream: String,
    /// Where clients come in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: String,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("batchgate init: the options make a configuration with errors, so nothing was written\n{0}")]
    Options(Diagnostics),
    #[error("batchgate init: {0}")]
    NoFile(#[from] NewFileError),
    #[error("batchgate init: {0}")]
    Unwritten(#[from] Unwritten),
}

/// Writes the file.
pub(super) fn run(arguments: &InitArguments) -> Result<(), Box<dyn Error>> {
    Ok(init(arguments)?)
}

fn init(InitArguments { file, upstream, listen }: &InitArguments) -> Result<(), InitError> {
    let text = TEMPLATE.replace("@LISTEN@", &scalar(listen)).replace("@UPSTREAM@", &scalar(upstream));
    let name = file.display().to_string();
    config::parse(&text, &name, Path::new(""), &|_| None).map_err(InitError::Options)?;
    if file.as_os_str() == "-" {
        return Ok(print_line(text.trim_end())?);
    }
    new_file::write(file, &text)?;
    print_error(format_args!("{name} is written. Next: edit it, then `batchgate run --config {name}`."));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_value() {
        for text in ["http://h:1", "it's", "${HOME}", "a: [b", "$batch"] {
            let yaml = format!(
                "listen: 127.0.0.1:80\nroutes: [{{ path: /, respond: {{ status: 200, body: {} }} }}]",
                scalar(text)
            );
            let loaded = config::parse(&yaml, "test.yaml", Path::new(""), &|_| None).unwrap();
            assert!(
                loaded.settings.shown.contains(&text.replace('$', "$$").replace('\'', "")[..1]),
                "{text}"
            );
        }
    }
}
