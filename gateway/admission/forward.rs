//! Authentication by a service (`auth.forward`): the gateway asks it about each request and trusts its answer.
//!
//! In: the request's head. Out: an [`Identity`], or a refusal. The question is an ordinary call to the service's
//! upstream; this module says what to ask and reads the answer. It does not send anything: a caller that can make calls
//! implements [`AuthService`].

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::batch::AdmissionRefusal;
use crate::config::{AuthWay, ForwardAuth, JwksUrl};
use crate::dispatch::UpstreamReply;
use crate::header::cache_control::shared_lifetime;
use crate::header::field::Fields;
use crate::header::inherit::all_values;
use crate::header::spelling::Spellings;
use crate::plan::Call;

use super::answers::{Answers, Judged};
use super::caller::Caller;
use super::challenges::Challenges;
use super::fetched_keys::FetchedKeys;
use super::identity::Identity;
use super::passwords::Passwords;
use super::question::Question;

/// Characters of a client's name that are kept.
const MAX_NAME: usize = 128;

/// The service can't say now whether a client has access.
const UNAVAILABLE: AdmissionRefusal = AdmissionRefusal::AuthenticationUnavailable {
    problem: "the authentication service does not answer (auth.forward)",
};

/// Makes calls to the service, checks passwords, and has the keys of issuers.
pub(crate) trait AuthService {
    /// What checks passwords.
    fn passwords(&self) -> &Passwords;

    /// The keys at this url of the configuration.
    fn fetched_keys(&self, source: &JwksUrl) -> Option<Arc<FetchedKeys>>;

    /// What is remembered of the service's answers, if anything is.
    fn answers(&self, forward: &ForwardAuth) -> Option<&Answers>;

    /// Asks the service, for no longer than `forward.timeout`; `None` if there is no complete answer by then.
    fn ask(
        &self,
        forward: &ForwardAuth,
        question: Question,
    ) -> impl Future<Output = Option<UpstreamReply>> + Send;
}

/// Asks the service about a request, unless its answer is known.
///
/// # Errors
/// It refuses the request, or does not answer in time.
pub(super) async fn ask(
    forward: &ForwardAuth,
    caller: &Caller,
    head: &Parts,
    service: &impl AuthService,
    challenges: &Challenges,
) -> Result<Identity, AdmissionRefusal> {
    let question = question(forward, caller, head).ok_or(UNAVAILABLE)?;
    let known = service.answers(forward);
    let key = known.map(|answers| answers.key(&question, &challenges.all()));
    let ask = async {
        let answer = service.ask(forward, question).await;
        let lifetime = answer.as_ref().and_then(|answer| shared_lifetime(&answer.headers));
        let result = answer.ok_or(UNAVAILABLE).and_then(|answer| judge(forward, head, &answer, challenges));
        Judged { result, lifetime }
    };
    match known.zip(key) {
        Some((answers, key)) => answers.answer(key, ask).await,
        None => ask.await.result,
    }
}

/// What an answer means.
fn judge(
    forward: &ForwardAuth,
    head: &Parts,
    answer: &UpstreamReply,
    challenges: &Challenges,
) -> Result<Identity, AdmissionRefusal> {
    match answer.status {
        status if status.is_success() => Ok(identity(forward, head, &answer.headers)),
        StatusCode::UNAUTHORIZED => {
            let own = all_values(&answer.headers, &header::WWW_AUTHENTICATE);
            let own = own.as_ref().and_then(|value| value.to_str().ok());
            let challenge = own.map_or_else(|| challenges.all(), |own| challenges.with(own));
            Err(AdmissionRefusal::Unauthenticated { problem: "the credential is not accepted", challenge })
        }
        // A redirection leads to a page where people log in.
        status if status.is_redirection() => Err(AdmissionRefusal::Unauthenticated {
            problem: "a credential is missing",
            challenge: challenges.all(),
        }),
        StatusCode::TOO_MANY_REQUESTS => Err(UNAVAILABLE),
        status if status.is_client_error() => Err(AdmissionRefusal::Forbidden),
        _ => Err(UNAVAILABLE),
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
        named: None,
        name: name.filter(|name| !name.is_empty()).map(Into::into),
        credentials: forward.headers.iter().filter(is_present).cloned().collect(),
        added: fields(answer, &forward.add),
    }
}

/// These fields, each with all its values. The service must judge what the others get, not a part of it.
fn fields(headers: &HeaderMap, names: &[HeaderName]) -> Fields {
    names.iter().filter_map(|name| Some((name.clone(), all_values(headers, name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_asked_about_all_values_of_a_field() {
        let fields =
            [("cookie", "a=1"), ("x-thing", "good"), ("cookie", "b=2"), ("x-thing", "evil"), ("x-one", "1")];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        for (name, expected) in [
            ("cookie", Some("a=1; b=2")),
            ("x-thing", Some("good, evil")),
            ("x-one", Some("1")),
            ("x-none", None),
        ] {
            let joined = all_values(&headers, &HeaderName::from_static(name));
            assert_eq!(joined.as_ref().map(|value| value.to_str().unwrap()), expected, "{name}");
        }
    }
}
