//! Where SIP parsers are known to fail: each test is a defect that was seen in one of them.

use bytes::{Bytes, BytesMut};
use rollcall::config::Limits;
use rollcall::sip::message::{Draft, Method, NameAddr, Reply, Request, Response, Uri};
use rollcall::sip::wire::stream::{Framed, Framer};
use rollcall::sip::wire::{self, Name, Rejected};
use std::net::SocketAddr;

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

fn datagram(octets: impl Into<Bytes>) -> Result<wire::Message, Rejected> {
    wire::datagram(octets.into(), &Limits::default()).map(|message| message.expect("not a keep-alive"))
}

/// Octets of a good request with more header lines and a body; LF stands for CRLF in the headers only.
fn octets(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let method = line.split(' ').next().unwrap_or_default();
    let mut head = format!("{line}\n");
    let usual = [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1".to_owned()),
        ("From", "<sip:a@one.example>;tag=f".to_owned()),
        ("To", "<sip:b@two.example>".to_owned()),
        ("Call-ID", "c@one".to_owned()),
        ("CSeq", format!("1 {method}")),
    ];
    for (name, value) in usual {
        if !format!("\n{headers}").to_ascii_lowercase().contains(&format!("\n{}:", name.to_ascii_lowercase()))
        {
            head.push_str(&format!("{name}: {value}\n"));
        }
    }
    head.push_str(headers);
    head.push('\n');
    [head.replace('\n', "\r\n").as_bytes(), body].concat()
}

fn request(line: &str, headers: &str) -> Request {
    Request::read(datagram(octets(line, headers, b"")).expect("scanned")).expect("read")
}

fn options(headers: &str) -> Request {
    request("OPTIONS sip:b@two.example SIP/2.0", headers)
}

fn refused(octets: impl Into<Bytes>, status: u16, place: &str) {
    match datagram(octets) {
        Err(Rejected::Answerable { message, status: s, place: p }) => {
            assert_eq!((s, p), (status, place));
            let answer = Reply::new(s).to_wire_lenient(&message, "t", peer()).expect("an answer");
            assert!(answer.starts_with(format!("SIP/2.0 {status} ").as_bytes()));
        }
        other => panic!("{other:?}"),
    }
}

fn uris(addresses: &[NameAddr]) -> Vec<&str> {
    addresses.iter().map(|address| address.uri.as_str()).collect()
}

#[test]
fn folded_headers_are_read() {
    let request = options("Subject: one\n two\n\tthree\nRoute: <sip:a;lr>,\n <sip:b;lr>\n");
    assert_eq!(request.text(Name::Subject).as_deref(), Some("one two three"));
    assert_eq!(uris(&request.addresses(Name::Route).expect("Route")), ["sip:a;lr", "sip:b;lr"]);
}

#[test]
fn compact_names_are_the_names() {
    let compact = "v: SIP/2.0/TCP h;branch=z9hG4bK7\nf: <sip:a@x>;tag=1\nt: <sip:b@x>;tag=2\ni: call\nm: <sip:c@x>\n\
                   s: subject\nk: timer\no: presence\nu: conference\nx: 90;refresher=uas\nc: text/plain\nr: <sip:r@x>\n";
    let text = format!("INFO sip:b@x SIP/2.0\n{compact}CSeq: 3 INFO\nl: 0\n\n").replace('\n', "\r\n");
    let request = Request::read(datagram(text).expect("scanned")).expect("read");
    assert_eq!((request.call_id(), request.from_tag(), request.to_tag()), ("call", "1", Some("2")));
    assert_eq!(request.top_via().branch.as_deref(), Some("z9hG4bK7"));
    assert_eq!(uris(&request.contacts().expect("Contact")), ["sip:c@x"]);
    assert_eq!(request.tokens(Name::Supported), ["timer"]);
    assert_eq!(request.event().expect("Event").map(|event| event.package).as_deref(), Some("presence"));
    assert_eq!(request.tokens(Name::AllowEvents), ["conference"]);
    let expires = request.session_expires().expect("Session-Expires").expect("there");
    assert_eq!((expires.interval, expires.refresher_uac), (90, Some(false)));
    assert_eq!(request.text(Name::ContentType).as_deref(), Some("text/plain"));
    assert_eq!(uris(&request.addresses(Name::ReferTo).expect("Refer-To")), ["sip:r@x"]);
}

#[test]
fn space_before_the_colon_is_legal() {
    assert_eq!(options("Subject \t : x\n").text(Name::Subject).as_deref(), Some("x"));
}

#[test]
fn names_have_no_case_and_keep_their_spelling_and_order() {
    let request = options("sUbJeCt: 1\nX-One: 2\nSUBJECT: 3\nx-one: 4\n");
    let lines: Vec<_> =
        request.wire().lines().skip(5).map(|(_, spelling, value)| (spelling, value)).collect();
    let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    let expected: [(&[u8], &[u8]); 4] =
        [(b"sUbJeCt", b"1"), (b"X-One", b"2"), (b"SUBJECT", b"3"), (b"x-one", b"4")];
    assert_eq!(lines, expected);
    let both: Vec<_> = request.wire().headers(Name::Subject).map(|value| value.into_owned()).collect();
    assert_eq!(both, [b"1", b"3"]);
}

#[test]
fn commas_within_quotes_split_no_list() {
    let request =
        options("Route: <sip:a.org;lr;x=\"1,2\">, \"B, b\" <sip:b.org;lr>;y=\"3,4\"\nAllow: INVITE, ACK\n");
    let routes = request.addresses(Name::Route).expect("Route");
    assert_eq!(uris(&routes), ["sip:a.org;lr;x=\"1,2\"", "sip:b.org;lr"]);
    assert_eq!((routes[1].display.as_deref(), routes[1].param("y")), (Some("B, b"), Some("3,4")));
    assert_eq!(request.tokens(Name::Allow), ["INVITE", "ACK"]);
}

#[test]
fn the_second_via_of_a_line_is_not_lost() {
    let request =
        options("Via: SIP/2.0/UDP a;branch=1, SIP/2.0/TCP b;branch=2\nVia: SIP/2.0/TLS c;branch=3\n");
    let hosts: Vec<_> = request.vias().expect("Vias").into_iter().map(|via| via.host).collect();
    assert_eq!(hosts, ["a", "b", "c"]);
    let answer = Reply::new(200).to_wire(&request, None, peer());
    let response = Response::read(wire::message(answer, &Limits::default()).expect("scanned")).expect("read");
    assert_eq!(response.vias().expect("Vias").len(), 3);
}

#[test]
fn several_contacts_stand_on_one_line() {
    let contacts =
        options("Contact: <sip:a>;q=0.5, \"B\" <sip:b>\nContact: sip:c\n").contacts().expect("Contact");
    assert_eq!(uris(&contacts), ["sip:a", "sip:b", "sip:c"]);
    assert_eq!(contacts[0].param("q"), Some("0.5"));
    let star = options("Contact: *\n").contacts().expect("Contact");
    assert_eq!(star.iter().map(|contact| contact.text.as_str()).collect::<Vec<_>>(), ["*"]);
    assert!(options("Contact: *\nContact: <sip:a>\n").contacts().is_err());
}

#[test]
fn a_space_or_an_ipv6_address_in_a_via_hides_nothing() {
    let request = options("Via: SIP / 2.0 / UDP a.org : 5070 ;branch=x ; received = 2001:db8::1;rport=7\n");
    let via = request.top_via();
    assert_eq!((via.host.as_str(), via.port, via.branch.as_deref()), ("a.org", Some(5070), Some("x")));
    assert_eq!((via.received, via.rport), (Some("2001:db8::1".parse().expect("address")), Some(Some(7))));
}

#[test]
fn a_dot_in_the_user_part_belongs_to_the_user() {
    let request = request("MESSAGE sip:john.doe@mcptt.example.org SIP/2.0", "");
    assert_eq!((request.uri().user(), request.uri().host()), (Some("john.doe"), "mcptt.example.org"));
}

#[test]
fn ipv6_is_a_host_everywhere() {
    let headers = "Via: SIP/2.0/UDP [2001:db8::1]:5061;branch=1\nContact: <sip:a@[2001:db8::2]:5062;lr>\n\
                   Route: <sip:[2001:db8::3];lr>\n";
    let request = request("MESSAGE sip:a@[2001:db8::4]:5063;x=y SIP/2.0", headers);
    assert_eq!((request.uri().host(), request.uri().port()), ("[2001:db8::4]", Some(5063)));
    assert_eq!((request.top_via().host.as_str(), request.top_via().port), ("[2001:db8::1]", Some(5061)));
    assert_eq!(request.contacts().expect("Contact")[0].uri.port(), Some(5062));
    assert_eq!(request.addresses(Name::Route).expect("Route")[0].uri.host(), "[2001:db8::3]");
    let answer = Reply::new(200).to_wire(&request, Some("t"), peer());
    let line = "Via: SIP/2.0/UDP [2001:db8::1]:5061;received=192.0.2.1;branch=1\r\n";
    assert!(String::from_utf8_lossy(&answer).contains(line));
}

#[test]
fn request_uris_of_other_schemes_are_taken() {
    assert_eq!(request("MESSAGE tel:+1-555-0100;ext=5 SIP/2.0", "").uri().identity(), "tel:+15550100");
    assert_eq!(request("MESSAGE urn:service:sos.police SIP/2.0", "").uri().scheme(), "urn");
    assert_eq!(request("MESSAGE http://a.example/?x://y SIP/2.0", "").uri().scheme(), "http");
}

#[test]
fn uri_parameters_keep_every_character() {
    let uri =
        Uri::parse(b"sip:a@b;gr=urn:uuid:f81d4fae;transport=quic;method=FROB;x=[::1]/&+$").expect("a URI");
    assert_eq!((uri.param("gr"), uri.param("transport")), (Some("urn:uuid:f81d4fae"), Some("quic")));
    assert_eq!((uri.param("method"), uri.param("x")), (Some("FROB"), Some("[::1]/&+$")));
}

#[test]
fn uri_headers_are_no_part_of_the_host() {
    let uri = Uri::parse(b"sip:a@b.org?Replaces=1%40x%3Bto-tag%3D7&Subject=y").expect("a URI");
    assert_eq!(uri.host(), "b.org");
    assert_eq!(uri.headers().collect::<Vec<_>>(), [("Replaces", "1%40x%3Bto-tag%3D7"), ("Subject", "y")]);
}

#[test]
fn feature_tags_of_a_contact_are_unquoted() {
    let contact = "Contact: <sip:a@b>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\";\
                   +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";+g.3gpp.mcptt;expires=60\n";
    let contacts = options(contact).contacts().expect("Contact");
    let contact = &contacts[0];
    assert_eq!(contact.param("+sip.instance"), Some("<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"));
    assert_eq!(contact.param("+G.3GPP.icsi-ref"), Some("urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt"));
    assert_eq!((contact.param("+g.3gpp.mcptt"), contact.param("expires")), (Some(""), Some("60")));
}

#[test]
fn a_display_name_may_hold_delimiters_and_escapes() {
    let from = options("From: \"a < b, \\\"c\\\" \\\\ ; d\" <sip:x@y>;tag=t\n").from().expect("From");
    assert_eq!(from.display.as_deref(), Some("a < b, \"c\" \\ ; d"));
    assert_eq!((from.uri.as_str(), from.param("tag")), ("sip:x@y", Some("t")));
}

#[test]
fn white_space_around_semicolons_and_equals_signs_is_legal() {
    let request = options("From: <sip:a@b> ; tag = t ; x\nSession-Expires: 90 ; refresher = uac\n");
    assert_eq!(request.from_tag(), "t");
    assert_eq!(
        request.session_expires().expect("read").and_then(|expires| expires.refresher_uac),
        Some(true)
    );
}

#[test]
fn an_unknown_method_can_be_answered() {
    let request = request("FROBNICATE sip:b@two.example SIP/2.0", "");
    assert_eq!((request.method(), request.method_token()), (Method::Other, "FROBNICATE"));
    let answer = Reply::new(501).to_wire(&request, Some("t"), peer());
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("SIP/2.0 501 Not Implemented\r\n") && text.contains("CSeq: 1 FROBNICATE\r\n"));
    // RFC 3261 7.1: methods have case.
    assert_eq!(self::request("invite sip:b@two.example SIP/2.0", "").method(), Method::Other);
}

#[test]
fn an_unknown_transport_is_kept() {
    assert_eq!(options("Via: SIP/2.0/dtls-udp h;branch=1\n").top_via().transport, "DTLS-UDP");
}

#[test]
fn headers_without_a_parser_are_kept_as_they_are() {
    let values = "X-Custom: a;b,c=\"d\nP-Charging-Vector: icid-value=1;x=\"y\"\nP-Associated-URI: <sip:a@b, tel:+1>\n\
                  Resource-Priority: mcpttp.5\nSIP-If-Match: e\nP-Served-User: <sip:a@b>;sescase=orig\n";
    let request = options(values);
    assert_eq!(request.wire().headers_named("x-custom").next().as_deref(), Some(&b"a;b,c=\"d"[..]));
    assert_eq!(request.text(Name::PChargingVector).as_deref(), Some("icid-value=1;x=\"y\""));
    assert_eq!(request.text(Name::ResourcePriority).as_deref(), Some("mcpttp.5"));
    assert_eq!(request.text(Name::SipIfMatch).as_deref(), Some("e"));
    let served = request.addresses(Name::PServedUser).expect("P-Served-User");
    assert_eq!(served[0].param("sescase"), Some("orig"));
    // Some registrars write this one wrongly; that breaks this header and nothing else.
    assert_eq!(
        request.addresses(Name::PAssociatedUri).expect_err("broken").place,
        "P-Associated-URI cannot be read"
    );
}

#[test]
fn octets_that_are_not_utf_8_hide_nothing() {
    let mut text = octets("MESSAGE sip:b@x SIP/2.0", "X: J?rg\nSubject: s\n", b"body");
    let at = text.iter().position(|octet| *octet == b'?').expect("mark");
    text[at] = 0xf6;
    let request = Request::read(datagram(text).expect("scanned")).expect("read");
    assert_eq!(request.wire().headers_named("X").next().as_deref(), Some(&b"J\xf6rg"[..]));
    assert_eq!(request.text(Name::Subject).as_deref(), Some("s"));
    assert_eq!(request.body(), "body");
}

#[test]
fn a_binary_body_stays_binary() {
    let body: Vec<u8> = (0..=255).collect();
    let received = octets("MESSAGE sip:b@x SIP/2.0", "Content-Length: 256\n", &body);
    assert_eq!(datagram(received).expect("scanned").body(), body);
    let sent = Draft::new(Method::Message, "sip:b@x")
        .body("application/octet-stream", body.clone())
        .to_wire("SIP/2.0/UDP h");
    assert!(sent.ends_with(&body));
    assert_eq!(wire::message(sent, &Limits::default()).expect("scanned").body(), body);
}

#[test]
fn content_length_rules_the_datagram() {
    let with =
        |length: &str| octets("MESSAGE sip:b@x SIP/2.0", &format!("Content-Length{length}\n"), b"12345");
    assert_eq!(datagram(with(": 3")).expect("scanned").body(), "123");
    assert_eq!(datagram(with(" : 5")).expect("scanned").body(), "12345");
    refused(with(": 6"), 400, "body shorter than Content-Length");
    refused(with(": -5"), 400, "Content-Length is not a number");
    refused(with(": 18446744073709551615"), 400, "body shorter than Content-Length");
    refused(with(": 18446744073709551616"), 400, "Content-Length is not a number");
    refused(with(": 5, 5"), 400, "Content-Length is not a number");
    refused(with(": 5\nl: 5"), 400, "Content-Length twice");
    refused(with(": 5\nl: 3"), 400, "Content-Length twice");
    assert_eq!(datagram(octets("MESSAGE sip:b@x SIP/2.0", "", b"12345")).expect("scanned").body(), "12345");
}

#[test]
fn a_datagram_without_a_blank_line_is_refused() {
    let whole = octets("MESSAGE sip:b@x SIP/2.0", "Subject: s\n", b"");
    for missing in 1..12 {
        refused(whole[..whole.len() - missing].to_vec(), 400, "headers do not end with a blank line");
    }
}

#[test]
fn a_line_that_ends_without_crlf_is_refused() {
    // Peers that take LF for a line end and peers that do not would see different headers.
    for end in ["\n", "\r"] {
        let text = String::from_utf8(octets(
            "MESSAGE sip:b@x SIP/2.0",
            "Subject: s@P-Asserted-Identity: <sip:boss@x>\n",
            b"",
        ));
        refused(text.expect("text").replace("s@P", &format!("s{end}P")), 400, "line ends without CRLF");
    }
}

#[test]
fn blank_lines_before_a_message_are_skipped_and_keep_alives_ignored() {
    let text = [&b"\r\n\r\n"[..], &octets("MESSAGE sip:b@x SIP/2.0", "", b"")].concat();
    assert!(Request::read(datagram(text).expect("scanned")).is_ok());
    for keep_alive in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"] {
        let taken = wire::datagram(Bytes::from_static(keep_alive), &Limits::default());
        assert!(matches!(taken, Ok(None)), "{keep_alive:?}");
    }
}

#[test]
fn reason_phrases_are_those_of_the_rfcs_and_are_kept() {
    let first_line = |status| {
        let answer = Reply::new(status).to_wire(&options(""), Some("t"), peer());
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(first_line(486), "SIP/2.0 486 Busy Here");
    assert_eq!(first_line(202), "SIP/2.0 202 Accepted");
    assert_eq!(first_line(302), "SIP/2.0 302 Moved Temporarily");
    assert_eq!(first_line(489), "SIP/2.0 489 Bad Event");
    let text =
        String::from_utf8(octets("SIP/2.0 486 Nobody  here at all", "CSeq: 1 INVITE\n", b"")).expect("text");
    let response = Response::read(datagram(text).expect("scanned")).expect("read");
    assert_eq!((response.status(), response.reason().as_str()), (486, "Nobody  here at all"));
}

#[test]
fn another_sip_version_is_505() {
    refused(octets("OPTIONS sip:b@x SIP/2.9", "", b""), 505, "SIP version");
    assert!(Request::read(datagram(octets("OPTIONS sip:b@x sip/2.0", "", b"")).expect("scanned")).is_ok());
}

#[test]
fn digest_counts_in_hexadecimal_and_knows_aka() {
    let credentials = "Authorization: Digest realm=\"r, s\", nonce=\"n==\", uri=\"sip:x\", nc=0000000a, qop=auth,\
                       algorithm=AKAv1-MD5, cnonce=\"\\\"c\", response=\"\"\n";
    let digests = options(credentials).digests(Name::Authorization).expect("read");
    let digest = &digests[0];
    assert_eq!((digest.get("realm"), digest.get("algorithm")), (Some("r, s"), Some("AKAv1-MD5")));
    assert_eq!(
        (digest.nonce_count(), digest.get("username"), digest.get("cnonce")),
        (Some(10), None, Some("\"c"))
    );
}

#[test]
fn a_quoted_boundary_keeps_its_quotes() {
    let request = options("Content-Type: multipart/mixed;boundary=\"a;b\"\n");
    assert_eq!(request.text(Name::ContentType).as_deref(), Some("multipart/mixed;boundary=\"a;b\""));
}

#[test]
fn what_is_taken_passes_octet_by_octet() {
    let text =
        octets("MESSAGE sip:a%40b@x;P=%2f SIP/2.0", "x-b :  1 \n 2\nX-A:\nx-b: \t3\n", b"\0\r\n\r\n\xff");
    assert_eq!(datagram(text.clone()).expect("scanned").octets()[..], text[..]);
}

#[test]
fn a_request_uri_is_not_escaped_again() {
    let request = request("MESSAGE sip:a%40b@x SIP/2.0", "");
    assert_eq!(request.uri().as_str(), "sip:a%40b@x");
    let sent = Draft::new(Method::Message, request.uri().as_str()).to_wire("SIP/2.0/UDP h");
    assert!(sent.starts_with(b"MESSAGE sip:a%40b@x SIP/2.0\r\n"));
}

#[test]
fn a_stream_is_framed_by_content_length_however_it_is_written() {
    for line in ["Content-Length : 5", "l:5", "content-length:\n 5", "CONTENT-LENGTH: 005"] {
        let one = octets("MESSAGE sip:b@x SIP/2.0", &format!("{line}\n"), b"12345");
        let mut buffer = BytesMut::from(&[one.clone(), one.clone()].concat()[..]);
        let mut framer = Framer::default();
        for _ in 0..2 {
            match framer.next(&mut buffer, &Limits::default()) {
                Framed::Message(message) => {
                    assert_eq!(wire::message(message, &Limits::default()).expect("scanned").body(), "12345");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(buffer.is_empty());
    }
}

#[test]
fn a_large_message_on_a_stream_needs_only_a_large_limit() {
    let body = vec![b'x'; 200_000];
    let message = octets("NOTIFY sip:b@x SIP/2.0", "Content-Length: 200000\n", &body);
    let limits = Limits { message_octets: 300_000, ..Limits::default() };
    let mut buffer = BytesMut::from(&message[..]);
    let Framed::Message(message) = Framer::default().next(&mut buffer, &limits) else { panic!("no message") };
    assert_eq!(wire::message(message, &limits).expect("scanned").body().len(), 200_000);
}

#[test]
fn a_content_length_near_the_end_of_numbers_ends_the_stream_only() {
    for length in ["18446744073709551615", "18446744073709551616", "9223372036854775807"] {
        let message = octets("MESSAGE sip:b@x SIP/2.0", &format!("Content-Length: {length}\n"), b"");
        let mut buffer = BytesMut::from(&message[..]);
        let Framed::Broken { head, .. } = Framer::default().next(&mut buffer, &Limits::default()) else {
            panic!("{length} was framed")
        };
        assert!(matches!(
            wire::message(head.expect("a head"), &Limits::default()),
            Err(Rejected::Answerable { status: 400 | 413, .. })
        ));
    }
}

#[test]
fn percent_escapes_in_a_user_are_legal() {
    assert_eq!(request("MESSAGE sip:%e4%F6@x SIP/2.0", "").uri().identity(), "sip:%E4%F6@x");
}
