//! Remote change of affiliation, negotiated mode: TS 23.280 figure 10.8.5.1.2-1 (10.X.5.1.2-1 of the change request), by
//! the MESSAGE of TS 24.379 9.2.1.4 with an affiliation command.
//!
//! ```text
//!  client 1 (authorised)          MC service server                    client 2 (target)
//!    |-- 1 MESSAGE ----------------->| 2 may user 1 propose?              |
//!    |                               |-- 3 MESSAGE ---------------------->|
//!    |<--------------------- its 200 |<------------- 200: it was taken ---| 4 the user is asked
//!    |                               |<-- 5 PUBLISH of the target's own --|
//!    |<-- 6 NOTIFY, outcome ---------|    `affiliation`                   |
//! ```
//!
//! The 200 of step 3 says that a client has the proposal, not that its user wants it. One MESSAGE concerns one target;
//! several targets take several of them. With several clients each gets it, and acts for itself. Where the target is
//! served elsewhere the MESSAGE goes there first, with the user who proposes in `mcptt-calling-user-id`.
//!
//! A proposal is a transaction and nothing more: nothing of it is kept, who gets no answer sends it again. Only where
//! outcomes are told (`proposal_outcome`, step 6) it is a fact: see `proposal_end`.

use super::affiliation::{counts, owning, served_user};
use super::proposal_end;
use super::remote_change::{Originator, between_servers};
use crate::documents::affiliation_command::AffiliationCommand;
use crate::documents::{Body, McInfo};
use crate::model::*;
use crate::procedure::*;
use std::collections::BTreeSet;

/// A MESSAGE with an affiliation command.
#[derive(Clone, Debug)]
pub struct CommandAsk {
    /// The request that waits for its answer.
    pub reply: ReplyTo,
    /// Who sent it.
    pub sender: Originator,
    /// The client that sent it, where known.
    pub client: Option<ClientId>,
    /// The service.
    pub service: Service,
    /// mcptt-info: names the target.
    pub info: McInfo,
    /// The command.
    pub command: AffiliationCommand,
    /// The same as it was received.
    pub document: Body,
    /// What a MESSAGE keeps that is passed on.
    pub heading: Heading,
}

/// Steps 1 to 3.
///
/// # Errors
/// Nothing was sent with any of these. 400: no target, or a command without groups. 403: the originator may not propose
/// changes; where it is checked, 403 or 404 for a change that the target cannot make. 404: a target that nobody serves.
/// 483: no hop is left. 503: [`proposal_end::PROPOSALS_PER_USER`].
pub fn propose(view: &mut View<'_>, ask: CommandAsk) -> Result<Outcome<Over>, Refusal> {
    let target = served_user(&ask.info)?;
    // Step 2: may user 1 propose anything?
    ask.sender.may(
        view,
        |profile| profile.allow_recommend_affiliations,
        "not authorised to propose affiliations to other users",
    )?;
    if ask.command.is_empty() {
        return Err(Refusal::malformed("affiliation command: no groups"));
    }
    if ask.heading.hops == 0 {
        return Err(Refusal::TooManyHops);
    }
    let from_client = matches!(ask.sender, Originator::Client(_));
    let to = match view.policy.participating_of(&target) {
        Place::Here if view.model.user(target.as_str()).is_some() => {
            if view.policy.check_proposals {
                within_reach(view, &target, ask.service, &ask.command)?;
            }
            PassTo::Clients(target.clone())
        }
        // What another server passed on to us is for our users only.
        Place::At(psi) if from_client => PassTo::Function(psi.clone()),
        Place::Here | Place::At(_) | Place::Nowhere => return Err(Refusal::UnknownUser),
    };
    let originator = ask.sender.user().clone();
    let mut outcome = Outcome::default();
    let proposal = proposal_end::remember(view, &originator, &target, &ask, &mut outcome)?;
    let log = format!("{originator} proposes a change of affiliations to {target}");
    // Step 3.
    outcome.sends.push(Send::PassOn(Box::new(PassOn {
        reply: ask.reply,
        to,
        service: ask.service,
        info: between_servers(&originator, &target, ask.info.client_id),
        document: Some(ask.document),
        request: Passed::Message(ask.heading),
        proposal,
    })));
    Ok(outcome.logged(log))
}

/// Step 2, as stage 2 has it: whether the target could make the change. Groups of partners are checked there, when the
/// target affiliates.
fn within_reach(
    view: &View<'_>,
    target: &UserId,
    service: Service,
    command: &AffiliationCommand,
) -> Result<(), Refusal> {
    for group in command.affiliate.iter().filter(|group| view.policy.is_own(group)) {
        owning::admits(view, target, group, service)?;
    }
    let limit = view.model.user(target.as_str()).and_then(|user| user.profile.max_affiliations_n2);
    let Some(limit) = limit else { return Ok(()) };
    let mut groups: BTreeSet<&GroupId> = view
        .model
        .affiliations_of(target.as_str())
        .flat_map(|record| &record.groups)
        .filter(|entry| entry.service == service && counts(entry, view.now))
        .map(|entry| &entry.group)
        .filter(|group| !command.de_affiliate.contains(group))
        .collect();
    groups.extend(&command.affiliate);
    if groups.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err(Refusal::ProposalBeyondLimit { limit });
    }
    Ok(())
}
