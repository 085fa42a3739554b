//! The controlling function of a group takes an INVITE: TS 24.379 10.1.1.4.2 and, for chat groups, 10.1.2.4.1.1.
//!
//! ```text
//!  O-PF              controlling function                     members
//!    |-- INVITE ----------->| 2 media, 3 service                  |
//!    |                      | 6.3.5.2 group, member; regrouped?   |
//!    |                      | 119; emergency; 14a affiliated, or  |
//!    |                      |   by this call (`affiliation::by_call`)
//!    |                      | 14g enough affiliated members       |
//!    |                      |-- 14g v INVITE (`inviting`) ------->|
//!    |<-- answer (`commencement`)                                 |
//! ```
//!
//! A group whose call is running is joined instead (`joining`).

use super::affiliation::by_call;
use super::calls::Open;
use super::commencement::{self, Caller, Commencement};
use super::session::{Session, Template, WithClients, media_leg, note, session_identity};
use super::{constituents, groups, inviting, joining, regrouped, upgrading};
use crate::documents::SessionDescription;
use crate::model::*;
use crate::procedure::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An INVITE as the controlling function reads it.
#[derive(Debug)]
pub(super) struct Request {
    pub leg: LegId,
    pub user: UserId,
    pub client: Option<ClientId>,
    pub offer: SessionDescription,
    pub invitation: Invitation,
}

/// A request for a session over a new leg.
///
/// # Errors
/// The first check of TS 24.379 10.1.1.4.2 that fails.
pub(super) fn incoming(
    view: &mut View<'_>,
    open: &mut Open,
    leg: LegId,
    mut invitation: Invitation,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    if invitation.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    if invitation.focus {
        return Err(Refusal::NotPermitted { why: "isfocus: only a controlling function is a focus" });
    }
    if invitation.info.encrypted {
        return Err(Refusal::Encrypted);
    }
    let user = named(invitation.info.calling_user.as_deref(), "mcptt-calling-user-id").map(UserId::new)?;
    let client = invitation.info.client_id.as_deref().map(ClientId::from);
    let offer = invitation.offer.take().ok_or(Refusal::MediaNotAcceptable { why: "no offer" })?;
    let request = Request { leg, user, client, offer, invitation };

    if let Some(id) = request.invitation.session {
        return joining::rejoin(view, open, id, request);
    }
    let group =
        named(request.invitation.info.request_uri.as_deref(), "mcptt-request-uri").map(GroupId::new)?;
    let document = view.model.group(Side::Mc, group.as_str());
    // Steps 2 and 3.
    acceptable(view, document.map(Arc::as_ref), &request.offer)?;
    if !request.invitation.service_requested {
        return Err(Refusal::NotOurService);
    }
    let document = admitted(view, document, &group, &request)?;
    regrouped::refuse_or_redirect(view, open, &request.user, &group)?;
    session_type_fits(document, request.invitation.info.session_type.as_deref())?;
    if let Some(session) = open.call_on(view.model, request.invitation.service, &group) {
        return joining::join(view, session, request);
    }
    begin(view, open, document, request)
}

/// An identity of the body in canonical form.
pub(super) fn named(uri: Option<&str>, element: &str) -> Result<String, Refusal> {
    uri.and_then(uri::identity).ok_or_else(|| Refusal::Malformed { place: element.to_owned() })
}

/// Step 2: one speech medium with a codec that we take.
pub(super) fn acceptable(
    view: &View<'_>,
    group: Option<&GroupDocument>,
    offer: &SessionDescription,
) -> Result<(), Refusal> {
    let encodings = match group {
        Some(group) if !group.encodings.is_empty() => &group.encodings,
        _ => &view.policy.default_encodings,
    };
    offer.acceptable(encodings).map_err(|why| Refusal::MediaNotAcceptable { why })
}

/// TS 24.379 6.3.5.2: the group exists for this service, may be called, and the caller is a member.
fn admitted<'a>(
    view: &View<'_>,
    document: Option<&'a Arc<GroupDocument>>,
    group: &GroupId,
    request: &Request,
) -> Result<&'a Arc<GroupDocument>, Refusal> {
    let document = document.filter(|document| document.services.contains(&request.invitation.service));
    let document = document.ok_or_else(|| Refusal::NoSuchGroup(group.clone()))?;
    if document.preconfigured_only {
        return Err(Refusal::PreconfiguredOnly);
    }
    if document.disabled {
        return Err(Refusal::GroupDisabled(group.clone()));
    }
    let service = request.invitation.service;
    if !groups::is_member(view.model, &request.user, group)
        && constituents::vouching(view, document, service, &request.user).is_empty()
    {
        return Err(Refusal::NotMember(group.clone()));
    }
    Ok(document)
}

/// TS 24.379 6.3.5.2 step 5 c and d.
fn session_type_fits(document: &GroupDocument, session_type: Option<&str>) -> Result<(), Refusal> {
    match session_type {
        Some("prearranged") if document.prearranged => Ok(()),
        Some("chat") if !document.prearranged => Ok(()),
        Some("prearranged" | "chat") => Err(Refusal::WrongSessionType { prearranged: document.prearranged }),
        Some(_) => Err(Refusal::LocalPolicy { why: "session-type not served" }),
        None => Err(Refusal::Malformed { place: "session-type".to_owned() }),
    }
}

/// TS 24.379 6.3.6: the caller's client is affiliated for the service; where the client is not named, any client of the
/// user. If not, the call may affiliate it.
///
/// # Errors
/// 403 with 120.
pub(super) fn affiliated(
    view: &View<'_>,
    user: &UserId,
    client: Option<&ClientId>,
    group: &GroupId,
    invitation: &Invitation,
) -> Result<Standing, Refusal> {
    let clients = groups::affiliated_to(view.model, invitation.service, user, group);
    match client {
        Some(client) if clients.contains(client) => Ok(Standing::Affiliated),
        Some(client) if by_call::eligible(view, user, client, group, invitation) => Ok(Standing::ByCall),
        None if !clients.is_empty() => Ok(Standing::Affiliated),
        _ => Err(Refusal::NotAffiliated(group.clone())),
    }
}

/// How whoever calls or joins comes to be affiliated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Affiliated before.
    Affiliated,
    /// By the call, once it is accepted.
    ByCall,
}

/// Step 14: no call is running on the group.
fn begin(
    view: &mut View<'_>,
    open: &mut Open,
    document: &Arc<GroupDocument>,
    request: Request,
) -> Result<(LegOwner, Outcome<Over>), Refusal> {
    let Request { leg, user, client, offer, mut invitation } = request;
    let (group, info) = (&document.id, &invitation.info);
    // 6.3.5.4 step 3; whoever begins a chat group call joins it.
    if document.prearranged && !document.rules.initiate.includes(&user, true) {
        return Err(Refusal::MayNotInitiate);
    }
    if !document.prearranged && !document.rules.join.includes(&user, true) {
        return Err(Refusal::MayNotJoinChat);
    }
    // Steps 10 and 11.
    let wanted = upgrading::wanted(info, CallPriority::Normal);
    upgrading::authorised(&document.rules, &user, wanted)?;
    let priority = match wanted {
        upgrading::Wanted::Raise(state) => state,
        _ => CallPriority::Normal,
    };
    upgrading::claim(view.policy, invitation.resource_priority.as_deref(), priority)?;
    // Step 14 a.
    let known = groups::is_member(view.model, &user, group);
    let (standing, vouching) = match affiliated(view, &user, client.as_ref(), group, &invitation) {
        Ok(standing) if known => (standing, Vec::new()),
        result => {
            // The server of one of its groups knows.
            let vouching = constituents::vouching(view, document, invitation.service, &user);
            (if vouching.is_empty() { result? } else { Standing::Affiliated }, vouching)
        }
    };
    // Step 14 g i.
    let members = groups::members_of(view.model, group);
    let asked = if document.prearranged {
        let mut affiliated = groups::affiliated_members(view.model, invitation.service, group);
        if standing == Standing::ByCall {
            affiliated.entry(user.clone()).or_default().extend(client.clone());
        }
        enough(document, &members, &affiliated)?;
        affiliated
    } else {
        BTreeMap::new()
    };
    // Step 1.
    let port = view.media.take().ok_or(Refusal::NoResources { what: "media ports" })?;
    let answer = match offer.answer(&media_leg(view, document, &members, &user, leg, port, true)) {
        Ok(answer) => answer,
        Err(why) => {
            view.media.give_back(port);
            return Err(Refusal::MediaNotAcceptable { why });
        }
    };
    // Step 14 e.
    let id = CallRef(view.ids.number());
    let broadcast = document.prearranged && info.broadcast == Some(true);
    let call = Call {
        id,
        group: document.as_ref().clone(),
        members: if document.temporary.is_some() { members.clone() } else { MemberList::default() },
        service: invitation.service,
        initiator: user.clone(),
        broadcast,
        priority,
        resource_priority: invitation.resource_priority.take(),
        established: false,
        started: view.now,
        ends: document
            .maximum_duration
            .filter(|_| document.prearranged)
            .map(|duration| view.now.plus(duration)),
        orphaned: false,
        superior: None,
    };
    let template = Template::of(invitation, offer);
    let caller = Caller { leg, user, client, port, answer, standing };
    let mut out = Outcome::default();
    let mut session = if document.prearranged {
        let taken_along = constituents::running(view, open, document, call.service);
        let plan = Plan { affiliated: asked, vouching, taken_along };
        invite_members(view, call, template, caller, &members, plan, &mut out)
    } else if vouching.is_empty() {
        chat(view, call, template, caller, &mut out)
    } else {
        let plan = Plan { affiliated: asked, vouching, taken_along: BTreeMap::new() };
        invite_members(view, call, template, caller, &members, plan, &mut out)
    };
    session.settle(view.model, &mut out);
    open.keep(session);
    Ok((LegOwner::Call(id), out))
}

/// Step 14 g i: enough affiliated members, and all of those who must be.
pub(super) fn enough(
    document: &GroupDocument,
    members: &MemberList,
    affiliated: &BTreeMap<UserId, BTreeSet<ClientId>>,
) -> Result<(), Refusal> {
    let few =
        document.minimum_affiliated.is_some_and(|minimum| (affiliated.len() as u64) < u64::from(minimum));
    let lacking =
        members.iter().any(|(user, member)| member.affiliation_required && !affiliated.contains_key(user));
    if few || lacking { Err(Refusal::TooFewMembers) } else { Ok(()) }
}

/// Whom a new call reaches.
struct Plan {
    /// Affiliated members, with the clients by which they are.
    affiliated: BTreeMap<UserId, BTreeSet<ClientId>>,
    /// Constituents whose server must vouch for the caller first.
    vouching: Vec<GroupId>,
    /// Constituents of ours with a call of their own, with those whom that call has.
    taken_along: BTreeMap<GroupId, BTreeSet<UserId>>,
}

/// Step 14 g v: affiliated members, required ones first, at most as many as the group may have participants.
fn invite_members(
    view: &mut View<'_>,
    call: Call,
    template: Template,
    caller: Caller,
    members: &MemberList,
    plan: Plan,
    out: &mut Outcome<Over>,
) -> Session {
    let Plan { mut affiliated, vouching, taken_along } = plan;
    affiliated.remove(&call.initiator);
    affiliated.retain(|user, _| !taken_along.values().any(|users| users.contains(user)));
    let required = |user: &UserId| members.get(user).is_some_and(|member| member.required);
    let (mut invitees, others): (Vec<WithClients>, Vec<_>) =
        affiliated.into_iter().partition(|(user, _)| required(user));
    invitees.extend(others);
    let room = call.group.max_participants.map_or(usize::MAX, |limit| (limit as usize).saturating_sub(1));
    let missing = members
        .iter()
        .filter(|(user, member)| member.required && **user != call.initiator)
        .map(|(user, _)| user.clone())
        .collect();
    let mut commencement = Commencement::new(caller, missing);
    let remote = if call.group.prearranged { constituents::remote(view, &call.group) } else { Vec::new() };
    // Places for required members of constituents elsewhere, whom their servers will name.
    let room = room.saturating_sub(constituents::reserved(&call.group, members, &invitees, &remote));
    commencement.cut = invitees.len() > room;
    invitees.truncate(room);
    let mut ask: Vec<GroupId> = remote.into_iter().chain(taken_along.keys().cloned()).collect();
    if !vouching.is_empty() {
        let groups = ask.into_iter().filter(|group| !vouching.contains(group)).collect();
        let members = std::mem::take(&mut invitees);
        commencement.vouching = Some(Box::new(commencement::Held { members, groups }));
        ask = vouching;
    }

    let id = call.id;
    note(
        out,
        format!("call {id} on {} began: {} asks {} members", call.group.id, call.initiator, invitees.len()),
    );
    if let Some(at) = call.ends {
        out.sends.push(Send::WakeAt { at, wake: Wake::Tng3(id) });
    }
    let mut session = Session::new(call, template, Some(commencement));
    session.taken_along = taken_along;
    commencement::start_tng1(view, &session, out);
    let mut unasked = Vec::new();
    // Constituents first: whom their functions have in a running call they need not ring for ours.
    for group in ask {
        if let Err(refusal) = constituents::ask(view, &mut session, &group, out) {
            unasked.push((UserId::new(group.as_str()), refusal));
        }
    }
    for (user, clients) in invitees {
        if let Err(refusal) = inviting::invite(view, &mut session, &user, &clients, out) {
            unasked.push((user, refusal));
        }
    }
    // Whoever could not be asked counts as one who rejected, once all others are asked.
    for (user, refusal) in unasked {
        commencement::refused(view, &mut session, &user, refusal.into(), out);
    }
    commencement::look(view, &mut session, out);
    session
}

/// TS 24.379 10.1.2.4.1.1: the first to join creates the session and is answered at once; nobody is invited. On a temporary
/// group the servers of its other constituents are asked who their members are, so that these may join.
fn chat(
    view: &mut View<'_>,
    mut call: Call,
    template: Template,
    caller: Caller,
    out: &mut Outcome<Over>,
) -> Session {
    call.established = true;
    note(out, format!("chat call {} on {} began: {}", call.id, call.group.id, call.initiator));
    let acceptance = Acceptance {
        answer: Some(caller.answer.clone()),
        info: upgrading::state(&call, &template.info),
        session: session_identity(&view.policy.functions.controlling, call.id.0),
        ..Acceptance::default()
    };
    out.sends.push(Send::Call(CallSend::Accept { leg: caller.leg, acceptance: Box::new(acceptance) }));
    caller.affiliate(view, &call, out);
    let initiator = call.initiator.clone();
    let mut session = Session::new(call, template, None);
    session.seat(view, caller.leg, initiator, caller.client, caller.port, out);
    session.describe(caller.leg, caller.answer);
    for group in constituents::remote(view, &session.call.group) {
        if let Err(refusal) = constituents::ask(view, &mut session, &group, out) {
            note(out, format!("{group} not asked for call {}: {refusal}", session.call.id));
        }
    }
    session
}

#[cfg(test)]
mod tests {
    use crate::mc::testing::*;
    use crate::model::testing::*;
    use crate::model::*;
    use crate::procedure::*;
    use std::time::Duration;

    /// A request of alice's that comes straight to the controlling function, changed.
    fn asked(change: impl FnOnce(&mut Invitation)) -> Invitation {
        let mut invitation = Switchboard::from_elsewhere("alice", "fire");
        change(&mut invitation);
        invitation
    }

    fn required() -> Member {
        Member { required: true, ..Member::default() }
    }

    #[test]
    fn every_affiliated_member_but_the_caller_is_invited_and_the_caller_is_answered() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["bob <- INVITE fire by alice", "carol <- INVITE fire by alice", "alice <- 200"]);
        assert!(board.accept("bob").is_empty());
        assert!(board.accept("carol").is_empty());
        let call = board.the_call();
        assert!(call.established && !call.orphaned);
        assert_eq!(board.in_call(call.id), ["alice", "bob", "carol"]);
        assert!(board.hang_up(alice).is_empty());
        let bob = board.phone("bob");
        assert_eq!(board.hang_up(bob), ["carol <- BYE"]);
        board.assert_quiet();
        let id = board.log[0].split(' ').nth(1).unwrap().to_owned();
        assert_eq!(
            board.log,
            [
                format!(
                    "call {id} on sip:fire@one.example began: sip:alice@one.example asks 2 members; \
                     call {id} established with 1 participants"
                ),
                format!("call {id} on sip:fire@one.example ended: too few participants"),
            ]
        );
    }

    // TS 23.280 5.2.5.
    #[test]
    fn an_affiliation_for_another_service_lets_nobody_in_and_each_service_has_a_call_of_its_own() {
        let mut board = Switchboard::fire(|group| group.services.push(Service::McVideo));
        let video =
            |user: &str| Invitation { service: Service::McVideo, ..Switchboard::invitation(user, "fire") };
        let (_, lines) = board.call_with("alice", video("alice"));
        assert_eq!(lines, ["alice <- 403 120"], "affiliated for MCPTT only");
        let Change::Put(Fact::Affiliation(mut record)) = affiliation("dave", "d1", &["fire"]) else {
            unreachable!()
        };
        record.groups.iter_mut().for_each(|entry| entry.service = Service::McVideo);
        board.world.apply(&[Change::Put(Fact::Affiliation(record))]);
        let (_, lines) = board.call("dave", "fire");
        assert_eq!(lines, ["dave <- 403 120"], "affiliated for MCVideo only");
        board.call("alice", "fire");
        assert_eq!(board.accept("bob"), [""; 0]);
        assert_eq!(board.accept("carol"), [""; 0]);
        let (_, lines) = board.call_with("dave", video("dave"));
        assert_eq!(lines, ["dave <- 200"], "no 123: not the call that runs");
        assert_eq!(board.world.model.calls().count(), 2);
        let fire = group_id("fire");
        for (service, user) in [(Service::Mcptt, "alice"), (Service::McVideo, "dave")] {
            let call = board.world.model.call_on(service, fire.as_str()).unwrap();
            assert_eq!(call.initiator, user_id(user));
        }
        assert!(board.world.model.call_on(Service::McData, fire.as_str()).is_none());
    }

    // TS 24.379 10.1.1.4.1.1, 6.3.3.1.2.
    #[test]
    fn a_member_is_told_who_calls_and_for_which_group() {
        let mut board =
            Switchboard::fire_of(&[("bob", Member { priority: Some(7), ..Member::default() })], |group| {
                group.max_participants = Some(9)
            });
        board.elsewhere.insert(user_id("bob"));
        let (alice, lines) = board.call_from_elsewhere(
            "alice",
            asked(|invitation| {
                invitation.answer_modes = vec![(AnswerModeHeader::PrivAnswer, "Auto".to_owned())];
                invitation.resource_priority = Some("mcpttp.0".to_owned());
                invitation.info.organisation = Some("fire brigade".to_owned());
                invitation.info.kept.any_ext = vec!["<x xmlns='y'/>".to_owned()];
                invitation.info.access_token = Some("secret".to_owned());
            }),
        );
        assert_eq!(lines[0], "pf(bob) <- INVITE fire by alice");
        let invitation = board.invited("pf(bob)");
        let info = &invitation.info;
        assert_eq!(info.session_type.as_deref(), Some("prearranged"));
        assert_eq!(info.request_uri.as_deref(), Some("sip:bob@one.example"));
        assert_eq!(info.calling_user.as_deref(), Some("sip:alice@one.example"));
        assert_eq!(info.calling_group.as_deref(), Some("sip:fire@one.example"));
        assert_eq!(info.organisation.as_deref(), Some("fire brigade"));
        assert_eq!(info.kept.any_ext.len(), 1);
        assert_eq!((&info.client_id, &info.access_token), (&None, &None), "the caller's own");
        assert!(invitation.focus && invitation.service_requested);
        assert_eq!(invitation.asserted, Some(Psi::new("sip:mcptt-controlling@one.example")));
        assert_eq!(invitation.answer_modes, [(AnswerModeHeader::PrivAnswer, "Auto".to_owned())]);
        assert_eq!(invitation.resource_priority.as_deref(), Some("mcpttp.0"));
        assert_eq!((invitation.hops, invitation.session), (69, None));
        let offer = invitation.offer.as_ref().unwrap().encode();
        assert!(offer.contains("mc_priority=7") && offer.contains("c=IN IP4 127.0.0.1"), "{offer}");
        let to = Party::Terminating { user: user_id("bob"), clients: vec![ClientId::from("b1")] };
        assert_eq!(*board.party("pf(bob)"), to);
        // The caller's answer names another port of the media function, and the session.
        let acceptance = board.accepted(alice).clone();
        let answer = acceptance.answer.unwrap();
        assert!(answer.encode().contains("mc_implicit_request"), "a new session takes the floor request");
        let port = |text: &str| text.split("m=audio ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        assert_ne!(port(answer.encode()), port(offer));
        let identity = format!("sip:mcptt-controlling@one.example;gr={}", board.the_call().id);
        assert_eq!(acceptance.session, Some(identity));
    }

    // TS 24.379 10.1.1.4.2: a request that breaks every check gets the answer of the first; mended, that of the next.
    #[test]
    fn checks_come_in_the_order_of_the_clause() {
        let mut board = Switchboard::fire(|_| ());
        board.world.policy.regrouped_call = RegroupedCall::Reject;
        board.world.policy.resource_priorities.emergency = Some("mcpttp.15".to_owned());
        let mut document = group("fire", &["bob", "carol"]);
        document.services = vec![Service::McVideo];
        document.preconfigured_only = true;
        document.disabled = true;
        document.prearranged = false;
        document.rules.initiate = Who::Nobody;
        document.rules.emergency_call = Who::Nobody;
        document.minimum_affiliated = Some(4);
        board.put_group(document.clone());
        board.world.apply(&regrouping(&temporary_group("joint", &["fire", "police"]))[1..]);
        board.put_group(document.clone());
        board.world.affiliate("alice", "a1", &["police"]);
        let mut invitation = asked(|invitation| {
            invitation.hops = 0;
            invitation.focus = true;
            invitation.info.encrypted = true;
            invitation.info.calling_user = None;
            invitation.info.request_uri = None;
            invitation.info.emergency = Some(true);
            invitation.service_requested = false;
            invitation.offer = None;
        });
        let refused = |board: &mut Switchboard, invitation: &Invitation| {
            let (caller, lines) = board.call_from_elsewhere("alice", invitation.clone());
            assert_eq!(lines.len(), 1, "{lines:?}");
            board.assert_quiet();
            let rejection = board.refused(caller);
            (rejection.status, rejection.warnings.iter().find_map(|warning| warning.code))
        };
        assert_eq!(refused(&mut board, &invitation), (483, None));
        invitation.hops = 1;
        assert_eq!(refused(&mut board, &invitation), (403, None), "isfocus");
        invitation.focus = false;
        assert_eq!(refused(&mut board, &invitation), (403, Some(140)));
        invitation.info.encrypted = false;
        assert_eq!(refused(&mut board, &invitation), (400, None), "no calling user");
        invitation.info.calling_user = Some("SIP:alice@ONE.example".to_owned());
        assert_eq!(refused(&mut board, &invitation), (488, None), "no offer");
        invitation.offer = Some(offer("EVS"));
        assert_eq!(refused(&mut board, &invitation), (400, None), "no group");
        invitation.info.request_uri = Some("sip:fire@one.example".to_owned());
        assert_eq!(refused(&mut board, &invitation), (488, None), "step 2: no common codec");
        invitation.offer = Some(offer("AMR-WB"));
        assert_eq!(refused(&mut board, &invitation), (403, Some(101)), "step 3");
        invitation.service_requested = true;
        assert_eq!(refused(&mut board, &invitation), (404, Some(113)), "not a group of this service");
        document.services.push(Service::Mcptt);
        board.put_group(document.clone());
        assert_eq!(refused(&mut board, &invitation), (403, Some(167)));
        document.preconfigured_only = false;
        board.put_group(document.clone());
        assert_eq!(refused(&mut board, &invitation), (403, Some(115)));
        document.disabled = false;
        board.put_group(document.clone());
        assert_eq!(refused(&mut board, &invitation), (403, Some(116)));
        document.members = group("fire", &["alice", "bob", "carol"]).members;
        board.put_group(document.clone());
        assert_eq!(refused(&mut board, &invitation), (403, Some(148)), "members learn of the regrouping");
        board.world.apply(&[Change::Remove(FactKey::Regrouped(Side::Mc, group_id("fire")))]);
        assert_eq!(refused(&mut board, &invitation), (404, Some(118)));
        document.prearranged = true;
        board.put_group(document.clone());
        assert_eq!(refused(&mut board, &invitation), (403, Some(119)));
        document.rules.initiate = Who::Users(vec![user_id("alice")]);
        board.put_group(document.clone());
        assert_eq!(refused(&mut board, &invitation), (403, None), "steps 10 and 11");
        invitation.info.emergency = None;
        invitation.resource_priority = Some("q735.3, mcpttp.15".to_owned());
        assert_eq!(refused(&mut board, &invitation), (403, None), "emergency by header only");
        invitation.resource_priority = None;
        assert_eq!(refused(&mut board, &invitation), (403, Some(120)), "step 14 a");
        board.world.affiliate("alice", "a1", &["fire"]);
        assert_eq!(refused(&mut board, &invitation), (480, Some(112)), "step 14 g i: three of four");
        document.minimum_affiliated = Some(3);
        board.put_group(document.clone());
        board.world.media = MediaPorts::new(40_000, 40_000);
        assert_eq!(refused(&mut board, &invitation), (500, None), "no media port");
        board.world.media = MediaPorts::new(40_000, 40_999);
        invitation.hops = 70;
        let (_, lines) = board.call_from_elsewhere("alice", invitation);
        assert_eq!(
            lines,
            ["pf(alice) <- 200", "bob <- INVITE fire by alice", "carol <- INVITE fire by alice"]
        );
    }

    #[test]
    fn a_session_type_that_does_not_fit_the_group_names_its_kind() {
        for (prearranged, session_type, status, code) in [
            (true, Some("chat"), 404, Some(117)),
            (false, Some("prearranged"), 404, Some(118)),
            (true, Some("adhoc"), 403, Some(100)),
            (true, None, 400, None),
        ] {
            let mut board = Switchboard::fire(|group| group.prearranged = prearranged);
            let invitation =
                asked(|invitation| invitation.info.session_type = session_type.map(str::to_owned));
            let (caller, _) = board.call_from_elsewhere("alice", invitation);
            let rejection = board.refused(caller);
            assert_eq!(rejection.status, status);
            assert_eq!(rejection.warnings.iter().find_map(|warning| warning.code), code);
        }
    }

    // TS 24.379 6.3.6: affiliation is per client.
    #[test]
    fn the_client_that_calls_must_be_affiliated_where_it_is_named() {
        let mut board = Switchboard::fire(|_| ());
        let other = asked(|invitation| invitation.info.client_id = Some("a2".to_owned()));
        let (_, lines) = board.call_from_elsewhere("alice", other);
        assert_eq!(lines, ["pf(alice) <- 403 120"]);
        let unnamed = asked(|invitation| invitation.info.client_id = None);
        let (_, lines) = board.call_from_elsewhere("alice", unnamed);
        assert_eq!(lines[0], "pf(alice) <- 200");
    }

    #[test]
    fn a_member_that_must_be_affiliated_and_is_not_prevents_the_call() {
        let dave = Member { affiliation_required: true, ..Member::default() };
        let mut board = Switchboard::fire_of(&[("dave", dave)], |_| ());
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- 480 112"]);
        board.world.affiliate("dave", "d1", &["fire"]);
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines.len(), 4);
    }

    // TS 24.379 6.3.5.5.
    #[test]
    fn required_members_are_invited_first_and_a_cut_list_is_told_with_122() {
        let mut board = Switchboard::fire_of(&[("carol", required())], |group| {
            group.max_participants = Some(2);
        });
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["carol <- INVITE fire by alice"]);
        assert_eq!(board.accept("carol"), ["alice <- 200 122"]);
    }

    #[test]
    fn a_group_of_one_participant_at_most_invites_nobody() {
        let mut board = Switchboard::fire(|group| group.max_participants = Some(1));
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- 200 122"]);
    }

    // TS 24.379 6.2.8.2.
    #[test]
    fn a_broadcast_is_told_to_members_and_ends_with_its_initiator() {
        let mut board = Switchboard::fire(|_| ());
        let mut invitation = Switchboard::invitation("alice", "fire");
        invitation.info.broadcast = Some(true);
        let (alice, lines) = board.call_with("alice", invitation);
        assert_eq!(
            lines,
            [
                "bob <- INVITE fire by alice broadcast",
                "carol <- INVITE fire by alice broadcast",
                "alice <- 200"
            ]
        );
        board.accept("bob");
        board.accept("carol");
        assert!(board.the_call().broadcast);
        assert_eq!(sorted(board.hang_up(alice)), ["bob <- BYE", "carol <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn members_that_find_no_media_port_are_not_invited() {
        let mut board = Switchboard::fire(|_| ());
        board.world.media = MediaPorts::new(40_000, 40_003);
        let (alice, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["bob <- INVITE fire by alice", "alice <- 200"]);
        board.accept("bob");
        assert_eq!(board.hang_up(alice), ["bob <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn a_required_member_that_finds_no_media_port_counts_as_one_that_rejected() {
        let mut board = Switchboard::fire_of(&[("carol", required())], |_| ());
        board.world.media = MediaPorts::new(40_000, 40_001);
        let (_, lines) = board.call("alice", "fire");
        assert_eq!(lines, ["alice <- 500 112"]);
        board.assert_quiet();
    }

    // Issue: procedure 5. TS 23.379 10.6.2.4.
    #[test]
    fn a_call_on_a_temporary_group_reaches_each_member_of_all_constituents_once() {
        let mut board = Switchboard::joint(|_| ());
        let (alice, lines) = board.call("alice", "joint");
        assert_eq!(lines, ["bob <- INVITE joint by alice", "carol <- INVITE joint by alice", "alice <- 200"]);
        board.accept("bob");
        board.accept("carol");
        let call = board.the_call();
        assert_eq!(board.in_call(call.id), ["alice", "bob", "carol"]);
        assert_eq!(call.members.len(), 3, "the snapshot holds the members of the constituents");
        board.hang_up(alice);
        let bob = board.phone("bob");
        assert_eq!(board.hang_up(bob), ["carol <- BYE"]);
        board.assert_quiet();
    }

    #[test]
    fn a_caller_of_a_temporary_group_must_be_in_one_of_its_constituents() {
        let mut board = Switchboard::joint(|_| ());
        board.world.affiliate("dave", "d1", &["fire", "joint"]);
        let (_, lines) = board.call("dave", "joint");
        assert_eq!(lines, ["dave <- 403 116"]);
    }

    // TS 24.379 10.1.2.4.1.1.
    #[test]
    fn the_first_to_join_a_chat_group_is_answered_and_nobody_is_invited() {
        let mut board = Switchboard::fire(|group| group.prearranged = false);
        let chat = |user: &str| {
            let mut invitation = Switchboard::invitation(user, "fire");
            invitation.info.session_type = Some("chat".to_owned());
            invitation
        };
        let (alice, lines) = board.call_with("alice", chat("alice"));
        assert_eq!(lines, ["alice <- 200"]);
        let call = board.the_call().clone();
        assert_eq!((call.established, call.ends), (true, None), "TNG3 is not for chat");
        let (bob, lines) = board.call_with("bob", chat("bob"));
        assert_eq!(lines, ["bob <- 200 123"]);
        assert_eq!(board.accepted(alice).answer.is_some(), board.accepted(bob).answer.is_some());
        let joined = board.accepted(bob).answer.as_ref().unwrap().encode();
        assert!(!joined.contains("mc_implicit_request"), "no floor with a join");
        assert!(board.affiliate("dave", "d1", "fire").is_empty(), "nobody is invited");
        assert_eq!(board.hang_up(alice), ["bob <- BYE"], "6.3.8.1");
        board.assert_quiet();
    }

    #[test]
    fn a_chat_group_refuses_who_may_not_join() {
        let chat = |user: &str| {
            let mut invitation = Switchboard::invitation(user, "fire");
            invitation.info.session_type = Some("chat".to_owned());
            invitation
        };
        let mut board = Switchboard::fire(|group| {
            group.prearranged = false;
            group.rules.join = Who::Users(vec![user_id("alice"), user_id("dave")]);
        });
        let (_, lines) = board.call_with("bob", chat("bob"));
        assert_eq!(lines, ["bob <- 403 106"]);
        board.call_with("alice", chat("alice"));
        let (_, lines) = board.call_with("bob", chat("bob"));
        assert_eq!(lines, ["bob <- 403 106"]);
    }

    #[test]
    fn a_new_call_on_the_group_of_an_ended_one_is_another_call() {
        let mut board = Switchboard::fire(|_| ());
        let (alice, _) = board.call("alice", "fire");
        let first = board.the_call().id;
        assert_eq!(sorted(board.hang_up(alice)), ["bob <- CANCEL", "carol <- CANCEL"]);
        board.assert_quiet();
        board.call("alice", "fire");
        assert_ne!(board.the_call().id, first);
    }

    // TS 24.379 6.3.8.1, 6.3.3.5.1.
    #[test]
    fn tng3_ends_the_call_for_all() {
        let mut board = Switchboard::fire(|group| group.maximum_duration = Some(Duration::from_secs(60)));
        board.call("alice", "fire");
        board.accept("bob");
        assert!(board.wait(59).is_empty());
        assert_eq!(sorted(board.wait(1)), ["alice <- BYE", "bob <- BYE", "carol <- CANCEL"]);
        board.assert_quiet();
    }
}
