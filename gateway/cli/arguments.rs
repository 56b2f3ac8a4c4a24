//! The command line's definition: commands, their arguments, and their help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::check::CheckArguments;
use super::config_file::ConfigFile;
use super::health::HealthArguments;
use super::import::ImportArguments;
use super::init::InitArguments;
use super::manual::{CompletionsArguments, ManArguments};
use super::openapi::OpenapiArguments;
use super::send::SendArguments;
use crate::demo::{DemoOptions, DemoUntil, LAST_FIRST_PORT};

/// The program's version and pingora's, which `Cargo.toml` pins.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (pingora 0.9.1)");

/// A reverse-proxy batching gateway: one batch in, real calls out, a 207 Multi-Status back.
#[derive(Debug, Parser)]
#[command(
    name = "batchgate",
    version = VERSION,
    arg_required_else_help = true,
    after_help = "Examples:
  batchgate demo                                           see it work, without a configuration
  batchgate init                                           write a configuration to start from
  batchgate check --config batchgate.yaml                  list every error of the file
  batchgate run --config batchgate.yaml                    serve
  batchgate explain --config batchgate.yaml batch.json     see what would happen to a batch

`batchgate COMMAND --help` has examples of each command. Exit codes: 0 success, 1 the command failed, 2 the
command line is wrong."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serves until Ctrl-C or SIGTERM; reloads when the file changes
    #[command(after_help = "Examples:
  batchgate run --config batchgate.yaml
  batchgate run --config - < batchgate.yaml       read the configuration from stdin, once
  batchgate run --config batchgate.yaml --set log.format=text --set upstreams.orders.concurrency=8
  kill -HUP $(pidof batchgate)     read the file again; a file with errors changes nothing
  kill -QUIT $(pidof batchgate)    upgrade without a gap: start the installed program and hand it the sockets
  kill -TERM $(pidof batchgate)    finish the work in progress, then exit; a second one exits at once

The log goes to stderr: one line of JSON for each batch (`log.format: text` for people). `batchgate check` finds errors in
the file without serving.")]
    Run(ConfigFile),
    /// Lists every error of a configuration, each with its line
    #[command(after_help = "Examples:
  batchgate check --config batchgate.yaml
  batchgate check --config batchgate.yaml && systemctl reload batchgate

  batchgate check --config batchgate.yaml --strict       in CI: fail on warnings, too
  batchgate check --config batchgate.yaml --json         for machines: JSON on stdout
  batchgate check --config batchgate.yaml --routes       the routes, in the order in which they are tried
  batchgate check --config - < batchgate.yaml            read the configuration from stdin

Errors and warnings go to stderr. Exit codes: 0 the file can be served, with or without warnings (with --strict:
without warnings); 1 it can't.")]
    Check(CheckArguments),
    /// Asks a running gateway whether it is ready; for health checks of containers
    #[command(after_help = "Examples:
  batchgate health                                       ask the admin listener on its default address
  batchgate health --config /etc/batchgate/batchgate.yaml
  batchgate health --admin gateway:9901
  batchgate health --admin unix:/run/batchgate/admin.sock

In a Dockerfile: HEALTHCHECK CMD [\"batchgate\", \"health\"]. Exit codes: 0 the gateway takes requests; 1 it is draining, or does
not answer within 5 seconds; 2 it is not known where to ask, because the command line or the configuration is wrong. stderr says
why.")]
    Health(HealthArguments),
    /// Shows what would happen to each item of a batch; sends nothing
    #[command(after_help = "Examples:
  batchgate explain --config batchgate.yaml batch.json
  batchgate explain --config batchgate.yaml - < batch.json      read the batch from stdin
  batchgate explain --config batchgate.yaml -H 'Prefer: order=sequential' batch.xml
  batchgate explain --config batchgate.yaml --endpoint /orders --method PATCH orders.csv
  batchgate explain --config batchgate.yaml --content-type 'multipart/mixed; boundary=b' batch.multipart

The format is taken from --content-type, otherwise from the file's extension (.json, .xml, .ndjson, .csv), otherwise
from the first character. Header values that may be secret are masked. Exit codes: 0 the batch would be accepted, even
if items in it would be rejected; 1 it would be refused.")]
    Explain(ExplainArguments),
    /// Sends a batch file, or cuts a large file into batches
    #[command(after_help = "Examples:
  batchgate send batch.json                              a batch, as it is
  batchgate send --results results.ndjson items.ndjson   a line is an item: {\"method\":\"GET\",\"url\":\"/orders/1\"}
  batchgate send --method PATCH --path '/orders/{id}' orders.csv
  batchgate send --method PUT --path '/orders/{id}' --body status,note --batch-size 500 orders.csv
  batchgate send --url https://gateway.example -H 'Authorization: Bearer …' --endpoint /v1/batch items.ndjson

Results are lines of JSON, one for each item. Items are sent once more only if the reply says that they may be
(429, 503, `retryable`), after its Retry-After. Exit codes: 0 no item failed; 1 items failed, or the file could not be sent
to its end; 2 the command line is wrong, or the file can't be opened, and nothing was sent; 130 or 143: SIGINT or SIGTERM
ended it, and what was sent has results.")]
    Send(Box<SendArguments>),
    /// Writes a configuration to start from
    #[command(after_help = "Examples:
  batchgate init                                         write batchgate.yaml
  batchgate init --upstream http://10.0.0.1:9001 --listen 0.0.0.0:8080 gateway.yaml
  batchgate init - > batchgate.yaml                      print it

A file that exists is never changed. Exit codes: 0 the file is written; 1 it is not, and stderr says why.")]
    Init(InitArguments),
    /// Prints the JSON Schema of the configuration
    #[command(after_help = "Examples:
  batchgate schema > batchgate.schema.json

An editor with a YAML language server completes and checks a file that begins with this line:
  # yaml-language-server: $schema=batchgate.schema.json")]
    Schema,
    /// Makes a configuration of a description of services
    #[command(after_help = "Examples:
  batchgate import openapi openapi.yaml > batchgate.yaml
  batchgate import openapi openapi.yaml --upstream http://10.0.0.1:9001 --output batchgate.yaml

`batchgate import openapi --help` says more.")]
    Import(ImportArguments),
    /// Describes the endpoints as OpenAPI 3.1
    #[command(after_help = "Examples:
  batchgate openapi --config batchgate.yaml > openapi.json
  batchgate openapi --config batchgate.yaml --format yaml --server https://gateway.example

The description has the batch endpoints, in their dialects, and the bulk routes, with everything that they answer. What is
behind the routes is described by the services. Exit codes: 0 it is printed; 1 the configuration has errors.")]
    Openapi(OpenapiArguments),
    /// Runs a sample API behind the gateway and sends a batch; needs no configuration
    #[command(after_help = "Examples:
  batchgate demo                send a batch, show it, then serve until Ctrl-C
  batchgate demo --once         send a batch, show it, exit
  batchgate demo --port 9000    gateway on 9000, legacy API on 9001, admin on 9002

Without --port: gateway on 8080, legacy API on 8081, admin on 9901. All of them listen on 127.0.0.1 only. Output to a
terminal is coloured unless NO_COLOR is set.")]
    Demo(DemoArguments),
    /// Prints the script that completes command lines in a shell
    #[command(after_help = "Examples:
  batchgate completions bash > /usr/share/bash-completion/completions/batchgate
  batchgate completions zsh > /usr/share/zsh/site-functions/_batchgate
  batchgate completions fish > ~/.config/fish/completions/batchgate.fish")]
    Completions(CompletionsArguments),
    /// Prints the manual page of the program, or of one command
    #[command(after_help = "Examples:
  batchgate man > batchgate.1
  batchgate man run > batchgate-run.1
  batchgate man import openapi > batchgate-import-openapi.1
  batchgate man check | man -l -")]
    Man(ManArguments),
}

impl Command {
    /// The word that calls it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Check(_) => "check",
            Self::Health(_) => "health",
            Self::Explain(_) => "explain",
            Self::Send(_) => "send",
            Self::Init(_) => "init",
            Self::Schema => "schema",
            Self::Import(_) => "import",
            Self::Openapi(_) => "openapi",
            Self::Demo(_) => "demo",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// The file with the batch, or `-` for stdin
    #[arg(value_name = "BATCHFILE")]
    pub(super) batch: PathBuf,
    /// The batch's media type
    #[arg(long, value_name = "TYPE")]
    pub(super) content_type: Option<String>,
    /// The path of the batch endpoint or bulk route to which it would be sent, with a query if it matters [default: the
    /// first batch endpoint]
    #[arg(long, value_name = "PATH")]
    pub(super) endpoint: Option<String>,
    /// The method of the request; only bulk routes look at it
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    pub(super) method: String,
    /// A header field of the request, `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    pub(super) headers: Vec<String>,
    /// The Host of the request, which absolute urls of items must have
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub(super) host: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// Exit after the batch instead of serving on
    #[arg(long)]
    pub(super) once: bool,
    /// Use the ports N, N+1 and N+2
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(LAST_FIRST_PORT)))]
    pub(super) port: Option<u16>,
}

impl From<DemoArguments> for DemoOptions {
    fn from(arguments: DemoArguments) -> Self {
        let until = if arguments.once { DemoUntil::BatchAnswered } else { DemoUntil::Interrupted };
        Self { until, port: arguments.port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn error(line: &str) -> ErrorKind {
        Cli::try_parse_from(line.split(' ')).unwrap_err().kind()
    }

    fn demo(line: &str) -> DemoOptions {
        let read = Cli::try_parse_from(line.split(' ')).unwrap().command;
        let Command::Demo(arguments) = read else { panic!("{read:?}") };
        arguments.into()
    }

    #[test]
    fn the_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(demo("batchgate demo"), DemoOptions { until: DemoUntil::Interrupted, port: None });
        assert_eq!(
            demo("batchgate demo --once --port 7000"),
            DemoOptions { until: DemoUntil::BatchAnswered, port: Some(7000) }
        );
        let run = Cli::try_parse_from(["batchgate", "run", "--config", "a.yaml"]).unwrap();
        assert!(matches!(run.command, Command::Run(file) if file.config == *"a.yaml"));
    }

    #[test]
    fn a_strict_check_is_asked_for() {
        for (line, expected) in
            [("batchgate check -c a.yaml", false), ("batchgate check --strict -c a.yaml", true)]
        {
            let read = Cli::try_parse_from(line.split(' ')).unwrap().command;
            assert!(matches!(read, Command::Check(arguments) if arguments.strict == expected));
        }
    }

    #[test]
    fn a_batch_to_explain_is_named() {
        let line = "batchgate explain --config a.yaml -H A:b --header C:d --json -";
        let read = Cli::try_parse_from(line.split(' ')).unwrap().command;
        let Command::Explain(arguments) = read else { panic!("{read:?}") };
        assert_eq!((arguments.batch.as_path(), arguments.json), (std::path::Path::new("-"), true));
        assert_eq!(arguments.headers, ["A:b", "C:d"]);
        assert_eq!(error("batchgate explain --config a.yaml"), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        assert_eq!(error("batchgate run"), ErrorKind::MissingRequiredArgument);
        assert_eq!(error("batchgate check extra"), ErrorKind::UnknownArgument);
        assert_eq!(error("batchgate serve"), ErrorKind::InvalidSubcommand);
        assert_eq!(error("batchgate demo --port 65534"), ErrorKind::ValueValidation);
        assert_eq!(error("batchgate demo --port 0"), ErrorKind::ValueValidation);
        assert_eq!(error("batchgate"), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    }

    #[test]
    fn the_version_names_pingora_too() {
        let shown = Cli::try_parse_from(["batchgate", "--version"]).unwrap_err().to_string();
        let manifest = include_str!("../../Cargo.toml");
        let (_, after) = manifest.split_once("pingora = { version = \"=").unwrap();
        let (pinned, _) = after.split_once('"').unwrap();
        assert_eq!(shown, format!("batchgate {} (pingora {pinned})\n", env!("CARGO_PKG_VERSION")));
    }

    /// The words of an example line, without redirections and the explanation after it.
    fn words(line: &str) -> Vec<String> {
        let ends = ["   ", " && ", " > ", " < ", " | "].iter().filter_map(|end| line.find(end));
        let command = &line[..ends.min().unwrap_or(line.len())];
        let pieces = command.split('\'').enumerate();
        let words = pieces.flat_map(|(at, piece)| match at % 2 {
            0 => piece.split_whitespace().map(str::to_owned).collect(),
            _ => vec![piece.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn every_example_is_a_valid_command_line() {
        let commands = Cli::command();
        let mut helps: Vec<_> =
            commands.get_subcommands().filter_map(clap::Command::get_after_help).collect();
        helps.extend(commands.get_after_help());
        let text = helps.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let examples: Vec<_> = text.lines().filter(|line| line.starts_with("  batchgate ")).collect();
        assert!(examples.len() >= 15, "{examples:?}");
        for example in examples {
            let read = Cli::try_parse_from(words(example.trim_start()));
            assert!(read.is_ok(), "{example}: {read:?}");
        }
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.contains(&format!("  batchgate {}", command.get_name())), "{text}");
        }
    }
}
