//! `batchgate import`: makes a configuration of a description of services.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::new_file::{self, NewFileError};
use crate::config::{self, Diagnostics};
use crate::openapi::{ImportError, Imported, Loss, import};
use crate::terminal::{Unwritten, print_error, print_line};

/// Bytes of a document.
const MAX_DOCUMENT: u64 = 32 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    #[command(subcommand)]
    from: Description,
}

#[derive(Debug, Subcommand)]
enum Description {
    /// Makes a configuration of an OpenAPI document (3.0 or 3.1, JSON or YAML)
    #[command(after_help = "Examples:
  batchgate import openapi openapi.yaml > batchgate.yaml
  batchgate import openapi openapi.json --upstream http://10.0.0.1:9001 --output batchgate.yaml
  batchgate import openapi openapi.yaml --lossy --output batchgate.yaml

If the document says what the configuration can't, nothing is written, and stderr lists each such place with its JSON
pointer. With --lossy the configuration is written, and has that list as comments. Exit codes: 0 it is written; 1 it is not.")]
    Openapi(OpenapiArguments),
}

#[derive(Debug, clap::Args)]
struct OpenapiArguments {
    /// The document, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the service is, in place of `servers`; with the base path that its paths are relative to, if there is one
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write it even if something of the document can't be kept
    #[arg(long)]
    lossy: bool,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("can't read {0}: {1}")]
    Unreadable(String, io::Error),
    #[error("{0} is larger than 32 MiB")]
    TooLarge(String),
    #[error("{0}: {1}")]
    Document(String, ImportError),
    #[error(
        "{file}: the configuration can't say everything that the document says, so nothing was written; \
         --lossy writes it without:\n{losses}"
    )]
    Lossy { file: String, losses: Losses },
    #[error("{0}: it makes a configuration with errors, so nothing was written\n{1}")]
    Configuration(String, Diagnostics),
    #[error(transparent)]
    NoFile(#[from] NewFileError),
    #[error("batchgate import: {0}")]
    Unwritten(#[from] Unwritten),
}

/// A line for each loss.
#[derive(Debug)]
struct Losses(Vec<Loss>);

impl fmt::Display for Losses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, loss) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { "\n" };
            write!(formatter, "{before}  {loss}")?;
        }
        Ok(())
    }
}

/// Imports a document.
pub(super) fn run(arguments: &ImportArguments) -> Result<(), Box<dyn Error>> {
    let Description::Openapi(arguments) = &arguments.from;
    openapi(arguments).map_err(|failure| format!("batchgate import openapi: {failure}").into())
}

fn openapi(arguments: &OpenapiArguments) -> Result<(), Failure> {
    let name = arguments.file.display().to_string();
    let document = read(&arguments.file, &name)?;
    let imported = import(&document, &name, arguments.upstream.as_deref());
    let Imported { text, losses } = imported.map_err(|error| Failure::Document(name.clone(), error))?;
    if !losses.is_empty() && !arguments.lossy {
        return Err(Failure::Lossy { file: name, losses: Losses(losses) });
    }
    config::parse(&text, "the configuration", Path::new(""), &|_| None)
        .map_err(|diagnostics| Failure::Configuration(name.clone(), diagnostics))?;
    match &arguments.output {
        Some(file) => new_file::write(file, &text)?,
        None => print_line(text.trim_end())?,
    }
    if !losses.is_empty() {
        print_error(format_args!("{name}: not everything could be kept:\n{}", Losses(losses)));
    }
    Ok(())
}

fn read(file: &Path, name: &str) -> Result<String, Failure> {
    let unreadable = |error| Failure::Unreadable(name.to_owned(), error);
    let mut text = String::new();
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(unreadable)?)
    };
    input.take(MAX_DOCUMENT + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_DOCUMENT { Err(Failure::TooLarge(name.to_owned())) } else { Ok(text) }
}
