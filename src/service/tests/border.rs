//! What a partner system may ask: each row of the table in `docs/border.md`, permitted and refused. The partner is
//! two.example at 192.0.2.30.

use super::*;
use crate::config::Addresses;
use crate::documents::gmop::{Gmop, GroupProposal, Operation, OperationKind};
use crate::procedure::{Functions, Partner, Permissions};
use crate::sip::transaction::Beyond;

const TABLE: &str = include_str!("../../../docs/border.md");
const PARTNER: u8 = 30;
const STRANGER: u8 = 77;
const CONTROLLING: &str = "sip:mcptt-controlling@one.example";
const THEIR_USER: &str = "sip:rail@two.example";
const OUR_USER: &str = "sip:alice@one.example";
const THEIR_GROUP: &str = "sip:joint@two.example";
const OUR_GROUP: &str = "sip:fire@one.example";

fn world(may: Permissions) -> World {
    let mut setup = setup();
    let one = |psi: &str| vec![Psi::new(psi)];
    let functions = Functions {
        participating: one("sip:participating@two.example"),
        controlling: one("sip:controlling@two.example"),
        gms: one("sip:gms@two.example"),
    };
    let addresses = vec![Addresses::from(flow(PARTNER).peer)];
    setup.agent.transactions.beyond = Beyond { systems: vec![addresses.clone()], ..Beyond::default() };
    setup.peers = Peers(vec![Peer {
        name: "two".to_owned(),
        addresses,
        functions: functions.clone(),
        core: false,
        serving: false,
        partner: Some("two.example".to_owned()),
    }]);
    let domain = "two.example".to_owned();
    let partner = Partner { domain: domain.clone(), functions, may, ..Partner::default() };
    setup.policy.partners.insert(domain, partner);
    let hosts = &mut setup.agent.transactions.hops.hosts;
    hosts.insert("two.example".to_owned(), vec![(Transport::Udp, flow(PARTNER).peer)]);
    let fire = group("fire", &["alice", "bob", THEIR_USER]);
    World::new(setup, vec![user("alice"), user("bob")], vec![fire])
}

fn uri(name: &str, uri: &str) -> String {
    format!("<{name} type=\"Normal\"><mcpttURI>{uri}</mcpttURI></{name}>")
}

/// A row of the table.
#[derive(Clone, Debug)]
struct Row {
    message: String,
    to: String,
    needs: String,
    otherwise: String,
}

fn rows() -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = TABLE.lines().filter(|line| line.starts_with("| ")).skip(1).map(cells);
    lines
        .map(|cells| match cells.as_slice() {
            [message, to, needs, _, otherwise] => Row {
                message: message.clone(),
                to: to.clone(),
                needs: needs.clone(),
                otherwise: otherwise.clone(),
            },
            other => panic!("{other:?}"),
        })
        .collect()
}

fn permission(needs: &str) -> Permissions {
    let mut may = Permissions::default();
    match needs {
        "regroup" => may.regroup = true,
        "call" => may.call = true,
        "affiliate" => may.affiliate = true,
        "group-configuration" => may.group_configuration = true,
        other => panic!("{other}"),
    }
    may
}

/// The message of a row, on behalf of one of the partner (`theirs`) or of somebody else.
fn ask(world: &mut World, row: &Row, host: u8, theirs: bool) -> Sent {
    let (user, group) = if theirs { (THEIR_USER, THEIR_GROUP) } else { (OUR_USER, "sip:fire@one.example") };
    let to = match row.to.as_str() {
        "GMS" => GMS,
        "participating" => PARTICIPATING,
        _ => CONTROLLING,
    };
    let (method, what) = row.message.split_once(' ').expect("a method");
    let (speaker, focus) = match (row.to.as_str(), what) {
        ("GMS", _) => ("gms", ""),
        (_, "for a member" | "for a constituent") => ("controlling", ";isfocus"),
        _ => ("participating", ""),
    };
    let mut lines = vec![
        format!("P-Asserted-Identity: <sip:{speaker}@two.example>"),
        format!("P-Asserted-Service: {ICSI}"),
    ];
    let mut parts = Vec::new();
    let mut elements = String::new();
    match (method, what) {
        ("MESSAGE", "affiliation command") => {
            elements = uri("mcptt-request-uri", OUR_USER) + &uri("mcptt-calling-user-id", user);
            let command = crate::documents::affiliation_command::AffiliationCommand {
                affiliate: vec![OUR_GROUP.into()].into_iter().collect(),
                de_affiliate: Default::default(),
                outcome: None,
            };
            let kind = crate::documents::names::of(crate::model::Service::Mcptt).affiliation_command_type;
            parts.push((kind.to_owned(), command.encode(crate::model::Service::Mcptt).to_string()));
        }
        ("MESSAGE", kind) => {
            let operation = OperationKind::of_request_type(kind).expect("an operation");
            let named = if row.otherwise == "-" { OUR_GROUP } else { group };
            let proposal = GroupProposal {
                uri: named.to_owned(),
                constituents: Some(vec![OUR_GROUP.to_owned(), "sip:rail@two.example".to_owned()]),
                ..GroupProposal::default()
            };
            let whole = matches!(
                operation,
                OperationKind::GroupInformationProvision | OperationKind::GroupRegroupNotification
            );
            let mut document = crate::model::testing::group("fire", &["alice"]);
            document.id = named.into();
            let operation = Operation {
                kind: operation,
                group_id: Some(named.to_owned()),
                transaction_id: Some("t1".to_owned()),
                requestor: None,
                group: (!whole).then_some(proposal),
                document: whole.then(|| Box::new(document)),
            };
            elements =
                uri("mcptt-request-uri", named) + &format!("<anyExt><req-type>{kind}</req-type></anyExt>");
            parts.push((crate::documents::names::GMOP.to_owned(), Gmop::Request(operation).encode()));
        }
        (_, "presence of a user") => {
            elements = uri("mcptt-request-uri", OUR_USER) + &uri("mcptt-calling-user-id", user);
        }
        (_, "presence of a group") => {
            elements = uri("mcptt-request-uri", OUR_GROUP) + &uri("mcptt-calling-user-id", user);
        }
        ("INVITE", "for a group") => {
            elements = "<session-type>prearranged</session-type>".to_owned()
                + &uri("mcptt-request-uri", OUR_GROUP)
                + &uri("mcptt-calling-user-id", user);
        }
        ("INVITE", what) => {
            let invited = if what == "for a member" { OUR_USER } else { OUR_GROUP };
            elements = "<session-type>prearranged</session-type>".to_owned()
                + &uri("mcptt-request-uri", invited)
                + &uri("mcptt-calling-user-id", THEIR_USER)
                + &uri("mcptt-calling-group-id", group);
        }
        _ => {}
    }
    match method {
        "PUBLISH" => lines.extend(["Event: presence".to_owned(), "Expires: 4294967295".to_owned()]),
        "SUBSCRIBE" => lines.extend(["Event: presence".to_owned(), "Expires: 600".to_owned()]),
        "INVITE" => {
            parts.push(("application/sdp".to_owned(), OFFER.to_owned()));
            lines.push("Accept-Contact: *;+g.3gpp.mcptt;require;explicit".to_owned());
            let icsi = ICSI.replace(':', "%3A");
            lines.push(format!("Accept-Contact: *;+g.3gpp.icsi-ref=\"{icsi}\""));
        }
        _ => {}
    }
    if method != "MESSAGE" {
        if method != "PUBLISH" {
            lines.push(format!("Contact: <sip:function@192.0.2.{host}:5060>{focus}"));
        } else {
            use crate::documents::pidf::{Affiliation, Presence, Tuple};
            let of_user = what == "presence of a user";
            let one = |group: Option<&str>, client: Option<&str>| Affiliation {
                group: group.map(str::to_owned),
                client: client.map(str::to_owned),
                ..Affiliation::default()
            };
            let tuple = match of_user {
                true => Tuple { id: "phone".to_owned(), affiliations: vec![one(Some(OUR_GROUP), None)] },
                false => Tuple { id: user.to_owned(), affiliations: vec![one(None, Some("phone"))] },
            };
            let entity = if of_user { OUR_USER } else { OUR_GROUP }.to_owned();
            let presence = Presence { entity, tuples: vec![tuple], p_id: Some("p1".to_owned()) };
            let document = presence.encode(crate::model::Service::Mcptt);
            parts.push((crate::documents::names::PIDF.to_owned(), document.to_string()));
        }
    }
    parts.insert(0, ("application/vnd.3gpp.mcptt-info+xml".to_owned(), info(&elements)));
    let mut body = String::new();
    for (kind, content) in &parts {
        body += &format!("--b\r\nContent-Type: {kind}\r\n\r\n{content}\r\n");
    }
    body += "--b--\r\n";
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    world.ask(("function", host), method, to, &lines, Some(("multipart/mixed;boundary=b", &body)))
}

fn is_refused_at_the_border(answer: &Sent) -> bool {
    answer.line().starts_with("403") && answer.get(wire::Name::Warning).contains("\"180 ")
}

#[test]
fn each_message_of_a_partner_needs_its_permission_and_no_other() {
    assert_eq!(rows().len(), 15);
    for row in rows().into_iter().filter(|row| row.needs != "-") {
        let needed = permission(&row.needs);
        let answer = ask(&mut world(needed), &row, PARTNER, true);
        assert!(!is_refused_at_the_border(&answer), "{row:?}: {}", answer.line());
        // Everything but what it needs.
        let others = Permissions {
            regroup: !needed.regroup,
            call: !needed.call,
            affiliate: !needed.affiliate,
            group_configuration: !needed.group_configuration,
        };
        let mut world = world(others);
        let answer = ask(&mut world, &row, PARTNER, true);
        assert!(
            is_refused_at_the_border(&answer),
            "{row:?}: {} {}",
            answer.line(),
            answer.get(wire::Name::Warning)
        );
        assert!(world.facts.is_empty(), "{row:?}");
    }
}

#[test]
fn each_message_of_a_partner_is_on_behalf_of_its_own() {
    for row in rows().into_iter().filter(|row| row.otherwise != "-") {
        let mut world = world(Permissions::ALL);
        let answer = ask(&mut world, &row, PARTNER, false);
        assert!(answer.line().starts_with(&row.otherwise), "{row:?}: {}", answer.line());
        assert!(!answer.get(wire::Name::Warning).is_empty(), "{row:?}");
        assert!(world.facts.is_empty(), "{row:?}");
    }
}

#[test]
fn each_message_in_a_partners_name_from_elsewhere_is_refused() {
    for row in rows() {
        let mut world = world(Permissions::ALL);
        let answer = ask(&mut world, &row, STRANGER, true);
        assert!(is_refused_at_the_border(&answer), "{row:?}: {}", answer.line());
        assert!(world.facts.is_empty(), "{row:?}");
    }
}

#[test]
fn a_subscription_of_a_partner_is_refreshed_by_that_partner_only() {
    let row = rows().into_iter().find(|row| row.message == "SUBSCRIBE presence of a group").expect("a row");
    let mut world = world(Permissions::ALL);
    let answer = ask(&mut world, &row, PARTNER, true);
    assert_eq!(answer.line(), "200 SUBSCRIBE");
    let to = answer.get(wire::Name::To);
    let from = answer.get(wire::Name::From);
    let mut refresh = |host: u8, cseq: u8| {
        let text = format!(
            "SUBSCRIBE {CONTROLLING} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.{host}:5060;branch=z9hG4bKagain{host}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} SUBSCRIBE\r\n\
             Contact: <sip:function@192.0.2.{host}:5060>\r\nEvent: presence\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n",
            answer.get(wire::Name::CallId)
        );
        world.sent.clear();
        world.receive(flow(host), &text);
        let said = |line: &str| world.sent.iter().any(|sent| sent.line() == line);
        (said("200 SUBSCRIBE"), said("403 SUBSCRIBE"))
    };
    assert_eq!(refresh(STRANGER, 2), (false, true));
    assert_eq!(refresh(PARTNER, 3), (true, false));
}
