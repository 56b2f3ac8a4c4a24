//! `batchgate openapi`: describes the endpoints of a configuration as OpenAPI.

use std::error::Error;

use clap::ValueEnum;
use http::Uri;

use super::config_file::ConfigFile;
use crate::openapi::describe;
use crate::terminal::print_line;

#[derive(Debug, clap::Args)]
pub(super) struct OpenapiArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// The form of the document
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Json)]
    format: Form,
    /// Where clients reach the gateway, a url without a query; `/` is where they got the document from
    #[arg(long, value_name = "URL", default_value = "/", value_parser = server)]
    server: String,
}

/// A form of the document.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Json,
    Yaml,
}

/// Prints the description.
pub(super) fn run(arguments: &OpenapiArguments) -> Result<(), Box<dyn Error>> {
    let settings = arguments.file.source()?.load()?.settings;
    let document = describe(&settings, &arguments.server);
    let text = match arguments.format {
        Form::Json => serde_json::to_string_pretty(&document)?,
        Form::Yaml => serde_saphyr::to_string(&document)?,
    };
    print_line(text.trim_end());
    Ok(())
}

fn server(text: &str) -> Result<String, &'static str> {
    let is_url = |uri: Uri| uri.query().is_none() && (uri.scheme().is_some() || text.starts_with('/'));
    let is_good = text.parse().is_ok_and(is_url);
    if is_good { Ok(text.to_owned()) } else { Err("write a url, such as https://gateway.example") }
}
