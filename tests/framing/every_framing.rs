//! A request in any framing reaches an upstream of either protocol once, byte for byte, and the next one
//! of somebody else gets its own reply.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::message::{EXTENSIONS, Framing, Message, Spelling, framings};
use crate::harness::http2::{Call, Ending, Http2Answer, Http2Client, Http2Upstream};
use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Connection, Gateway, Request, Setup, Upstream};

const METHODS: [&str; 4] = ["POST", "PUT", "DELETE", "GET"];
const SIZES: [usize; 6] = [0, 1, 65_535, 65_536, 65_537, 1 << 20];

/// A gateway before an upstream that says what it was asked.
struct World {
    gateway: Gateway,
    taken: Box<dyn Fn() -> Vec<Recorded>>,
    asked: Cell<usize>,
}

/// Clients, each of which keeps its connection.
struct Clients {
    http1: Connection,
    http2: Http2Client,
    neighbour: Connection,
}

fn echo(request: &Recorded) -> String {
    format!("{} {} {}", request.method, request.target, request.body.len())
}

impl World {
    fn before_http1() -> Self {
        let upstream = Upstream::answering(|request| Answer::text(200, &echo(request)));
        let gateway = Gateway::before(&upstream);
        Self { gateway, taken: Box::new(move || upstream.take_requests()), asked: Cell::new(0) }
    }

    fn before_http2() -> Self {
        let upstream = Http2Upstream::answering(|request| Http2Answer::of(200, echo(request)));
        let gateway = Setup::routing_to(&[upstream.url()]).start();
        Self { gateway, taken: Box::new(move || upstream.take_requests()), asked: Cell::new(0) }
    }

    fn clients(&self) -> Clients {
        let (http1, neighbour) = (self.gateway.connect(), self.gateway.connect());
        Clients { http1, neighbour, http2: Http2Client::connect(self.gateway.address()) }
    }

    fn target(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        format!("/{}?n={}", self.asked.get(), self.asked.get())
    }

    /// Sends a message, then a request of another client, and looks at all that came of both.
    fn exchange(&self, clients: &mut Clients, message: &Message) {
        let (target, what) = (self.target(), format!("{message:?}"));
        let reply = if let Some(call) = message.to_call(&target) {
            clients.http2.call(&call).text()
        } else {
            clients.http1.write(&message.to_bytes(&target, self.gateway.address()));
            clients.http1.reply_to(message.method).text()
        };
        assert_eq!(reply, format!("{} {target} {}", message.method, message.size), "{what}");
        let other = self.target();
        clients.neighbour.write(&Request::get(&other).to_bytes(self.gateway.address()));
        assert_eq!(clients.neighbour.reply_to("GET").text(), format!("GET {other} 0"), "after {what}");
        let asked: Vec<_> = (self.taken)()
            .into_iter()
            .map(|request| (request.method, request.target, request.body))
            .collect();
        let expected = [(message.method, target, message.body()), ("GET", other, Vec::new())];
        let expected = expected.map(|(method, target, body)| (method.to_owned(), target, body));
        assert!(asked == expected, "{what} became {}", described(&asked));
    }

    /// Nothing comes after the last.
    fn assert_quiet(&self) {
        assert!((self.taken)().is_empty());
    }
}

fn described(requests: &[(String, String, Vec<u8>)]) -> String {
    let line = |(method, target, body): &(String, String, Vec<u8>)| {
        format!("{method} {target} with {} bytes", body.len())
    };
    requests.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// Every framing with every size, and every method with a small body.
fn table() -> Vec<Message> {
    let mut messages = Vec::new();
    for framing in framings() {
        for size in SIZES {
            messages.push(Message { method: "POST", framing: framing.clone(), size, piece: 16_384 });
        }
        for method in METHODS {
            messages.push(Message { method, framing: framing.clone(), size: 7, piece: 3 });
        }
    }
    let bodiless = |method| Message { method, framing: Framing::Bodiless, size: 0, piece: 1 };
    messages.extend(METHODS.map(bodiless));
    messages
}

fn assert_every_framing_arrives(world: &World) {
    let mut clients = world.clients();
    for message in table() {
        world.exchange(&mut clients, &message);
    }
    world.assert_quiet();
}

#[test]
fn every_framing_reaches_an_http1_upstream_once() {
    assert_every_framing_arrives(&World::before_http1());
}

#[test]
fn every_framing_reaches_an_http2_upstream_once() {
    assert_every_framing_arrives(&World::before_http2());
}

/// What `curl -T -` and generators of bodies do.
#[test]
fn an_empty_last_frame_of_http2_ends_a_body_of_http1_once() {
    let world = World::before_http1();
    let ending = Framing::Http2 { length: false, ending: Ending::EmptyData };
    let mut clients = world.clients();
    for size in (0..200).map(|n| n * 37) {
        let message = Message { method: "PUT", framing: ending.clone(), size, piece: 1000 };
        world.exchange(&mut clients, &message);
    }
    world.assert_quiet();
}

fn framing() -> impl Strategy<Value = Framing> {
    let spelling = (any::<bool>(), 0..4_usize, 0..EXTENSIONS.len());
    let spelling = spelling.prop_map(|(upper, zeros, extension)| Spelling { upper, zeros, extension });
    let trailers = Ending::Trailers(vec![("x-sum".to_owned(), "1".to_owned())]);
    let endings = prop::sample::select(vec![Ending::WithLastByte, Ending::EmptyData, trailers]);
    prop_oneof![
        1 => Just(Framing::Length),
        3 => (spelling, any::<bool>()).prop_map(|(spelling, trailer)| Framing::Chunked { spelling, trailer }),
        3 => (any::<bool>(), endings).prop_map(|(length, ending)| Framing::Http2 { length, ending }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let size = prop_oneof![8 => 0..300_usize, 4 => 0..70_000_usize, 1 => prop::sample::select(&SIZES[..])];
    (prop::sample::select(&METHODS[..]), framing(), size, 1..20_000_usize)
        .prop_map(|(method, framing, size, piece)| Message { method, framing, size, piece })
}

fn assert_any_arrive(world: &World) {
    let config = Config { cases: 100, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let case = prop::collection::vec(message(), 1..4);
    let outcome = TestRunner::new(config).run(&case, |messages| {
        let mut clients = world.clients();
        // What a case that failed has left behind is not this one's.
        (world.taken)();
        for message in &messages {
            world.exchange(&mut clients, message);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    world.assert_quiet();
}

#[test]
fn any_requests_one_after_the_other_reach_an_http1_upstream_once() {
    assert_any_arrive(&World::before_http1());
}

#[test]
fn any_requests_one_after_the_other_reach_an_http2_upstream_once() {
    assert_any_arrive(&World::before_http2());
}

/// Requests of many clients at the same time, over one connection each or shared.
#[test]
fn requests_at_the_same_time_keep_apart() {
    for world in [World::before_http1(), World::before_http2()] {
        let client = Http2Client::connect(world.gateway.address());
        let calls: Vec<_> = (0..60).map(|n| (format!("/{n}"), vec![b'x'; n * 1111])).collect();
        let ending = |n: usize| if n.is_multiple_of(2) { Ending::EmptyData } else { Ending::WithLastByte };
        let call = |(n, (path, body)): (usize, &(String, Vec<u8>))| {
            client.start(&Call::new("POST", path).pieces(body.chunks(5000)).ending(ending(n)))
        };
        let under_way: Vec<_> = calls.iter().enumerate().map(call).collect();
        for ((path, body), reply) in calls.iter().zip(under_way) {
            assert_eq!(reply.reply().text(), format!("POST {path} {}", body.len()));
        }
        assert_eq!((world.taken)().len(), calls.len());
    }
}
