//! Sessions of calls as clients see them.

use super::*;
use crate::sip::wire::Name;

const CONTROLLING_TO_CLIENT: &str = "<sip:mcptt-participating@one.example>";

/// Alice calls `fire`; bob and carol accept, alice acknowledges. Her session, and the To tag and Contact of the 200.
fn established() -> (World, Caller, String, String) {
    let mut world = World::brigade(setup());
    let caller = world.call(("alice", 5), "fire", &[]);
    let invitations: Vec<_> = [6, 7].map(|host| (host, world.to(host, "INVITE").cloned().unwrap())).into();
    for (host, invitation) in &invitations {
        world.answer(*host, invitation, 200);
    }
    let accepted = world.to(5, "200 INVITE").cloned().unwrap();
    let tag = accepted.tag(Name::To);
    let contact = accepted.get(Name::Contact);
    let contact = contact[1..contact.find('>').unwrap()].to_owned();
    let ack = caller.text("ACK", 1, &tag, &contact, &[], "");
    world.receive(flow(5), &ack);
    (world, caller, tag, contact)
}

/// Bob's phone, which accepted an invitation, sends BYE.
fn bob_leaves(world: &mut World) {
    let dialog = world.facts.values().find_map(|fact| match fact {
        Fact::Leg(Leg { link: LegLink::Dialog(dialog), .. }) if dialog.remote_uri.contains("bob") => {
            Some(dialog)
        }
        _ => None,
    });
    let dialog = dialog.unwrap();
    let uri = dialog.local_contact[1..].split('>').next().unwrap();
    let bye = format!(
        "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.6:5060;branch=z9hG4bKbob\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@one.example>;tag=theirs\r\nTo: <sip:x@one.example>;tag={}\r\nCall-ID: {}\r\n\
         CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        dialog.local_tag, dialog.call_id
    );
    world.receive(flow(6), &bye);
}

fn legs(world: &World) -> usize {
    world.facts.keys().filter(|key| matches!(key, FactKey::Leg(_))).count()
}

#[test]
fn requests_in_a_session_say_which_function_speaks() {
    let (mut world, caller, tag, contact) = established();
    world.sent.clear();
    let bye = caller.text("BYE", 2, &tag, &contact, &[], "");
    world.receive(flow(5), &bye);
    assert!(world.to(5, "200 BYE").is_some());
    // Bob and carol are two; one more leaves and the call is over.
    bob_leaves(&mut world);
    let bye = world.to(7, "BYE").cloned().unwrap();
    assert_eq!(bye.get(Name::PAssertedIdentity), CONTROLLING_TO_CLIENT);
    world.answer(7, &bye, 200);
    assert_eq!(legs(&world), 0);
    assert!(world.facts.keys().all(|key| !matches!(key, FactKey::Call(_) | FactKey::Participation(_))));
}

#[test]
fn after_a_restart_sessions_go_on_and_are_released_by_the_same_function() {
    let (mut world, caller, tag, contact) = established();
    world.restart();
    assert!(world.sent.is_empty(), "{:?}", world.sent);
    let bye = caller.text("BYE", 2, &tag, &contact, &[], "");
    world.receive(flow(5), &bye);
    assert!(world.to(5, "200 BYE").is_some());
    bob_leaves(&mut world);
    // Carol is the last, and her phone does not answer.
    let bye = world.to(7, "BYE").cloned().unwrap();
    assert_eq!(bye.get(Name::PAssertedIdentity), CONTROLLING_TO_CLIENT);
    world.wait(Duration::from_secs(40));
    assert_eq!(legs(&world), 0);
    assert!(world.service.legs.is_empty(), "{:?}", world.service.legs);
}

#[test]
fn a_release_that_was_not_answered_is_repeated_after_a_restart() {
    let (mut world, caller, tag, contact) = established();
    // Everybody is taken out of the group: carol's and bob's phones do not answer the BYE.
    for name in ["bob", "carol"] {
        let change =
            Change::Remove(FactKey::Affiliation(user_id(name), format!("{name}-phone").as_str().into()));
        world.service.change(change);
        let word = Send::Deaffiliated {
            user: user_id(name),
            client: format!("{name}-phone").as_str().into(),
            service: crate::model::Service::Mcptt,
            group: group_id("fire"),
        };
        world.service.send(world.now, word);
        world.service.run(world.now);
        world.settle();
    }
    let bye = world.to(5, "BYE").cloned();
    let left = legs(&world);
    assert!(left >= 2, "{left}");
    world.restart();
    for host in [6, 7] {
        let bye = world.to(host, "BYE").cloned().unwrap();
        assert_eq!(bye.get(Name::PAssertedIdentity), CONTROLLING_TO_CLIENT);
        world.answer(host, &bye, 200);
    }
    if bye.is_some() {
        let bye = world.to(5, "BYE").cloned().unwrap();
        world.answer(5, &bye, 200);
    } else {
        world.receive(flow(5), &caller.text("BYE", 2, &tag, &contact, &[], ""));
    }
    assert_eq!(legs(&world), 0);
    assert!(world.service.legs.is_empty(), "{:?}", world.service.legs);
}

#[test]
fn the_slower_phone_of_a_member_is_given_up_with_a_reason() {
    let mut world = World::brigade(setup());
    // Bob has a tablet too, for the same client.
    let contact = "Contact: <sip:bob@192.0.2.8:5060>;+sip.instance=\"<bob-phone>\"";
    world.ask(("bob", 6), "REGISTER", "sip:one.example", &[contact], None);
    world.call(("alice", 5), "fire", &[]);
    let (phone, tablet) = (world.to(6, "INVITE").cloned().unwrap(), world.to(8, "INVITE").cloned().unwrap());
    world.answer(8, &tablet, 180);
    world.answer(6, &phone, 200);
    assert!(world.to(6, "ACK").is_some());
    let cancel = world.to(8, "CANCEL").cloned().unwrap();
    assert!(cancel.get(Name::Reason).contains("cause=200"), "{}", cancel.get(Name::Reason));
    // It accepts all the same: it is released at once, and the call goes on with the phone.
    world.answer(8, &tablet, 200);
    let bye = world.to(8, "BYE").cloned().unwrap();
    assert_eq!(bye.get(Name::PAssertedIdentity), CONTROLLING_TO_CLIENT);
    world.answer(8, &bye, 200);
    assert!(world.to(6, "BYE").is_none());
}
