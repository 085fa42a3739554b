//! Holds the encoding of facts against what it was when this format began. Whoever changes a fact changes what is on
//! the disks of others: raise [`super::FORMAT`], write the migration, begin a new list.

mod between;

use super::record;
use crate::env::Time;
use crate::model::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every kind of fact, with everything that can be in it.
fn samples() -> Vec<Fact> {
    let result = OperationResult {
        operation: GmsOperation::Teardown,
        group: "sip:t@one.example".into(),
        transaction_id: "7".to_owned(),
        in_reply_to: "call".to_owned(),
        document: Some(document()),
        failure: Some(between::failure()),
    };
    let source = |transport, address: &str| Source { transport, address: address.parse().unwrap() };
    let mut facts = vec![
        Fact::TemporaryGroup(Side::Gms, document()),
        Fact::TemporaryGroup(Side::Mc, bare()),
        Fact::Regrouped(
            Side::Mc,
            "sip:fire@one.example".into(),
            Regrouped {
                temporary: "sip:t@one.example".into(),
                requestor: "sip:alice@one.example".into(),
                constituents: vec!["sip:fire@one.example".into(), "sip:police@one.example".into()],
                priority: Some(200),
                protect_media: true,
                protect_floor_control: false,
            },
        ),
        Fact::Registration(Registration {
            public_id: "sip:alice@ims.example".into(),
            user: "sip:alice@one.example".into(),
            bindings: vec![
                Binding {
                    contact: "sip:alice@192.0.2.7".to_owned(),
                    route: vec!["<sip:192.0.2.1;lr>".to_owned()],
                    client: Some("urn:uuid:1".into()),
                    parameters: ";+g.3gpp.mcptt".to_owned(),
                    call_id: "r1".to_owned(),
                    cseq: 300,
                    expires: Time::from_millis(1_700_000_000_000),
                    source: source(Transport::Udp, "192.0.2.7:5060"),
                    origin: BindingOrigin::Own,
                    services: Service::ALL.into_iter().collect(),
                },
                Binding {
                    contact: String::new(),
                    route: Vec::new(),
                    client: None,
                    parameters: String::new(),
                    call_id: String::new(),
                    cseq: 0,
                    expires: Time::from_millis(0),
                    source: source(Transport::Tcp, "[2001:db8::7]:5061"),
                    origin: BindingOrigin::ThirdParty,
                    services: ServiceSet::default(),
                },
            ],
        }),
        Fact::Affiliation(ClientAffiliations {
            user: "sip:alice@one.example".into(),
            client: "urn:uuid:1".into(),
            groups: [
                (AffiliationStatus::Affiliating, Service::Mcptt, None),
                (AffiliationStatus::Affiliated, Service::McVideo, Some(Time::from_millis(1))),
                (AffiliationStatus::Deaffiliating, Service::McData, Some(Time::from_millis(u64::MAX))),
            ]
            .map(|(status, service, expires)| GroupAffiliation {
                status,
                by_call: status == AffiliationStatus::Affiliating,
                owner: (status != AffiliationStatus::Affiliated).then(|| {
                    Box::new(AtOwner {
                        asked: Some(RequestRef(1)),
                        attempts: 2,
                        expires: Some(Time::from_millis(3)),
                        publish_at: Some(Time::from_millis(4)),
                    })
                }),
                ..GroupAffiliation::own("sip:fire@one.example".into(), service, expires)
            })
            .to_vec(),
        }),
        Fact::Settings(ClientSettings {
            user: "sip:alice@one.example".into(),
            client: "urn:uuid:1".into(),
            service: Service::McVideo,
            active: true,
            answer_mode: Some(AnswerMode::Manual),
            expires: Some(Time::from_millis(7)),
        }),
        Fact::Settings(ClientSettings {
            user: "sip:alice@one.example".into(),
            client: "urn:uuid:1".into(),
            service: Service::Mcptt,
            active: false,
            answer_mode: None,
            expires: None,
        }),
        Fact::Participant(Participant {
            call: CallRef(u64::MAX),
            leg: LegId(2),
            user: "sip:bob@one.example".into(),
            client: Some("urn:uuid:2".into()),
            media_port: 40_000,
            joined: Time::from_millis(2),
            left: true,
            turns: 3,
        }),
        Fact::Leg(Leg {
            id: LegId(3),
            owner: LegOwner::Call(CallRef(1)),
            link: LegLink::Memory(LegId(4)),
            service: Service::Mcptt,
            ending: true,
        }),
        Fact::Leg(Leg {
            id: LegId(4),
            owner: LegOwner::Participation(ParticipationRef(5)),
            link: LegLink::Dialog(dialog()),
            service: Service::McData,
            ending: false,
        }),
        Fact::Operation(Operation {
            requestor: "sip:alice@one.example".into(),
            transaction_id: "7".to_owned(),
            result: result.clone(),
            request_hash: 0x0123_4567_89AB_CDEF,
            forget: Time::from_millis(9),
        }),
    ];
    for (number, priority) in
        [CallPriority::Normal, CallPriority::ImminentPeril, CallPriority::Emergency].into_iter().enumerate()
    {
        facts.push(Fact::Call(Call {
            id: CallRef(10 + number as u64),
            group: bare(),
            members: members(),
            service: Service::Mcptt,
            initiator: "sip:alice@one.example".into(),
            broadcast: number == 1,
            priority,
            resource_priority: (number == 2).then(|| "mcpttp.15".to_owned()),
            established: number > 0,
            started: Time::from_millis(1),
            ends: (number == 0).then(|| Time::from_millis(2)),
            orphaned: number == 2,
            superior: Some(Superior {
                leg: LegId(77),
                temporary: "sip:tg@two.example".into(),
                caller: "sip:zoe@two.example".into(),
                merged: true,
                awaits_required: number == 1,
            }),
        }));
    }
    for (number, role) in
        [ParticipationRole::Originating, ParticipationRole::Terminating].into_iter().enumerate()
    {
        facts.push(Fact::Participation(Participation {
            id: ParticipationRef(20 + number as u64),
            role,
            user: "sip:bob@one.example".into(),
            client: (number == 1).then(|| "urn:uuid:2".into()),
            group: "sip:fire@one.example".into(),
            client_leg: LegId(3),
            core_leg: LegId(4),
            session: (number == 0).then(|| "sip:s@one.example;gr=1".to_owned()),
        }));
    }
    let watched = [
        Watched::Affiliations { user: "sip:bob@one.example".into(), client: None, service: Service::McVideo },
        Watched::Conference { call: CallRef(10), service: Service::McVideo, audience: Audience::Participant },
        Watched::Conference {
            call: CallRef(10),
            service: Service::Mcptt,
            audience: Audience::ServedElsewhere("sip:zoe@two.example".into()),
        },
        Watched::Conference {
            call: CallRef(10),
            service: Service::Mcptt,
            audience: Audience::Focus(LegId(3)),
        },
        Watched::Session { id: ParticipationRef(12), service: Service::McData },
        Watched::GroupAffiliation {
            group: "sip:fire@one.example".into(),
            user: "sip:zoe@two.example".into(),
            service: Service::Mcptt,
        },
        Watched::Group {
            group: "sip:fire@one.example".into(),
            service: Service::McData,
            user: Some("sip:bob@one.example".into()),
            by: Some("sip:rail@two.example".into()),
        },
    ];
    for (number, watched) in watched.into_iter().enumerate() {
        facts.push(Fact::Subscription(Subscription {
            id: SubscriptionRef(30 + number as u64),
            subscriber: match number {
                0 => Subscriber::User("sip:alice@one.example".into()),
                _ => Subscriber::Function("sip:participating@two.example".into()),
            },
            watched,
            dialog: dialog(),
            event_id: (number == 0).then(|| "e".to_owned()),
            expires: Time::from_millis(5),
        }));
    }
    facts.push(Fact::Untold(SubscriptionRef(30)));
    facts.push(Fact::Roster(Roster {
        call: CallRef(10),
        of: "sip:rail@two.example".into(),
        users: vec![("sip:yan@two.example".into(), true), ("sip:zoe@two.example".into(), false)],
        turns: 7,
    }));
    let (group, user) = (GroupId::from("sip:t@one.example"), UserId::from("sip:alice@one.example"));
    let notices = [
        Notice::Regrouped {
            temporary: document(),
            constituents: vec!["sip:fire@one.example".into()],
            transaction_id: "7".to_owned(),
            requestor: user.clone(),
        },
        Notice::TornDown {
            temporary: group,
            constituents: Vec::new(),
            transaction_id: "8".to_owned(),
            requestor: user,
        },
        Notice::Result(OperationResult { operation: GmsOperation::Formation, document: None, ..result }),
        Notice::Proposal(proposal_end(ProposalOutcome::Partial)),
    ];
    for (number, notice) in notices.into_iter().enumerate() {
        facts.push(Fact::Owed(Owed {
            id: OwedRef(40 + number as u64),
            to: "sip:bob@one.example".into(),
            clients: vec!["urn:uuid:2".into(); number],
            service: Service::McData,
            notice,
            until: Time::from_millis(6),
        }));
    }
    facts.push(Fact::Request(FunctionRequest {
        id: RequestRef(50),
        from: FunctionKind::Participating,
        to: "sip:controlling@two.example".into(),
        what: Asked::Affiliation {
            group: "sip:rail@two.example".into(),
            user: "sip:bob@one.example".into(),
            service: Service::Mcptt,
            clients: vec!["urn:uuid:2".into()],
            p_id: "p".to_owned(),
        },
        begun: Time::from_millis(1),
        until: Some(Time::from_millis(2)),
    }));
    for (number, from) in [FunctionKind::Controlling, FunctionKind::Gms].into_iter().enumerate() {
        facts.push(Fact::Watch(Watch {
            id: WatchRef(60 + number as u64),
            from,
            at: "sip:controlling@two.example".into(),
            what: Watching::GroupAffiliation {
                group: "sip:rail@two.example".into(),
                user: "sip:bob@one.example".into(),
                service: Service::McData,
            },
            dialog: (number == 0).then(|| (dialog(), Time::from_millis(9))),
        }));
    }
    facts.push(Fact::Request(FunctionRequest {
        id: RequestRef(51),
        from: FunctionKind::Participating,
        to: "sip:participating@two.example".into(),
        what: Asked::ProposalEnd { end: proposal_end(ProposalOutcome::Rejected), service: Service::McVideo },
        begun: Time::from_millis(1),
        until: None,
    }));
    facts.push(Fact::Watch(Watch {
        id: WatchRef(62),
        from: FunctionKind::Participating,
        at: "sip:participating@two.example".into(),
        what: Watching::UserAffiliations {
            user: "sip:zoe@two.example".into(),
            by: "sip:alice@one.example".into(),
            service: Service::Mcptt,
        },
        dialog: None,
    }));
    let rosters = [Watching::Session { id: ParticipationRef(20) }, Watching::Focus { leg: LegId(4) }];
    for (number, what) in rosters.into_iter().enumerate() {
        facts.push(Fact::Watch(Watch {
            id: WatchRef(65 + number as u64),
            from: FunctionKind::Participating,
            at: "sip:controlling@two.example".into(),
            what,
            dialog: None,
        }));
    }
    for number in 0..3 {
        let ProposalEnd { originator, target, call_id, changes, .. } =
            proposal_end(ProposalOutcome::Accepted);
        let client = (number == 1).then(|| "urn:uuid:2".into());
        let accepted = ProposedChanges { de_affiliate: Vec::new(), ..changes.clone() };
        facts.push(Fact::Proposal(Proposal {
            id: ProposalRef(70 + number),
            originator,
            target,
            service: Service::Mcptt,
            call_id,
            changes,
            decided: (number > 0).then_some(Decision { client, accepted, published: number == 1 }),
            until: Time::from_millis(7),
        }));
    }
    facts.extend(between::samples());
    facts.push(Fact::OwnedAffiliation(OwnedAffiliation {
        group: "sip:fire@one.example".into(),
        user: "sip:zoe@two.example".into(),
        service: Service::McVideo,
        clients: vec!["urn:uuid:3".into()],
        expires: Some(Time::from_millis(5)),
    }));
    facts.push(Fact::LastPublish(LastPublish {
        group: "sip:fire@one.example".into(),
        user: "sip:zoe@two.example".into(),
        service: Service::McData,
        call_id: "7@two.example".to_owned(),
        cseq: 8,
        until: Time::from_millis(9),
    }));
    facts
}

fn proposal_end(outcome: ProposalOutcome) -> ProposalEnd {
    ProposalEnd {
        originator: "sip:alice@one.example".into(),
        target: "sip:bob@one.example".into(),
        call_id: "c".to_owned(),
        outcome,
        changes: ProposedChanges {
            affiliate: vec!["sip:fire@one.example".into()],
            de_affiliate: vec!["sip:rail@two.example".into()],
        },
    }
}

fn members() -> MemberList {
    let details = MemberDetails { display_name: Some("Alice".to_owned()), kept: kept() };
    let chief = Member {
        priority: Some(9),
        required: true,
        affiliation_required: true,
        receive_only: true,
        details: Some(Box::new(details)),
    };
    Arc::new(BTreeMap::from([
        ("sip:alice@one.example".into(), chief),
        ("sip:bob@one.example".into(), Member::default()),
    ]))
}

/// An ordinary group that says as little as it may.
fn bare() -> GroupDocument {
    GroupDocument {
        on_acknowledgement_timeout: OnTimeout::Proceed,
        protect_media: false,
        protect_floor_control: false,
        rules: GroupRules {
            initiate: Who::Nobody,
            join: Who::Members,
            conference_state: Who::Anyone,
            member_list: Who::Users(vec!["sip:alice@one.example".into()]),
            emergency_call: Who::Nobody,
            imminent_peril_call: Who::Members,
            ..GroupRules::default()
        },
        version: 1,
        ..GroupDocument::blank("sip:fire@one.example".into())
    }
}

/// A temporary group that says all it can.
fn document() -> GroupDocument {
    GroupDocument {
        id: "sip:t@one.example".into(),
        display_name: "T".to_owned(),
        members: members(),
        prearranged: true,
        disabled: true,
        preconfigured_only: true,
        max_participants: Some(100),
        minimum_to_start: 2,
        minimum_affiliated: Some(3),
        acknowledgement_timeout: Some(Duration::from_millis(1_500)),
        on_acknowledgement_timeout: OnTimeout::Abandon,
        maximum_duration: Some(Duration::from_secs(3_600)),
        hang_timer: Some(Duration::from_secs(30)),
        priority: Some(5),
        protect_media: true,
        protect_floor_control: true,
        encodings: vec!["AMR-WB".to_owned()],
        services: vec![Service::Mcptt, Service::McVideo, Service::McData],
        temporary: Some(Temporary {
            constituents: vec!["sip:fire@one.example".into(), "sip:police@one.example".into()],
            requestor: "sip:alice@one.example".into(),
        }),
        rules: GroupRules {
            affiliation_list: Who::Members,
            emergency_alert: Who::Anyone,
            others: [Space::ListService, Space::GroupInfo]
                .map(|space| OtherAction { space, name: "a".to_owned(), who: Who::Members })
                .to_vec(),
            ..bare().rules
        },
        details: Arc::new(details()),
        version: 300,
    }
}

fn details() -> GroupDetails {
    let point = |longitude, latitude| Point { longitude, latitude };
    GroupDetails {
        language: Some("en".to_owned()),
        owner: Some("county".to_owned()),
        permitted_area: Some(vec![Shape::Polygon(vec![point(0, 1), point(2, 3), point(4, 16_777_215)])]),
        mandatory_area: Some(vec![Shape::Arc {
            center: point(5, 6),
            radius: 7,
            offset_angle: 8,
            included_angle: 255,
        }]),
        emergency_timeout: Some(Duration::from_secs(60)),
        imminent_peril_timeout: Some(Duration::from_millis(1)),
        mcvideo_priority: Some(255),
        mcdata_priority: Some(0),
        services: Some((vec![Service::McData], "<s/>".to_owned())),
        kept: kept(),
    }
}

fn kept() -> Vec<KeptElement> {
    let simple =
        KeptContent::Simple { attributes: vec![("a".to_owned(), "b".to_owned())], text: "t".to_owned() };
    [
        (Space::ListService, simple.clone()),
        (Space::GroupInfo, simple),
        (Space::Foreign, KeptContent::Xml("<x/>".to_owned())),
    ]
    .map(|(space, content)| KeptElement { space, name: "n".to_owned(), content })
    .to_vec()
}

fn dialog() -> DialogFact {
    DialogFact {
        call_id: "c".to_owned(),
        local_tag: "l".to_owned(),
        remote_tag: "r".to_owned(),
        local_uri: "<sip:one.example>".to_owned(),
        remote_uri: "<sip:bob@one.example>".to_owned(),
        remote_target: "sip:bob@192.0.2.9".to_owned(),
        local_contact: "<sip:192.0.2.1>".to_owned(),
        route_set: vec!["<sip:192.0.2.1;lr>".to_owned()],
        local_cseq: 70_000,
        remote_cseq: Some(1),
        source: Some(Source { transport: Transport::Tcp, address: "192.0.2.9:5060".parse().unwrap() }),
        session_timer: Some(SessionTimerFact {
            interval: 1_800,
            we_refresh: true,
            expires: Time::from_millis(7),
        }),
    }
}

#[test]
fn facts_are_encoded_as_ever_in_this_format() {
    let hexadecimal = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let mut text = String::new();
    for (change, fact) in samples().iter().map(|fact| (Change::Put(fact.clone()), fact)) {
        for (key, value) in record::effects(&[change]).unwrap() {
            let value = value.unwrap();
            assert_eq!(record::decode(&key, &value).unwrap(), *fact);
            writeln!(text, "{}\n  key {}", record::readable(&key), hexadecimal(&key)).unwrap();
            writeln!(text, "  value {}", hexadecimal(&value)).unwrap();
        }
    }
    let name = format!("src/store/format_{}.txt", super::FORMAT);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let first = text.lines().zip(known.lines()).find(|(now, then)| now != then);
    assert!(
        known == text,
        "facts are not encoded as in {name}: {first:?}\nRaise store::FORMAT and write the migration from the released \
         format, then run this test with REWRITE=1 to begin the new list. Only a format that no release has written may \
         be rewritten in place."
    );
}
