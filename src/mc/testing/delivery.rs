//! What the service layer does between functions and clients: words reach the function at the other end of a leg, or an
//! outer end, and sessions become legs.

use super::lines::{invitation_written, written};
use super::*;
use crate::mc::{conference, roster};

impl Switchboard {
    /// Hands words over until nobody says anything more.
    pub(in crate::mc) fn run(&mut self) -> Vec<String> {
        while let Some(next) = self.queue.pop_front() {
            match next {
                Waiting::Word(word) => self.send(word),
                Waiting::Event(owner, leg, event) => {
                    let outcome = calls::hear(&mut self.world.view(), &mut self.open, owner, leg, event);
                    self.take(outcome);
                }
            }
        }
        std::mem::take(&mut self.lines)
    }

    /// Keeps the facts and takes what is sent.
    pub(in crate::mc) fn take(&mut self, outcome: Outcome<Over>) {
        self.world.keep(&outcome);
        self.log.extend(outcome.log);
        for send in outcome.sends {
            match send {
                Send::Call(word) => self.queue.push_back(Waiting::Word(word)),
                Send::WakeAt { at, wake } => self.wakes.push((at, wake)),
                Send::Roster { call } => {
                    let document = self.roster(call).expect("a roster");
                    let users: Vec<_> = document.users.iter().map(|(user, _)| short(user)).collect();
                    let part = self.world.model.call(call).is_some_and(|call| call.superior.is_some());
                    assert!(part || !users.is_empty());
                }
                Send::RosterEnds { call } => {
                    assert!(self.roster(call).is_none());
                }
                // The service knows who watches.
                Send::RosterHeard { .. } | Send::RosterEndsFor { .. } | Send::Watch(_) | Send::Unwatch(_) => {
                }
                Send::RosterHandedOver { to } => {
                    let told = roster::handed_over(&self.world.model, &self.world.policy, to);
                    let told = told.expect("the other end of a leg in memory");
                    let (view, open) = (&mut self.world.view(), &mut self.open);
                    let outcome = roster::heard(view, open, to, None, Heard::Roster(told));
                    self.take(outcome);
                }
                Send::AffiliationStatus { user, .. } => {
                    self.lines.push(format!("NOTIFY of {}", short(user.as_str())));
                }
                Send::Affiliated { user, service, group, .. } => {
                    let (view, open) = (&mut self.world.view(), &mut self.open);
                    let outcome = calls::affiliated(view, open, &user, service, &group);
                    self.take(outcome);
                }
                Send::AffiliationUpdate { user, groups, .. } => {
                    for (group, affiliated) in groups {
                        let gms =
                            format!("GMS: {} {affiliated} {}", short(user.as_str()), short(group.as_str()));
                        self.lines.push(gms);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn roster(&self, call: CallRef) -> Option<crate::documents::conference_info::ConferenceInfo> {
        let (model, policy) = (&self.world.model, &self.world.policy);
        conference::document(model, policy, call, &Audience::Participant)
    }

    fn send(&mut self, word: CallSend) {
        match word {
            CallSend::Invite { leg, owner, to, invitation } => {
                self.owners.insert(leg, owner);
                self.deliver(leg, to, invitation);
            }
            CallSend::Cancel { leg } => self.tell(leg, LegEvent::Cancelled),
            CallSend::Progress { leg, progress } => self.tell(leg, LegEvent::Progress(progress)),
            CallSend::Accept { leg, acceptance } => {
                self.establish(leg);
                self.tell(leg, LegEvent::Accepted(acceptance));
                if let Some(other) = self.links.get(&leg).copied() {
                    self.establish(other);
                }
                if let Some(owner) = self.owners.get(&leg).copied() {
                    self.hand_over(owner, leg, LegEvent::Confirmed);
                }
            }
            CallSend::Refuse { leg, rejection } => self.tell(leg, LegEvent::Refused(rejection)),
            CallSend::Release { leg, reason } => self.tell(leg, LegEvent::Released { reason }),
            CallSend::Offer { leg, offer, info } => self.tell(leg, LegEvent::Offered { offer, info }),
            CallSend::AnswerOffer { leg, result } => self.tell(leg, LegEvent::OfferAnswered(result)),
        }
    }

    /// A word reaches what is at the other end of a leg.
    fn tell(&mut self, leg: LegId, event: LegEvent) {
        let over = matches!(
            event,
            LegEvent::Cancelled | LegEvent::Refused(_) | LegEvent::Released { .. } | LegEvent::Lost { .. }
        );
        if let Some(other) = self.links.get(&leg).copied() {
            if let Some(owner) = self.owners.get(&other).copied() {
                self.hand_over(owner, other, event);
            }
            if over {
                self.close(leg);
                self.close(other);
            }
            return;
        }
        let Some(end) = self.ends.get_mut(&leg) else { return };
        match &event {
            LegEvent::Accepted(acceptance) => end.accepted = Some(acceptance.clone()),
            LegEvent::Refused(rejection) => end.refused = Some(rejection.clone()),
            LegEvent::OfferAnswered(result) => end.answered = Some(result.clone()),
            _ => {}
        }
        let line = format!("{} <- {}", end.name, written(&event));
        self.lines.push(line);
        if over {
            self.close(leg);
        }
    }

    /// An invitation reaches a function of this process, or an end.
    pub(super) fn deliver(&mut self, leg: LegId, to: Party, invitation: Box<Invitation>) {
        let (role, name) = match &to {
            Party::Client { user, .. } if self.away.contains(user) => {
                let owner = self.owners[&leg];
                let rejection = Rejection { status: 480, ..Rejection::default() };
                self.hand_over(owner, leg, LegEvent::Refused(Box::new(rejection)));
                return;
            }
            Party::Client { user, .. } => (None, short(user.as_str())),
            Party::Terminating { user, .. } if self.elsewhere.contains(user) => {
                (None, format!("pf({})", short(user.as_str())))
            }
            Party::Terminating { .. } => (Some(Incoming::Terminating), String::new()),
            Party::NonControlling { group } if self.world.policy.controlling_of(group) == Place::Here => {
                let from = Caller::own_controlling(&self.world.policy);
                (Some(Incoming::NonControlling { from }), String::new())
            }
            Party::NonControlling { group } => (None, format!("ncf({})", short(group.as_str()))),
            Party::Controlling { .. } if self.controlling_elsewhere => (None, "cf".to_owned()),
            Party::Controlling { .. } => (Some(Incoming::Controlling { from: None }), String::new()),
        };
        let Some(role) = role else {
            self.lines.push(format!("{name} <- {}", invitation_written(&invitation)));
            self.add_end(leg, End::new(name, Some((to, invitation))));
            return;
        };
        let other = LegId(self.world.ids.number());
        match calls::incoming(&mut self.world.view(), &mut self.open, other, role, *invitation) {
            Ok((owner, outcome)) => {
                self.owners.insert(other, owner);
                self.links.insert(leg, other);
                self.links.insert(other, leg);
                self.take(outcome);
            }
            Err(refusal) => {
                let owner = self.owners[&leg];
                self.hand_over(owner, leg, LegEvent::Refused(Box::new(refusal.into())));
            }
        }
    }

    pub(super) fn hand_over(&mut self, owner: LegOwner, leg: LegId, event: LegEvent) {
        self.queue.push_back(Waiting::Event(owner, leg, event));
    }

    pub(super) fn add_end(&mut self, leg: LegId, end: End) {
        self.order.push(leg);
        self.ends.insert(leg, end);
    }

    pub(super) fn refuse(&mut self, leg: LegId, rejection: Box<Rejection>) {
        self.tell(leg, LegEvent::Refused(rejection));
    }

    /// A leg is part of a session from now on: the service layer stores it.
    pub(super) fn establish(&mut self, leg: LegId) {
        let Some(owner) = self.owners.get(&leg).copied() else { return };
        let link = match self.links.get(&leg) {
            Some(other) => LegLink::Memory(*other),
            None => LegLink::Dialog(dialog()),
        };
        if let Some(end) = self.ends.get_mut(&leg) {
            end.state = EndState::Open;
        }
        self.world.apply(&[Change::Put(Fact::Leg(Leg {
            id: leg,
            owner,
            service: Service::Mcptt,
            link,
            ending: false,
        }))]);
    }

    pub(super) fn close(&mut self, leg: LegId) {
        self.links.remove(&leg);
        if let Some(end) = self.ends.get_mut(&leg) {
            end.state = EndState::Over;
        }
        self.world.apply(&[Change::Remove(FactKey::Leg(leg))]);
    }
}

fn dialog() -> DialogFact {
    DialogFact {
        call_id: "1@one.example".to_owned(),
        local_tag: "1".to_owned(),
        remote_tag: "2".to_owned(),
        local_uri: "sip:as@one.example".to_owned(),
        remote_uri: "sip:client@one.example".to_owned(),
        remote_target: "sip:client@192.0.2.1".to_owned(),
        local_contact: "<sip:as@one.example>".to_owned(),
        route_set: Vec::new(),
        local_cseq: 1,
        remote_cseq: None,
        source: None,
        session_timer: None,
    }
}
