//! What tests read and check.

use super::*;

impl Switchboard {
    /// The leg of an end: its last one.
    pub fn phone(&self, name: &str) -> Phone {
        let last = self.order.iter().rev().find(|leg| self.ends[leg].name == name);
        Phone(*last.expect("an end of that name"))
    }

    /// What an end was invited with.
    pub fn invited(&self, name: &str) -> &Invitation {
        &self.ends[&self.phone(name).0].invited.as_ref().expect("an invitation").1
    }

    /// Whom the last invitation of an end was for.
    pub fn party(&self, name: &str) -> &Party {
        &self.ends[&self.phone(name).0].invited.as_ref().expect("an invitation").0
    }

    /// What a caller was accepted with.
    pub fn accepted(&self, phone: Phone) -> &Acceptance {
        self.ends[&phone.0].accepted.as_ref().expect("an acceptance")
    }

    /// What a caller was refused with.
    pub fn refused(&self, phone: Phone) -> &Rejection {
        self.ends[&phone.0].refused.as_ref().expect("a refusal")
    }

    /// How the last re-INVITE of an end was answered.
    pub fn offer_answer(&self, phone: Phone) -> &Result<Box<Acceptance>, Box<Rejection>> {
        self.ends[&phone.0].answered.as_ref().expect("an answer")
    }

    /// The one call that is a fact.
    pub fn the_call(&self) -> &Call {
        let mut calls = self.world.model.calls();
        let call = calls.next().expect("a call");
        assert!(calls.next().is_none(), "one call only");
        call
    }

    /// Users in a call, by name.
    pub fn in_call(&self, id: CallRef) -> Vec<String> {
        let mut names: Vec<_> = self
            .world
            .model
            .participants(id)
            .filter(|one| !one.left)
            .map(|one| short(one.user.as_str()))
            .collect();
        names.sort();
        names
    }

    /// Ends in this state.
    pub fn ends(&self, state: EndState) -> Vec<Phone> {
        self.order.iter().filter(|leg| self.ends[leg].state == state).map(|leg| Phone(*leg)).collect()
    }

    /// Whether the leg of an end belongs to a function that may be gone (a restart forgets it).
    pub fn is_known(&self, phone: Phone) -> bool {
        self.owners.contains_key(&phone.0)
    }

    /// What is remembered fits together: facts with facts, ports with legs, ends with records.
    pub fn assert_consistent(&self) {
        let model = &self.world.model;
        assert_eq!(self.world.media.in_use(), self.open.ports(), "media ports");
        for call in model.calls() {
            let mut seats = model.participants(call.id).filter(|one| !one.left).peekable();
            assert!(seats.peek().is_some() || !call.established, "a call without participants");
            for seat in seats {
                assert!(model.leg(seat.leg).is_some(), "a participant without leg");
            }
        }
        for participation in model.participations() {
            for leg in [participation.client_leg, participation.core_leg] {
                assert!(model.leg(leg).is_some(), "a session without leg");
            }
        }
        for leg in model.legs() {
            match leg.link {
                LegLink::Memory(other) => assert!(model.leg(other).is_some(), "half a link"),
                LegLink::Dialog(_) => {
                    assert_eq!(self.ends[&leg.id].state, EndState::Open, "{}", self.ends[&leg.id].name);
                }
            }
            match leg.owner {
                LegOwner::Call(call) => {
                    let seat = model.participant(call, leg.id);
                    assert!(seat.is_some_and(|seat| !seat.left), "a leg without participant");
                }
                LegOwner::Participation(id) => {
                    assert!(model.participation(id).is_some(), "a leg without session");
                }
            }
        }
        for end in self.ends(EndState::Open) {
            assert!(model.leg(end.0).is_some(), "{} has no session", self.ends[&end.0].name);
        }
    }

    /// Nothing is left of any call.
    pub fn assert_quiet(&self) {
        assert!(self.open.is_idle(), "{:?}", self.open);
        assert_eq!(self.world.media.in_use(), 0, "media ports");
        assert_eq!(self.world.model.calls().count(), 0, "calls");
        assert_eq!(self.world.model.participations().count(), 0, "participations");
        assert_eq!(self.world.model.legs().count(), 0, "legs");
        assert_eq!(self.world.model.unsettled_affiliations().count(), 0, "affiliations by call");
        let open: Vec<_> =
            self.ends.values().filter(|end| end.state == EndState::Open).map(|end| &end.name).collect();
        assert!(open.is_empty(), "sessions of {open:?}");
    }
}
