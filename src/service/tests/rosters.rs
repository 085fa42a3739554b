//! What the other controlling function of a call tells of its part: a partner at 192.0.2.30.

use super::*;
use crate::documents::names::CONFERENCE_INFO;
use crate::model::{Call, DialogFact, LegOwner, Participant, Roster};
use crate::procedure::{Functions, Partner, Permissions};

const PARTNER: u8 = 30;
const EMS: &str = "sip:ems@two.example";

/// A call of alice on a temporary group, of which the partner's server has a part; our SUBSCRIBE to it, answered.
fn watching() -> (World, Sent) {
    let mut setup = setup();
    setup.limits.roster_users = 3;
    let domain = "two.example".to_owned();
    let controlling = vec![Psi::new("sip:controlling@two.example")];
    let functions = Functions { controlling, ..Functions::default() };
    let may = Permissions { call: true, ..Permissions::default() };
    let partner = Partner { domain: domain.clone(), functions, may, ..Partner::default() };
    setup.policy.partners.insert(domain.clone(), partner);
    setup.agent.transactions.hops.hosts.insert(domain, vec![(Transport::Udp, flow(PARTNER).peer)]);
    let mut world = World::brigade(setup);
    let call = call(1, temporary_group("joint", &["fire", EMS]));
    for (number, user, host) in [(2, "sip:alice@one.example", 5), (3, EMS, PARTNER)] {
        put(&mut world, &call, number, user, host);
    }
    let fact = Fact::Call(call);
    world.facts.insert(fact.key(), fact);
    world.restart();
    let subscribe = world.to(PARTNER, "SUBSCRIBE").cloned().expect("our subscription");
    let contact = format!("Contact: <sip:192.0.2.{PARTNER}>");
    let answer = subscribe.answer(200, "theirs", &["Expires: 600", &contact], None);
    world.receive(flow(PARTNER), &answer);
    (world, subscribe)
}

/// A participant and its leg.
fn put(world: &mut World, call: &Call, number: u64, user: &str, host: u8) {
    let dialog = DialogFact {
        call_id: format!("dialog{number}"),
        local_tag: "ours".to_owned(),
        remote_tag: "theirs".to_owned(),
        local_uri: "sip:mcptt-controlling@one.example".to_owned(),
        remote_uri: user.to_owned(),
        remote_target: format!("sip:session@192.0.2.{host}:5060"),
        local_contact: "<sip:mcptt-controlling@192.0.2.1:5060>".to_owned(),
        route_set: Vec::new(),
        local_cseq: 1,
        remote_cseq: None,
        source: None,
        session_timer: None,
    };
    let leg = Leg {
        id: LegId(number),
        owner: LegOwner::Call(call.id),
        link: LegLink::Dialog(dialog),
        service: call.service,
        ending: false,
    };
    let participant = Participant {
        call: call.id,
        leg: leg.id,
        user: user.into(),
        client: None,
        media_port: 40_000 + 2 * u16::from(host),
        joined: world.now,
        left: false,
        turns: 1,
    };
    for fact in [Fact::Leg(leg), Fact::Participant(participant)] {
        world.facts.insert(fact.key(), fact);
    }
}

/// A conference-info document of the partner.
fn document(state: &str, users: &[&str]) -> String {
    let one = |user: &&str| {
        let uri = format!("sip:{user}@two.example");
        format!(
            "<user entity=\"{uri}\"><endpoint entity=\"{uri}\"><status>connected</status></endpoint></user>"
        )
    };
    let users: String = users.iter().map(one).collect();
    format!(
        "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"{EMS}\" state=\"{state}\" \
         version=\"1\"><users state=\"{state}\">{users}</users></conference-info>"
    )
}

/// The answer to a NOTIFY of the partner with this body.
fn notify(world: &mut World, subscribe: &Sent, cseq: u32, (kind, content): (&str, &str)) -> String {
    let text = format!(
        "NOTIFY sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKn{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:session@192.0.2.30:5060>;tag=theirs\r\nTo: <sip:x@one.example>;tag={}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} NOTIFY\r\nContact: <sip:192.0.2.30>\r\nEvent: conference\r\n\
         Subscription-State: active;expires=600\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{content}",
        subscribe.tag(wire::Name::From),
        subscribe.get(wire::Name::CallId),
        content.len()
    );
    world.sent.clear();
    world.receive(flow(PARTNER), &text);
    world.sent.iter().map(Sent::line).find(|line| line.ends_with(" NOTIFY")).unwrap_or_default()
}

fn known(world: &World) -> Option<&Roster> {
    world.facts.values().find_map(|fact| match fact {
        Fact::Roster(roster) => Some(roster),
        _ => None,
    })
}

#[test]
fn a_notification_without_a_readable_roster_is_refused_and_changes_nothing() {
    let (mut world, subscribe) = watching();
    let good = document("full", &["zoe"]);
    let cut = &good[..good.len() - 20];
    for (cseq, body, answer) in [
        (1, ("text/plain", "zoe"), "415 NOTIFY"),
        (2, (CONFERENCE_INFO, "zoe"), "400 NOTIFY"),
        (3, (CONFERENCE_INFO, cut), "400 NOTIFY"),
    ] {
        assert_eq!(notify(&mut world, &subscribe, cseq, body), answer, "{body:?}");
        assert_eq!(known(&world), None);
    }
    assert_eq!(notify(&mut world, &subscribe, 4, (CONFERENCE_INFO, &good)), "200 NOTIFY");
    assert_eq!(known(&world).map(|roster| roster.users.len()), Some(1));
}

#[test]
fn a_roster_grows_by_partial_documents_up_to_the_limit() {
    let (mut world, subscribe) = watching();
    let documents = [
        (document("full", &["u1"]), "200 NOTIFY", 1),
        (document("partial", &["u2", "u3"]), "200 NOTIFY", 3),
        (document("partial", &["u4"]), "400 NOTIFY", 3),
        (document("full", &["u1", "u2", "u3", "u4"]), "400 NOTIFY", 3),
        (document("full", &["u4"]), "200 NOTIFY", 1),
        (document("partial", &["u5"]), "200 NOTIFY", 2),
    ];
    for (cseq, (content, answer, users)) in (1..).zip(documents) {
        assert_eq!(notify(&mut world, &subscribe, cseq, (CONFERENCE_INFO, &content)), answer, "{content}");
        assert_eq!(known(&world).map(|roster| roster.users.len()), Some(users), "{content}");
    }
}
