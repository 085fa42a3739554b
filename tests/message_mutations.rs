//! Mutated messages: nothing panics, what is taken passes octet by octet, and what we answer can be read.
//!
//! The long run: `cargo test --release --test message_mutations -- --ignored`.

mod torture;

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rollcall::config::Limits;
use rollcall::sip::message::values::{
    Digest, Event, RAck, RefusedUri, SessionExpires, SubscriptionState, Warning,
};
use rollcall::sip::message::{Headers, NameAddr, Reply, Request, Response, Uri, Via};
use rollcall::sip::wire::stream::{Framed, Framer};
use rollcall::sip::wire::{self, Message, Name, Rejected, Start};
use torture::peer;

/// What grammar turns on.
const TELLING: &[&[u8]] = &[
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n ",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"=",
    b"@",
    b"%",
    b"%0",
    b"[",
    b"]",
    b"?",
    b"&",
    b"*",
    b"/",
    b"(",
    b")",
    b"\0",
    b"\xff",
    b"\xc3\xa4",
    b"-",
    b"+",
    b"4294967296",
    b"18446744073709551616",
    b"2147483648",
    b"l: 0\r\n",
    b"Content-Length: 7\r\n",
    b";tag=a",
    b"SIP/2.0",
    b"sip:",
    b"tel:",
    b"[::1]",
    b";rport",
    b";received=::1",
    b"v: SIP/2.0/UDP h\r\n",
    b"t: <sip:a>\r\n",
    b"Date: x\r\n",
    b"CSeq: 1 ACK\r\n",
    b"Contact: *\r\n",
];

fn seeds() -> Vec<Bytes> {
    let mut seeds = Vec::new();
    for folder in ["rfc4475", "rfc5118"] {
        let path = format!("{}/tests/torture/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<_> =
            std::fs::read_dir(path).expect("folder").map(|entry| entry.expect("file").path()).collect();
        files.sort();
        seeds.extend(files.iter().map(|file| Bytes::from(std::fs::read(file).expect("file"))));
    }
    let service = "SUBSCRIBE sip:psi@one.example SIP/2.0\n\
        Via: SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bK1;rport\n\
        Max-Forwards: 70\nRoute: <sip:a.one.example;lr>, \"B, b\" <sip:b.one.example;lr>;x=\"1,2\"\n\
        Record-Route: <sip:c.one.example;lr>\n\
        From: \"Anna \\\"A\\\"\" <sip:anna@one.example;user=phone>;tag=f\nTo: <tel:+1-555-0100>\nCall-ID: c@d\n\
        CSeq: 4711 SUBSCRIBE\nContact: <sip:anna@192.0.2.1>;+sip.instance=\"<urn:uuid:1>\";expires=60, <sips:x>;q=0.1\n\
        Event: presence;id=7\nSubscription-State: active;expires=30;reason=\"x\"\nExpires: 3600\n\
        Session-Expires: 90;refresher=uac\nRAck: 1 2 INVITE\nMin-SE: 90\n\
        Warning: 399 one.example \"148 group is regrouped\", 307 x \"y\"\n\
        Authorization: Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", response=\"00\", nc=0000000a, qop=auth\n\
        P-Asserted-Identity: \"A\" <sip:anna@one.example>, <tel:+15550100>\n\
        P-Associated-URI: <sip:a@b, tel:+1>\nAccept: application/pidf+xml;q=0.5, */*\nSupported: timer, 100rel\n\
        SIP-If-Match: e-1\nSIP-ETag: e-2\nIn-Reply-To: a@b, c@d\nMin-Expires: 60\nRetry-After: 5 (soon)\n\
        P-Refused-URI-List: <sip:ems2@b.example>;members=<cid:list9@b.example>, sip:x@y;members=\"cid:1%20\"\n\
        Content-ID: <list9@b.example>\nContent-Type: text/plain\nContent-Length: 2\n\nhi";
    seeds.push(Bytes::from(service.replace('\n', "\r\n")));
    seeds
}

fn mutate(rng: &mut StdRng, seeds: &[Bytes]) -> Vec<u8> {
    let mut octets = seeds[rng.random_range(0..seeds.len())].to_vec();
    let times = if rng.random() { 1 } else { rng.random_range(2..=4) };
    for _ in 0..times {
        // Mostly the head: a body of another length only proves that Content-Length is looked at.
        let head = octets.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(octets.len());
        let end = if rng.random_ratio(9, 10) { head } else { octets.len() };
        let at = rng.random_range(0..=end);
        let to = (at + rng.random_range(0..24)).min(end);
        match rng.random_range(0..12) {
            0..=2 if at < octets.len() => octets[at] = rng.random(),
            3 => drop(octets.drain(at..to)),
            4 | 5 => {
                let piece = octets[at..to].to_vec();
                octets.splice(at..at, piece);
            }
            6 => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..other.len());
                let piece = &other[from..(from + 40).min(other.len())];
                octets.splice(at..to, piece.iter().copied());
            }
            7 if rng.random_ratio(1, 4) => octets.truncate(at),
            _ => {
                let piece = TELLING[rng.random_range(0..TELLING.len())];
                octets.splice(at..at, piece.iter().copied());
            }
        }
    }
    octets
}

/// Calls every reader; what they say does not matter here.
fn read_all(headers: &Headers) {
    for name in Name::ALL {
        let _ = (headers.text(*name), headers.number(*name), headers.tokens(*name), headers.digests(*name));
        if let Ok(addresses) = headers.addresses(*name) {
            for address in addresses {
                use_uri(&address.uri);
                let again = NameAddr::parse(address.text.as_bytes());
                assert!(again.is_ok() || address.text.contains('\u{fffd}'), "{}", address.text);
            }
        }
    }
    let _ = (headers.contacts(), headers.event(), headers.subscription_state(), headers.session_expires());
    let _ = (headers.rack(), headers.warnings(), headers.vias());
    let _ = (headers.entity_tag(), headers.if_match(), headers.content_id(), headers.in_reply_to());
    let _ = (headers.min_expires(), headers.retry_after());
    for refused in headers.refused_uris().unwrap_or_default() {
        let again = RefusedUri::parse_list(refused.to_string().as_bytes());
        let again = again.unwrap_or_else(|error| panic!("{error}: {refused}"));
        assert!(matches!(again.as_slice(), [again] if again.members == refused.members), "{refused}");
    }
    assert!(headers.from().is_ok() && headers.to().is_ok());
    for (_, _, value) in headers.wire().lines() {
        let _ =
            (Event::parse(&value), RAck::parse(&value), SessionExpires::parse(&value), Digest::parse(&value));
        let _ = (SubscriptionState::parse(&value), Warning::parse_list(&value), Via::parse_list(&value));
        if let Ok(uri) = Uri::parse(&value) {
            use_uri(&uri);
        }
    }
}

fn use_uri(uri: &Uri) {
    assert!(uri.equivalent(uri), "{uri}");
    let identity = uri.identity();
    if uri.scheme() != "" {
        let again = Uri::parse(identity.as_bytes()).unwrap_or_else(|e| panic!("{uri} -> {identity}: {e}"));
        assert_eq!(again.identity(), identity, "{uri}");
    }
}

/// The header lines one after another are the head, and the rest is the body.
fn passes_octet_by_octet(message: &Message, sent: &[u8]) {
    let octets = message.octets();
    let skipped = sent.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    assert_eq!(sent.get(skipped..skipped + octets.len()), Some(&octets[..]));
    assert!(octets.ends_with(&message.body()));
    let mut rest = &octets[..octets.len() - message.body().len()];
    for (_, spelling, value) in message.lines() {
        let at = rest
            .windows(spelling.len())
            .position(|window| window == spelling)
            .expect("the name is in the head");
        rest = &rest[at + spelling.len()..];
        let first = value.split(|octet| *octet == b' ').next().unwrap_or_default();
        assert!(rest.windows(first.len().max(1)).any(|window| window == first) || first.is_empty());
    }
    assert!(rest.ends_with(b"\r\n\r\n"));
}

/// Takes a datagram; whether a request or a response came of it.
fn take(octets: &[u8], limits: &Limits) -> bool {
    let message = match wire::datagram(Bytes::copy_from_slice(octets), limits) {
        Ok(Some(message)) => message,
        Ok(None) | Err(Rejected::Silent { .. }) => return false,
        Err(Rejected::Answerable { message, status, .. }) => {
            if let Some(answer) = Reply::new(status).to_wire_lenient(&message, "ours", peer()) {
                assert!(
                    wire::message(answer.clone(), limits).is_ok(),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
            }
            return false;
        }
    };
    passes_octet_by_octet(&message, octets);
    match message.start() {
        Start::Request { .. } => match Request::read_or_return(message) {
            Ok(request) => {
                read_all(&request);
                use_uri(request.uri());
                answers_match(&request, limits);
                true
            }
            Err(refused) => {
                if let Some(answer) = Reply::new(400).to_wire_lenient(&refused.0, "ours", peer()) {
                    assert!(
                        wire::message(answer.clone(), limits).is_ok(),
                        "{}",
                        String::from_utf8_lossy(&answer)
                    );
                }
                false
            }
        },
        Start::Response { .. } => Response::read(message).is_ok_and(|response| {
            read_all(&response);
            true
        }),
    }
}

fn answers_match(request: &Request, limits: &Limits) {
    for status in [100, 180, 200, 486] {
        let answer = Reply::new(status).to_wire(request, Some("ours"), peer());
        let message = wire::message(answer.clone(), limits).expect("our own message");
        let response =
            Response::read(message).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&answer)));
        assert_eq!(response.status(), status);
        assert_eq!(response.method_token(), request.method_token());
        assert_eq!((response.cseq(), response.call_id()), (request.cseq(), request.call_id()));
        assert_eq!(response.from_tag(), request.from_tag());
        let tag = request.to_tag().or((status > 100).then_some("ours"));
        assert_eq!(response.to_tag(), tag);
        assert_eq!(response.top_via().branch, request.top_via().branch);
        assert_eq!(response.top_via().rport.is_some(), request.top_via().rport.is_some());
        assert_eq!(response.top_via().received, Some(peer().ip()));
        let count = |headers: &Headers| headers.wire().headers(Name::Via).count();
        assert_eq!(count(&response), count(request));
    }
}

/// However a stream is cut into reads, the same messages come out of it.
fn frame(rng: &mut StdRng, octets: &[u8], limits: &Limits) {
    let all = |chunks: &mut dyn FnMut(usize) -> usize| {
        let (mut framer, mut buffer, mut found, mut at) = (Framer::default(), BytesMut::new(), Vec::new(), 0);
        loop {
            match framer.next(&mut buffer, limits) {
                Framed::Message(message) => found.push(format!("{message:?}")),
                Framed::Ping => found.push("ping".to_owned()),
                Framed::Broken { place, head } => {
                    found.push(format!("{place} {head:?}"));
                    return found;
                }
                Framed::More if at == octets.len() => return found,
                Framed::More => {
                    let to = (at + chunks(octets.len() - at)).min(octets.len());
                    buffer.extend_from_slice(&octets[at..to]);
                    at = to;
                }
            }
        }
    };
    let at_once = all(&mut |left| left);
    let in_pieces = all(&mut |_| rng.random_range(1..400));
    assert_eq!(at_once, in_pieces);
}

fn run(seed: u64, rounds: usize) {
    let (mut rng, seeds, limits) = (StdRng::seed_from_u64(seed), seeds(), Limits::default());
    let mut count = 0;
    for round in 0..rounds {
        let octets = mutate(&mut rng, &seeds);
        let taken = std::panic::catch_unwind(|| take(&octets, &limits));
        match taken {
            Ok(taken) => count += usize::from(taken),
            Err(_) => panic!("seed {seed}, round {round}: {}", String::from_utf8_lossy(&octets)),
        }
        if round % 8 == 0 {
            let mut stream = octets;
            stream.extend_from_slice(&mutate(&mut rng, &seeds));
            frame(&mut rng, &stream, &limits);
        }
    }
    // Mutations that break everything would prove little.
    assert!(count > rounds / 10, "{count} of {rounds} were taken");
}

#[test]
fn the_seeds_themselves_keep_the_rules() {
    let taken = seeds().iter().filter(|seed| take(seed, &Limits::default())).count();
    assert_eq!(taken, 40);
}

#[test]
fn a_hundred_thousand_mutations() {
    run(1, 100_000);
}

#[test]
fn another_hundred_thousand_mutations() {
    run(2, 100_000);
}

#[test]
#[ignore = "takes minutes"]
fn ten_million_mutations() {
    run(3, 10_000_000);
}
