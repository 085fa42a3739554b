//! The messages of RFC 5118: IPv6 in every place of a message.

mod torture;

use rollcall::sip::message::{Method, Reply, Request};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use torture::refused;

fn request(name: &str) -> Box<Request> {
    torture::request("rfc5118", name)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

#[test]
fn every_message_of_the_rfc_is_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/rfc5118");
    assert_eq!(std::fs::read_dir(folder).expect("folder").count(), 12);
}

#[test]
fn an_ipv6_reference_is_a_host_ipv6_good() {
    let request = request("ipv6-good");
    assert_eq!((request.uri().host(), request.uri().port()), ("[2001:db8::10]", None));
    assert_eq!(request.uri().ip(), Some(ip("2001:db8::10")));
    assert_eq!(request.top_via().host, "[2001:db8::9:1]");
    assert_eq!(request.contacts().expect("Contact")[0].uri.ip(), Some(ip("2001:db8::1")));
}

#[test]
fn an_address_without_brackets_is_refused_ipv6_bad() {
    refused("rfc5118", "ipv6-bad", 400, "Request-URI cannot be read");
}

#[test]
fn a_port_within_the_brackets_is_part_of_the_address_port_ambiguous() {
    let request = request("port-ambiguous");
    assert_eq!((request.uri().ip(), request.uri().port()), (Some(ip("2001:db8::10:5070")), None));
}

#[test]
fn a_port_after_the_brackets_is_a_port_port_unambiguous() {
    let request = request("port-unambiguous");
    assert_eq!((request.uri().ip(), request.uri().port()), (Some(ip("2001:db8::10")), Some(5070)));
}

#[test]
fn received_is_read_with_and_without_brackets_via_received_param() {
    for (name, method) in
        [("via-received-param-with-delim", Method::Bye), ("via-received-param-no-delim", Method::Options)]
    {
        let request = request(name);
        assert_eq!(request.method(), method);
        assert_eq!(request.top_via().received, Some(ip("2001:db8::9:255")), "{name}");
    }
}

#[test]
fn received_is_written_without_brackets_and_replaces_what_the_sender_claims() {
    let peer = SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7), 5060));
    let answer = Reply::new(200).to_wire(&request("via-received-param-with-delim"), Some("ours"), peer);
    let line = "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::7;branch=z9hG4bKas3-111\r\n";
    assert!(String::from_utf8_lossy(&answer).contains(line));
}

#[test]
fn a_session_description_with_ipv6_passes_octet_by_octet_ipv6_in_sdp() {
    let request = request("ipv6-in-sdp");
    assert_eq!(request.uri().user(), Some("user"));
    let body = request.body();
    assert!(String::from_utf8_lossy(&body).contains("\r\nc=IN IP6 2001:db8::20\r\nt=3338481189"));
    assert!(body.ends_with(b"a=rtpmap:107 H263-1998/90000\r\n"));
}

#[test]
fn both_kinds_of_addresses_stand_side_by_side_mult_ip_in_header() {
    let vias = request("mult-ip-in-header").vias().expect("Vias");
    let seen: Vec<_> = vias.iter().map(|via| (via.host.as_str(), via.port)).collect();
    assert_eq!(seen, [("[2001:db8::9:1]", Some(6050)), ("192.0.2.1", None), ("[2001:db8::9:255]", None)]);
    assert_eq!(vias[2].received, Some(ip("192.0.2.200")));
}

#[test]
fn a_session_description_with_both_kinds_passes_octet_by_octet_mult_ip_in_sdp() {
    let body = request("mult-ip-in-sdp").body();
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("c=IN IP4 192.0.2.1\r\nm=video") && body.contains("c=IN IP6 2001:db8::1\r\na="));
}

#[test]
fn a_mapped_address_is_a_host_and_names_the_ipv4_sender_ipv4_mapped_ipv6() {
    let request = request("ipv4-mapped-ipv6");
    assert_eq!(request.top_via().host, "[::ffff:192.0.2.10]");
    assert_eq!(request.top_via().port, Some(19823));
    assert_eq!(request.contacts().expect("Contact")[0].uri.ip(), Some(ip("::ffff:192.0.2.2")));
    // Sent from that very address, so there is nothing to add.
    let answer = Reply::new(200).to_wire(&request, Some("ours"), SocketAddr::from(([192, 0, 2, 10], 19823)));
    assert!(
        String::from_utf8_lossy(&answer)
            .contains("Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\r\n")
    );
}

#[test]
fn a_third_colon_before_an_ipv4_address_means_nothing_ipv6_bug_abnf_3_colons() {
    let (bug, correct) = (request("ipv6-bug-abnf-3-colons"), request("ipv6-correct-abnf-2-colons"));
    assert_eq!(correct.uri().ip(), Some(ip("2001:db8::192.0.2.1")));
    assert_eq!(bug.uri().ip(), correct.uri().ip());
    assert!(bug.uri().equivalent(correct.uri()));
    assert_eq!(bug.uri().host(), "[2001:db8:::192.0.2.1]");
}
