//! The messages of an IMS core as Kamailio 5.6 writes them, against the configuration of `config/ims-core.toml`: headers in
//! any order, Route before Via, Record-Route on both sides of Route and as a list, `lr=on`, sent-by without port, spaces
//! before numbers, and a P-Associated-URI that has lost its inner brackets.

use bytes::Bytes;
use rollcall::env::{Ids, Time};
use rollcall::model::Transport;
use rollcall::node::{Core, Input, Kept, Node, Ready};
use rollcall::sip::transaction::{Flow, Path};
use std::net::SocketAddr;

const S_CSCF: &str = "192.0.2.12:6060";
const I_CSCF: &str = "192.0.2.11:4060";
const STRANGER: &str = "192.0.2.99:5060";

struct World {
    now: Time,
    node: Node,
}

impl World {
    fn new() -> Self {
        let text = include_str!("../config/ims-core.toml");
        let file = std::path::Path::new("ims-core.toml");
        let config = rollcall::config::Config::read(file, text.as_bytes()).expect("the example is right");
        let now = Time::from_millis(1_800_000_000_000);
        let service = rollcall::node::setup::service(&config, Ids::new([7; 32]));
        Self { now, node: Node::start(service, now) }
    }

    /// What the server sends when this comes: where to, over what, and the text.
    fn says(&mut self, peer: &str, text: &str) -> Vec<(SocketAddr, Transport, String)> {
        let flow =
            Flow { transport: Transport::Udp, listener: 0, peer: peer.parse().unwrap(), connection: 0 };
        let octets = Bytes::from(text.replace('\n', "\r\n"));
        let mut ready = Ready::default();
        self.node.handle(self.now, Input::Datagram { flow, octets }, &mut ready);
        self.node.finish(self.now, &mut ready);
        let mut leaving = ready.at_once;
        if let Some(batch) = ready.batch {
            leaving.extend(self.node.settle(self.now, batch.number, Kept::Yes));
        }
        leaving
            .into_iter()
            .map(|transmit| {
                let text = String::from_utf8(transmit.octets.to_vec()).unwrap();
                match transmit.path {
                    Path::Flow(flow) => (flow.peer, flow.transport, text),
                    Path::Address { address, transport, .. } => (address, transport, text),
                }
            })
            .collect()
    }

    /// A third-party REGISTER; the status of its answer.
    fn registers(&mut self, peer: &str, user: &str, expires: u32, inner: &str) -> String {
        let mut sent = self.says(peer, &third_party(user, expires, inner));
        assert_eq!(sent.len(), 1, "{sent:?}");
        status(&sent.remove(0).2)
    }

    fn affiliates(&mut self, user: &str) {
        let body = format!(
            "--part\nContent-Type: application/vnd.3gpp.mcptt-info+xml\n\n\
             <mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-request-uri type=\"Normal\"><mcpttURI>\
             sip:mc-{user}@one.example</mcpttURI></mcptt-request-uri></mcptt-Params></mcpttinfo>\n\
             --part\nContent-Type: application/pidf+xml\n\n\
             <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:m=\"urn:3gpp:ns:mcpttPresInfo:1.0\" \
             entity=\"sip:mc-{user}@one.example\"><tuple id=\"client-{user}\"><status><m:affiliation \
             group=\"sip:fire@one.example\"/></status></tuple><m:p-id>1</m:p-id></presence>\n--part--\n"
        );
        let fields = "Event: presence\nExpires: 4294967295\nContent-Type: multipart/mixed;boundary=part\n";
        let sent = self.says(S_CSCF, &by_filter("PUBLISH", user, fields, &body));
        assert_eq!(status(&sent[0].2), "200", "{sent:?}");
    }
}

fn status(text: &str) -> String {
    text.strip_prefix("SIP/2.0 ").unwrap_or(text).chars().take(3).collect()
}

/// All values of a header, in order, lists taken apart.
fn values(text: &str, name: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.split_once(": ")).filter(|(key, _)| *key == name);
    lines.flat_map(|(_, value)| value.split(',')).map(|value| value.trim().to_owned()).collect()
}

/// Octets on the wire: line ends count twice.
fn length(body: &str) -> usize {
    body.len() + body.matches('\n').count()
}

fn third_party(user: &str, expires: u32, inner: &str) -> String {
    let kind = if inner.is_empty() { "" } else { "Content-Type: message/sip\n" };
    format!(
        "REGISTER sip:192.0.2.20:5070 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.12:6060;branch=z9hG4bK{user}{expires}.b31da047000000000000000000000000.0\n\
         To: <sip:{user}@one.example>\n\
         From: <sip:192.0.2.12:6060>;tag=500d493f1d7ed699b26c9deee713ae97-{user}{expires}\n\
         CSeq: 10 REGISTER\n\
         Call-ID: 06c92a36724f0180-{user}{expires}@192.0.2.12\n\
         Content-Length: {}\n\
         User-Agent: kamailio (5.6.3 (x86_64/linux))\n\
         Event: registration\n\
         Max-Forwards: 10\n\
         Expires: {expires}\n\
         Path: <sip:192.0.2.12:6060;lr>,<sip:term@192.0.2.10:5060;lr>\n\
         Contact: <sip:192.0.2.12:6060>\n\
         P-Visited-Network-ID: \"one.example\"\n\
         P-Charging-Vector: icid-value=538aac98145f431c2b1d86d93dbaca91;icid-generated-at=192.0.2.10;orig-ioi=one.example\n\
         P-Associated-URI: <sip:{user}@one.example, tel:+15550001>\n\
         {kind}\n{inner}",
        length(inner)
    )
}

/// The client's own REGISTER as the S-CSCF got it.
fn inner(user: &str, call_id: &str, expires: u32, client: &str) -> String {
    let body = format!(
        "<mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><mcptt-access-token type=\"Normal\"><mcpttString>\
         token</mcpttString></mcptt-access-token><mcptt-client-id type=\"Normal\"><mcpttString>{client}</mcpttString>\
         </mcptt-client-id></mcptt-Params></mcpttinfo>"
    );
    let (kind, body) = match client {
        "" => ("", String::new()),
        _ => ("Content-Type: application/vnd.3gpp.mcptt-info+xml\n", body),
    };
    format!(
        "REGISTER sip:192.0.2.12:6060 SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.11:4060;branch=z9hG4bK135f.50063441a312f2e6aec4546b916d5a44.0\n\
         Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK135f.2e4905b6a0e716d41ad79fe5bcd09251.0\n\
         Via: SIP/2.0/UDP 198.51.100.31:5061;branch=z9hG4bK-4039-1-3\n\
         Max-Forwards: 67\n\
         From: <sip:{user}@one.example>;tag=4039r1\n\
         To: <sip:{user}@one.example>\n\
         Call-ID: {call_id}\n\
         CSeq: 2 REGISTER\n\
         Contact: <sip:{user}@198.51.100.31:5061;transport=UDP>;+g.3gpp.mcptt;expires={expires}\n\
         Supported: path, gruu\n\
         {kind}Content-Length:   {}\n\
         Path: <sip:term@192.0.2.10:5060;lr>\n\
         Require: path\n\
         \n{body}",
        length(&body)
    )
}

/// A request of a user that initial filter criteria bring here.
fn by_filter(method: &str, user: &str, fields: &str, body: &str) -> String {
    format!(
        "{method} sip:mcptt-participating@one.example SIP/2.0\n\
         Record-Route: <sip:192.0.2.12:6060;lr=on;ftag=4061i1>\n\
         Route: <sip:192.0.2.20:5070;lr>, <sip:iscmark@192.0.2.12:6060;lr;s=2;h=1;d=0;a=7369703a616c696365>\n\
         Record-Route: <sip:192.0.2.10;lr=on;ftag=4061i1>\n\
         Via: SIP/2.0/UDP 192.0.2.12:6060;branch=z9hG4bK{method}{user}.67f09503e0710767b19fa93acc356d57.0\n\
         Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{method}{user}.b85fd763e4167fb00dceced6cab603d5.0\n\
         Via: SIP/2.0/UDP 198.51.100.31:5061;branch=z9hG4bK-4061-1-0\n\
         Max-Forwards: 68\n\
         From: <sip:{user}@one.example>;tag=4061{user}\n\
         To: <sip:mcptt-participating@one.example>\n\
         Call-ID: {method}-{user}@198.51.100.31\n\
         P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\n\
         CSeq: 1 {method}\n\
         Accept-Contact: *;+g.3gpp.mcptt;require;explicit\n\
         Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt\";require;explicit\n\
         {fields}Content-Length:   {}\n\
         P-Asserted-Identity: <sip:{user}@one.example>\n\
         P-Charging-Vector: icid-value=a0dfecc45a8fe8e4cfa1ad65305d9b16;icid-generated-at=192.0.2.10;orig-ioi=one.example\n\
         P-Served-User: <sip:{user}@one.example>;sescase=orig;regstate=reg\n\
         \n{body}",
        length(body)
    )
}

const SDP: &str = "v=0\no=- 1 1 IN IP4 198.51.100.31\ns=-\nc=IN IP4 198.51.100.31\nt=0 0\nm=audio 49152 RTP/AVP 99\ni=speech\n\
     a=rtpmap:99 AMR-WB/16000\nm=application 49153 udp MCPTT\na=fmtp:MCPTT mc_queueing\n";

fn call_of_alice() -> String {
    let body = format!(
        "--part\nContent-Type: application/sdp\n\n{SDP}\n--part\nContent-Type: application/vnd.3gpp.mcptt-info+xml\n\n\
         <mcpttinfo xmlns=\"urn:3gpp:ns:mcpttInfo:1.0\"><mcptt-Params><session-type>prearranged</session-type>\
         <mcptt-request-uri type=\"Normal\"><mcpttURI>sip:fire@one.example</mcpttURI></mcptt-request-uri>\
         <mcptt-client-id type=\"Normal\"><mcpttString>client-alice</mcpttString></mcptt-client-id></mcptt-Params>\
         </mcpttinfo>\n--part--\n"
    );
    let fields = "Contact: <sip:alice@198.51.100.31:5061>;+g.3gpp.mcptt\nSupported: timer\n\
        Content-Type: multipart/mixed;boundary=part\n";
    by_filter("INVITE", "alice", fields, &body)
}

#[test]
fn third_party_register_is_taken_from_the_s_cscf_only() {
    let mut world = World::new();
    let body = inner("alice", "1-4039@198.51.100.31", 3600, "client-alice");
    assert_eq!(world.registers(STRANGER, "alice", 3720, &body), "403");
    let sent = world.says(S_CSCF, &third_party("alice", 3721, &body));
    let (to, _, answer) = &sent[0];
    assert_eq!((*to, status(answer).as_str()), (S_CSCF.parse().unwrap(), "200"));
    assert_eq!(values(answer, "Contact"), ["<sip:alice@one.example>;expires=3721"]);
    assert_eq!(world.registers(S_CSCF, "alice", 0, &body), "200");
    assert_eq!(world.registers(S_CSCF, "nobody", 600, ""), "404");
}

#[test]
fn a_client_is_known_by_the_call_id_of_its_own_register() {
    let mut world = World::new();
    for client in ["one", "two"] {
        let first = inner("bob", &format!("of-{client}"), 3600, client);
        assert_eq!(world.registers(S_CSCF, "bob", if client == "one" { 3720 } else { 3721 }, &first), "200");
    }
    let sent = world.says(S_CSCF, &third_party("bob", 0, &inner("bob", "of-one", 0, "")));
    assert_eq!(
        values(&sent[0].2, "Contact"),
        ["<sip:bob@one.example>;expires=3721"],
        "the other one is there"
    );
    let sent =
        world.says(S_CSCF, &third_party("bob", 0, &inner("bob", "of-two", 0, "")).replace("bob0", "bob00"));
    assert!(values(&sent[0].2, "Contact").is_empty(), "{sent:?}");
}

#[test]
fn a_call_goes_through_the_core_and_its_requests_follow_the_route_sets() {
    let mut world = World::new();
    for user in ["alice", "bob"] {
        let body = inner(user, user, 3600, &format!("client-{user}"));
        assert_eq!(world.registers(S_CSCF, user, 3720, &body), "200");
        world.affiliates(user);
    }

    let sent = world.says(S_CSCF, &call_of_alice());
    let (to, transport, invite) = sent
        .iter()
        .find(|(_, _, text)| text.starts_with("INVITE sip:bob@one.example SIP/2.0\r\n"))
        .expect("bob is invited at the public identity");
    // Too long for UDP: RFC 3261 18.1.1.
    assert_eq!((*to, *transport), (I_CSCF.parse().unwrap(), Transport::Tcp));
    assert_eq!(values(invite, "Route"), ["<sip:192.0.2.11:4060;lr>"]);
    assert_eq!(values(invite, "To"), ["<sip:bob@one.example>"]);
    assert_eq!(values(invite, "P-Asserted-Identity"), ["<sip:mcptt-controlling@one.example>"]);
    assert!(values(invite, "P-Charging-Vector")[0].ends_with(";orig-ioi=one.example"));
    assert!(!invite.contains("iscmark"), "a request of our own owes nothing to the mark");

    // The core lists itself; the I-CSCF does not stay.
    let one = |name: &str| values(invite, name).join(", ");
    let accepted = format!(
        "SIP/2.0 200 OK\nVia: {}\n\
         Record-Route: <sip:192.0.2.10;lr=on;ftag=x>, <sip:192.0.2.12:6060;lr=on;ftag=x>\n\
         From: {}\nTo: {};tag=4058u1\nCall-ID: {}\nCSeq: {}\nContact: <sip:bob@198.51.100.32:5062>\n\
         Content-Type: application/sdp\nContent-Length:   {}\n\n{SDP}",
        one("Via"),
        one("From"),
        one("To"),
        one("Call-ID"),
        one("CSeq"),
        length(SDP)
    );
    let sent = world.says(I_CSCF, &accepted);
    let (to, _, ack) = sent.iter().find(|(_, _, text)| text.starts_with("ACK ")).expect("an ACK");
    assert!(ack.starts_with("ACK sip:bob@198.51.100.32:5062 SIP/2.0\r\n"), "{ack}");
    assert_eq!(*to, S_CSCF.parse().unwrap());
    let routes = ["<sip:192.0.2.12:6060;lr=on;ftag=x>", "<sip:192.0.2.10;lr=on;ftag=x>"];
    assert_eq!(values(ack, "Route"), routes);

    let (to, _, answer) =
        sent.iter().find(|(_, _, text)| text.starts_with("SIP/2.0 200")).expect("alice is answered");
    assert_eq!(*to, S_CSCF.parse().unwrap());
    assert_eq!(values(answer, "Via").len(), 3);
    let recorded = ["<sip:192.0.2.12:6060;lr=on;ftag=4061i1>", "<sip:192.0.2.10;lr=on;ftag=4061i1>"];
    assert_eq!(values(answer, "Record-Route"), recorded);
    let session = values(answer, "Contact").remove(0);
    let session = session.trim_start_matches('<').split('>').next().unwrap();
    assert!(session.starts_with("sip:mcptt-participating@192.0.2.20:5070;gr="), "{session}");

    // The S-CSCF has taken itself off the Route of what comes inside the dialog.
    let of_alice = |method: &str, cseq: u32| {
        format!(
            "{method} {session} SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.12:6060;branch=z9hG4bK0154.{method}.0\n\
             Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK0154.3219a530f1cd8fb21ab4051871a42c5c.0\n\
             Max-Forwards: 68\nFrom: {}\nTo: {}\nCall-ID: {}\nCSeq: {cseq} {method}\nContent-Length: 0\n\n",
            values(answer, "From").join(""),
            values(answer, "To").join(""),
            values(answer, "Call-ID").join("")
        )
    };
    assert!(world.says(S_CSCF, &of_alice("ACK", 1)).iter().all(|(_, _, text)| !text.starts_with("SIP/2.0")));
    let sent = world.says(S_CSCF, &of_alice("BYE", 2));
    assert!(sent.iter().any(|(_, _, text)| text.starts_with("SIP/2.0 200")), "{sent:?}");
    let (to, _, bye) = sent.iter().find(|(_, _, text)| text.starts_with("BYE ")).expect("bob is released");
    assert_eq!(*to, S_CSCF.parse().unwrap());
    assert!(bye.starts_with("BYE sip:bob@198.51.100.32:5062 SIP/2.0\r\n"), "{bye}");
    assert_eq!(values(bye, "Route"), routes);
}
