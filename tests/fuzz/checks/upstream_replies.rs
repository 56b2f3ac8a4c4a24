//! The replies of a service over HTTP/1.1, of a call alone and of calls that were sent ahead: each call gets its own reply, however the
//! bytes are cut, and a connection with a byte too many carries no other.

use batchgate::dispatch::{CallFailure, UpstreamReply};
use batchgate::replay::{Ahead, Alone, HandedOn, Seen, Service, Then, ahead, alone, handed_on};
use http::Method;

use super::plain_replies::{Not, PlainReply, read};

const MOST_CALLS: usize = 5;

const MOST_BYTES: usize = 32 << 10;

/// What the first line says.
struct Setting {
    methods: Vec<Method>,
    /// The size of the pieces.
    size: usize,
    then: Then,
    /// How many requests the service takes of those that are sent ahead.
    takes: usize,
    limit: Limit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    Large,
    Small,
}

impl Setting {
    /// Digits are the size of the pieces, `G`, `H`, `P` are methods, `c` closes the connection, `t` lets the service take only
    /// one request and the first byte of the next, and `s` makes the limits small.
    fn of(line: &[u8]) -> Self {
        let mut found =
            Self { methods: Vec::new(), size: 0, then: Then::Waits, takes: MOST_CALLS, limit: Limit::Large };
        for byte in line {
            match byte {
                b'0'..=b'9' => found.size = (found.size * 10 + usize::from(byte - b'0')).min(9999),
                b'G' => found.methods.push(Method::GET),
                b'H' => found.methods.push(Method::HEAD),
                b'P' => found.methods.push(Method::PUT),
                b'c' => found.then = Then::Closes,
                b't' => found.takes = 1,
                b's' => found.limit = Limit::Small,
                _ => {}
            }
        }
        found.methods.truncate(MOST_CALLS);
        if found.methods.is_empty() {
            found.methods.push(Method::GET);
        }
        found
    }

    fn whole<'bytes>(&self, bytes: &'bytes [u8]) -> Service<'bytes> {
        let (max_item_reply, max_reply) = match self.limit {
            Limit::Large => (1 << 20, 1 << 24),
            Limit::Small => (64, 100),
        };
        Service { pieces: vec![bytes], then: self.then, takes: self.takes, max_item_reply, max_reply }
    }

    fn cut<'bytes>(&self, bytes: &'bytes [u8]) -> Service<'bytes> {
        Service { pieces: bytes.chunks(self.size.max(1)).collect(), ..self.whole(bytes) }
    }
}

/// The first line says what was asked, and how the rest comes.
pub(crate) fn upstream_replies(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (setting, bytes) = (Setting::of(&input[..end]), &input[end + 1..]);
    if bytes.len() > MOST_BYTES {
        return;
    }
    let seen = one(&setting, bytes);
    beside_the_plain_reader(&setting, bytes, &seen);
    in_order(&setting, bytes);
}

/// The first call, alone and handed on.
fn one(setting: &Setting, bytes: &[u8]) -> Alone {
    let (whole, cut) = (setting.whole(bytes), setting.cut(bytes));
    let method = &setting.methods[0];
    let (seen, seen_cut) = (alone(&whole, method), alone(&cut, method));
    for seen in [&seen, &seen_cut] {
        within_limits(&whole, std::slice::from_ref(&seen.seen), seen.held);
        assert!(!seen.is_reusable || seen.stays_open && seen.surplus == 0, "{seen:?}");
    }
    let is_same = same(setting, &seen.seen, &seen_cut.seen)
        && Alone { seen: Seen::Waits, ..seen.clone() } == Alone { seen: Seen::Waits, ..seen_cut.clone() };
    assert!(is_same, "whole: {seen:?}\ncut: {seen_cut:?}");
    let (streamed, streamed_cut) = (handed_on(&whole, method), handed_on(&cut, method));
    assert_eq!(streamed, streamed_cut, "handed on whole, and cut");
    if !is_too_large(&seen.seen) && setting.limit == Limit::Large {
        assert_eq!(seen.seen, streamed.seen, "alone, and handed on");
        assert_eq!(seen.is_reusable, streamed.is_reusable);
    }
    trailers_are_right(&read(bytes, method, setting.then), &streamed);
    seen
}

fn trailers_are_right(plain: &Result<PlainReply, Not>, streamed: &HandedOn) {
    if let Ok(plain) = plain {
        assert_eq!(streamed.trailers.clone().unwrap_or_default(), plain.trailers);
    }
}

fn is_too_large(seen: &Seen) -> bool {
    matches!(seen, Seen::Failed(CallFailure::ReplyTooLarge { .. } | CallFailure::RepliesTooLarge { .. }))
}

/// A reply that is both too large and malformed is refused for what comes first, which the pieces decide.
fn same(setting: &Setting, one: &Seen, other: &Seen) -> bool {
    let has_none = |seen: &Seen| matches!(seen, Seen::Failed(_) | Seen::SentAway);
    one == other || setting.limit == Limit::Small && has_none(one) && has_none(other)
}

fn within_limits(service: &Service<'_>, seen: &[Seen], held: usize) {
    let mut read = 0;
    for seen in seen {
        if let Seen::Read(reply) = seen {
            assert!(reply.body.len() <= service.max_item_reply, "the body is too large");
            assert!(reply.bytes() - reply.body.len() <= service.max_item_reply, "the head is too large");
            read += reply.bytes();
        }
    }
    assert!(read <= service.max_reply, "all are too large");
    assert_eq!(held, read, "what is held is what was read");
}

fn beside_the_plain_reader(setting: &Setting, bytes: &[u8], seen: &Alone) {
    match read(bytes, &setting.methods[0], setting.then) {
        Ok(plain) if is_too_large(&seen.seen) => {
            let fields: usize =
                plain.fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            let service = setting.whole(bytes);
            let (body, all) = (plain.body.len(), plain.body.len() + fields);
            let is_large = fields.max(body) > service.max_item_reply || all > service.max_reply;
            assert!(is_large, "{seen:?} is within the limits: {plain:?}");
        }
        Ok(plain) => {
            let Seen::Read(UpstreamReply { status, headers, body, .. }) = &seen.seen else {
                panic!("{seen:?}, and a plain reader has {plain:?}");
            };
            assert_eq!((status.as_u16(), headers), (plain.status, &plain.fields));
            assert_eq!(body, &plain.body);
            assert_eq!(seen.surplus, bytes.len() - plain.length, "bytes after the reply");
            assert_eq!(seen.stays_open, plain.stays_open);
            let may_go_on = plain.stays_open && plain.length == bytes.len() && setting.then == Then::Waits;
            assert_eq!(seen.is_reusable, may_go_on, "{plain:?}");
        }
        Err(Not::Complete) => assert!(!matches!(seen.seen, Seen::Read(_)), "{seen:?} is not complete"),
        Err(Not::Clear) => assert!(matches!(seen.seen, Seen::Failed(_)), "{seen:?} can be read differently"),
        Err(Not::Strict) => {}
    }
}

/// All calls, sent ahead: each has the reply that it would have if it were alone with what the calls before it have left.
fn in_order(setting: &Setting, bytes: &[u8]) {
    let without_sum = |service| Service { max_reply: 1 << 24, ..service };
    let (whole, cut) = (without_sum(setting.whole(bytes)), without_sum(setting.cut(bytes)));
    let expected = one_after_another(setting, &whole, bytes);
    for service in [&whole, &cut] {
        let Ahead { seen, is_open, held } = ahead(service, &setting.methods);
        within_limits(service, &seen, held);
        assert_eq!(seen.len(), setting.methods.len());
        let is_same = seen.iter().zip(&expected.seen).all(|(seen, expected)| same(setting, seen, expected));
        assert!(is_same, "ahead: {seen:?}\none after another: {:?}", expected.seen);
        assert_eq!(is_open, expected.is_open, "{seen:?}");
    }
}

fn one_after_another(setting: &Setting, service: &Service<'_>, bytes: &[u8]) -> Ahead {
    let (mut expected, mut at, mut then) = (Vec::new(), 0, None);
    for (index, method) in setting.methods.iter().enumerate() {
        let is_untaken = index > setting.takes;
        if is_untaken && at < bytes.len() {
            // What came first answers no request.
            then = then.or(Some(Seen::SentAway));
        }
        if let Some(then) = &then {
            expected.push(Seen::clone(then));
            continue;
        }
        let found = alone(&Service { pieces: vec![&bytes[at..]], ..service.clone() }, method);
        then = match &found.seen {
            Seen::Read(_) if found.stays_open => None,
            Seen::Read(_) | Seen::Failed(_) => Some(Seen::SentAway),
            Seen::SentAway | Seen::Waits => Some(Seen::Waits),
        };
        at = bytes.len() - found.surplus;
        expected.push(match found.seen {
            Seen::Failed(CallFailure::ReplyMalformed | CallFailure::ConnectionLost) => Seen::SentAway,
            seen @ (Seen::Read(_) | Seen::Failed(_) | Seen::SentAway | Seen::Waits) => seen,
        });
    }
    let takes_all = setting.methods.len() <= setting.takes;
    let is_open = takes_all && then.is_none() && at == bytes.len() && setting.then == Then::Waits;
    Ahead { seen: expected, is_open, held: 0 }
}
