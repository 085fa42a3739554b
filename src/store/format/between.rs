//! What the group management servers of several systems keep.

use super::document;
use crate::env::Time;
use crate::model::*;

/// Facts of the GMS with those of other systems.
pub(super) fn samples() -> Vec<Fact> {
    let mut facts = Vec::new();
    let asker = Asker {
        user: "sip:alice@one.example".into(),
        client: Some("urn:uuid:1".into()),
        service: Service::Mcptt,
        transaction_id: "8".to_owned(),
        call_id: "call".to_owned(),
        request_hash: 77,
    };
    let part = Part {
        gms: "sip:gms@two.example".into(),
        constituents: vec!["sip:rail@two.example".into()],
        transaction_id: "8a".to_owned(),
        request: Some(RequestRef(80)),
        done: true,
    };
    for (number, stage) in [FormationStage::Checking, FormationStage::Notifying].into_iter().enumerate() {
        facts.push(Fact::Formation(Formation {
            asker: asker.clone(),
            document: GroupDocument {
                id: format!("sip:t{number}@one.example").as_str().into(),
                ..document()
            },
            own: vec!["sip:fire@one.example".into()],
            stage,
            parts: vec![part.clone()],
            until: Time::from_millis(3),
            ends: Time::from_millis(4),
        }));
    }
    facts.push(Fact::Reservation(Reservation {
        temporary: "sip:t@two.example".into(),
        by: "sip:gms@two.example".into(),
        constituents: vec!["sip:fire@one.example".into()],
        transaction_id: "9".to_owned(),
        call_id: "call".to_owned(),
        service: Service::McData,
        held: true,
        until: Time::from_millis(5),
    }));
    for (number, cause) in [WithdrawalCause::TornDown, WithdrawalCause::NotFormed].into_iter().enumerate() {
        facts.push(Fact::Withdrawal(Withdrawal {
            temporary: format!("sip:t{number}@one.example").as_str().into(),
            cause,
            requestor: "sip:alice@one.example".into(),
            service: Service::McVideo,
            parts: vec![Part { request: None, ..part.clone() }],
            asker: (number == 0).then(|| asker.clone()),
            wake: Time::from_millis(6),
        }));
    }
    let asked = [
        GroupAsked::RegroupCheck { constituents: vec!["sip:rail@two.example".into()] },
        GroupAsked::RegroupNotification { document: document() },
        GroupAsked::RegroupCancel,
        GroupAsked::TeardownNotification { constituents: vec!["sip:rail@two.example".into()] },
        GroupAsked::InformationProvision { document: document() },
        GroupAsked::InformationRequest,
        GroupAsked::InformationWithdrawal,
    ];
    for (number, what) in asked.into_iter().enumerate() {
        let response = GroupResponse {
            operation: what.operation(),
            group: "sip:t@one.example".into(),
            transaction_id: format!("{number}"),
            in_reply_to: "call".to_owned(),
            service: Service::Mcptt,
            result: if number == 0 { Err(failure()) } else { Ok(()) },
            document: (number == 1).then(document),
        };
        let asked = Asked::Group(GroupRequest {
            what,
            group: "sip:t@one.example".into(),
            transaction_id: "10".to_owned(),
            requestor: "sip:gms@one.example".into(),
            service: Service::Mcptt,
        });
        for (place, what) in [asked, Asked::GroupResult(response.clone())].into_iter().enumerate() {
            facts.push(Fact::Request(FunctionRequest {
                id: RequestRef(90 + 10 * place as u64 + number as u64),
                from: FunctionKind::Gms,
                to: "sip:gms@two.example".into(),
                what,
                begun: Time::from_millis(7),
                until: None,
            }));
        }
        facts.push(Fact::Exchange(Exchange {
            with: "sip:gms@two.example".into(),
            transaction_id: response.transaction_id.clone(),
            response,
            told: Some(RequestRef(100 + number as u64)),
            forget: Time::from_millis(8),
        }));
    }
    let states = [
        SharingState::Asked { request: RequestRef(81), until: Time::from_millis(10) },
        SharingState::Withdrawing { request: RequestRef(83), until: Time::from_millis(10) },
        SharingState::Stored,
        SharingState::Refused(failure()),
    ];
    for (number, state) in states.into_iter().enumerate() {
        facts.push(Fact::Sharing(Sharing {
            with: format!("sip:gms{number}@two.example").as_str().into(),
            document: document(),
            transaction_id: "11".to_owned(),
            state,
        }));
    }
    facts.push(Fact::Configuration(Side::Mc, document()));
    facts.push(Fact::Received(Received { document: document(), from: "sip:gms@two.example".into() }));
    facts.push(Fact::Wanted(Wanted {
        group: "sip:rail@two.example".into(),
        transaction_id: "12".to_owned(),
        request: Some(RequestRef(82)),
        until: Time::from_millis(11),
    }));
    facts
}

pub(super) fn failure() -> Failure {
    Failure {
        code: "group-already-regrouped".to_owned(),
        rejected: vec![("sip:rail@two.example".into(), "group-already-regrouped".to_owned())],
    }
}
