//! The controlling function of a temporary group asks the servers of the constituents that are elsewhere:
//! TS 23.379 10.6.2.4.1.1 steps 1 to 6; TS 24.379 10.1.1.4.1, 6.3.4. The call stands (TS 23.379 10.6.2.4.1.1 step 8) when the
//! caller is answered; whoever comes later comes into it.
//!
//! ```text
//!  O-PF        controlling function          server of a constituent          members
//!    |-- 1 INVITE --->| 2 local and remote             |                        |
//!    |                |-- 3 INVITE, isfocus ---------->|                        |
//!    |                |<-- 4 403, members ------------ | it shares its members  |
//!    |                |-- 5 INVITE (`inviting`) ---------------------------- -->|  each once
//!    |                |                                |                        |
//!    |                |<-- 183, 200, isfocus ----------| or invites them itself |  one leg for all of them
//!    |<-- 6 answer (`commencement`)
//! ```
//!
//! A constituent of our own whose call is running is asked in the same way, in memory: its call becomes part of this one
//! (`non_controlling`), so that nobody in it is rung or cut, and goes on by itself afterwards. Its other members are invited
//! here.
//!
//! A member of ours and of a constituent elsewhere is invited here, and there too if its server speaks for its members.
//! Nobody but the participating function that serves the user can know; it lets one invitation through (`terminating`).
//!
//! A caller that is a member of no constituent of ours may be one of a constituent elsewhere. Its own system is asked
//! first: the list names the caller, or Warning 147 says that it may begin the call. Nobody else is disturbed before.

use super::calls::Open;
use super::commencement::{self, Held};
use super::inviting::{self, Invitee};
use super::non_controlling::State;
use super::session::{Session, WithClients};
use super::{groups, leaving, roster};
use crate::documents::McInfo;
use crate::model::*;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A non-controlling function says that the caller may begin the call on the temporary group.
pub(super) const AUTHORISED: u16 = 147;

/// A non-controlling function has taken a running call of its group along.
pub(super) const RUNNING: u16 = 123;

/// Step 2: the constituents of a temporary group whose server is elsewhere.
pub(super) fn remote(view: &View<'_>, group: &GroupDocument) -> Vec<GroupId> {
    let parts = group.temporary.iter().flat_map(|temporary| &temporary.constituents);
    parts.filter(|part| view.policy.controlling_of(part) != Place::Here).cloned().collect()
}

/// Constituents of ours that have a call of their own, with everybody whom that call has.
pub(super) fn running(
    view: &View<'_>,
    open: &mut Open,
    group: &GroupDocument,
    service: Service,
) -> BTreeMap<GroupId, BTreeSet<UserId>> {
    let mut running = BTreeMap::new();
    for part in group.temporary.iter().flat_map(|temporary| &temporary.constituents) {
        let mark = view.model.regrouped(Side::Mc, part.as_str());
        let here = view.policy.controlling_of(part) == Place::Here;
        if !here || mark.is_none_or(|mark| mark.temporary != group.id) {
            continue;
        }
        let session = open.call_on(view.model, service, part);
        if let Some(session) = session.filter(|session| State::of(Some(session)) == State::Controlling) {
            running.insert(part.clone(), session.users());
        }
    }
    running
}

/// Whether the user is in the call of a constituent of ours that is part of this one.
pub(super) fn takes_part(view: &View<'_>, session: &Session, user: &UserId) -> bool {
    let group = &session.call.group;
    group.temporary.iter().flat_map(|temporary| &temporary.constituents).any(|part| {
        let call = view.model.call_on(session.call.service, part.as_str());
        let ours = |above: &Superior| above.temporary == group.id;
        call.filter(|call| call.superior.as_ref().is_some_and(ours))
            .is_some_and(|call| view.model.participants(call.id).any(|one| !one.left && one.user == *user))
    })
}

/// The constituents whose server must vouch for a caller who is not known here to be affiliated: those of the caller's own
/// system, or else all that are elsewhere, unless the caller is in a constituent of ours, where we know better. Empty:
/// nobody needs to, or nobody can.
pub(super) fn vouching(
    view: &View<'_>,
    group: &GroupDocument,
    service: Service,
    caller: &UserId,
) -> Vec<GroupId> {
    let all = remote(view, group);
    let parts = group.temporary.iter().flat_map(|temporary| &temporary.constituents);
    let ours =
        parts.filter(|part| !all.contains(part)).any(|part| groups::is_listed(view.model, caller, part));
    if all.is_empty() || !groups::affiliated_to(view.model, service, caller, &group.id).is_empty() {
        return Vec::new();
    }
    let own: Vec<_> =
        all.iter().filter(|part| part.domain().eq_ignore_ascii_case(caller.domain())).cloned().collect();
    match own.is_empty() {
        true if ours => Vec::new(),
        true => all,
        false => own,
    }
}

/// How many places to keep for required members that are not among those invited, where a server elsewhere will name
/// members.
pub(super) fn reserved(
    group: &GroupDocument,
    members: &MemberList,
    invitees: &[WithClients],
    remote: &[GroupId],
) -> usize {
    if remote.is_empty() || group.max_participants.is_none() {
        return 0;
    }
    let invited = |user: &UserId| invitees.iter().any(|(one, _)| one == user);
    members.iter().filter(|(user, member)| member.required && !invited(user)).count()
}

/// Whether a server elsewhere named this user as an affiliated member when the call was set up: a member of the call that
/// no constituent of ours has.
pub(super) fn named(view: &View<'_>, session: &Session, user: &UserId) -> bool {
    session.members().contains_key(user)
        && !vouching(view, &session.call.group, session.call.service, user).is_empty()
}

/// Step 3. One INVITE for each constituent; the leg stands for the constituent among those who are asked.
///
/// # Errors
/// [`Refusal::NoResources`].
pub(super) fn ask(
    view: &mut View<'_>,
    session: &mut Session,
    group: &GroupId,
    out: &mut Outcome<Over>,
) -> Result<LegId, Refusal> {
    ask_for(view, session, group, None, out)
}

/// The same for a user who wants to come into the call (`admitting`); `None`: for whoever began it.
///
/// # Errors
/// [`Refusal::NoResources`].
pub(super) fn ask_for(
    view: &mut View<'_>,
    session: &mut Session,
    group: &GroupId,
    caller: Option<&UserId>,
    out: &mut Outcome<Over>,
) -> Result<LegId, Refusal> {
    let call = &session.call;
    let info = McInfo {
        request_uri: Some(group.to_string()),
        calling_group: Some(call.group.id.to_string()),
        ..McInfo::default()
    };
    // TS 24.380 14.2.3: an MCPTT group is invited with a priority.
    let priority = Some(call.group.priority.unwrap_or(DEFAULT_PRIORITY));
    let to = Party::NonControlling { group: group.clone() };
    let name = UserId::new(group.as_str());
    inviting::send(view, session, Invitee { name, to, info, caller: caller.cloned(), priority }, out)
}

/// Floor priority of a group that has none (TS 24.380 12.1.2.2: the lowest is the default).
const DEFAULT_PRIORITY: u8 = 1;

/// A provisional answer: it may vouch for the caller.
pub(super) fn progress(
    view: &mut View<'_>,
    session: &mut Session,
    progress: &Progress,
    out: &mut Outcome<Over>,
) {
    if says(&progress.warnings, AUTHORISED) {
        vouched(view, session, out);
    }
    commencement::progress(view, session, progress, out);
}

/// The server of the constituent takes part for its members.
pub(super) fn accepted(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    acceptance: &Acceptance,
    out: &mut Outcome<Over>,
) {
    let Some(name) = inviting::seat(view, session, leg, None, out) else { return };
    roster::stands(view, session, leg, out);
    // Whom it has is in its hands, and its own rules say which of its members the call needs.
    let group = GroupId::new(name.as_str());
    if let Some(commencement) = &mut session.commencement {
        let taken = session.taken_along.get(&group);
        let theirs = view.model.group(Side::Mc, group.as_str()).filter(|_| taken.is_none());
        let parts = || session.call.group.temporary.iter().flat_map(|temporary| &temporary.constituents);
        let ours = |user: &UserId| {
            let mut here = parts().filter(|part| view.policy.controlling_of(part) == Place::Here);
            here.any(|part| groups::is_listed(view.model, user, part))
        };
        commencement.needs.missing.retain(|user| match taken {
            Some(users) => !users.contains(user),
            None => ours(user) || !theirs.is_some_and(|group| group.members.contains_key(user)),
        });
    }
    if says(&acceptance.warnings, AUTHORISED) {
        vouched(view, session, out);
    }
    // What the two functions tell each other means nothing to the caller.
    let between = |warning: &&Warning| !matches!(warning.code, Some(AUTHORISED | RUNNING));
    let warnings: Vec<Warning> = acceptance.warnings.iter().filter(between).cloned().collect();
    commencement::accepted(view, session, &name, &warnings, out);
}

/// The server of the constituent tells its members (step 4), or refuses.
pub(super) fn refused(
    view: &mut View<'_>,
    session: &mut Session,
    leg: LegId,
    rejection: Rejection,
    out: &mut Outcome<Over>,
) {
    let Some(asked) = session.answered(leg) else { return };
    view.media.give_back(asked.port);
    let group = GroupId::new(asked.user.as_str());
    if let Some(users) = session.taken_along.remove(&group) {
        // The call of a constituent of ours could not be taken along: whom it has is invited like anybody else.
        let (service, temporary) = (session.call.service, &session.call.group.id);
        let clients = |user: &UserId| groups::affiliated_to(view.model, service, user, temporary);
        let invitees = users.into_iter().map(|user| (clients(&user), user));
        let invitees = invitees.filter(|(clients, _)| !clients.is_empty());
        let invitees = invitees.map(|(clients, user)| (user, clients)).collect();
        reach(view, session, invitees, out);
    }
    match rejection.members {
        Some(members) => named_members(view, session, members.users, out),
        // To the call of a chat group nobody is to come: its first participant waits alone.
        None if !session.call.group.prearranged && session.commencement.is_none() => {}
        None if !session.call.group.prearranged && says(&rejection.warnings, AUTHORISED) => {
            vouched(view, session, out);
            commencement::look(view, session, out);
        }
        // It vouches for the caller and has nobody else to bring.
        None if says(&rejection.warnings, AUTHORISED) => {
            vouched(view, session, out);
            commencement::refused(view, session, &asked.user, rejection, out);
        }
        None => commencement::refused(view, session, &asked.user, rejection, out),
    }
}

/// Step 5: whom the server of a constituent has named is invited, each once, required members first, as far as the
/// group has places; in a chat group they may join.
fn named_members(view: &mut View<'_>, session: &mut Session, users: Vec<UserId>, out: &mut Outcome<Over>) {
    // A running call outlives the list: who was named may come back.
    if session.call.group.temporary.is_some() {
        let members = Arc::make_mut(&mut session.call.members);
        for user in &users {
            members.entry(user.clone()).or_default();
        }
        session.touch();
    }
    let caller = users.contains(&session.call.initiator);
    let prearranged = session.call.group.prearranged;
    let users: BTreeSet<UserId> = users.into_iter().filter(|_| prearranged).collect();
    let invitees = users.into_iter().map(|user| (user, BTreeSet::new())).collect();
    reach(view, session, invitees, out);
    if caller {
        vouched(view, session, out);
    }
    match session.commencement {
        Some(_) => commencement::look(view, session, out),
        None if !prearranged => {}
        None => leaving::release_policy(view, session, out),
    }
}

/// Invites, or notes whom to invite once somebody vouches for the caller.
fn reach(view: &mut View<'_>, session: &mut Session, invitees: Vec<WithClients>, out: &mut Outcome<Over>) {
    let held = session.commencement.as_mut().and_then(|commencement| commencement.vouching.as_mut());
    match held {
        Some(held) => held.members.extend(invitees),
        None => invite_all(view, session, invitees, out),
    }
}

fn invite_all(
    view: &mut View<'_>,
    session: &mut Session,
    invitees: Vec<WithClients>,
    out: &mut Outcome<Over>,
) {
    for (user, refusal) in inviting::invite_all(view, session, invitees, out) {
        commencement::refused(view, session, &user, refusal.into(), out);
    }
}

/// The system of the caller knows it as a member that may begin the call: what was held goes on.
fn vouched(view: &mut View<'_>, session: &mut Session, out: &mut Outcome<Over>) {
    let held = session.commencement.as_mut().and_then(|commencement| commencement.vouching.take());
    let Some(held) = held else { return };
    let Held { members, groups } = *held;
    for group in groups {
        if let Err(refusal) = ask(view, session, &group, out) {
            commencement::refused(view, session, &UserId::new(group.as_str()), refusal.into(), out);
        }
    }
    invite_all(view, session, members, out);
}

/// Whether these warnings have the code.
pub(super) fn says(warnings: &[Warning], code: u16) -> bool {
    warnings.iter().any(|warning| warning.code == Some(code))
}

#[cfg(test)]
mod tests;
