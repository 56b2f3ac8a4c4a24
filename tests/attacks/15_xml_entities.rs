//! Attack 15: entities, external and by the billion. What is refused: the `xml-*doctype*`, `xml-*entity*`,
//! `xml-billion-laughs` and `xml-external-*` of `tests/cases/refused`.

use super::send_cheaply;
use crate::harness::{Answer, Gateway, Request, Upstream};

/// Entities that become half a gigabyte.
fn laughs() -> String {
    let doubled = |n: usize| format!("<!ENTITY a{n} '&a{m};&a{m};'>", m = n - 1);
    format!("<!ENTITY a0 'ha'>{}", (1..30).map(doubled).collect::<Vec<_>>().concat())
}

#[test]
fn no_document_of_a_client_is_looked_up_or_blown_up() {
    let (secret, upstream) = (Upstream::start(), Upstream::start());
    let (at, laughs) = (secret.url(), laughs());
    let documents = [
        format!("<!DOCTYPE b SYSTEM '{at}/dtd'><batch/>"),
        format!("<!DOCTYPE b [<!ENTITY % p SYSTEM '{at}/p'> %p;]><batch/>"),
        "<!DOCTYPE b [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><batch>&e;</batch>".to_owned(),
        format!("<?xml-stylesheet href='{at}/style'?><!DOCTYPE b [{laughs}]><batch>&a29;</batch>"),
        format!("<batch xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='{at}/x'/></batch>"),
    ];
    let gateway = Gateway::before(&upstream);
    for document in &documents {
        let reply = send_cheaply(&gateway, document, &Request::xml_batch(document));
        assert!([400, 207].contains(&reply.status) && !reply.text().contains("root:"), "{}", reply.text());
    }
    assert_eq!((upstream.requests().len(), secret.connections()), (0, 0));
}

/// A service's multistatus is merged into an XML reply; one with a DTD is a body like any other.
#[test]
fn no_document_of_a_service_is_looked_up_or_blown_up() {
    let (secret, upstream) = (Upstream::start(), Upstream::start());
    let external = format!("<!ENTITY x SYSTEM '{}/x'>", secret.url());
    let dtd = format!("<!DOCTYPE d [{}{external}]>", laughs());
    let dav = format!("{dtd}<D:multistatus xmlns:D='DAV:'>&a29;&x;</D:multistatus>");
    upstream.on("/dav", Answer::of(207, "application/xml", &dav));
    let batch = "<batch><request method='PROPFIND' href='/dav'/></batch>";
    let reply = send_cheaply(&Gateway::before(&upstream), "a service's document", &Request::xml_batch(batch));
    assert_eq!(reply.status, 207);
    assert!(reply.body.len() < 16 << 10 && reply.text().contains("&lt;!DOCTYPE"), "{}", reply.text());
    assert_eq!(secret.connections(), 0);
}
