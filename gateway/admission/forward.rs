//! Authentication by a service (`auth.forward`): the gateway asks it about each request and trusts its answer.
//!
//! In: the request's head. Out: an [`Identity`], or a refusal. The question is an ordinary call to the service's
//! upstream; this module says what to ask and reads the answer. It does not send anything: a caller that can make calls
//! implements [`AuthService`].

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::batch::AdmissionRefusal;
use crate::config::{AuthWay, ForwardAuth};
use crate::dispatch::UpstreamReply;
use crate::header::field::Fields;
use crate::header::forwarded::ForwardedBy;
use crate::header::spelling::Spellings;
use crate::plan::Call;

use super::caller::Caller;
use super::identity::Identity;
use super::passwords::Passwords;

/// Characters of a client's name that are kept.
const MAX_NAME: usize = 128;

/// What the service is asked: a GET without a body.
pub(crate) struct Question {
    pub(crate) call: Call,
    /// The fields of the hop. They name the method and the url of the request that it is about.
    pub(crate) hop: ForwardedBy,
}

/// Makes calls to the service, and checks passwords.
pub(crate) trait AuthService {
    /// What checks passwords.
    fn passwords(&self) -> &Passwords;

    /// Asks the service, for no longer than `forward.timeout`; `None` if there is no complete answer by then.
    fn ask(
        &self,
        forward: &ForwardAuth,
        question: Question,
    ) -> impl Future<Output = Option<UpstreamReply>> + Send;
}

/// Asks the service about a request.
///
/// # Errors
/// It refuses the request, or does not answer in time.
pub(super) async fn ask(
    forward: &ForwardAuth,
    caller: &Caller,
    head: &Parts,
    service: &impl AuthService,
    challenge: &str,
) -> Result<Identity, AdmissionRefusal> {
    let answer = match question(forward, caller, head) {
        Some(question) => service.ask(forward, question).await,
        None => None,
    };
    let answer = answer.ok_or(AdmissionRefusal::AuthenticationUnavailable)?;
    if answer.status.is_success() {
        return Ok(identity(forward, head, &answer.headers));
    }
    match answer.status {
        StatusCode::UNAUTHORIZED => {
            let own = answer.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let challenge = own.unwrap_or(challenge).to_owned();
            Err(AdmissionRefusal::Unauthenticated { problem: "the credential is not accepted", challenge })
        }
        // A redirection leads to a page where people log in.
        status if status.is_redirection() => Err(AdmissionRefusal::Unauthenticated {
            problem: "a credential is missing",
            challenge: challenge.to_owned(),
        }),
        StatusCode::TOO_MANY_REQUESTS => Err(AdmissionRefusal::AuthenticationUnavailable),
        status if status.is_client_error() => Err(AdmissionRefusal::Forbidden),
        _ => Err(AdmissionRefusal::AuthenticationUnavailable),
    }
}

/// The question about a request; `None` if its url can't be the value of a field.
fn question(forward: &ForwardAuth, caller: &Caller, head: &Parts) -> Option<Question> {
    let mut hop = caller.forwarded_by(&head.headers);
    let url = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    for (name, value) in [("x-forwarded-method", head.method.as_str()), ("x-forwarded-uri", url)] {
        hop.fields.push((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?));
    }
    let call = Call {
        route: None,
        upstream: forward.upstream,
        target: forward.path.as_str().into(),
        headers: fields(&head.headers, &forward.headers),
        spellings: Spellings::default(),
        references: Vec::new(),
        body: None,
        timeout: None,
    };
    Some(Question { call, hop })
}

fn identity(forward: &ForwardAuth, head: &Parts, answer: &HeaderMap) -> Identity {
    let name = forward.name.as_ref().and_then(|name| answer.get(name)).and_then(|value| value.to_str().ok());
    let name = name.map(|name| name.chars().take(MAX_NAME).collect::<String>());
    let is_present = |name: &&HeaderName| head.headers.contains_key(*name);
    Identity {
        way: Some(AuthWay::Forward),
        name: name.filter(|name| !name.is_empty()).map(Into::into),
        credentials: forward.headers.iter().filter(is_present).cloned().collect(),
        added: fields(answer, &forward.add),
    }
}

/// The first value of each of these fields.
fn fields(headers: &HeaderMap, names: &[HeaderName]) -> Fields {
    let found = names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    found.collect()
}
