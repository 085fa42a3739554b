//! A group call at its controlling function while it runs: who is in, who is asked, what the caller waits for. The
//! procedures of this room share it; what of it outlives a restart is in `Fact::Call` and `Fact::Participant`.

use super::admitting::{self, Join};
use super::commencement::{Commencement, Needs};
use super::upgrading::Passed;
use super::{groups, roster};
use crate::documents::{McInfo, SessionDescription, sdp::MediaLeg};
use crate::env::Time;
use crate::model::*;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet};

/// Hops given to an invitation that answers no received one (RFC 3261 8.1.1.6).
pub(super) const FIRST_HOPS: u32 = 70;

/// One call.
#[derive(Debug)]
pub(super) struct Session {
    /// The call, as it is stored or will be.
    pub call: Call,
    /// The stored record differs, or there is none yet.
    changed: bool,
    /// There is a stored record.
    stored: bool,
    /// What the caller waits for; `None`: the call is established.
    pub commencement: Option<Commencement>,
    /// What a constituent's own rules ask for, after the controlling function above was answered.
    pub needs: Option<Needs>,
    /// What invitations to members are made of.
    pub template: Template,
    /// Participants, by their leg.
    pub seats: BTreeMap<LegId, Seat>,
    /// Members that are asked and have not answered, by their leg.
    pub asked: BTreeMap<LegId, Asked>,
    legs_of: BTreeMap<UserId, Vec<LegId>>,
    past: BTreeMap<UserId, (LegId, u32)>,
    /// How many members of a constituent its own server names, on its leg, beyond the one that its seat counts for. Known
    /// while the caller waits.
    pub named: BTreeMap<LegId, usize>,
    /// Members who declined: not asked again in this call.
    pub declined: BTreeSet<UserId>,
    /// Constituents of ours whose own call was running when this one began, with those whom that call had: it is part of
    /// this one, and they are not invited.
    pub taken_along: BTreeMap<GroupId, BTreeSet<UserId>>,
    /// Users who want to come in, and for whom their system is asked.
    pub joins: Vec<Join>,
    /// What a member asked for and the controlling function above us decides.
    pub passed: Option<Box<Passed>>,
    /// The call is over; [`super::calls`] forgets it.
    pub over: bool,
}

/// What invitations to members take over from the caller's.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub info: McInfo,
    pub offer: Option<SessionDescription>,
    pub answer_modes: Vec<(AnswerModeHeader, String)>,
    pub hops: u32,
}

impl Template {
    /// Of the INVITE that began the call, and what it offered.
    pub fn of(invitation: Invitation, offer: SessionDescription) -> Self {
        Self {
            info: invitation.info,
            offer: Some(offer),
            answer_modes: invitation.answer_modes,
            hops: invitation.hops.saturating_sub(1).min(FIRST_HOPS),
        }
    }
}

/// A participant.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub user: UserId,
    pub client: Option<ClientId>,
    pub port: u16,
    joined: Time,
    turns: u32,
    /// A re-INVITE of ours has no answer yet.
    pub offering: bool,
    /// The call changed meanwhile: one more re-INVITE is due.
    pub offer_again: bool,
    /// Our answer to the participant's last offer: what we offer again (RFC 3264 8). None to those whom we offered
    /// first, and none after a restart.
    pub described: Option<Box<SessionDescription>>,
}

/// A member to be asked, with the clients by which it is affiliated; none: the server of its group knows them.
pub(super) type WithClients = (UserId, BTreeSet<ClientId>);

/// A member that is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub user: UserId,
    pub port: u16,
}

impl Session {
    /// A new call.
    pub fn new(call: Call, template: Template, commencement: Option<Commencement>) -> Self {
        Self {
            call,
            changed: true,
            stored: false,
            commencement,
            needs: None,
            template,
            seats: BTreeMap::new(),
            asked: BTreeMap::new(),
            legs_of: BTreeMap::new(),
            past: BTreeMap::new(),
            named: BTreeMap::new(),
            declined: BTreeSet::new(),
            taken_along: BTreeMap::new(),
            joins: Vec::new(),
            passed: None,
            over: false,
        }
    }

    /// A stored call and its participants, with their media ports claimed.
    pub fn restored(call: &Call, participants: &[Participant], media: &mut MediaPorts) -> Self {
        let template = Template {
            info: McInfo { broadcast: call.broadcast.then_some(true), ..McInfo::default() },
            offer: None,
            answer_modes: Vec::new(),
            hops: FIRST_HOPS,
        };
        let mut session = Self { changed: false, stored: true, ..Self::new(call.clone(), template, None) };
        for participant in participants {
            if participant.left {
                session.past.insert(participant.user.clone(), (participant.leg, participant.turns));
                continue;
            }
            media.claim(participant.media_port);
            session.link(&participant.user, participant.leg);
            session.seats.insert(
                participant.leg,
                Seat {
                    user: participant.user.clone(),
                    client: participant.client.clone(),
                    port: participant.media_port,
                    joined: participant.joined,
                    turns: participant.turns,
                    offering: false,
                    offer_again: false,
                    described: None,
                },
            );
        }
        session
    }

    /// Whether this participant stands for a constituent of the temporary group, whose own server speaks for its members.
    pub fn is_constituent(&self, user: &UserId) -> bool {
        roster::is_constituent(&self.call, user)
    }

    /// Whether a leg leads to the controlling function of the temporary group that this call is part of.
    pub fn is_superior(&self, leg: LegId) -> bool {
        self.call.superior.as_ref().is_some_and(|superior| superior.leg == leg)
    }

    /// Participants that are answered, without the controlling function above us.
    pub fn heads(&self) -> usize {
        let above = self.call.superior.as_ref().is_some_and(|above| self.seats.contains_key(&above.leg));
        self.seats.len().saturating_sub(usize::from(above))
    }

    /// The group of the call as its participants know it: the temporary group for those of a constituent.
    pub fn name(&self) -> &GroupId {
        self.call.superior.as_ref().map_or(&self.call.group.id, |superior| &superior.temporary)
    }

    /// Whether the call is one of this group, by the name that its participants know.
    pub fn is_of(&self, group: &str) -> bool {
        let above = self.call.superior.as_ref().is_some_and(|superior| superior.temporary.as_str() == group);
        above || self.call.group.id.as_str() == group
    }

    /// The constituents of the temporary group whose call this is, or takes part in, that wait for it where the operator
    /// wants them to.
    pub fn constituents(&self) -> impl Iterator<Item = &GroupId> {
        let temporary = self.call.group.temporary.iter().flat_map(|temporary| &temporary.constituents);
        let part = self.call.superior.as_ref().filter(|above| !above.merged).map(|_| &self.call.group.id);
        temporary.chain(part)
    }

    /// Members of the group as they were when the call began.
    pub fn members(&self) -> &MemberList {
        members(&self.call)
    }

    /// Whether the group was torn down while the call runs; for a part in a call that another system controls: the temporary
    /// group.
    pub fn orphaned(&self, model: &Model) -> bool {
        match model.call(self.call.id) {
            Some(stored) => stored.orphaned,
            None => {
                let gone = |group: &GroupId| model.group(Side::Mc, group.as_str()).is_none();
                let into = |above: &Superior| {
                    let mark = model.regrouped(Side::Mc, self.call.group.id.as_str());
                    mark.is_some_and(|mark| mark.temporary == above.temporary)
                };
                match &self.call.superior {
                    Some(above) => !above.merged && !into(above),
                    None => self.call.group.temporary.is_some() && gone(&self.call.group.id),
                }
            }
        }
    }

    /// Legs of a user, whether in the call or asked.
    pub fn legs_of(&self, user: &UserId) -> &[LegId] {
        self.legs_of.get(user).map_or(&[], Vec::as_slice)
    }

    /// Everybody who is in the call, asked, or waits for it.
    pub fn users(&self) -> BTreeSet<UserId> {
        let caller = self.commencement.iter().map(|commencement| commencement.caller.user.clone());
        self.legs_of.keys().cloned().chain(caller).collect()
    }

    /// Whether the user is or was a participant.
    pub fn has_known(&self, user: &UserId) -> bool {
        self.past.contains_key(user) || self.legs_of(user).iter().any(|leg| self.seats.contains_key(leg))
    }

    /// Participants, counting a caller who is not answered yet.
    pub fn participants(&self) -> usize {
        self.seats.len() + usize::from(self.commencement.is_some())
    }

    /// Whether one more participant is too many for the group document.
    pub fn is_full(&self, participants: usize) -> bool {
        self.call.group.max_participants.is_some_and(|limit| participants as u64 >= u64::from(limit))
    }

    /// The stored record must follow the call.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Takes a participant in.
    pub fn seat(
        &mut self,
        view: &View<'_>,
        leg: LegId,
        user: UserId,
        client: Option<ClientId>,
        port: u16,
        out: &mut Outcome<Over>,
    ) {
        let turns = match self.past.remove(&user) {
            Some((old, turns)) => {
                out.changes.push(Change::Remove(FactKey::Participant(self.call.id, old)));
                turns
            }
            None => 0,
        };
        self.link(&user, leg);
        let joined = view.now;
        let turns = turns.saturating_add(1);
        let seat =
            Seat { user, client, port, joined, turns, offering: false, offer_again: false, described: None };
        out.changes.push(Change::Put(Fact::Participant(self.participant(leg, &seat))));
        self.seats.insert(leg, seat);
        self.roster(out);
    }

    /// Notes our answer to an offer of a participant.
    pub fn describe(&mut self, leg: LegId, answer: SessionDescription) {
        if let Some(seat) = self.seats.get_mut(&leg) {
            seat.described = Some(Box::new(answer));
        }
    }

    /// Takes a participant out. Nothing is said to its leg.
    pub fn vacate(&mut self, view: &mut View<'_>, leg: LegId, out: &mut Outcome<Over>) -> Option<UserId> {
        let seat = self.seats.remove(&leg)?;
        self.unlink(&seat.user, leg);
        view.media.give_back(seat.port);
        let mut turns = seat.turns.saturating_add(1);
        if let Some((older, more)) = self.past.remove(&seat.user) {
            out.changes.push(Change::Remove(FactKey::Participant(self.call.id, older)));
            turns = turns.saturating_add(more);
        }
        self.past.insert(seat.user.clone(), (leg, turns));
        roster::left(view.model, self, leg, &seat.user, out);
        let gone = Participant { left: true, turns, media_port: 0, ..self.participant(leg, &seat) };
        out.changes.push(Change::Put(Fact::Participant(gone)));
        self.roster(out);
        Some(seat.user)
    }

    /// A member is asked over a new leg.
    pub fn ask(&mut self, leg: LegId, user: UserId, port: u16) {
        self.link(&user, leg);
        self.asked.insert(leg, Asked { user, port });
    }

    /// The member on this leg is no longer asked; the port is the caller's now.
    pub fn answered(&mut self, leg: LegId) -> Option<Asked> {
        let asked = self.asked.remove(&leg)?;
        self.unlink(&asked.user, leg);
        Some(asked)
    }

    /// Ends the call: every leg is released, every record goes (TS 24.379 6.3.8.1). The caller's leg, if the caller was
    /// not answered, must have been spoken to.
    pub fn end(&mut self, view: &mut View<'_>, why: &str, out: &mut Outcome<Over>) {
        if self.over {
            return;
        }
        self.over = true;
        if let Some(commencement) = self.commencement.take() {
            view.media.give_back(commencement.caller.port);
        }
        admitting::over(self, out);
        for (leg, asked) in std::mem::take(&mut self.asked) {
            view.media.give_back(asked.port);
            out.sends.push(Send::Call(CallSend::Cancel { leg }));
        }
        let id = self.call.id;
        out.sends.retain(|send| !matches!(send, Send::Roster { call } if *call == id));
        // Watchers hear it before their sessions are released: nobody asks once more for what is over.
        if self.stored {
            out.changes.push(Change::Remove(FactKey::Call(id)));
            out.sends.push(Send::RosterEnds { call: id });
        }
        roster::ended(view.model, self, out);
        for (leg, seat) in std::mem::take(&mut self.seats) {
            view.media.give_back(seat.port);
            out.changes.push(Change::Remove(FactKey::Participant(id, leg)));
            out.sends.push(Send::Call(CallSend::Release { leg, reason: None }));
        }
        for (leg, _) in std::mem::take(&mut self.past).into_values() {
            out.changes.push(Change::Remove(FactKey::Participant(id, leg)));
        }
        let group = &self.call.group.id;
        let forgotten = self.orphaned(view.model) && view.model.group(Side::Mc, group.as_str()).is_none();
        if self.stored && forgotten {
            groups::affiliations_end(view.model, group, &[self.call.service], out);
        }
        note(out, format!("call {id} on {} ended: {why}", self.call.group.id));
    }

    /// The record of the call follows, as soon as there is something that a peer was told.
    pub fn settle(&mut self, model: &Model, out: &mut Outcome<Over>) {
        let awaits = self.needs.as_ref().is_some_and(Needs::awaits_required);
        if let Some(superior) = self.call.superior.as_mut().filter(|one| one.awaits_required != awaits) {
            superior.awaits_required = awaits;
            self.changed = true;
        }
        if self.over || !self.changed || (!self.stored && self.seats.is_empty()) {
            return;
        }
        self.call.orphaned = self.orphaned(model);
        out.changes.push(Change::Put(Fact::Call(self.call.clone())));
        self.changed = false;
        self.stored = true;
    }

    fn participant(&self, leg: LegId, seat: &Seat) -> Participant {
        Participant {
            call: self.call.id,
            leg,
            user: seat.user.clone(),
            client: seat.client.clone(),
            media_port: seat.port,
            joined: seat.joined,
            left: false,
            turns: seat.turns,
        }
    }

    fn link(&mut self, user: &UserId, leg: LegId) {
        self.legs_of.entry(user.clone()).or_default().push(leg);
    }

    fn unlink(&mut self, user: &UserId, leg: LegId) {
        if let Some(legs) = self.legs_of.get_mut(user) {
            legs.retain(|other| *other != leg);
            if legs.is_empty() {
                self.legs_of.remove(user);
            }
        }
    }

    /// Watchers get one NOTIFY for all that one event changed.
    fn roster(&self, out: &mut Outcome<Over>) {
        let call = self.call.id;
        if !out.sends.iter().any(|send| matches!(send, Send::Roster { call: told } if *told == call)) {
            out.sends.push(Send::Roster { call });
        }
    }
}

/// Members of a call's group as they were when the call began.
pub(super) fn members(call: &Call) -> &MemberList {
    if call.group.temporary.is_some() { &call.members } else { &call.group.members }
}

/// The media function's side of a leg. `implicit_request`: only the one who begins a call may get the floor with its
/// answer (TS 24.380 14.3.5).
pub(super) fn media_leg<'a>(
    view: &'a View<'_>,
    group: &'a GroupDocument,
    members: &MemberList,
    user: &UserId,
    leg: LegId,
    port: u16,
    implicit_request: bool,
) -> MediaLeg<'a> {
    MediaLeg {
        address: view.policy.media_address,
        port,
        // `o=` numbers are read as 64-bit signed by some peers.
        session: leg.0 >> 1,
        // Rises with every description of the leg, over restarts too.
        version: view.now.as_millis(),
        encodings: if group.encodings.is_empty() { &view.policy.default_encodings } else { &group.encodings },
        priority: members.get(user).and_then(|member| member.priority),
        implicit_request,
        queueing: true,
    }
}

/// The session identity that a function gives to a peer: a GRUU of its PSI (TS 24.379 4.5).
pub(super) fn session_identity(functions: &[Psi], number: u64) -> Option<String> {
    functions.first().map(|psi| format!("{psi};gr={number:016x}"))
}

/// Adds to the operator's line.
pub(super) fn note(out: &mut Outcome<Over>, line: String) {
    match &mut out.log {
        Some(log) => {
            log.push_str("; ");
            log.push_str(&line);
        }
        None => out.log = Some(line),
    }
}
