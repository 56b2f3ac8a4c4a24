//! `servers`: where the service is. The document's are one upstream; a path with servers of its own has another one.
//!
//! Several servers in one list are not copies of one service but its stages or regions, of which a client chooses one. The
//! gateway can't choose, so a second one is a loss.

use http::Uri;

use super::error::ImportError;
use super::loss::Losses;
use super::source::Place;

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) target: String,
    /// The values that the document has for the variables of its url.
    pub(super) variables: Vec<(String, String)>,
}

/// The upstreams, by index.
#[derive(Clone, Debug)]
pub(super) struct Upstreams {
    pub(super) list: Vec<Upstream>,
    /// Whether the command line says where the service is.
    is_given: bool,
}

impl Upstreams {
    /// That of the document, which is the first.
    pub(super) fn of_document(
        root: &Place<'_>,
        given: Option<&str>,
        losses: &mut Losses,
    ) -> Result<Self, ImportError> {
        let title = root.get("info").and_then(|info| info.text("title"));
        let name = name_of(title.unwrap_or_default());
        if let Some(target) = given {
            let upstream = Upstream { name, target: target.to_owned(), variables: Vec::new() };
            return Ok(Self { list: vec![upstream], is_given: true });
        }
        let none = || ImportError::NoServer {
            pointer: "/servers".to_owned(),
            problem: "the document names no server".to_owned(),
        };
        let (target, variables) = target(&root.get("servers").ok_or_else(none)?, losses)
            .map_err(|(pointer, problem)| ImportError::NoServer { pointer, problem })?;
        Ok(Self { list: vec![Upstream { name, target, variables }], is_given: false })
    }

    /// The index of the upstream of a path, which may have servers of its own.
    pub(super) fn of_path(&mut self, path: &Place<'_>, losses: &mut Losses) -> usize {
        let Some(servers) = path.get("servers") else { return 0 };
        if self.is_given {
            losses
                .add(servers.pointer, "--upstream says where the service is, so these servers are not used");
            return 0;
        }
        match target(&servers, losses) {
            Ok((target, variables)) => {
                let known = self.list.iter().position(|upstream| upstream.target == target);
                known.unwrap_or_else(|| {
                    let name = self.list.first().map_or("service", |first| &first.name);
                    let name = format!("{name}-{}", self.list.len() + 1);
                    self.list.push(Upstream { name, target, variables });
                    self.list.len() - 1
                })
            }
            Err((pointer, problem)) => {
                losses.add(pointer, format!("{problem}; the path goes to the document's server"));
                0
            }
        }
    }
}

type Wrong = (String, String);

/// The target that a list of servers names, and the values of its variables.
fn target(servers: &Place<'_>, losses: &mut Losses) -> Result<(String, Vec<(String, String)>), Wrong> {
    let mut list = servers.elements();
    let Some(server) = list.next() else {
        return Err((servers.pointer.clone(), "there is no server".to_owned()));
    };
    for other in list {
        let problem = "a second server: which of them a client means, the gateway can't know; the first one is used, or \
                       say which with --upstream";
        losses.add(other.pointer, problem);
    }
    losses.unknown_keys(&server, &["url", "description", "variables", "name"]);
    let url = server.text("url").unwrap_or("/");
    let (url, variables) = filled(url, &server)?;
    let pointer = || server.get("url").unwrap_or_else(|| server.clone()).pointer;
    let uri: Uri = url.parse().map_err(|_| (pointer(), format!("`{url}` is not a url")))?;
    if uri.scheme().is_none() {
        return Err((pointer(), format!("`{url}` is relative to where the document is")));
    }
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
        return Err((pointer(), format!("`{url}` is not the http or https url of a service")));
    }
    Ok((url.trim_end_matches('/').to_owned(), variables))
}

/// The url with the defaults of its variables.
fn filled(url: &str, server: &Place<'_>) -> Result<(String, Vec<(String, String)>), Wrong> {
    let (mut filled, mut variables, mut rest) = (String::new(), Vec::new(), url);
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
        let variable = server.get("variables").and_then(|variables| variables.get(name));
        let default = variable.as_ref().and_then(|variable| variable.text("default"));
        let Some(default) = default else {
            let place = variable.unwrap_or_else(|| server.clone());
            return Err((place.pointer, format!("the variable `{name}` of the server's url has no default")));
        };
        filled.push_str(before);
        filled.push_str(default);
        variables.push((name.to_owned(), default.to_owned()));
        rest = behind;
    }
    filled.push_str(rest);
    Ok((filled, variables))
}

/// What readers of YAML take for something else than a text, as numbers.
const NO_TEXTS: [&str; 7] = ["null", "true", "false", "yes", "no", "on", "off"];

/// A name for an upstream: letters, digits and `-`. It is a text for every reader of YAML, without quotes.
fn name_of(title: &str) -> String {
    let words = title.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).take(4).map(str::to_ascii_lowercase).collect();
    let name = words.join("-");
    let is_text = name.starts_with(|first: char| first.is_ascii_alphabetic()) && !NO_TEXTS.contains(&&*name);
    match (name.as_str(), is_text) {
        ("", _) => "service".to_owned(),
        (_, true) => name,
        (_, false) => format!("service-{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_text() {
        for (title, name) in [
            ("Swagger Petstore", "swagger-petstore"),
            ("", "service"),
            ("null", "service-null"),
            ("True", "service-true"),
            ("1.5e3", "service-1-5e3"),
            ("3scale", "service-3scale"),
        ] {
            assert_eq!(name_of(title), name);
        }
    }
}
