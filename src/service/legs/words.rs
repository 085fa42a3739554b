//! The words of procedures over legs: to a SIP session, or to another function in this process.

use super::super::render::{is_focus, offer_body};
use super::super::{Service, Work};
use super::{End, Reached};
use crate::env::Time;
use crate::mc::calls;
use crate::model::{Change, Fact, FactKey, Leg, LegId, LegLink};
use crate::procedure::{Acceptance, CallSend, LegEvent};
use crate::sip::message::Method;

impl Service {
    pub(super) fn hear_later(&mut self, leg: LegId, event: LegEvent) {
        self.work.push_back(Work::Hear(leg, event));
    }

    /// A leg hears something.
    pub(in crate::service) fn hear(&mut self, now: Time, leg: LegId, event: LegEvent) {
        let gone = matches!(
            event,
            LegEvent::Refused(_) | LegEvent::Cancelled | LegEvent::Released { .. } | LegEvent::Lost { .. }
        );
        let owner = match self.legs.legs.get(&leg) {
            Some(state) => state.owner,
            None => match self.model.leg(leg) {
                Some(fact) => fact.owner,
                None => return,
            },
        };
        if gone {
            self.legs.forget(leg);
            if self.model.leg(leg).is_some() {
                self.change(Change::Remove(FactKey::Leg(leg)));
            }
        }
        let outcome = calls::hear(&mut view!(self, now), &mut self.open, owner, leg, event);
        self.carry_out(now, outcome);
    }

    /// A word between the functions of a call.
    pub(in crate::service) fn send_call(&mut self, now: Time, send: CallSend) {
        match send {
            CallSend::Invite { leg, owner, to, invitation } => self.ask(now, leg, owner, to, invitation),
            CallSend::Cancel { leg } => self.give_up(now, leg, None),
            CallSend::Release { leg, reason } => self.give_up(now, leg, reason),
            CallSend::Progress { leg, progress } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => self.hear_later(other, LegEvent::Progress(progress)),
                Some(Reached::Session { session, owner, service, listener, client }) => {
                    let contact = self.contact(owner, listener, service, is_focus(owner, client));
                    let reply = self.render_progress(&progress);
                    self.agent.progress(now, &mut self.ids, session, reply, &contact, &mut self.out);
                }
                None => {}
            },
            CallSend::Accept { leg, acceptance } => self.accept(now, leg, acceptance),
            CallSend::Refuse { leg, rejection } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => {
                    self.legs.forget(leg);
                    self.hear_later(other, LegEvent::Refused(rejection));
                }
                Some(Reached::Session { session, owner, service, .. }) => {
                    self.legs.forget(leg);
                    let reply = self.render_rejection(owner, service, &rejection);
                    self.agent.refuse(now, &mut self.ids, session, reply, &mut self.out);
                }
                None => {}
            },
            CallSend::Offer { leg, offer, info } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => self.hear_later(other, LegEvent::Offered { offer, info }),
                Some(Reached::Session { session, service, .. }) => {
                    let body = offer_body(offer.as_ref(), info.as_deref(), service).map(|body| {
                        crate::sip::message::OutBody {
                            content_type: body.content_type,
                            content: body.content,
                        }
                    });
                    let headers = self.priority_of(info.as_deref());
                    let (agent, ids) = (&mut self.agent, &mut self.ids);
                    match agent.in_session(now, ids, session, Method::Invite, headers, body, &mut self.out) {
                        Ok(client) => {
                            self.offers.insert(client, leg);
                        }
                        Err(error) => {
                            tracing::warn!(leg = %leg, "offer not sent: {error}");
                            let rejection = self.rejection(503, None);
                            self.hear_later(leg, LegEvent::OfferAnswered(Err(Box::new(rejection))));
                        }
                    }
                }
                None => {}
            },
            CallSend::AnswerOffer { leg, result } => match self.end_of(leg) {
                Some(Reached::Memory(other)) => self.hear_later(other, LegEvent::OfferAnswered(result)),
                Some(Reached::Session { owner, service, .. }) => {
                    let Some(server) = self.legs.offers.remove(&leg) else { return };
                    let reply = match &result {
                        Ok(acceptance) => self.render_acceptance(owner, service, acceptance),
                        Err(rejection) => self.render_rejection(owner, service, rejection),
                    };
                    self.agent.answer(now, &mut self.ids, server, reply, None, &mut self.out);
                }
                None => {}
            },
        }
    }

    /// What a leg that was answered or waits for our answer ends in.
    pub(super) fn end_of(&self, leg: LegId) -> Option<Reached> {
        let state = self.legs.legs.get(&leg)?;
        match &state.end {
            End::Memory(other) => Some(Reached::Memory(*other)),
            End::Session { session, listener, client } => Some(Reached::Session {
                session: *session,
                owner: state.owner,
                service: state.service,
                listener: *listener,
                client: *client,
            }),
            End::Trying { .. } => None,
        }
    }

    /// Gives up or releases whatever is behind a leg.
    pub(super) fn give_up(&mut self, now: Time, leg: LegId, reason: Option<String>) {
        let Some(state) = self.legs.forget(leg) else {
            // Asked for, not taken yet: take the request back.
            self.work.retain(|work| !matches!(work, Work::Incoming(handover) if handover.from == leg));
            return;
        };
        let reason = reason.as_deref();
        match state.end {
            End::Memory(other) if other == leg => {
                self.work.retain(|work| !matches!(work, Work::Incoming(handover) if handover.from == leg));
            }
            End::Memory(other) => {
                let event = if state.established {
                    LegEvent::Released { reason: reason.map(str::to_owned) }
                } else {
                    LegEvent::Cancelled
                };
                self.hear_later(other, event);
                if self.model.leg(leg).is_some() {
                    self.change(Change::Remove(FactKey::Leg(leg)));
                }
            }
            End::Session { session, .. } => {
                self.legs.ending.insert(session, leg);
                if let Some(fact) = self.model.leg(leg) {
                    let fact = Leg { ending: true, ..fact.clone() };
                    self.put(Fact::Leg(fact));
                }
                self.agent.bye(now, &mut self.ids, session, reason, &mut self.out);
            }
            End::Trying { tries, .. } => {
                for attempt in tries {
                    if attempt.function {
                        self.legs.given_up.insert(attempt.session, (leg, state.owner));
                    }
                    self.agent.cancel(now, &mut self.ids, attempt.session, reason, &mut self.out);
                }
            }
        }
    }

    pub(super) fn accept(&mut self, now: Time, leg: LegId, acceptance: Box<Acceptance>) {
        match self.end_of(leg) {
            Some(Reached::Memory(other)) => {
                for (side, across) in [(leg, other), (other, leg)] {
                    let Some(state) = self.legs.legs.get_mut(&side) else { continue };
                    state.established = true;
                    let fact = Leg {
                        id: side,
                        owner: state.owner,
                        link: LegLink::Memory(across),
                        service: state.service,
                        ending: false,
                    };
                    self.put(Fact::Leg(fact));
                }
                self.hear_later(other, LegEvent::Accepted(acceptance));
                self.hear_later(leg, LegEvent::Confirmed);
            }
            Some(Reached::Session { session, owner, service, listener, client }) => {
                let contact = self.contact(owner, listener, service, is_focus(owner, client));
                let reply = self.render_acceptance(owner, service, &acceptance);
                self.agent.accept(now, &mut self.ids, session, reply, &contact, &mut self.out);
                if let Some(state) = self.legs.legs.get_mut(&leg) {
                    state.established = true;
                }
                self.keep_leg(leg, session);
            }
            None => {}
        }
    }
}
