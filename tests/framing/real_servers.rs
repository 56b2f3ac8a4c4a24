//! A file put in every framing is the file that nginx and Apache then have, and the next client's
//! request is answered.

use std::fs;
use std::path::Path;

use super::message::{Framing, Message, framings};
use crate::harness::apache::Apache;
use crate::harness::http2::{Ending, Http2Client};
use crate::harness::nginx::Nginx;
use crate::harness::{Gateway, Request, Setup};

/// nginx has no file for a PUT without a body.
const SIZES: [usize; 3] = [1, 65_537, 300_000];

fn put_all(gateway: &Gateway, files: &Path, sizes: &[usize]) {
    let (mut http1, mut neighbour) = (gateway.connect(), gateway.connect());
    let http2 = Http2Client::connect(gateway.address());
    let messages = framings().into_iter().flat_map(|framing| {
        let message = move |size: &usize| Message {
            method: "PUT",
            framing: framing.clone(),
            size: *size,
            piece: 10_000,
        };
        sizes.iter().map(message)
    });
    for (number, message) in messages.enumerate() {
        let target = format!("/webdav/{number}");
        let status = if let Some(call) = message.to_call(&target) {
            http2.call(&call).status
        } else {
            http1.write(&message.to_bytes(&target, gateway.address()));
            http1.reply_to("PUT").status
        };
        assert!(matches!(status, 201 | 204), "{status} for {message:?}");
        assert!(fs::read(files.join(number.to_string())).unwrap() == message.body(), "{message:?}");
        neighbour.write(&Request::get(&target).to_bytes(gateway.address()));
        let reply = neighbour.reply_to("GET");
        assert!(reply.status == 200 && reply.body == message.body(), "{} after {message:?}", reply.status);
    }
}

/// Many uploads that end with an empty frame, each followed by somebody else's request.
fn put_often(gateway: &Gateway) {
    let http2 = Http2Client::connect(gateway.address());
    let mut neighbour = gateway.connect();
    let framing = Framing::Http2 { length: false, ending: Ending::EmptyData };
    for number in 0..100 {
        let message = Message { method: "PUT", framing: framing.clone(), size: 100, piece: 60 };
        let reply = http2.call(&message.to_call("/webdav/again").unwrap());
        assert!(matches!(reply.status, 201 | 204), "{number}: {reply:?}");
        neighbour.write(&Request::get("/webdav/again").to_bytes(gateway.address()));
        assert_eq!(neighbour.reply_to("GET").status, 200, "{number}");
    }
}

#[test]
fn nginx_gets_every_framing_once() {
    let nginx = Nginx::with_dav();
    let gateway = Setup::routing_to(&[nginx.url()]).start();
    put_all(&gateway, &nginx.files(), &SIZES);
    put_often(&gateway);
    let log = nginx.access_log();
    let refused: Vec<_> = log.lines().filter(|line| line.contains(" 400 ")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn nginx_gets_every_framing_once_over_http2() {
    let nginx = Nginx::start("http2", "location /webdav { dav_methods PUT; create_full_put_path off; }");
    let gateway = Setup::routing_to(&[format!("h2c://{}", nginx.address())]).start();
    put_all(&gateway, &nginx.files(), &SIZES);
    put_often(&gateway);
}

#[test]
fn apache_gets_every_framing_once() {
    let apache = Apache::with_dav();
    let gateway = Setup::routing_to(&[apache.url()]).start();
    put_all(&gateway, &apache.files(), &[&[0], &SIZES[..]].concat());
    put_often(&gateway);
}
