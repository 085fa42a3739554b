//! What came of a proposal: TS 23.280 10.8.5.1.2 steps 5 and 6, "affiliation change response". Stage 3 has no message
//! for it, the originator sees it by watching the target. Where `proposal_outcome` is set, this is told besides:
//!
//! ```text
//!  client 1                       MC service server                    client 2 (target)
//!    |                               |<-- 5 PUBLISH, MESSAGE, or both ----|
//!    |                               | wait for the owners of the groups  |  NOTE 3
//!    |<-- 6 MESSAGE with outcome ----| nothing in time: timeout           |
//! ```
//!
//! The proposal is a fact from step 3 to step 6. It is decided by the first client of the target that says anything: by a
//! PUBLISH that brings some of what was proposed, or by a MESSAGE with an outcome. Other clients change nothing any more.
//! What is told is what is in force then at the client that decided, each group having been entered, left, or refused
//! by its owner; what is still under way when the time is over does not count.
//!
//! With the two users in two systems both servers remember it. That of the target tells that of the originator, in the
//! same MESSAGE, which tells its user; if nothing comes, the latter says `timeout` by itself, so a partner that knows
//! nothing of all this does no harm.

use super::affiliation::served_user;
use super::proposing::CommandAsk;
use super::remote_change::Originator;
use crate::documents::affiliation_command::AffiliationCommand;
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// Most proposals of one user whose outcome is awaited.
pub const PROPOSALS_PER_USER: usize = 64;

/// Remembers a proposal that is about to be passed on. One that comes again, after a restart, is the same.
///
/// # Errors
/// 503: [`PROPOSALS_PER_USER`].
pub(super) fn remember(
    view: &mut View<'_>,
    originator: &UserId,
    target: &UserId,
    ask: &CommandAsk,
    outcome: &mut Outcome<Over>,
) -> Result<Option<ProposalRef>, Refusal> {
    let Some(patience) = view.policy.proposal_outcome else { return Ok(None) };
    let made = |proposal: &&Proposal| proposal.originator == *originator;
    let AffiliationCommand { affiliate, de_affiliate, .. } = ask.command.clone();
    let changes = ProposedChanges { affiliate, de_affiliate };
    let same = |proposal: &&Proposal| {
        proposal.target == *target
            && proposal.service == ask.service
            && proposal.call_id == ask.heading.call_id
            && proposal.changes == changes
    };
    if let Some(known) = view.model.proposals_of(originator).filter(made).find(same) {
        return Ok(Some(known.id));
    }
    if view.model.proposals_of(originator).filter(made).count() >= PROPOSALS_PER_USER {
        return Err(Refusal::Full { what: "proposals of one user", limit: PROPOSALS_PER_USER });
    }
    let id = ProposalRef(view.ids.number());
    outcome.changes.push(Change::Put(Fact::Proposal(Proposal {
        id,
        originator: originator.clone(),
        target: target.clone(),
        service: ask.service,
        call_id: ask.heading.call_id.clone(),
        changes,
        decided: None,
        until: view.now.plus(patience),
    })));
    Ok(Some(id))
}

/// Nobody took the proposal: the originator hears it by the answer to the MESSAGE, and nothing more.
pub fn not_taken(view: &View<'_>, id: ProposalRef) -> Outcome<Over> {
    let open = view.model.proposal(id).is_some_and(|proposal| proposal.decided.is_none());
    let changes = open.then_some(Change::Remove(FactKey::Proposal(id)));
    Outcome::end(changes.into_iter().collect(), Vec::new())
}

/// A MESSAGE with an outcome: from a client of the target, or from the server of the target. It is information and never
/// a command. One that fits no proposal (which is over, was told of already, or never was) is taken and changes nothing.
///
/// # Errors
/// 400: no originator named, or a client says `timeout`. 403 with Warning 180: the agreement does not permit it. 501:
/// outcomes are not told here.
pub fn told(view: &mut View<'_>, ask: CommandAsk) -> Result<Outcome<Over>, Refusal> {
    let Some(patience) = view.policy.proposal_outcome else { return Err(Refusal::UnknownOperation) };
    let originator = served_user(&ask.info)?;
    let target = ask.sender.user().clone();
    let AffiliationCommand { affiliate, de_affiliate, outcome: Some(said) } = ask.command else {
        return Err(Refusal::malformed("affiliation command: no outcome"));
    };
    let mut outcome =
        Outcome::end(Vec::new(), vec![Send::Answer { to: ask.reply, answer: Answer::plain(200) }]);
    let fits = |proposal: &&Proposal| {
        proposal.target == target
            && proposal.originator == originator
            && proposal.service == ask.service
            && said.in_reply_to.as_ref().is_none_or(|call_id| proposal.call_id == call_id.as_str())
    };
    let from_client = matches!(ask.sender, Originator::Client(_));
    if from_client {
        if said.outcome == ProposalOutcome::Timeout {
            return Err(Refusal::malformed("affiliation command: change-outcome of a client"));
        }
        let undecided = |proposal: &&Proposal| proposal.decided.is_none();
        let known = view.model.proposals_of(&target).filter(undecided).find(fits).cloned();
        let Some(mut proposal) = known else { return Ok(outcome) };
        let all =
            said.outcome == ProposalOutcome::Accepted && affiliate.is_empty() && de_affiliate.is_empty();
        let accepted = match said.outcome {
            ProposalOutcome::Rejected => ProposedChanges::default(),
            _ if all => proposal.changes.clone(),
            _ => common(&proposal.changes, &affiliate, &de_affiliate),
        };
        proposal.decided = Some(Decision { client: ask.client, accepted, published: false });
        proposal.until = view.now.plus(patience);
        settle_one(view, proposal, &mut outcome);
        return Ok(outcome);
    }
    // Step 6, between two servers: where the target is served all is settled.
    ask.sender.may(view, |_| true, "")?;
    let known = view.model.proposals_of(&originator).find(fits).cloned();
    if let Some(proposal) = known {
        let changes = common(&proposal.changes, &affiliate, &de_affiliate);
        end(view, proposal, said.outcome, changes, &mut outcome);
    }
    Ok(outcome)
}

/// What a PUBLISH is going to bring of the proposals to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    client: ClientId,
    /// Proposals that it decides, with what it accepts.
    decides: Vec<(ProposalRef, ProposedChanges)>,
    /// Proposals that its client has decided by MESSAGE before.
    follows: Vec<ProposalRef>,
}

/// Step 5: looks at a PUBLISH of the target before it is handled. `wanted`: the groups it names, none if it gives all up.
pub fn brought(
    view: &View<'_>,
    target: &UserId,
    service: Service,
    client: &ClientId,
    wanted: &BTreeSet<GroupId>,
) -> Option<Brought> {
    let mut brought = Brought { client: client.clone(), decides: Vec::new(), follows: Vec::new() };
    let has = |group: &GroupId| entry(view, target, client, service, group).is_some();
    for proposal in view.model.proposals_of(target) {
        if proposal.target != *target || proposal.service != service {
            continue;
        }
        let ProposedChanges { affiliate, de_affiliate } = &proposal.changes;
        match &proposal.decided {
            Some(decision) if decision.published => {}
            Some(decision) if decision.client.as_ref().is_none_or(|decided| decided == client) => {
                brought.follows.push(proposal.id);
            }
            Some(_) => {}
            None => {
                let enters = affiliate.iter().any(|group| wanted.contains(group) && !has(group));
                let leaves = de_affiliate.iter().any(|group| !wanted.contains(group) && has(group));
                if enters || leaves {
                    let accepted = ProposedChanges {
                        affiliate: affiliate
                            .iter()
                            .filter(|group| wanted.contains(*group))
                            .cloned()
                            .collect(),
                        de_affiliate: de_affiliate
                            .iter()
                            .filter(|group| !wanted.contains(*group))
                            .cloned()
                            .collect(),
                    };
                    brought.decides.push((proposal.id, accepted));
                }
            }
        }
    }
    let any = !brought.decides.is_empty() || !brought.follows.is_empty();
    any.then_some(brought)
}

/// The PUBLISH was taken.
pub fn published(view: &mut View<'_>, brought: Brought) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let Some(patience) = view.policy.proposal_outcome else { return outcome };
    for (id, accepted) in brought.decides {
        let Some(mut proposal) = view.model.proposal(id).cloned() else { continue };
        proposal.decided = Some(Decision { client: Some(brought.client.clone()), accepted, published: true });
        proposal.until = view.now.plus(patience);
        settle_one(view, proposal, &mut outcome);
    }
    for id in brought.follows {
        let Some(mut proposal) = view.model.proposal(id).cloned() else { continue };
        if let Some(decision) = &mut proposal.decided {
            decision.published = true;
            decision.client = Some(brought.client.clone());
        }
        settle_one(view, proposal, &mut outcome);
    }
    outcome
}

/// The affiliations of a user changed: perhaps the owners of all groups have spoken (NOTE 3).
pub fn settle(view: &mut View<'_>, target: &UserId, service: Service) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let waits = |proposal: &&Proposal| {
        proposal.target == *target && proposal.service == service && proposal.decided.is_some()
    };
    let waiting: Vec<_> = view.model.proposals_of(target).filter(waits).cloned().collect();
    for proposal in waiting {
        settle_one(view, proposal, &mut outcome);
    }
    outcome
}

/// The time of a proposal is over. Nothing comes of a timer that is early.
pub fn expire(view: &mut View<'_>, id: ProposalRef) -> Outcome<Over> {
    let mut outcome = Outcome::default();
    let Some(proposal) = view.model.proposal(id).filter(|proposal| proposal.until <= view.now).cloned()
    else {
        return outcome;
    };
    let Some(decision) = &proposal.decided else {
        end(view, proposal, ProposalOutcome::Timeout, ProposedChanges::default(), &mut outcome);
        return outcome;
    };
    let standing = Standing::of(view, &proposal, decision);
    let nothing = standing.in_force == ProposedChanges::default();
    let how = if nothing { ProposalOutcome::Timeout } else { standing.outcome(&proposal) };
    end(view, proposal, how, standing.in_force, &mut outcome);
    outcome
}

/// Where the accepted changes of a proposal stand.
struct Standing {
    in_force: ProposedChanges,
    /// Some are neither in force nor refused.
    under_way: bool,
}

/// Where one group stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    InForce,
    UnderWay,
    Refused,
}

impl Standing {
    fn of(view: &View<'_>, proposal: &Proposal, decision: &Decision) -> Self {
        let status = |group: &GroupId| {
            let clients = view.model.affiliations_of(proposal.target.as_str()).map(|record| &record.client);
            clients
                .filter(|client| decision.client.as_ref().is_none_or(|decided| decided == *client))
                .find_map(|client| entry(view, &proposal.target, client, proposal.service, group))
        };
        // Before the PUBLISH of the client nothing is refused yet.
        let not = if decision.published { Stands::Refused } else { Stands::UnderWay };
        let enters = |group: &GroupId| match status(group) {
            Some(AffiliationStatus::Affiliated) => Stands::InForce,
            Some(AffiliationStatus::Affiliating) => Stands::UnderWay,
            Some(AffiliationStatus::Deaffiliating) | None => not,
        };
        let leaves = |group: &GroupId| match status(group) {
            None => Stands::InForce,
            Some(AffiliationStatus::Deaffiliating) => Stands::UnderWay,
            Some(AffiliationStatus::Affiliated | AffiliationStatus::Affiliating) => not,
        };
        let mut standing = Self { in_force: ProposedChanges::default(), under_way: false };
        let mut sort =
            |group: &GroupId, stands: Stands, list: fn(&mut ProposedChanges) -> &mut Vec<GroupId>| {
                match stands {
                    Stands::InForce => list(&mut standing.in_force).push(group.clone()),
                    Stands::UnderWay => standing.under_way = true,
                    Stands::Refused => {}
                }
            };
        for group in &decision.accepted.affiliate {
            sort(group, enters(group), |changes| &mut changes.affiliate);
        }
        for group in &decision.accepted.de_affiliate {
            sort(group, leaves(group), |changes| &mut changes.de_affiliate);
        }
        standing
    }

    fn outcome(&self, proposal: &Proposal) -> ProposalOutcome {
        if self.in_force == proposal.changes {
            ProposalOutcome::Accepted
        } else if self.in_force == ProposedChanges::default() {
            ProposalOutcome::Rejected
        } else {
            ProposalOutcome::Partial
        }
    }
}

/// The status of a group at one client; `None`: not affiliated.
fn entry(
    view: &View<'_>,
    user: &UserId,
    client: &ClientId,
    service: Service,
    group: &GroupId,
) -> Option<AffiliationStatus> {
    let record = view.model.affiliations(user.as_str(), client.as_str())?;
    let live = |entry: &&GroupAffiliation| {
        entry.service == service && entry.group == *group && entry.lasts(view.now)
    };
    record.groups.iter().find(live).map(|entry| entry.status)
}

/// What a list of groups has in common with a proposal, in the order of the proposal.
fn common(proposed: &ProposedChanges, affiliate: &[GroupId], de_affiliate: &[GroupId]) -> ProposedChanges {
    let both = |proposed: &[GroupId], said: &[GroupId]| {
        proposed.iter().filter(|group| said.contains(group)).cloned().collect()
    };
    ProposedChanges {
        affiliate: both(&proposed.affiliate, affiliate),
        de_affiliate: both(&proposed.de_affiliate, de_affiliate),
    }
}

/// Tells the outcome of a decided proposal, or keeps it until all is settled.
fn settle_one(view: &mut View<'_>, proposal: Proposal, outcome: &mut Outcome<Over>) {
    let Some(decision) = &proposal.decided else { return };
    let standing = Standing::of(view, &proposal, decision);
    if !standing.under_way {
        let how = standing.outcome(&proposal);
        end(view, proposal, how, standing.in_force, outcome);
    } else if view.model.proposal(proposal.id) != Some(&proposal) {
        outcome.changes.push(Change::Put(Fact::Proposal(proposal)));
    }
}

/// Step 6.
fn end(
    view: &mut View<'_>,
    proposal: Proposal,
    how: ProposalOutcome,
    changes: ProposedChanges,
    outcome: &mut Outcome<Over>,
) {
    let Proposal { id, originator, target, service, call_id, .. } = proposal;
    outcome.changes.push(Change::Remove(FactKey::Proposal(id)));
    let until = view.now.plus(view.policy.owed_for);
    let end = ProposalEnd { originator: originator.clone(), target, call_id, outcome: how, changes };
    let policy = view.policy;
    match policy.participating_of(&originator) {
        Place::Here => {
            let id = OwedRef(view.ids.number());
            let notice = Notice::Proposal(end);
            let owed = Owed { id, to: originator, clients: Vec::new(), service, notice, until };
            outcome.changes.push(Change::Put(Fact::Owed(owed)));
            outcome.sends.push(Send::Owed(id));
        }
        // That server's own timer says so to its user.
        Place::At(_) if how == ProposalOutcome::Timeout => {}
        Place::At(psi) => {
            let id = RequestRef(view.ids.number());
            outcome.changes.push(Change::Put(Fact::Request(FunctionRequest {
                id,
                from: FunctionKind::Participating,
                to: psi.clone(),
                what: Asked::ProposalEnd { end, service },
                begun: view.now,
                until: Some(until),
            })));
            outcome.sends.push(Send::Request(id));
        }
        Place::Nowhere => {}
    }
}

#[cfg(test)]
mod tests;
