//! Attack 16: XML that is deep, wide or long. What is refused, and why: the `xml-*` of `tests/cases/refused`.

use super::send_cheaply;
use crate::harness::{Gateway, Request, Upstream};

#[test]
fn xml_as_large_as_may_be_is_refused_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(&upstream);
    let many = |text: &dyn Fn(usize) -> String| (0..60_000).map(text).collect::<Vec<_>>().concat();
    let documents = [
        ("attributes", format!("<batch><request {}/></batch>", many(&|n| format!("a{n}='' ")))),
        ("namespaces", format!("<batch {}/>", many(&|n| format!("xmlns:a{n}='u{n}' ")))),
        ("depth", many(&|_| "<batch>".to_owned())),
        (
            "depth of a body",
            format!("<batch><request method='PUT' href='/a'><body>{}", many(&|_| "<a>".to_owned())),
        ),
        ("comments", format!("<batch>{}", many(&|_| "<!--a-->".to_owned()))),
        ("instructions", format!("<batch>{}", many(&|_| "<?a b?>".to_owned()))),
        ("a name", format!("<batch><{}/></batch>", "a".repeat(4 << 20))),
        ("a value", format!("<batch><request href='/{}'/></batch>", "a".repeat(4 << 20))),
        ("text", format!("<batch>{}</batch>", "a".repeat(4 << 20))),
        ("CDATA", format!("<batch>{}</batch>", many(&|_| "<![CDATA[a]]>".to_owned()))),
        ("references", format!("<batch><request href='{}'/></batch>", many(&|_| "&amp;".to_owned()))),
        ("items", format!("<batch>{}</batch>", many(&|_| "<request/>".to_owned()))),
        ("end tags", format!("<batch>{}", many(&|_| "</a>".to_owned()))),
    ];
    for (what, document) in &documents {
        let reply = send_cheaply(&gateway, what, &Request::xml_batch(document));
        assert!([400, 413].contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    }
    assert_eq!(upstream.requests(), []);
}
