//! XML as quick-xml reads it, beside the gateway's own reader.

use std::borrow::Cow;

use batchgate::format::xml::dav::{is_multistatus, map_hrefs};
use quick_xml::Reader;
use quick_xml::events::Event;

/// How many elements the root has; the error where quick-xml finds the document not well-formed.
pub(super) fn well_formed(document: &[u8]) -> Result<usize, quick_xml::Error> {
    let mut reader = Reader::from_reader(document);
    reader.config_mut().check_comments = true;
    let (mut depth, mut children) = (0_usize, 0);
    loop {
        match reader.read_event()? {
            Event::Start(_) => {
                children += usize::from(depth == 1);
                depth += 1;
            }
            Event::Empty(_) => children += usize::from(depth == 1),
            Event::End(_) => depth -= 1,
            Event::Eof => {
                assert_eq!(depth, 0, "an element is open at the end");
                return Ok(children);
            }
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

/// Upstreams' documents: hrefs are mapped, and nothing else is touched.
pub(crate) fn dav_hrefs(input: &[u8]) {
    let same = map_hrefs(input, &|href| Cow::Borrowed(href));
    if let Some(same) = &same {
        let again = map_hrefs(same, &|href| Cow::Borrowed(href));
        assert_eq!(again.as_ref(), Some(same), "what was written is read and stays");
        let mapped = map_hrefs(input, &|_| "/<&>".into()).expect("it could be read before");
        well_formed(&mapped).expect("what was well-formed stays so");
    }
    if is_multistatus(Some("text/xml"), input) {
        assert!(same.is_none() || well_formed(input).is_ok());
    }
}
