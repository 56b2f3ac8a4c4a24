//! `respond` and `redirect` of a route: what it answers by itself.

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::headers::is_hidden;
use super::listener::Listener;
use super::resolver::{Refused, Resolved, Resolver, Seen, all};
use super::yaml::diagnostic::quoted;
use super::yaml::secrets::STARS;
use super::yaml::span::Span;
use super::yaml::wrappers::{At, Named};
use crate::route::{
    AbsoluteUrl, PathPattern, Redirect, RedirectQuery, Respond, RouteIndex, RouteTable, redirect_loop,
};

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RespondDocument {
    /// Its status.
    #[schemars(range(min = 200, max = 599), example = 404)]
    pub(in crate::config) status: u16,
    /// Its body.
    #[serde(default)]
    pub(in crate::config) body: At<String>,
    /// The body's media type.
    #[serde(default = "default_content_type")]
    pub(in crate::config) content_type: At<String>,
    /// Its other header fields.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "Retry-After": "60" }]))]
    pub(in crate::config) headers: Named<At<String>>,
}

/// Sends the client elsewhere, with the rest of its path and its query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RedirectDocument {
    /// What takes the place of the route's path, with the variables of that path. On another server: a url
    /// (`https://other.example/new/`). The request's query follows a query that it has; with a `?` at the end it is left out.
    #[schemars(example = &"/new/")]
    pub(in crate::config) to: At<String>,
    /// The status. 307 and 308 keep the method and the body.
    #[serde(default = "permanent")]
    #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
    pub(in crate::config) status: At<u16>,
}

impl RespondDocument {
    /// Puts stars in place of values that came from the environment or whose field names a secret.
    pub(super) fn mask(&mut self) {
        for (name, value) in &mut self.headers.0 {
            if is_hidden(name, value) {
                STARS.clone_into(&mut value.value);
            }
        }
    }
}

impl RedirectDocument {
    /// Puts stars in place of the query's own part. What is shown can be loaded, and leaves out the request's query where this does.
    pub(super) fn mask(&mut self) {
        if let Some((target, own)) = self.to.value.split_once('?') {
            let end = if own.ends_with('?') { "?" } else { "" };
            if !own.trim_end_matches('?').is_empty() {
                self.to.value = format!("{target}?{STARS}{end}");
            }
        }
    }
}

impl Resolver<'_> {
    pub(super) fn respond(&mut self, document: &At<RespondDocument>) -> Resolved<Respond> {
        let RespondDocument { status, body, content_type, headers } = &document.value;
        let status = StatusCode::from_u16(*status).map_err(|_| Refused)?;
        let headers = self.fields_of_answer(headers)?;
        let bodyless =
            matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        if bodyless && !body.value.is_empty() {
            let message = format!("a reply with status {} has no body", status.as_u16());
            return self.refuse(body.span, message, "remove the body, or answer with another status");
        }
        if needs_location(status.as_u16()) && !headers.iter().any(|(name, _)| *name == header::LOCATION) {
            let message = format!("a reply with status {} needs a Location", status.as_u16());
            let help = "write `redirect: { to: /new/ }` in place of `respond`, or answer with another status";
            return self.refuse(document.span, message, help);
        }
        if HeaderValue::from_str(&content_type.value).is_err() || !content_type.value.contains('/') {
            let message = format!("{} is not a media type", content_type.shown());
            return self.refuse(content_type.span, message, "write it as `text/plain; charset=utf-8`");
        }
        Ok(Respond {
            status,
            body: Bytes::from(body.value.clone()),
            content_type: content_type.value.clone(),
            headers,
        })
    }

    fn fields_of_answer(&mut self, headers: &Named<At<String>>) -> Resolved<Vec<(HeaderName, HeaderValue)>> {
        let mut seen = Seen::new();
        all(headers.0.iter().map(|(name, value)| {
            let field = self.settable(name)?;
            if field == header::CONTENT_TYPE {
                return self.refuse(name.span, "`content_type` is the body's media type", "write it there");
            }
            self.only_once(&mut seen, field.clone(), name, |name| format!("the header {name} is set twice"))?;
            Ok((field, self.text_of_field(name, value)?))
        }))
    }

    /// A redirect of a route with this path.
    pub(super) fn redirect(
        &mut self,
        document: &RedirectDocument,
        path: Option<&PathPattern>,
    ) -> Resolved<Redirect> {
        let RedirectDocument { to, status } = document;
        if !needs_location(status.value) {
            let message = format!("{} is not the status of a redirect", status.value);
            return self.refuse(status.span, message, "write 301, 302, 303, 307 or 308");
        }
        let (target, query) = self.query_of_redirect(to)?;
        let (origin, rest) = self.parts_of_redirect(&target)?;
        let to = At { value: rest, ..to.clone() };
        let pattern = self.route_path(&to)?;
        let from = path.ok_or(Refused)?;
        self.known_variables(&to, &pattern, from)?;
        let status = StatusCode::from_u16(status.value).map_err(|_| Refused)?;
        Ok(Redirect { status, from: from.clone(), origin: origin.into(), to: pattern, query })
    }

    /// The target without its query, and what becomes of the query. As in nginx, a question mark at the very end keeps the
    /// request's query out.
    fn query_of_redirect(&mut self, to: &At<String>) -> Resolved<(At<String>, RedirectQuery)> {
        let Some((target, own)) = to.value.split_once('?') else {
            return Ok((to.clone(), RedirectQuery::Before("".into())));
        };
        let target = At { value: target.to_owned(), ..to.clone() };
        let query = match own.strip_suffix('?') {
            Some(own) => RedirectQuery::Only(own.into()),
            None if own.is_empty() => RedirectQuery::Only("".into()),
            None => RedirectQuery::Before(own.into()),
        };
        if own.contains(['{', '}']) {
            let message = format!("{} has a variable in its query", to.shown());
            return self.refuse(to.span, message, "use variables in the path of the target only");
        }
        if own.contains('#') {
            let message = format!("{} has a `#`, and the request's query would follow it", to.shown());
            return self.refuse(to.span, message, "remove the fragment, or encode the character as `%23`");
        }
        let is_refused = |query: &str| format!("/?{query}").parse::<http::Uri>().is_err();
        if let Some(character) = own.chars().find(|character| is_refused(&character.to_string())) {
            let message =
                format!("the query of {} has {character:?} in it, which must be encoded", to.shown());
            return self.refuse(to.span, message, "encode it, for example a blank as `%20`");
        }
        if is_refused(own) {
            return self.refuse(to.span, format!("the query of {} is too long", to.shown()), "shorten it");
        }
        if target.value.is_empty() {
            let message = format!("{} is a query without a path", to.shown());
            return self.refuse(to.span, message, "write the path before it, such as `/new/?x=1`");
        }
        Ok((target, query))
    }

    /// The origin of another server, or nothing, and the path.
    fn parts_of_redirect(&mut self, to: &At<String>) -> Resolved<(String, String)> {
        let absolute = AbsoluteUrl::parse(&to.value).filter(AbsoluteUrl::is_http);
        if let Some(url) = absolute
            && url.authority.parse::<Authority>().is_ok()
            && !url.authority.contains('@')
        {
            let origin = to.value.strip_suffix(url.rest).unwrap_or(&to.value);
            return Ok((origin.to_owned(), url.target().to_owned()));
        }
        if absolute.is_none() && to.value.starts_with('/') {
            return Ok((String::new(), to.value.clone()));
        }
        let message = format!("{} is neither a path nor a url", to.shown());
        self.refuse(to.span, message, "write `/new/`, or `https://other.example/new/`")
    }

    /// Refuses redirects that lead back to themselves. `places`: where each route's redirect is written.
    pub(super) fn redirect_loops(
        &mut self,
        places: &[Option<Span>],
        routes: &RouteTable,
        listeners: &[Listener],
    ) {
        let ports: Vec<_> = listeners.iter().flat_map(Listener::ports).collect();
        for (position, place) in places.iter().enumerate() {
            let Some(circle) = redirect_loop(routes, RouteIndex(position), &ports) else { continue };
            let names = circle.iter().filter_map(|index| routes.get(*index)).map(|route| quoted(&route.name));
            let names = names.collect::<Vec<_>>().join(", ");
            let help = "send clients to a path that no redirect covers, or name the host of another server";
            let _: Resolved<()> =
                self.refuse(*place, format!("the redirect never ends: it goes round {names}"), help);
        }
    }
}

/// Redirects: without a Location no client can follow them (RFC 9110 §15.4).
const fn needs_location(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn permanent() -> At<u16> {
    308.into()
}

fn default_content_type() -> At<String> {
    "text/plain; charset=utf-8".to_owned().into()
}
