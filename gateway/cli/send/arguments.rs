//! The arguments of `batchgate send`, and what they mean together.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::records::{Body, PathTemplate, Template};
use super::sender::Sender;
use crate::cli::misuse::usage;
use crate::cli::request_parts::{field, type_by_ending};
use crate::header::field::is_of_framing;
use crate::http_client::{HttpClient, Server, tls_config};
use crate::route::{TemplateError, UrlTemplate, is_safe, known_method};

#[derive(Debug, clap::Args)]
pub(crate) struct SendArguments {
    /// The file to send, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The gateway: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = gateway)]
    url: Server,
    /// The path of the batch endpoint, with a query if it needs one
    #[arg(long, value_name = "PATH", default_value = "/batch", value_parser = endpoint)]
    endpoint: String,
    /// A header field of each batch, `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What the file is [default: by its name: .csv, .ndjson and .jsonl are cut into batches; .json, .xml and .txt are sent as
    /// they are]
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    content_type: Option<HeaderValue>,
    /// Make an item of each record, with this method
    #[arg(long, value_name = "METHOD", requires = "path", value_parser = method)]
    method: Option<String>,
    /// The path of each record's item, such as `/orders/{id}`; `{id}` is a column
    #[arg(long, value_name = "PATH", requires = "method", value_parser = template)]
    path: Option<PathTemplate>,
    /// The columns of each item's body [default: all; none for GET, HEAD, OPTIONS, TRACE and DELETE]
    #[arg(long, value_name = "COLUMN,…", requires = "method", value_delimiter = ',')]
    body: Option<Vec<String>>,
    /// Items of a batch
    #[arg(long, value_name = "N", default_value = "100", value_parser = count)]
    batch_size: NonZeroUsize,
    /// Batches under way at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = count)]
    concurrency: NonZeroUsize,
    /// How often an item is sent once more, if the reply says that it may be
    #[arg(long, value_name = "N", default_value = "3", value_parser = retries)]
    retries: u32,
    /// How many seconds a batch may take
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    timeout: NonZeroU64,
    /// The file for the results [default: standard output]
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// PEM certificates to trust in place of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What to do.
pub(super) struct Plan {
    pub(super) file: PathBuf,
    pub(super) form: Form,
    pub(super) sender: Sender,
    pub(super) batch_size: usize,
    pub(super) concurrency: usize,
    pub(super) results: Option<PathBuf>,
}

/// What the file is.
pub(super) enum Form {
    /// A batch of this media type.
    Batch(HeaderValue),
    /// NDJSON: items, or records if there is a template.
    Lines(Option<Template>),
    /// CSV.
    Rows(Template),
}

/// Bytes of a reply.
const MAX_REPLY: usize = 256 << 20;

impl SendArguments {
    /// What the arguments mean, or how they contradict each other.
    pub(super) fn plan(self) -> Result<Plan, clap::Error> {
        let form = self.form()?;
        let tls = match &self.url {
            Server::Tls { .. } => {
                let config = tls_config(self.ca.as_deref());
                Some(config.map_err(|error| no_authorities(self.ca.as_deref(), &error))?)
            }
            Server::Tcp(_) | Server::Unix(_) => None,
        };
        let timeout = Duration::from_secs(self.timeout.get());
        let sender = Sender {
            client: HttpClient { timeout, max_reply: MAX_REPLY, tls },
            server: self.url,
            endpoint: self.endpoint,
            headers: HeaderMap::from_iter(self.headers),
            retries: self.retries,
        };
        let (batch_size, concurrency) = (self.batch_size.get(), self.concurrency.get());
        Ok(Plan { file: self.file, form, sender, batch_size, concurrency, results: self.results })
    }

    fn form(&self) -> Result<Form, clap::Error> {
        let by_name = || type_by_ending(&self.file).map(HeaderValue::from_static);
        let Some(content_type) = self.content_type.clone().or_else(by_name) else {
            return Err(usage(
                "the name of the file does not say what it is; add --content-type, such as application/x-ndjson",
            ));
        };
        let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        match (essence.to_ascii_lowercase().as_str(), self.template()) {
            ("text/csv", Some(template)) => Ok(Form::Rows(template)),
            ("text/csv", None) => Err(usage(
                "rows of CSV need --method and --path, such as --method PATCH --path '/orders/{id}'",
            )),
            ("application/x-ndjson" | "application/ndjson" | "application/jsonl", template) => {
                Ok(Form::Lines(template))
            }
            (_, None) => Ok(Form::Batch(content_type)),
            (_, Some(_)) => Err(usage("--method and --path are for records: NDJSON or CSV")),
        }
    }

    fn template(&self) -> Option<Template> {
        let (method, path) = (self.method.clone()?, self.path.clone()?);
        let body = match &self.body {
            Some(columns) => body_of(columns),
            None if known_method(&method)
                .is_some_and(|method| is_safe(&method) || method == http::Method::DELETE) =>
            {
                Body::None
            }
            None => Body::All,
        };
        Some(Template { method, path, body })
    }
}

fn no_authorities(ca: Option<&Path>, error: &std::io::Error) -> clap::Error {
    usage(&match ca {
        Some(file) => format!("--ca {} can't be used: {error}", file.display()),
        None => format!("the system's certificates can't be read: {error}; name others with --ca"),
    })
}

/// The names between the commas, without the blanks around them.
fn body_of(columns: &[String]) -> Body {
    let names = columns.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(str::to_owned).collect();
    if names.is_empty() { Body::None } else { Body::Columns(names) }
}

impl Plan {
    pub(super) fn unreadable(&self, error: &std::io::Error) -> clap::Error {
        usage(&format!("{} can't be read: {error}", self.file.display()))
    }

    pub(super) fn no_results(&self, error: &std::io::Error) -> clap::Error {
        let file = self.results.as_deref().unwrap_or(Path::new("-"));
        usage(&format!("--results {} can't be written: {error}", file.display()))
    }

    pub(super) fn results_are_input(&self) -> clap::Error {
        let file = self.file.display();
        usage(&format!(
            "--results leads to {file}, the file to send; results would destroy it: give another file"
        ))
    }
}

fn gateway(text: &str) -> Result<Server, &'static str> {
    const FORM: &str = "write http://HOST:PORT, https://HOST:PORT or unix:/path; the path of the endpoint goes to --endpoint";
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Server::Unix(Path::new(path).to_owned()));
    }
    let uri: Uri = text.parse().map_err(|_| FORM)?;
    let names_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if names_user || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(FORM);
    }
    Server::from_url(&uri).ok_or(FORM)
}

fn count(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "write a number, 1 or more")
}

fn retries(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "write a number; 0 means that nothing is sent once more")
}

fn seconds(text: &str) -> Result<NonZeroU64, &'static str> {
    text.parse().map_err(|_| "write a number of seconds, 1 or more")
}

fn media_type(text: &str) -> Result<HeaderValue, &'static str> {
    let has_type = text.split_once('/').is_some_and(|(kind, _)| !kind.trim().is_empty());
    let value = HeaderValue::from_str(text.trim()).ok().filter(|_| has_type);
    value.ok_or("write a media type, such as application/x-ndjson")
}

fn endpoint(text: &str) -> Result<String, &'static str> {
    let is_good = text.starts_with('/') && text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_none());
    if is_good { Ok(text.to_owned()) } else { Err("write a path, such as /batch") }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = field(text).ok_or("write 'Name: value'")?;
    if is_of_framing(&name) {
        return Err("leave it out: send says itself where a batch ends");
    }
    if name == ACCEPT {
        return Err("leave it out: send reads results as JSON");
    }
    if name == CONTENT_TYPE {
        return Err("leave it out: --content-type says what the file is");
    }
    Ok((name, value))
}

fn method(text: &str) -> Result<String, &'static str> {
    known_method(text).map(|method| method.to_string()).ok_or("write PATCH, for example")
}

fn template(text: &str) -> Result<PathTemplate, String> {
    match UrlTemplate::parse(text) {
        Ok(template) => Ok(PathTemplate::Filled(template)),
        Err(TemplateError::NoVariable) => endpoint(text).map(PathTemplate::Fixed).map_err(str::to_owned),
        Err(error) => Err(format!("it {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_are_read() {
        for (text, shown) in [
            ("http://h", "h:80"),
            ("http://[::1]:8080/", "[::1]:8080"),
            ("https://h", "h:443"),
            ("unix:/run/x", "unix:/run/x"),
        ] {
            assert_eq!(gateway(text).unwrap().to_string(), shown);
        }
        for text in ["h:80", "ftp://h", "http://h/batch", "http://u:p@h", "http://", ""] {
            assert!(gateway(text).is_err(), "{text}");
        }
    }

    #[test]
    fn blanks_around_columns_do_not_count() {
        let body = |columns: [&str; 2]| body_of(&columns.map(str::to_owned));
        assert_eq!(body(["status", " note "]), Body::Columns(vec!["status".to_owned(), "note".to_owned()]));
        assert_eq!(body(["", " "]), Body::None);
    }

    #[test]
    fn paths_may_have_columns() {
        assert!(matches!(template("/orders"), Ok(PathTemplate::Fixed(_))));
        assert!(matches!(template("/orders/{id}"), Ok(PathTemplate::Filled(_))));
        for text in ["orders", "/a/{id", "/a/{+id}", "http://h/{id}"] {
            assert!(template(text).is_err(), "{text}");
        }
    }
}
