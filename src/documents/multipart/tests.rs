use super::*;
use crate::documents::testing::{breaks, fuzz, passes};

fn read(content_type: &str, body: &[u8]) -> Result<Vec<Part>, DocumentError> {
    split(content_type, &Bytes::copy_from_slice(body), &Limits::default())
}

fn leaf(media_type: &str, content: &[u8]) -> Part {
    Part {
        media_type: media_type.to_owned(),
        content_id: None,
        disposition: None,
        content: Bytes::copy_from_slice(content),
    }
}

fn body(content_type: &str, content: &[u8]) -> Body {
    Body { content_type: content_type.to_owned(), content: Bytes::copy_from_slice(content) }
}

#[test]
fn the_body_of_an_invite_falls_into_its_parts() {
    let text = b"--mcx1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--mcx1\r\n\
        Content-Type: application/vnd.3gpp.mcptt-info+xml;charset=utf-8\r\n\r\n<a/>\r\n--mcx1--\r\n";
    let expected =
        [leaf("application/sdp", b"v=0\r\n"), leaf("application/vnd.3gpp.mcptt-info+xml", b"<a/>")];
    assert_eq!(read("multipart/mixed;boundary=mcx1", text).unwrap(), expected);
}

#[test]
fn a_single_body_is_its_own_part() {
    assert_eq!(read("Application/SDP; x=y", b"v=0").unwrap(), [leaf("application/sdp", b"v=0")]);
    assert_eq!(read("application/sdp", b"").unwrap(), [leaf("application/sdp", b"")]);
    assert_eq!(read("", b"").unwrap(), []);
}

#[test]
fn a_list_of_a_partner_keeps_its_identification() {
    let text = b"--b\r\nContent-Type: application/resource-lists+xml\r\ncontent-id : <list9@b.example>\r\n\
        CONTENT-DISPOSITION: recipient-list;\r\n handling=required\r\n\r\n<l/>\r\n--b--";
    let part = Part {
        content_id: Some("list9@b.example".to_owned()),
        disposition: Some("recipient-list; handling=required".to_owned()),
        ..leaf("application/resource-lists+xml", b"<l/>")
    };
    assert_eq!(read("multipart/mixed; boundary=b", text).unwrap(), [part]);
}

#[test]
fn every_legal_boundary_is_found() {
    let longest = "a".repeat(70);
    for (written, boundary) in [
        ("b1", "b1"),
        ("\"b1\"", "b1"),
        ("\"a;b\"", ""),
        ("\"'()+_,-./:=? x\"", "'()+_,-./:=? x"),
        ("\"a\\b\"", "ab"),
        ("=_:x/?", "=_:x/?"),
        (longest.as_str(), longest.as_str()),
    ] {
        let text = format!("--{boundary}\r\n\r\nx\r\n--{boundary}--");
        for content_type in [
            format!("multipart/mixed;boundary={written}"),
            format!("Multipart/Mixed ; charset=\"a;b\\\"\" ; Boundary = {written} ; x=y"),
            format!("multipart/mixed;\r\n boundary={written}"),
        ] {
            let parts = read(&content_type, text.as_bytes());
            if boundary.is_empty() {
                assert!(breaks(parts, "not a boundary"));
            } else {
                assert_eq!(parts.unwrap(), [leaf("text/plain", b"x")], "{content_type}");
            }
        }
    }
    for bad in ["", "\"\"", "\"a ", "\"a \"", "\"a\"b", "a\u{e9}", &"a".repeat(71)] {
        let text = format!("--{bad}\r\n\r\nx\r\n--{bad}--");
        assert!(read(&format!("multipart/mixed;boundary={bad}"), text.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn broken_types_are_named() {
    let text = b"--a\r\n\r\nx\r\n--a--";
    for (content_type, problem) in [
        ("multipart/mixed", "boundary missing"),
        ("multipart/mixed;charset=x", "boundary missing"),
        ("multipart/mixed;boundary", "parameter without value"),
        ("multipart/mixed;boundary=\"a", "quotes"),
        ("multipart/mixed;boundary=a;boundary=b", "two boundaries"),
        ("multipart/mixed;boundary=z", "boundary does not occur"),
        ("multipart", "no subtype"),
        ("", "no subtype"),
        ("/x", "not a media type"),
        ("a b/c", "not a media type"),
    ] {
        assert!(breaks(read(content_type, text), problem), "{content_type}");
    }
}

#[test]
fn preamble_epilogue_and_padding_are_passed_over() {
    let text = b"preamble --b\r\n--bb\r\nmore\r\n--b \t\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b-- \r\nepilogue\r\n--b\r\n\r\nno";
    let parts = read("multipart/mixed;boundary=b", text).unwrap();
    assert_eq!(parts, [leaf("text/plain", b"one"), leaf("text/plain", b"two")]);
}

#[test]
fn lines_may_end_with_lf_alone() {
    let text =
        b"--b\nContent-Type: application/sdp\n\nv=0\no=x\n\n--b\nContent-Type: a/b;\n c=d\n\nx\n--b--\n";
    let parts = read("multipart/mixed;boundary=b", text).unwrap();
    assert_eq!(parts, [leaf("application/sdp", b"v=0\no=x\n"), leaf("a/b", b"x")]);
}

#[test]
fn parts_without_headers_or_without_content_are_parts() {
    let bare = read("multipart/mixed;boundary=b", b"--b\r\n\r\nx\r\n--b\r\n\r\n--b--").unwrap();
    assert_eq!(bare, [leaf("text/plain", b"x"), leaf("text/plain", b"")]);
    let headers = read("multipart/mixed;boundary=b", b"--b\r\nContent-Type: a/b\r\n--b\r\n--b--").unwrap();
    assert_eq!(headers, [leaf("a/b", b""), leaf("text/plain", b"")]);
}

#[test]
fn binary_content_passes_octet_by_octet_without_a_copy() {
    let content: Vec<u8> = (0..=255).chain([b'\r', b'\n', b'-', b'-', b'b', b'x', b'\r']).collect();
    let text = [&b"--b\r\nContent-Transfer-Encoding: BINARY\r\n\r\n"[..], &content, b"\r\n--b--"].concat();
    let whole = Bytes::from(text);
    let parts = split("multipart/mixed;boundary=b", &whole, &Limits::default()).unwrap();
    assert_eq!(parts[0].content, content);
    assert!(whole.as_ptr_range().contains(&parts[0].content.as_ptr()));
}

#[test]
fn other_transfer_encodings_are_refused() {
    for encoding in ["base64", "quoted-printable", "x-own"] {
        let text = format!("--b\r\nContent-Transfer-Encoding: {encoding}\r\n\r\neA==\r\n--b--");
        assert!(breaks(read("multipart/mixed;boundary=b", text.as_bytes()), "encoding not supported"));
    }
}

#[test]
fn broken_parts_are_named() {
    for (text, problem) in [
        (&b"--b\r\n\r\nx\r\n"[..], "closing boundary missing"),
        (b"--b--\r\n", "no part"),
        (b"", "boundary does not occur"),
        (b"--b\r\nno header\r\n\r\nx\r\n--b--", "no colon"),
        (b"--b\r\n: x\r\n\r\nx\r\n--b--", "not a header name"),
        (b"--b\r\na b: x\r\n\r\nx\r\n--b--", "not a header name"),
        (b"--b\r\na: \xff\r\n\r\nx\r\n--b--", "not UTF-8"),
    ] {
        assert!(breaks(read("multipart/mixed;boundary=b", text), problem), "{problem}");
    }
}

#[test]
fn nested_parts_come_out_flat_and_in_order() {
    let inner = "--in\r\nContent-Type: a/2\r\n\r\n2\r\n--in\r\nContent-Type: a/3\r\n\r\n3\r\n--in--";
    let text = format!(
        "--out\r\nContent-Type: a/1\r\n\r\n1\r\n--out\r\nContent-Type: multipart/related;boundary=in\r\n\r\n{inner}\r\n\
         --out\r\nContent-Type: a/4\r\n\r\n4\r\n--out--"
    );
    let parts = read("multipart/mixed;boundary=out", text.as_bytes()).unwrap();
    assert_eq!(parts, [leaf("a/1", b"1"), leaf("a/2", b"2"), leaf("a/3", b"3"), leaf("a/4", b"4")]);
    // An inner boundary that begins like the outer one.
    let text = text.replace("--in", "--out2").replace("boundary=in", "boundary=out2");
    assert_eq!(read("multipart/mixed;boundary=out", text.as_bytes()).unwrap().len(), 4);
}

#[test]
fn limits_hold_at_the_limit_and_one_over() {
    let limits = Limits { multipart_depth: 2, parts: 3, headers: 2, header_octets: 20, ..Limits::default() };
    let read = |content_type: &str, text: &str| {
        split(content_type, &Bytes::copy_from_slice(text.as_bytes()), &limits)
    };
    let outer = "multipart/mixed;boundary=b";

    let parts = |count: usize| format!("{}--b--", "--b\r\n\r\nx\r\n".repeat(count));
    assert_eq!(read(outer, &parts(3)).unwrap().len(), 3);
    assert!(passes(read(outer, &parts(4)), "parts", 3));

    let mut text = "--b0\r\n\r\nx\r\n--b0--".to_owned();
    for level in 1..3 {
        let inner = level - 1;
        text = format!(
            "--b{level}\r\nContent-Type: multipart/mixed;boundary=b{inner}\r\n\r\n{text}\r\n--b{level}--"
        );
        let roomy = Limits { headers: 2, multipart_depth: 2, ..Limits::default() };
        let result = split(&format!("multipart/mixed;boundary=b{level}"), &Bytes::from(text.clone()), &roomy);
        match level {
            1 => assert_eq!(result.unwrap().len(), 1),
            _ => assert!(passes(result, "levels of multipart", 2)),
        }
    }

    let headers = |count: usize| format!("--b\r\n{}\r\nx\r\n--b--", "a: b\r\n".repeat(count));
    assert!(read(outer, &headers(2)).is_ok());
    assert!(passes(read(outer, &headers(3)), "headers of a part", 2));

    let octets = |count: usize| format!("--b\r\na: {}\r\n\r\nx\r\n--b--", "b".repeat(count));
    assert!(read(outer, &octets(17)).is_ok());
    assert!(passes(read(outer, &octets(18)), "octets of a part header", 20));
}

#[test]
fn one_part_stays_alone_and_none_is_no_body() {
    assert_eq!(join(vec![body("a/b", b"x")]), body("a/b", b"x"));
    assert_eq!(join(vec![]), body("", b""));
}

#[test]
fn what_was_joined_comes_apart_again() {
    let parts = vec![body("application/sdp", b"v=0\r\n"), body("a/b", b"\0\xff\r\n--"), body("c/d", b"")];
    let joined = join(parts.clone());
    assert_eq!(joined, join(parts.clone()));
    assert_eq!(joined.content_type, "multipart/mixed;boundary=rollcall.1.");
    let again = split(&joined.content_type, &joined.content, &Limits::default()).unwrap();
    let expected: Vec<Part> = parts.iter().map(|part| leaf(&part.content_type, &part.content)).collect();
    assert_eq!(again, expected);
    // A joined body inside another.
    let twice = join(vec![joined.clone(), body("e/f", b"y")]);
    assert_eq!(twice.content_type, "multipart/mixed;boundary=rollcall.2.");
    assert_eq!(split(&twice.content_type, &twice.content, &Limits::default()).unwrap().len(), 4);
}

#[test]
fn a_part_is_found_by_the_identification_that_it_was_given() {
    let list = Labelled {
        body: body("application/resource-lists+xml", b"<l/>"),
        content_id: Some("list9@b.example".to_owned()),
        disposition: Some("recipient-list".to_owned()),
    };
    let joined = join_labelled(vec![body("application/sdp", b"v=0").into(), list.clone()]);
    assert_eq!((&joined.content_id, &joined.disposition), (&None, &None));
    let parts = split_labelled(&joined, &Limits::default()).unwrap();
    let found = by_content_id(&parts, "list9@b.example").unwrap();
    assert_eq!(
        (found.content.as_ref(), found.disposition.as_deref()),
        (&b"<l/>"[..], Some("recipient-list"))
    );
    assert_eq!(by_content_id(&parts, "list9"), None);
    // Alone, it has its labels in the headers of the message.
    let alone = join_labelled(vec![list.clone()]);
    assert_eq!(alone, list);
    let parts = split_labelled(&alone, &Limits::default()).unwrap();
    assert_eq!(by_content_id(&parts, "list9@b.example").unwrap().content, b"<l/>"[..]);
    // A part of its own name keeps it.
    let one = b"--b\r\nContent-ID: <x>\r\n\r\ny\r\n--b--";
    let whole = Labelled { body: body("multipart/mixed;boundary=b", one), ..list };
    assert!(by_content_id(&split_labelled(&whole, &Limits::default()).unwrap(), "x").is_some());
}

#[test]
fn no_label_can_begin_a_header_of_its_own() {
    let evil = Labelled {
        body: body("a/b", b"x"),
        content_id: Some("a\r\nContent-Transfer-Encoding: base64".to_owned()),
        disposition: Some("b\n\nc".to_owned()),
    };
    let joined = join_labelled(vec![evil, body("c/d", b"y").into()]).body;
    let parts = split(&joined.content_type, &joined.content, &Limits::default()).unwrap();
    assert_eq!(parts[0].content_id.as_deref(), Some("a  Content-Transfer-Encoding: base64"));
    assert_eq!((parts[0].disposition.as_deref(), parts[0].content.as_ref()), (Some("b  c"), &b"x"[..]));
}

#[test]
fn the_boundary_occurs_in_no_part() {
    let hostile: String = (1..2_000).map(|number| format!("\r\n--rollcall.{number}.\r\n")).collect();
    let odd = b"rollcall.rollcall.99999999999999999999999999.rollcall.2000.";
    let joined = join(vec![body("a/b", hostile.as_bytes()), body("a/b", odd)]);
    assert_eq!(joined.content_type, "multipart/mixed;boundary=rollcall.2001.");
    let parts = split(&joined.content_type, &joined.content, &Limits::default()).unwrap();
    assert_eq!(parts[0].content, hostile.as_bytes());
    assert_eq!(parts[1].content, odd.as_slice());
}

#[test]
fn mutations_never_panic_and_parts_lie_within_the_body() {
    let whole = join(vec![
        body("multipart/mixed;boundary=b", b"--b\r\nContent-ID: <x>\r\n\r\ny\r\n--b--"),
        body("c/d", b"z"),
    ]);
    let limits = Limits::default();
    let mut read = 0;
    fuzz(2, 20_000, &[&whole.content, b"--rollcall.1.\n\nx\n--rollcall.1.--"], |text| {
        let text = Bytes::copy_from_slice(text);
        if let Ok(parts) = split(&whole.content_type, &text, &limits) {
            read += 1;
            assert!(parts.iter().map(|part| part.content.len()).sum::<usize>() <= text.len());
        }
        if let Ok(content_type) = std::str::from_utf8(&text) {
            let _ = split(content_type, &whole.content, &limits);
        }
    });
    assert!(read > 2_000, "the mutations must not all be refused: {read}");
}
