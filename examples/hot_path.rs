//! The node alone, no sockets: what one INVITE answered 302 and acknowledged, and one OPTIONS, cost in the core.
//!
//! `cargo run --release --example hot_path -- config/bench.toml [ROUNDS]`; the temporary group is formed by the same
//! message as in `sip-scenarios/bench-prepare`.

use bytes::Bytes;
use rollcall::config::Config;
use rollcall::env::{Ids, Time};
use rollcall::model::Transport;
use rollcall::node::{Core, Input, Kept, Node, Ready, setup};
use rollcall::sip::transaction::Flow;
use std::path::PathBuf;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 99\r\n\
    a=rtpmap:99 AMR-WB/16000\r\na=fmtp:99 mode-change-period=1; mode-change-capability=2; mode-change-neighbor=1\r\n\
    i=speech\r\nm=application 40002 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = PathBuf::from(arguments.next().expect("configuration"));
    let rounds: u64 = arguments.next().map_or(100_000, |text| text.parse().expect("a number"));
    let config = Config::load(&file).expect("a configuration without mistakes");
    let now = Time::from_millis(1_800_000_000_000);
    let mut node = Node::start(setup::service(&config, Ids::new([1; 32])), now);
    let flow = |address: &str| Flow {
        transport: Transport::Udp,
        listener: 0,
        peer: address.parse().expect("address"),
        connection: 0,
    };
    let answer = feed(&mut node, now, flow("127.0.0.2:7001"), form());
    assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    let peer = flow("127.0.0.1:6001");
    measure("INVITE, 302, ACK", rounds, |n| {
        let answer = feed(&mut node, at(now, n), peer, invite(n));
        assert!(answer.starts_with(b"SIP/2.0 302"), "{}", String::from_utf8_lossy(&answer));
        feed(&mut node, at(now, n), peer, ack(n, &answer));
    });
    measure("OPTIONS, 200", rounds, |n| {
        let answer = feed(&mut node, at(now, rounds + n), peer, options(n));
        assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    });
}

/// The clock goes on as it would at 100,000 requests a second.
fn at(now: Time, n: u64) -> Time {
    Time::from_millis(now.as_millis() + n / 100)
}

#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn measure(what: &str, rounds: u64, mut round: impl FnMut(u64)) {
    let started = Instant::now();
    for n in 0..rounds {
        round(n);
    }
    let each = started.elapsed().as_nanos() / u128::from(rounds);
    println!("{what}: {each} ns each, {rounds} rounds");
}

fn feed(node: &mut Node, now: Time, flow: Flow, octets: Bytes) -> Bytes {
    let mut ready = Ready::default();
    node.handle(now, Input::Datagram { flow, octets }, &mut ready);
    if node.due().is_some_and(|due| due <= now) {
        node.handle(now, Input::Tick, &mut ready);
    }
    node.finish(now, &mut ready);
    if let Some(batch) = ready.batch {
        ready.at_once.extend(node.settle(now, batch.number, Kept::Yes));
    }
    ready
        .at_once
        .into_iter()
        .find(|transmit| !transmit.trying)
        .map(|transmit| transmit.octets)
        .unwrap_or_default()
}

fn invite(n: u64) -> Bytes {
    let user = n % 1000;
    let info = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\">\r\n<mcptt-Params>\r\n\
         <session-type>prearranged</session-type>\r\n<mcptt-request-uri type=\"Normal\"><mcpttURI>sip:fire@one.example\
         </mcpttURI></mcptt-request-uri>\r\n<mcptt-calling-user-id type=\"Normal\"><mcpttURI>sip:user{user}@one.example\
         </mcpttURI></mcptt-calling-user-id>\r\n<mcptt-client-id type=\"Normal\"><mcpttString>\
         urn:uuid:00000000-0000-1000-8000-00AABBDDCCEE</mcpttString></mcptt-client-id>\r\n</mcptt-Params>\r\n</mcpttinfo>\r\n"
    );
    let body = format!(
        "--mcbound\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--mcbound\r\n\
         Content-Type: application/vnd.3gpp.mcptt-info+xml\r\n\r\n{info}--mcbound--\r\n"
    );
    Bytes::from(format!(
        "INVITE sip:mcptt-controlling@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKsb{n}x6001\r\n\
         Max-Forwards: 70\r\nRoute: <sip:127.0.0.1:5060;lr>\r\nFrom: <sip:mcptt-participating@one.example>;tag=t{n}\r\n\
         To: <sip:mcptt-controlling@one.example>\r\nCall-ID: sb-{n}-6001\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:mcptt-participating@127.0.0.1:6001>;+g.3gpp.mcptt;\
         +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\"\r\n\
         Accept-Contact: *;+g.3gpp.mcptt;require;explicit\r\n\
         Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";require;explicit\r\n\
         P-Asserted-Identity: <sip:mcptt-participating@one.example>\r\n\
         P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH, UPDATE, PRACK, OPTIONS\r\n\
         Supported: timer, norefersub\r\nSession-Expires: 1800;refresher=uac\r\n\
         Content-Type: multipart/mixed;boundary=mcbound\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The ACK to a failure, as the client transaction writes it (RFC 3261 17.1.1.3).
fn ack(n: u64, answer: &[u8]) -> Bytes {
    let answer = String::from_utf8_lossy(answer);
    let to = answer.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
    Bytes::from(format!(
        "ACK sip:mcptt-controlling@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKsb{n}x6001\r\n\
         From: <sip:mcptt-participating@one.example>;tag=t{n}\r\n{to}\r\nCall-ID: sb-{n}-6001\r\nCSeq: 1 ACK\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn options(n: u64) -> Bytes {
    let user = n % 1000;
    Bytes::from(format!(
        "OPTIONS sip:one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKop{n}x6002\r\nMax-Forwards: 70\r\n\
         From: <sip:user{user}@one.example>;tag=t{n}\r\nTo: <sip:one.example>\r\nCall-ID: so-{n}-6002\r\nCSeq: 1 OPTIONS\r\n\
         P-Asserted-Identity: <sip:user{user}@one.example>\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn form() -> Bytes {
    let info = "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><anyExt><req-type type=\"Normal\"><mcpttString>\
        group-regroup-request</mcpttString></req-type></anyExt></mcptt-Params></mcpttinfo>";
    let gmop = "<document xmlns=\"urn:3gpp:ns:mcpttGMOP:1.0\"><request><group-regroup-creation transaction-id=\"bench\">\
        <ls:group xmlns:ls=\"urn:oma:xml:poc:list-service\" xmlns:g=\"urn:3gpp:ns:mcpttGroupInfo:1.0\">\
        <ls:list-service uri=\"sip:tgi-1@one.example\"><g:on-network-temporary><g:constituent-MCPTT-group-IDs>\
        <g:constituent-MCPTT-group-ID>sip:fire@one.example</g:constituent-MCPTT-group-ID>\
        <g:constituent-MCPTT-group-ID>sip:police@one.example</g:constituent-MCPTT-group-ID>\
        </g:constituent-MCPTT-group-IDs></g:on-network-temporary></ls:list-service></ls:group></group-regroup-creation>\
        </request></document>";
    let body = format!(
        "--b\r\nContent-Type: application/vnd.3gpp.mcptt-info+xml\r\n\r\n{info}\r\n--b\r\n\
         Content-Type: application/vnd.3gpp.GMOP+xml\r\n\r\n{gmop}\r\n--b--\r\n"
    );
    Bytes::from(format!(
        "MESSAGE sip:gms@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:7001;branch=z9hG4bKprepare\r\nMax-Forwards: 70\r\n\
         From: <sip:user0@one.example>;tag=1\r\nTo: <sip:gms@one.example>\r\nCall-ID: prepare\r\nCSeq: 1 MESSAGE\r\n\
         P-Asserted-Identity: <sip:user0@one.example>\r\nP-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\n\
         Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}
