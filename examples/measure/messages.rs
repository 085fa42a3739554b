//! The messages that are fed to the server, and its configuration.

use bytes::Bytes;
use rollcall::config::Config;
use rollcall::model::Transport;
use rollcall::sip::transaction::Flow;
use std::path::PathBuf;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 99\r\n\
    a=rtpmap:99 AMR-WB/16000\r\na=fmtp:99 mode-change-period=1; mode-change-capability=2; mode-change-neighbor=1\r\n\
    i=speech\r\nm=application 40002 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n";

pub fn flow(address: &str) -> Flow {
    Flow { transport: Transport::Udp, listener: 0, peer: address.parse().expect("address"), connection: 0 }
}

pub fn client(user: u64) -> Flow {
    flow(&format!("127.1.{}.{}:5070", user / 250, 1 + user % 250))
}

pub fn register(user: u64) -> String {
    let at = client(user).peer;
    format!(
        "REGISTER sip:one.example SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr{user}\r\nMax-Forwards: 70\r\n\
         From: <sip:user{user}@one.example>;tag=1\r\nTo: <sip:user{user}@one.example>\r\nCall-ID: r{user}\r\n\
         CSeq: 1 REGISTER\r\nContact: <sip:user{user}@{at}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A PUBLISH that affiliates a user to exactly these groups; `serial` makes the transaction.
pub fn publish(user: u64, serial: u64, groups: &[&str]) -> Bytes {
    let affiliations: String =
        groups.iter().map(|group| format!("<p:affiliation group=\"sip:{group}@one.example\"/>")).collect();
    let pidf = format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:p=\"urn:3gpp:ns:mcpttPresInfo:1.0\" \
         entity=\"sip:user{user}@one.example\"><tuple id=\"urn:uuid:00000000-0000-1000-8000-00AABBDDCCEE\"><status>\
         {affiliations}</status></tuple><p:p-id>{serial}</p:p-id></presence>"
    );
    let body = multipart(&about(&format!("user{user}")), "application/pidf+xml", &pidf);
    Bytes::from(format!(
        "PUBLISH sip:mcptt@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:7001;branch=z9hG4bKp{serial}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user{user}@one.example>;tag=1\r\nTo: <sip:mcptt@one.example>\r\n\
         Call-ID: p{serial}\r\nCSeq: 1 PUBLISH\r\nP-Asserted-Identity: <sip:user{user}@one.example>\r\n\
         P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\nEvent: presence\r\nExpires: 4294967295\r\n\
         Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A SUBSCRIBE of a user to the dynamic data of a group.
pub fn subscribe(user: u64, group: &str) -> Bytes {
    let at = client(user).peer;
    let body = multipart(&about(group), "application/nothing", "");
    Bytes::from(format!(
        "SUBSCRIBE sip:mcptt@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:7001;branch=z9hG4bKs{user}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user{user}@one.example>;tag=1\r\nTo: <sip:mcptt@one.example>\r\n\
         Call-ID: s{user}\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:user{user}@{at}>\r\n\
         P-Asserted-Identity: <sip:user{user}@one.example>\r\n\
         P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\nEvent: presence\r\nExpires: 4294967295\r\n\
         Accept: application/pidf+xml\r\nContent-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// An info document that is about a user or a group.
fn about(name: &str) -> String {
    format!(
        "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-request-uri type=\"Normal\"><mcpttURI>\
         sip:{name}@one.example</mcpttURI></mcptt-request-uri></mcptt-Params></mcpttinfo>"
    )
}

fn multipart(info: &str, content_type: &str, content: &str) -> String {
    let second = match content {
        "" => String::new(),
        _ => format!("--b\r\nContent-Type: {content_type}\r\n\r\n{content}\r\n"),
    };
    format!("--b\r\nContent-Type: application/vnd.3gpp.mcptt-info+xml\r\n\r\n{info}\r\n{second}--b--\r\n")
}

/// The answer 200 to a request of the server.
pub fn ok(request: &[u8]) -> Bytes {
    Bytes::from(format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", copied(request)))
}

/// What an answer copies from its request.
fn copied(request: &[u8]) -> String {
    let request = String::from_utf8_lossy(request);
    let head = request.lines().skip(1).take_while(|line| !line.is_empty()).filter(|line| {
        ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(&format!("{name}:")))
    });
    let tagged = |line: &str| line.starts_with("To:") && !line.contains(";tag=");
    head.map(|line| if tagged(line) { format!("{line};tag=1\r\n") } else { format!("{line}\r\n") }).collect()
}

/// The bench INVITE of user0, on a group that is not regrouped.
pub fn call() -> Bytes {
    invite(0)
}

pub fn invite(n: u64) -> Bytes {
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

pub fn accept(invite: &[u8]) -> Bytes {
    let (invite, copied) = (String::from_utf8_lossy(invite), copied(invite));
    let target = invite.split(' ').nth(1).unwrap_or_default();
    Bytes::from(format!(
        "SIP/2.0 200 OK\r\n{copied}Contact: <{target}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    ))
}

/// The ACK to a failure, as the client transaction writes it (RFC 3261 17.1.1.3).
pub fn ack(n: u64, answer: &[u8]) -> Bytes {
    let answer = String::from_utf8_lossy(answer);
    let to = answer.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
    Bytes::from(format!(
        "ACK sip:mcptt-controlling@one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKsb{n}x6001\r\n\
         From: <sip:mcptt-participating@one.example>;tag=t{n}\r\n{to}\r\nCall-ID: sb-{n}-6001\r\nCSeq: 1 ACK\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ))
}

pub fn options(n: u64) -> Bytes {
    let user = n % 1000;
    Bytes::from(format!(
        "OPTIONS sip:one.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6001;branch=z9hG4bKop{n}x6002\r\nMax-Forwards: 70\r\n\
         From: <sip:user{user}@one.example>;tag=t{n}\r\nTo: <sip:one.example>\r\nCall-ID: so-{n}-6002\r\nCSeq: 1 OPTIONS\r\n\
         P-Asserted-Identity: <sip:user{user}@one.example>\r\nContent-Length: 0\r\n\r\n"
    ))
}

pub fn form() -> Bytes {
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

/// A system like `config/bench.toml`, with any number of users, that keeps its facts in memory.
pub fn system(users: u64) -> Config {
    read(&configuration(users, 0, "memory = true"))
}

/// A configuration from its text.
pub fn read(text: &str) -> Config {
    Config::read(&PathBuf::from("system.toml"), text.as_bytes()).expect("a configuration without mistakes")
}

/// The configuration of a system with any number of users; they are members of `fire` and of `sea`, and each is a member of
/// one of `parts` groups `part0`, `part1` and so on besides.
pub fn configuration(users: u64, parts: u64, storage: &str) -> String {
    let last = users - 1;
    let groups = (0..parts).map(|part| {
        let (from, to) = (part * users / parts, (part + 1) * users / parts - 1);
        format!(
            r#"
        [[group]]
        id = "sip:part{part}@one.example"
        member_range = {{ id = "sip:user{{n}}@one.example", from = {from}, to = {to} }}
        "#
        )
    });
    let groups: String = groups.collect();
    format!(
        r#"
        [server]
        domain = "one.example"
        {storage}
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
        id = "sip:sea@one.example"
        member_range = {{ id = "sip:user{{n}}@one.example", from = 0, to = {last} }}
        rules = {{ affiliation_list = "members" }}
        [[group]]
        id = "sip:police@one.example"
        members = ["sip:user0@one.example"]
        prearranged = true
        maximum_duration = "1h"
        protect_media = false
        rules = {{ initiate = "members", regroup = "members" }}
        {groups}
        "#
    )
}
