//! Datagrams that are no SIP, or no good SIP.

use crate::host::{Host, Phone, options};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;

/// Datagrams of one flood.
const FLOOD: usize = 5_000;

/// So many at once fit the buffers of the kernel.
const WINDOW: usize = 100;

fn flood(host: &Host, mut next: impl FnMut(usize) -> Vec<u8>) {
    let mut phone = Phone::new(host.address);
    for number in 0..FLOOD {
        phone.send(next(number));
        if number % WINDOW == 0 {
            phone.is_answered();
        }
    }
}

#[test]
fn random_octets() {
    let host = Host::start("siege-random", "");
    let mut rng = StdRng::seed_from_u64(1);
    host.withstands(|| {
        flood(&host, |_| {
            let length = rng.random_range(0..1_400);
            (0..length).map(|_| rng.random()).collect()
        });
    });
}

#[test]
fn requests_with_errors_of_any_kind() {
    let host = Host::start("siege-errors", "");
    let mut phone = Phone::new(host.address);
    phone.register();
    let mut rng = StdRng::seed_from_u64(2);
    let groups = ["x".to_owned()];
    host.withstands(|| {
        let write = &mut phone.write;
        let requests = [
            options(write.own, "UDP", write.next()),
            write.publish("alice", &groups),
            write.subscribe("alice", 600),
            write.form("alice", "temporary", &groups, "t"),
            write.tear_down("alice", "temporary", "t"),
            write.invite("alice", "x", "prearranged"),
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
        ];
        flood(&host, |number| {
            // Each is a new one for the server, but for what is broken.
            let text = requests[number % requests.len()].replace("z9hG4bK", &format!("z9hG4bK{number}-"));
            let mut octets = text.into_bytes();
            for _ in 0..rng.random_range(0..4) {
                let at = rng.random_range(0..octets.len());
                match rng.random_range(0..5) {
                    0 => octets[at] = rng.random(),
                    1 => octets.truncate(at.max(1)),
                    2 => octets.insert(at, b"\r\n\0<>;,\"=:/@%"[rng.random_range(0..13)]),
                    3 => {
                        let piece = octets[at..(at + 40).min(octets.len())].to_vec();
                        let to = rng.random_range(0..octets.len());
                        octets.splice(to..to, piece);
                    }
                    _ => drop(octets.remove(at)),
                }
                if octets.is_empty() {
                    break;
                }
            }
            octets
        });
    });
}

#[test]
fn what_is_said_out_of_turn() {
    let host = Host::start("siege-turn", "");
    host.withstands(|| {
        flood(&host, |number| {
            let method = ["ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "INFO", "NOTIFY", "REFER"][number % 8];
            format!(
                "{method} sip:alice@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{number}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:alice@one.example>;tag=1\r\nTo: <sip:x@one.example>;tag={number}\r\n\
                 Call-ID: {number}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
            )
            .into_bytes()
        });
    });
}

/// Bodies that cost much to read, from a user who may send them.
#[test]
fn bodies_that_are_made_to_cost() {
    let host = Host::start("siege-bodies", "");
    let mut phone = Phone::new(host.address);
    phone.register();
    let bodies: Vec<(&str, String)> = vec![
        ("application/vnd.3gpp.mcptt-info+xml", deep_xml(10_000)),
        ("application/vnd.3gpp.mcptt-info+xml", wide_xml(12_000)),
        ("application/vnd.3gpp.mcptt-info+xml", entities()),
        ("multipart/mixed;boundary=b", many_parts(8_000)),
        ("multipart/mixed;boundary=b", nested_parts(900)),
        ("application/pidf+xml", format!("<presence {}/>", "a=\"1\" ".repeat(9_000))),
        ("application/sdp", "v=0\r\n".repeat(12_000)),
        ("application/vnd.3gpp.mcptt-info+xml", "\u{0}".repeat(60_000)),
        ("x", "x".repeat(60_000)),
    ];
    host.withstands(|| {
        for _ in 0..10 {
            for (kind, body) in &bodies {
                for method in ["MESSAGE", "PUBLISH", "SUBSCRIBE", "INVITE"] {
                    let (own, n) = (phone.write.own, phone.write.next());
                    let request = format!(
                        "{method} sip:mcptt@one.example SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKb{n};rport\r\n\
                         Max-Forwards: 70\r\nFrom: <sip:alice@one.example>;tag={n}\r\nTo: <sip:mcptt@one.example>\r\n\
                         Call-ID: b{n}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@{own}>\r\nEvent: presence\r\n\
                         P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\nContent-Type: {kind}\r\n\
                         Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    assert!(request.len() < 65_000, "{}", request.len());
                    let answer = phone.ask(&request);
                    let status = crate::sip::status(&answer);
                    assert!((400..500).contains(&status), "{kind}: {answer}");
                }
            }
        }
    });
}

/// Heads that cost much to read.
#[test]
fn heads_that_are_made_to_cost() {
    let host = Host::start("siege-heads", "");
    let lines: Vec<String> = vec![
        "Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n".repeat(1_500),
        format!("Via: {}\r\n", "SIP/2.0/UDP x;branch=z9hG4bK1, ".repeat(1_800)),
        format!("Contact: {}\r\n", "<sip:a@b>,".repeat(6_000)),
        format!("Contact: {}", "\r\n <sip:a@b>,".repeat(4_000)),
        format!("Subject: {}\r\n", "\"\\".repeat(30_000)),
        format!("Accept: {}\r\n", ";".repeat(60_000)),
        format!("Route: {}\r\n", "<".repeat(60_000)),
        "X: y\r\n".repeat(10_000),
        format!("Content-Length: {}\r\n", "9".repeat(60_000)),
        "Content-Length: 4294967295\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        format!("CSeq: {} INVITE\r\n", "0".repeat(60_000)),
    ];
    host.withstands(|| {
        flood(&host, |number| {
            let mut text = "INVITE sip:mcptt@one.example SIP/2.0\r\n".to_owned();
            let _ =
                write!(text, "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKh{number}\r\nMax-Forwards: 70\r\n");
            let _ = write!(text, "From: <sip:alice@one.example>;tag=1\r\nTo: <sip:mcptt@one.example>\r\n");
            let _ = write!(text, "Call-ID: h{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1>\r\n");
            text.push_str(&lines[number % lines.len()]);
            text.push_str("\r\n");
            text.truncate(65_000);
            text.into_bytes()
        });
    });
}

fn deep_xml(levels: usize) -> String {
    "<a>".repeat(levels) + &"</a>".repeat(levels / 2)
}

fn wide_xml(elements: usize) -> String {
    format!("<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">{}</mcpttinfo>", "<a/>".repeat(elements))
}

fn entities() -> String {
    let mut text = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a0 \"ha\">".to_owned();
    for level in 1..60 {
        let _ = write!(text, "<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    text + "]><mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">&a59;</mcpttinfo>"
}

fn many_parts(parts: usize) -> String {
    "--b\r\n\r\n".repeat(parts - 1) + "--b--\r\n"
}

fn nested_parts(levels: usize) -> String {
    (0..levels)
        .map(|level| format!("--b{level}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", level + 1))
        .collect()
}
