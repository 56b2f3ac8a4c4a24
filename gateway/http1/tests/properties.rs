//! Neither the verdict nor the bytes passed on depend on how the input is split. Input that a known parser refuses is
//! refused.

use proptest::prelude::*;

use super::*;

/// Requests and parts of them, changed in a few bytes that matter.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let good = prop::sample::select(GOOD_REQUESTS.to_vec()).prop_map(|bytes| bytes.as_bytes().to_vec());
    let bad = prop::sample::select(BAD_HEADS.map(|(bytes, ..)| bytes).to_vec())
        .prop_map(|bytes| bytes.as_bytes().to_vec());
    let messages = prop::collection::vec(prop_oneof![4 => good, 1 => bad], 1..4).prop_map(|all| all.concat());
    let mattering = prop::sample::select(b"\r\n\0 \t:;,=\"0a\x16\xff".to_vec());
    let changes = prop::collection::vec((any::<prop::sample::Index>(), mattering, 0..3_u8), 0..3);
    (messages, changes).prop_map(|(mut bytes, changes)| {
        for (index, byte, kind) in changes {
            let index = index.index(bytes.len().max(1));
            match kind {
                0 => bytes.insert(index, byte),
                1 if index < bytes.len() => bytes[index] = byte,
                _ if index < bytes.len() => drop(bytes.remove(index)),
                _ => {}
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_the_cuts(bytes in any_bytes(), size in 1_usize..20) {
        let whole = pass_request(&mut RequestChecker::new(LIMITS), &bytes, usize::MAX);
        let pieces = pass_request(&mut RequestChecker::new(LIMITS), &bytes, size);
        prop_assert_eq!(whole.1, pieces.1);
        // The part of a malformed trailer line that came in earlier pieces has been passed on.
        prop_assert!(pieces.0.starts_with(&whole.0));
        prop_assert!(whole.1.is_some() || whole.0 == pieces.0);
    }

    #[test]
    fn the_verdict_on_a_reply_does_not_depend_on_the_cuts(bytes in any_bytes(), size in 1_usize..20) {
        let bytes = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes[bytes.iter().position(|b| *b == b'\n').map_or(0, |end| end + 1)..]].concat();
        let whole = pass_reply(&Method::GET, &bytes, usize::MAX);
        let pieces = pass_reply(&Method::GET, &bytes, size);
        prop_assert_eq!((whole.1, whole.2), (pieces.1, pieces.2));
    }

    #[test]
    fn what_a_known_parser_refuses_is_refused(bytes in any_bytes()) {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let limits = HeadLimits { bytes: 10_000, fields: 64, target: 10_000 };
        if httparse::Request::new(&mut fields).parse(&bytes).is_err() {
            let (_, fault) = pass_request(&mut RequestChecker::new(limits), &bytes, usize::MAX);
            // It looks at lines that are not complete, which are never passed on as a head.
            let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            if httparse::Request::new(&mut fields).parse(&bytes[..complete]).is_err() {
                prop_assert!(fault.is_some(), "{:?}", bytes.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn a_head_that_passes_is_read_alike_by_a_known_parser(bytes in any_bytes()) {
        let mut checker = RequestChecker::new(HeadLimits { bytes: 10_000, fields: 64, target: 10_000 });
        let (handed_on, _) = pass_request(&mut checker, &bytes, usize::MAX);
        if checker.number() > 0 {
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut fields);
            prop_assert!(request.parse(&handed_on).is_ok_and(|status| status.is_complete()));
        }
    }
}
