//! The 49 messages of RFC 4475: what is valid is taken with its meaning, what is not is answered or dropped.

mod torture;

use rollcall::sip::message::{Method, Reply, Request, Response};
use rollcall::sip::wire::Name;
use std::net::{IpAddr, Ipv4Addr};
use torture::{Verdict, peer, take};

fn request(name: &str) -> Box<Request> {
    torture::request("rfc4475", name)
}

fn response(name: &str) -> Box<Response> {
    torture::response("rfc4475", name)
}

fn refused(name: &str, status: u16, place: &str) -> String {
    torture::refused("rfc4475", name, status, place)
}

/// Header values with a name this server has no use for.
fn unknown(request: &Request, name: &str) -> Vec<Vec<u8>> {
    request.wire().headers_named(name).map(|value| value.into_owned()).collect()
}

/// The SDP body that most of the messages carry.
fn has_sdp(body: &[u8]) -> bool {
    body.len() == 150 && body.starts_with(b"v=0\r\no=mhandley") && body.ends_with(b"a=rtpmap:31 LPC\r\n")
}

#[test]
fn every_message_of_the_rfc_is_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/rfc4475");
    assert_eq!(std::fs::read_dir(folder).expect("folder").count(), 49);
}

#[test]
fn a_short_tortuous_invite_wsinv() {
    let request = request("wsinv");
    assert_eq!(request.method(), Method::Invite);
    assert_eq!(request.uri().user(), Some("vivekg"));
    assert_eq!(request.uri().param("unknownparam"), Some(""));
    assert_eq!(request.to_tag(), Some("1918181833n"));
    assert_eq!(request.from_tag(), "98asjd8");
    let from = request.from().expect("From");
    assert_eq!(from.display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.uri.as_str(), "sip:jdrosen@example.com");
    assert_eq!(request.number(Name::MaxForwards), Ok(Some(68)));
    assert_eq!((request.cseq(), request.call_id()), (9, "wsinv.ndaksdj@192.0.2.1"));
    assert_eq!(request.text(Name::Subject).as_deref(), Some(""));
    assert_eq!(unknown(&request, "newfangledheader"), [b"newfangled value continued newfangled value"]);
    assert_eq!(unknown(&request, "UnknownHeaderWithUnusualValue"), [b";;,,;;,;"]);

    let vias = request.vias().expect("Vias");
    let seen: Vec<_> = vias
        .iter()
        .map(|via| (&*via.transport, via.host.as_str(), via.branch.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(
        seen,
        [
            ("UDP", "192.0.2.2", "390skdjuw"),
            ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
            ("UDP", "192.168.255.111", "z9hG4bK30239"),
        ]
    );
    assert_eq!(vias.first(), Some(request.top_via()));

    let routes = request.addresses(Name::Route).expect("Route");
    let route = &routes.first().expect("one").uri;
    assert_eq!((route.param("lr"), route.param("unknownwith")), (Some(""), Some("value")));
    assert_eq!(route.param("unknown-no-value"), Some(""));

    let contacts = request.contacts().expect("Contact");
    let contact = contacts.first().expect("one");
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.param("newparam"), contact.param("secondparam")), (Some("newvalue"), Some("")));
    assert_eq!(contact.param("q"), Some("0.33"));
    assert!(has_sdp(&request.body()));
}

#[test]
fn a_wide_range_of_valid_characters_intmeth() {
    let request = request("intmeth");
    assert_eq!(request.method(), Method::Other);
    assert_eq!(request.method_token(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(request.uri().user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(request.uri().password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(request.uri().host(), "example.com");
    assert_eq!(request.top_via().branch.as_deref(), Some("z9hG4bK-.!%66*_+`'~"));
    let to = request.to().expect("To");
    assert_eq!(to.display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(to.uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    let from = request.from().expect("From");
    assert_eq!(from.display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.param("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(request.from_tag(), "_token~1'+`*%!-.");
    assert_eq!(request.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(request.cseq(), 139_122_385);
    assert_eq!(unknown(&request, "extensionHeader-!.%*+_`'~"), ["\u{feff}大停電".as_bytes()]);
}

#[test]
fn valid_use_of_escapes_esc01() {
    let request = request("esc01");
    assert_eq!(request.uri().user(), Some("sips%3Auser%40example.com"));
    assert_eq!(request.uri().host(), "example.net");
    // What must be escaped stays so, what need not be is the same user.
    assert_eq!(request.uri().identity(), "sip:sips%3Auser%40example.com@example.net");
    assert_eq!(request.to().expect("To").uri.identity(), "sip:user@example.com");
    assert_eq!(request.from().expect("From").uri.identity(), "sip:I%20have%20spaces@example.net");
    let contacts = request.contacts().expect("Contact");
    let contact = &contacts.first().expect("one").uri;
    assert_eq!(contact.identity(), "sip:caller@host5.example.net");
    let params: Vec<_> = contact.params().collect();
    assert_eq!(params, [("%6C%72", None), ("n%61me", Some("v%61lue%25%34%31"))]);
    assert!(has_sdp(&request.body()));
}

#[test]
fn escaped_nulls_are_part_of_the_user_escnull() {
    let request = request("escnull");
    assert_eq!(request.to().expect("To").uri.user(), Some("null-%00-null"));
    let contacts = request.contacts().expect("Contact");
    let users: Vec<_> = contacts.iter().map(|contact| contact.uri.user()).collect();
    assert_eq!(users, [Some("%00"), Some("%00%00")]);
    assert!(!contacts[0].uri.equivalent(&contacts[1].uri));
}

#[test]
fn a_percent_sign_is_no_escape_outside_a_uri_esc02() {
    let request = request("esc02");
    assert_eq!(request.method(), Method::Other);
    assert_eq!(request.method_token(), "RE%47IST%45R");
    assert_eq!(request.to().expect("To").display.as_deref(), Some("%Z%45"));
    assert_eq!(request.top_via().branch.as_deref(), Some("z9hG4bK209%fzsnel234"));
    let contacts = request.contacts().expect("Contact");
    let users: Vec<_> = contacts.iter().filter_map(|contact| contact.uri.user()).collect();
    assert_eq!(users, ["alias1", "alias3"]);
    assert_eq!(unknown(&request, "C%6Fntact"), [b"<sip:alias2@host2.example.com>"]);
}

#[test]
fn no_space_between_display_name_and_bracket_lwsdisp() {
    let from = request("lwsdisp").from().expect("From");
    assert_eq!(from.display.as_deref(), Some("caller"));
    assert_eq!(from.uri.as_str(), "sip:caller@example.com");
    assert_eq!(from.param("tag"), Some("323"));
}

#[test]
fn long_values_longreq() {
    let request = request("longreq");
    let to = request.to().expect("To");
    assert_eq!(
        to.display.as_deref(),
        Some(format!("I have a user name of {} proportion", "extreme".repeat(10)).as_str())
    );
    assert_eq!(to.uri.port(), Some(6000));
    assert_eq!(to.uri.param(&format!("longparam{}", "name".repeat(25))), Some("shortvalue"));
    assert_eq!(to.uri.param(&format!("very{}ParameterNameWithNoValue", "long".repeat(25))), Some(""));
    assert_eq!(request.from_tag(), format!("12{}424", "982".repeat(50)));
    assert_eq!(request.call_id(), format!("longreq.one{}longcallid", "really".repeat(20)));
    let vias = request.vias().expect("Vias");
    assert_eq!(vias.len(), 33);
    assert_eq!(request.top_via().host, "sip33.example.com");
    let last = vias.last().expect("one");
    assert_eq!(last.received, Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 5))));
    assert_eq!(last.branch, Some(format!("very{}branchvalue", "long".repeat(50))));
    assert!(has_sdp(&request.body()));
    // The answer carries all of them in order.
    let answer = Reply::new(486).to_wire(&request, Some("ours"), peer());
    assert_eq!(String::from_utf8_lossy(&answer).matches("Via: SIP/2.0/TCP sip").count(), 33);
}

#[test]
fn octets_after_the_message_are_no_part_of_it_dblreq() {
    let request = request("dblreq");
    assert_eq!(request.method(), Method::Register);
    assert_eq!(request.call_id(), "dblreq.0ha0isndaksdj99sdfafnl3lk233412");
    assert!(request.body().is_empty());
    assert!(!request.wire().octets().windows(6).any(|window| window == b"INVITE"));
}

#[test]
fn semicolons_and_parameters_in_the_user_part_semiuri() {
    let request = request("semiuri");
    assert_eq!(request.uri().user(), Some("user;par=u%40example.net"));
    assert_eq!(request.uri().host(), "example.com");
    assert_eq!(request.uri().params().count(), 0);
    let accept =
        ["application/sdp", "application/pkcs7-mime", "multipart/mixed", "multipart/signed", "message/sip"];
    assert_eq!(request.tokens(Name::Accept).get(..5), Some(&accept.map(String::from)[..]));
}

#[test]
fn varied_and_unknown_transports() {
    let vias = request("transports").vias().expect("Vias");
    let transports: Vec<_> = vias.iter().map(|via| &*via.transport).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn a_multipart_body_with_binary_parts_mpart01() {
    let request = request("mpart01");
    assert_eq!(request.method(), Method::Message);
    assert_eq!(request.top_via().rport, Some(None));
    assert_eq!(request.text(Name::ContentType).as_deref(), Some("multipart/mixed;boundary=7a9cbec02ceef655"));
    let body = request.body();
    assert_eq!(request.number(Name::ContentLength), Ok(Some(body.len() as u32)));
    assert!(body.contains(&0) && body.contains(&0xff) && body.ends_with(b"\r\n--7a9cbec02ceef655--\r\n"));
    let answer = Reply::new(200).to_wire(&request, Some("ours"), peer());
    let via = "Via: SIP/2.0/UDP 127.0.0.1:5070;received=198.51.100.7;\
               branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport=5062\r\n";
    assert!(String::from_utf8_lossy(&answer).contains(via));
}

#[test]
fn an_unusual_reason_phrase_unreason() {
    let response = response("unreason");
    assert_eq!(response.status(), 200);
    assert_eq!(response.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!((response.method(), response.cseq()), (Method::Invite, 35));
    assert!(has_sdp(&response.body()));
}

#[test]
fn an_empty_reason_phrase_noreason() {
    let response = response("noreason");
    assert_eq!((response.status(), response.reason()), (100, String::new()));
    assert_eq!(response.to_tag(), Some("902jndnke3"));
}

#[test]
fn separators_without_values_are_refused_badinv01() {
    let answer = refused("badinv01", 400, "Via: parameter");
    // The answer goes where the request came from, and its client finds the line it sent.
    assert!(answer.contains("Via: SIP/2.0/UDP 192.0.2.15;received=198.51.100.7;;,;,,\r\n"));
    assert!(answer.contains("To: sip:j.user@example.com;tag=ours\r\n"));
    assert!(answer.contains("CSeq: 8 INVITE\r\n"));
}

#[test]
fn a_content_length_beyond_the_datagram_is_refused_clerr() {
    refused("clerr", 400, "body shorter than Content-Length");
}

#[test]
fn a_negative_content_length_is_refused_ncl() {
    refused("ncl", 400, "Content-Length is not a number");
}

#[test]
fn overlarge_numbers_in_a_request_are_refused_scalar02() {
    refused("scalar02", 400, "CSeq number too large");
}

#[test]
fn overlarge_numbers_in_a_response_make_it_be_dropped_scalarlg() {
    assert!(matches!(take("rfc4475", "scalarlg"), Verdict::Silence { place: "CSeq number too large" }));
}

#[test]
fn an_unterminated_quoted_string_is_refused_quotbal() {
    let answer = refused("quotbal", 400, "To cannot be read");
    assert!(answer.contains("To: \"Mr. J. User <sip:j.user@example.com>"));
}

#[test]
fn brackets_around_the_request_uri_are_refused_ltgtruri() {
    refused("ltgtruri", 400, "Request-URI cannot be read");
}

#[test]
fn white_space_within_the_request_uri_is_refused_lwsruri() {
    refused("lwsruri", 400, "white space in the request line");
}

#[test]
fn several_spaces_in_the_request_line_are_refused_lwsstart() {
    refused("lwsstart", 400, "white space in the request line");
}

#[test]
fn spaces_after_the_request_line_are_refused_trws() {
    refused("trws", 400, "SIP version cannot be read");
}

#[test]
fn headers_in_the_request_uri_are_refused_escruri() {
    refused("escruri", 400, "Request-URI with headers");
}

#[test]
fn a_date_in_another_zone_is_refused_baddate() {
    refused("baddate", 400, "Date cannot be read");
}

#[test]
fn a_contact_that_needs_brackets_cannot_be_read_without_them_regbadct() {
    // Only who wants the contacts can refuse for them: the registrar answers 400.
    let contacts = request("regbadct").contacts();
    assert_eq!(contacts.expect_err("refused").place, "Contact cannot be read");
}

#[test]
fn spaces_within_the_brackets_are_refused_badaspec() {
    refused("badaspec", 400, "To cannot be read");
}

#[test]
fn an_unquoted_comma_in_a_display_name_is_refused_baddn() {
    refused("baddn", 400, "From cannot be read");
}

#[test]
fn another_version_is_answered_505_badvers() {
    let answer = refused("badvers", 505, "SIP version");
    assert!(answer.starts_with("SIP/2.0 505 Version Not Supported\r\nVia: SIP/7.0/UDP c.example.com;"));
}

#[test]
fn a_cseq_of_another_method_is_refused_mismatch01() {
    refused("mismatch01", 400, "CSeq method differs from the request line");
}

#[test]
fn a_cseq_of_another_method_than_an_unknown_one_is_refused_mismatch02() {
    refused("mismatch02", 400, "CSeq method differs from the request line");
}

#[test]
fn a_status_code_out_of_range_makes_a_response_be_dropped_bigcode() {
    assert!(matches!(take("rfc4475", "bigcode"), Verdict::Silence { place: "status code" }));
}

#[test]
fn a_bare_magic_cookie_is_no_unique_branch_badbranch() {
    let request = request("badbranch");
    assert_eq!(request.top_via().branch.as_deref(), Some("z9hG4bK"));
    assert_eq!(request.top_via().unique_branch(), None);
}

#[test]
fn missing_headers_are_refused_with_what_is_there_insuf() {
    let answer = refused("insuf", 400, "From missing");
    assert_eq!(
        answer,
        "SIP/2.0 400 Bad Request\r\n\
         Via: SIP/2.0/UDP 192.0.2.95;received=198.51.100.7;branch=z9hG4bKkdj.insuf\r\n\
         CSeq: 193942 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn an_unknown_scheme_in_the_request_uri_is_left_to_the_service_unkscm() {
    let request = request("unkscm");
    assert_eq!(request.uri().scheme(), "nobodyknowsthisscheme");
    assert_eq!(request.uri().as_str(), "nobodyKnowsThisScheme:totallyopaquecontent");
    assert!(!request.uri().is_sip());
}

#[test]
fn a_known_scheme_that_is_not_for_sip_is_left_to_the_service_novelsc() {
    assert_eq!(request("novelsc").uri().scheme(), "soap.beep");
}

#[test]
fn unknown_schemes_in_headers_unksm2() {
    let request = request("unksm2");
    assert_eq!(request.to().expect("To").uri.as_str(), "isbn:2983792873");
    assert_eq!(request.from().expect("From").uri.scheme(), "http");
    assert_eq!(request.from_tag(), "3234233");
    assert_eq!(request.contacts().expect("Contact")[0].uri.as_str(), "name:John_Smith");
}

#[test]
fn unknown_extensions_are_all_named_bext01() {
    let request = request("bext01");
    assert_eq!(request.tokens(Name::Require), ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert_eq!(request.tokens(Name::ProxyRequire), ["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]);
}

#[test]
fn an_unknown_content_type_is_left_to_the_service_invut() {
    let request = request("invut");
    assert_eq!(request.text(Name::ContentType).as_deref(), Some("application/unknownformat"));
    assert!(request.body().starts_with(b"<audio>"));
}

#[test]
fn an_unknown_authorization_scheme_is_no_digest_regaut01() {
    let request = request("regaut01");
    assert_eq!(request.digests(Name::Authorization), Ok(Vec::new()));
    assert_eq!(request.text(Name::Authorization).as_deref(), Some("NoOneKnowsThisScheme opaque-data=here"));
}

#[test]
fn several_values_where_one_is_required_are_refused_multi01() {
    let answer = refused("multi01", 400, "CSeq twice");
    for line in [
        "CSeq: 5 INVITE\r\n",
        "Call-ID: multi01.98asdh@192.0.2.1\r\n",
        "To: sip:user@example.com;tag=ours\r\n",
    ] {
        assert!(answer.contains(line), "{line}");
    }
    assert_eq!(answer.matches("\r\nCSeq: ").count(), 1);
}

#[test]
fn several_content_lengths_are_refused_mcl01() {
    refused("mcl01", 400, "Content-Length twice");
}

#[test]
fn a_response_with_two_vias_is_not_ours_bcast() {
    // RFC 3261 8.1.3.3: the element that is the client drops it when it counts the Vias.
    let vias = response("bcast").vias().expect("Vias");
    assert_eq!(vias.len(), 2);
    assert_eq!(vias[1].host, "255.255.255.255");
}

#[test]
fn no_hops_left_is_a_number_zeromf() {
    assert_eq!(request("zeromf").number(Name::MaxForwards), Ok(Some(0)));
}

#[test]
fn parameters_without_brackets_belong_to_the_contact_cparam01() {
    let contacts = request("cparam01").contacts().expect("Contact");
    assert_eq!(contacts[0].uri.as_str(), "sip:+19725552222@gw1.example.net");
    assert_eq!(contacts[0].param("unknownparam"), Some(""));
}

#[test]
fn parameters_within_brackets_belong_to_the_uri_cparam02() {
    let contacts = request("cparam02").contacts().expect("Contact");
    assert_eq!(contacts[0].uri.param("unknownparam"), Some(""));
    assert_eq!(contacts[0].param("unknownparam"), None);
}

#[test]
fn escaped_headers_in_a_contact_are_kept_regescrt() {
    let contacts = request("regescrt").contacts().expect("Contact");
    let headers: Vec<_> = contacts[0].uri.headers().collect();
    assert_eq!(headers, [("Route", "%3Csip:sip.example.com%3E")]);
}

#[test]
fn an_accept_without_sdp_is_left_to_the_service_sdp01() {
    assert_eq!(request("sdp01").tokens(Name::Accept), ["text/nobodyKnowsThis"]);
}

#[test]
fn an_invite_of_rfc_2543_is_taken_inv2543() {
    let request = request("inv2543");
    assert_eq!((request.from_tag(), request.to_tag()), ("", None));
    assert_eq!(request.top_via().branch, None);
    assert_eq!(request.number(Name::MaxForwards), Ok(None));
    // Without Content-Length the body reaches to the end of the datagram.
    assert!(request.body().ends_with(b"m=audio 49217 RTP/AVP 0\r\n"));
    assert_eq!(
        request.addresses(Name::RecordRoute).expect("route")[0].uri.param("maddr"),
        Some("ss1.example.com")
    );
    assert_eq!(request.to().expect("To").param("user"), Some("phone"));
}
