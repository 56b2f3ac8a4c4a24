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
    Ok(print_line(text.trim_end())?)
}

fn server(text: &str) -> Result<String, &'static str> {
    let is_web_or_path = |uri: &Uri| match uri.scheme_str() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        None => text.starts_with('/'),
    };
    // A document for everyone is no place for a password.
    let names_user = |uri: &Uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let is_good =
        text.parse().is_ok_and(|uri: Uri| uri.query().is_none() && is_web_or_path(&uri) && !names_user(&uri));
    if is_good {
        Ok(text.to_owned())
    } else {
        Err(
            "write http:// or https:// and the host, such as https://gateway.example, or a path, such as /api",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_urls_of_the_web_or_paths() {
        for good in ["/", "/api", "https://gateway.example", "http://10.0.0.1:8080/api", "HTTPS://GATEWAY"] {
            assert_eq!(server(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "gateway.example", "ftp://gateway", "unix:/run/a", "https://g?a=b", "https://u:p@gateway"]
        {
            assert!(server(bad).is_err(), "{bad}");
        }
    }
}
