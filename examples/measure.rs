//! The node alone, no sockets and no disk: what the core costs. `docs/performance.md` holds the figures.
//!
//! - `cargo run --release --example measure -- path [ROUNDS]`: time for an INVITE that is answered 302
//!   and acknowledged, and for an OPTIONS.
//! - `cargo run --release --example measure -- scale [USERS...]`: the same INVITE with so many affiliated users, and the
//!   memory of an affiliation.
//! - `cargo run --release --example measure -- memory`: memory of a completed transaction, and of a leg of a call.

use bytes::Bytes;
use rollcall::config::Config;
use rollcall::env::{Ids, Time};
use rollcall::model::{
    Change, ClientAffiliations, ClientId, Fact, GroupAffiliation, Service, Transport, UserId,
};
use rollcall::node::{Core, Input, Kept, Node, Ready, setup};
use rollcall::sip::transaction::{Flow, Path};
use std::path::PathBuf;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 99\r\n\
    a=rtpmap:99 AMR-WB/16000\r\na=fmtp:99 mode-change-period=1; mode-change-capability=2; mode-change-neighbor=1\r\n\
    i=speech\r\nm=application 40002 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match what.as_str() {
        "path" => path(&rest),
        "scale" => scale(&rest),
        "memory" => memory(),
        _ => println!("path [ROUNDS] | scale [USERS...] | memory"),
    }
}

/// The moment at which every measurement begins.
fn start() -> Time {
    Time::from_millis(1_800_000_000_000)
}

fn flow(address: &str) -> Flow {
    Flow { transport: Transport::Udp, listener: 0, peer: address.parse().expect("address"), connection: 0 }
}

fn path(arguments: &[String]) {
    let rounds = arguments.first().map_or(100_000, |text| text.parse().expect("a number"));
    let now = start();
    let mut node = Node::start(setup::service(&system(1_000), Ids::new([1; 32])), now);
    let answer = feed(&mut node, now, flow("127.0.0.2:7001"), form());
    assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    invites(&mut node, now, rounds);
    let peer = flow("127.0.0.1:6001");
    measure("OPTIONS, 200", rounds, |n| {
        let answer = feed(&mut node, at(now, rounds + n), peer, options(n));
        assert!(answer.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&answer));
    });
}

fn invites(node: &mut Node, now: Time, rounds: u64) {
    let peer = flow("127.0.0.1:6001");
    measure("INVITE, 302, ACK", rounds, |n| {
        let answer = feed(node, at(now, n), peer, invite(n));
        assert!(answer.starts_with(b"SIP/2.0 302"), "{}", String::from_utf8_lossy(&answer));
        feed(node, at(now, n), peer, ack(n, &answer));
    });
}

/// A system like `config/bench.toml`, with any number of users.
fn system(users: u64) -> Config {
    let last = users - 1;
    let text = format!(
        r#"
        [server]
        domain = "one.example"
        memory = true
        listen = ["udp:127.0.0.1:5060"]
        registrar = true
        [functions]
        participating = "sip:mcptt@one.example"
        controlling = "sip:mcptt-controlling@one.example"
        gms = "sip:gms@one.example"
        [[peer]]
        name = "participating"
        addresses = ["127.0.0.1"]
        psis = ["sip:mcptt-participating@one.example"]
        roles = ["participating"]
        [[peer]]
        name = "core"
        addresses = ["127.0.0.2"]
        roles = ["s-cscf"]
        [media]
        address = "127.0.0.1"
        ports = "10000-65000"
        [[users]]
        id = "sip:user{{n}}@one.example"
        from = 0
        to = {last}
        allow_regroup = true
        allow_prearranged_call = true
        [[group]]
        id = "sip:fire@one.example"
        member_range = {{ id = "sip:user{{n}}@one.example", from = 0, to = {last} }}
        prearranged = true
        maximum_duration = "1h"
        protect_media = false
        rules = {{ initiate = "members", regroup = "members" }}
        [[group]]
        id = "sip:police@one.example"
        members = ["sip:user0@one.example"]
        prearranged = true
        maximum_duration = "1h"
        protect_media = false
        rules = {{ initiate = "members", regroup = "members" }}
        "#
    );
    Config::read(&PathBuf::from("system.toml"), text.as_bytes()).expect("a configuration without mistakes")
}

fn affiliation(user: u64) -> Fact {
    Fact::Affiliation(ClientAffiliations {
        user: UserId::new(format!("sip:user{user}@one.example")),
        client: ClientId::new(format!("urn:uuid:00000000-0000-1000-8000-{user:012}")),
        groups: vec![GroupAffiliation::own("sip:fire@one.example".into(), Service::Mcptt, None)],
    })
}

fn scale(arguments: &[String]) {
    let sizes: Vec<u64> = match arguments {
        [] => vec![1_000, 10_000, 100_000, 1_000_000],
        sizes => sizes.iter().map(|text| text.parse().expect("a number")).collect(),
    };
    for users in sizes {
        let (config, now) = (system(users), start());
        // What the formation leaves behind, taken from a small system: the members need not be told here.
        let mut small = Node::start(setup::service(&system(2), Ids::new([1; 32])), now);
        let mut ready = Ready::default();
        small.handle(now, Input::Datagram { flow: flow("127.0.0.2:7001"), octets: form() }, &mut ready);
        small.finish(now, &mut ready);
        let formed = ready.batch.expect("a batch").changes;
        let mut service = setup::service(&config, Ids::new([1; 32]));
        for change in formed {
            if let Change::Put(fact @ (Fact::TemporaryGroup(..) | Fact::Regrouped(..))) = change {
                service.replay(now, fact);
            }
        }
        let before = resident();
        for user in 0..users {
            service.replay(now, affiliation(user));
        }
        let each = (resident() - before) / users;
        println!("{users} affiliated users: {each} octets of memory each");
        let mut node = Node::start(service, now);
        invites(&mut node, now, 100_000);
    }
}

/// Resident memory of this process, octets.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

fn memory() {
    let now = start();
    let mut node = Node::start(setup::service(&system(1_000), Ids::new([1; 32])), now);
    let rounds = 200_000;
    let before = resident();
    for n in 0..rounds {
        feed(&mut node, now, flow("127.0.0.1:6001"), options(n));
    }
    println!("completed OPTIONS transaction over UDP: {} octets", (resident() - before) / rounds);
    let members = 10_000;
    let mut node = Node::start(setup::service(&system(members + 1), Ids::new([1; 32])), now);
    for user in 0..=members {
        if user > 0 {
            feed(&mut node, now, client(user), Bytes::from(register(user)));
        }
        feed(&mut node, now, flow("127.0.0.2:7001"), publish(user));
    }
    let before = resident();
    let caller = flow("127.0.0.1:6001");
    let mut asked = all(&mut node, now, caller, call());
    let mut answered = 0;
    while let Some((peer, octets)) = asked.pop() {
        if octets.starts_with(b"INVITE ") {
            answered += 1;
            asked.extend(all(&mut node, now, peer, accept(&octets)));
        }
    }
    let each = (resident() - before) / answered;
    println!("leg of a call with {answered} members, controlling function to client: {each} octets");
}

/// All that is sent because of one datagram.
fn all(node: &mut Node, now: Time, from: Flow, octets: Bytes) -> Vec<(Flow, Bytes)> {
    let mut ready = Ready::default();
    node.handle(now, Input::Datagram { flow: from, octets }, &mut ready);
    node.finish(now, &mut ready);
    if let Some(batch) = ready.batch {
        ready.at_once.extend(node.settle(now, batch.number, Kept::Yes));
    }
    let to = |path| match path {
        Path::Flow(flow) => flow,
        Path::Address { address, .. } => Flow { peer: address, ..from },
    };
    ready.at_once.into_iter().map(|transmit| (to(transmit.path), transmit.octets)).collect()
}

fn client(user: u64) -> Flow {
    flow(&format!("127.1.{}.{}:5070", user / 250, 1 + user % 250))
}

fn register(user: u64) -> String {
    let at = client(user).peer;
    format!(
        "REGISTER sip:one.example SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{user}\r\nMax-Forwards: 70\r\n\
         From: <sip:user{user}@one.example>;tag=1\r\nTo: <sip:user{user}@one.example>\r\nCall-ID: r{user}\r\n\
         CSeq: 1 REGISTER\r\nContact: <sip:user{user}@{at}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
    )
}

fn publish(user: u64) -> Bytes {
    let info = format!(
        "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-request-uri type=\"Normal\"><mcpttURI>\
         sip:user{user}@one.example</mcpttURI></mcptt-request-uri></mcptt-Params></mcpttinfo>"
    );
    let pidf = format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:p=\"urn:3gpp:ns:mcpttPresInfo:1.0\" \
         entity=\"sip:user{user}@one.example\"><tuple id=\"urn:uuid:00000000-0000-1000-8000-00AABBDDCCEE\"><status>\
         <p:affiliation group=\"sip:fire@one.example\"/></status></tuple><p:p-id>1</p:p-id></presence>"
    );
    let body = format!(
        "--b\r\nContent-Type: application/vnd.3gpp.mcptt-info+xml\r\n\r\n{info}\r\n--b\r\n\
         Content-Type: application/pidf+xml\r\n\r\n{pidf}\r\n--b--\r\n"
    );
    Bytes::from(format!(
        "PUBLISH sip:mcptt@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:7001;branch=z9hG4bKp{user}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user{user}@one.example>;tag=1\r\nTo: <sip:mcptt@one.example>\r\n\
         Call-ID: p{user}\r\nCSeq: 1 PUBLISH\r\nP-Asserted-Identity: <sip:user{user}@one.example>\r\n\
         P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\nEvent: presence\r\nExpires: 4294967295\r\n\
         Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The bench INVITE of user0, on a group that is not regrouped.
fn call() -> Bytes {
    invite(0)
}

fn accept(invite: &[u8]) -> Bytes {
    let invite = String::from_utf8_lossy(invite);
    let copied: String = invite
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| {
            ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(&format!("{name}:")))
        })
        .map(|line| if line.starts_with("To:") { format!("{line};tag=1\r\n") } else { format!("{line}\r\n") })
        .collect();
    let target = invite.split(' ').nth(1).unwrap_or_default();
    Bytes::from(format!(
        "SIP/2.0 200 OK\r\n{copied}Contact: <{target}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    ))
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
