//! Which documents become which tokens, and which are refused.

use proptest::prelude::*;

use super::*;

const LIMITS: TokenLimits = TokenLimits { depth: 4, tag: 100, attributes: 4, declarations: 4 };

/// The tokens in short: `(name`, `)`, text, `?`.
fn short(body: &str) -> Result<String, XmlError> {
    let mut tokens = Tokens::new(body.as_bytes(), LIMITS)?;
    let mut short = String::new();
    loop {
        match tokens.next()? {
            Token::Open(tag) => short = [&short, "(", tag.name.local].concat(),
            Token::Close => short.push(')'),
            Token::Text(text) => short.push_str(&text),
            Token::Other => short.push('?'),
            Token::End => return Ok(short),
        }
    }
}

fn is_forbidden(body: &str) -> bool {
    matches!(short(body), Err(XmlError { kind: XmlErrorKind::Forbidden(_), .. }))
}

fn is_broken(body: &str) -> bool {
    matches!(short(body), Err(XmlError { kind: XmlErrorKind::Syntax(_), .. }))
}

#[test]
fn documents_become_tokens() {
    let body = "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<!--c--><a b='>'>x&lt;&#65;<b/>\r\n\
                <![CDATA[<&\r\n]]><?pi x?></a >\n<?pi?>";
    assert_eq!(short(body).unwrap(), "?\n?(ax<A(b)\n<&\n?)\n?");
}

#[test]
fn spans_are_bytes_of_the_body() {
    let body = "\u{feff}<a>é<b c='1'/></a>";
    let mut tokens = Tokens::new(body.as_bytes(), LIMITS).unwrap();
    let mut spans = Vec::new();
    while tokens.next().unwrap() != Token::End {
        spans.push(&body[tokens.start()..tokens.end()]);
    }
    assert_eq!(spans, ["<a>", "é", "<b c='1'/>", "<b c='1'/>", "</a>"]);
}

#[test]
fn what_batches_never_need_is_forbidden() {
    for body in [
        "<!DOCTYPE a><a/>",
        "<!doctype a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!DOCTYPE a [ never closed",
        "<a><!DOCTYPE b></a>",
        "<a>&b;</a>",
        "<a b='&c;'/>",
        "<?xml version='1.0' encoding='utf-16'?><a/>",
        "<?xml version='1.1'?><a/>",
    ] {
        assert!(is_forbidden(body), "{body} {:?}", short(body));
    }
    assert!(Tokens::new(b"\xff\xfe<\0a\0", LIMITS).is_err());
    assert!(Tokens::new(b"<a>\xe9</a>", LIMITS).is_err());
}

#[test]
fn malformed_xml_is_refused() {
    for body in [
        "",
        " ",
        "a",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a/>&lt;",
        "<a/><![CDATA[]]>",
        "<a>]]></a>",
        "<a><!-- -- --></a>",
        "<a><!-- --->",
        "<a><![CDATA[</a>",
        "<a>&</a>",
        "<a>& b</a>",
        "<a>&#0;</a>",
        "<a b='1'c='2'/>",
        "<a b='1' b='1'/>",
        "<p:a/>",
        "<a p:b=''/>",
        " <?xml version='1.0'?><a/>",
        "<?xml?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version='1.0' x='1'?><a/>",
        "<a><?xml version='1.0'?></a>",
        "<?XML version='1.0'?><a/>",
        "<a><?1?></a>",
        "<a>\u{1}</a>",
        "<a>\u{ffff}</a>",
        "<!ELEMENT a><a/>",
        "<a",
        "<a b='",
        "<a><?pi",
        "<a></a b='1'>",
        "<![CDATA[x]]>",
        "<!-- --><a></ a>",
    ] {
        assert!(is_broken(body), "{body:?} {:?}", short(body));
    }
}

#[test]
fn costs_are_limited() {
    assert!(short("<a><a><a><a/></a></a></a>").is_ok());
    let fault = short("<a><a><a><a><a/></a></a></a></a>").unwrap_err();
    assert_eq!(fault, XmlError { at: 12, kind: XmlErrorKind::TooDeep });
    assert!(is_forbidden(&format!("<a b='{}'/>", "x".repeat(100))));
    assert!(is_forbidden("<a b='' c='' d='' e='' f=''/>"));
}

#[test]
fn elements_are_skipped_with_their_content() {
    let mut tokens = Tokens::new(b"<a><b><c/>x</b><d/>y</a>", LIMITS).unwrap();
    tokens.next().unwrap();
    tokens.next().unwrap();
    tokens.skip_element().unwrap();
    assert!(matches!(tokens.next(), Ok(Token::Open(Tag { name: Name { local: "d", .. }, .. }))));
    tokens.skip_element().unwrap();
    assert_eq!(tokens.next(), Ok(Token::Text("y".into())));
}

proptest! {
    #[test]
    fn any_text_ends_in_tokens_or_a_fault(body in "[<>/!?&;=' \"a:\\[\\]x#-]{0,60}") {
        let _ = short(&body);
        let _ = short(&format!("<a>{body}</a>"));
    }
}
