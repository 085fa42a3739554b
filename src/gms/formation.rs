//! Temporary group formation (group regroup) within an MC system: TS 23.280 10.2.4.1. With constituents of other systems
//! the same request goes on in [`super::formation_across`].
//!
//! ```text
//!  group management client         GMS             MC service server     affiliated members
//!    |-- 1 group regroup request -->|                      |                      |
//!    |                              | 2 checks             |                      |
//!    |                              | 3 store, mark        |                      |
//!    |                              |-- 4 notify --------->|                      |
//!    |                              |-- 5a notification ------------------------->|
//!    |                              |<------------------------- 5b response ------|
//!    |<-- 6 group regroup response -|                      |                      |
//! ```
//!
//! 4 is [`Send::GroupChanged`]; 5a and 6 are owed ([`Fact::Owed`]), so a restart sends them; 5b is the answer to 5a and
//! nothing waits for it.

use super::repeat::{self, Asked};
use super::{Ask, DISPLAY_NAME_OCTETS, affiliated_members, formation_across, named, owe, read_group};
use crate::documents::gmop::{GroupProposal, OperationKind};
use crate::model::*;
use crate::procedure::{GroupChange, Outcome, Over, Place, Policy, Refusal, Send, View};
use std::collections::BTreeSet;
use std::sync::Arc;

/// TS 23.280 10.2.4.1 steps 1 to 6.
///
/// # Errors
/// The first of the checks of step 2 that fails; nothing has changed then, and nobody else has heard of the request.
pub fn request(view: &mut View<'_>, ask: Ask) -> Result<Outcome<Over>, Refusal> {
    // Step 1. What was done before is not done twice.
    if ask.operation.kind != OperationKind::GroupRegroupCreation {
        return Err(Refusal::UnknownOperation);
    }
    let asker = match repeat::look(view, &ask)? {
        Asked::Again(outcome) => return Ok(outcome),
        Asked::First(asker) => asker,
    };

    // Step 2.
    let wanted = check(view, &ask)?;
    let id = wanted.proposed.clone().unwrap_or_else(|| choose_identity(view));
    let document = temporary_group(view.policy, id, &wanted, &ask);
    let own: Vec<GroupId> = wanted.own.iter().map(|group| group.id.clone()).collect();
    if !wanted.foreign.is_empty() {
        let foreign = wanted.foreign;
        return formation_across::begin(view, asker, repeat::accepted(&ask), document, own, foreign);
    }

    // Step 3. The document and the marks appear together or not at all.
    let mut outcome = Outcome::end(store(&document, &own), vec![repeat::receipt(&ask)])
        .logged(format!("{} formed temporary group {} of {own:?}", ask.sender, document.id));

    // Steps 4 to 6.
    tell(view, &asker, document, &own, &mut outcome);
    Ok(outcome)
}

/// Step 3: the document of the temporary group, and the marks of its constituents here.
pub(super) fn store(document: &GroupDocument, own: &[GroupId]) -> Vec<Change> {
    let document_itself = Change::Put(Fact::TemporaryGroup(Side::Gms, document.clone()));
    let marks = marks(document, own);
    let marks = marks.into_iter().map(|(group, mark)| Change::Put(Fact::Regrouped(Side::Gms, group, mark)));
    std::iter::once(document_itself).chain(marks).collect()
}

/// The marks by which these constituents are known to be part of a temporary group.
pub(super) fn marks(document: &GroupDocument, own: &[GroupId]) -> Vec<(GroupId, Regrouped)> {
    let Some(temporary) = &document.temporary else { return Vec::new() };
    let mark = Regrouped {
        temporary: document.id.clone(),
        requestor: temporary.requestor.clone(),
        constituents: temporary.constituents.clone(),
        priority: document.priority,
        protect_media: document.protect_media,
        protect_floor_control: document.protect_floor_control,
    };
    own.iter().map(|group| (group.clone(), mark.clone())).collect()
}

/// Steps 4 to 6, when the temporary group is stored.
pub(super) fn tell(
    view: &mut View<'_>,
    asker: &Asker,
    document: GroupDocument,
    own: &[GroupId],
    outcome: &mut Outcome<Over>,
) {
    // Steps 4 and 5a.
    tell_own(view, &document, own, &asker.transaction_id, outcome);

    // Step 6.
    let result = repeat::result(asker, GmsOperation::Formation, document.id.clone());
    repeat::finish(view, asker, OperationResult { document: Some(document), ..result }, outcome);
}

/// Steps 4 and 5a: those of this system who are concerned.
pub(super) fn tell_own(
    view: &mut View<'_>,
    document: &GroupDocument,
    own: &[GroupId],
    transaction_id: &str,
    outcome: &mut Outcome<Over>,
) {
    // Step 4.
    let marks = marks(document, own);
    outcome.sends.push(Send::GroupChanged(GroupChange::Formed { document: document.clone(), marks }));

    // Step 5a. Each affiliated member once for each service, with the groups of his that are part of it now.
    let Some(temporary) = &document.temporary else { return };
    for ((member, service), concern) in affiliated_members(view.model, &document.id, own) {
        let notice = Notice::Regrouped {
            temporary: document.clone(),
            constituents: concern.constituents,
            transaction_id: transaction_id.to_owned(),
            requestor: temporary.requestor.clone(),
        };
        let clients = concern.clients.into_iter().collect();
        owe(view, member, service, clients, notice, outcome);
    }
}

/// What a request asks for, once it passed the checks.
struct Wanted<'a> {
    proposal: &'a GroupProposal,
    /// The identity that the requester proposed.
    proposed: Option<GroupId>,
    /// Every constituent once, in the order of the request.
    constituents: Vec<GroupId>,
    /// Documents of those that are owned here.
    own: Vec<Arc<GroupDocument>>,
    /// Those of partner systems, each with the GMS that it is asked of.
    foreign: Vec<(GroupId, Psi)>,
}

/// TS 23.280 10.2.4.1 step 2: the checks, in this order; the first that fails decides.
fn check<'a>(view: &View<'_>, ask: &'a Ask) -> Result<Wanted<'a>, Refusal> {
    // The requester is a user of ours whose profile has <allow-regroup> (TS 24.484 8.3.2).
    if !view.model.user(ask.sender.as_str()).is_some_and(|user| user.profile.allow_regroup) {
        return Err(Refusal::NotAuthorised);
    }

    // The document is complete, and names at least two groups.
    let proposal = ask.operation.group.as_ref().ok_or_else(|| Refusal::malformed("GMOP: no group"))?;
    if proposal.display_name.as_ref().is_some_and(|name| name.len() > DISPLAY_NAME_OCTETS) {
        return Err(Refusal::malformed("GMOP: display-name is too long"));
    }
    let constituents = constituents(view.policy, proposal)?;
    let proposed = named(&[Some(&proposal.uri), ask.operation.group_id.as_deref()])?;

    // The identity is ours to give, and free.
    if let Some(id) = &proposed
        && !(view.policy.is_own(id) && is_free(view, id.as_str()))
    {
        return Err(Refusal::GroupIdInUse(id.clone()));
    }

    // Each constituent of ours exists.
    let (own, foreign): (Vec<_>, Vec<_>) = constituents.iter().partition(|group| view.policy.is_own(group));
    let own = own
        .into_iter()
        .map(|group| view.model.group(Side::Gms, group.as_str()).ok_or(group))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|group| Refusal::GroupNotFound(group.clone()))?;

    // The policy of each lets this user regroup it. A temporary group has none of its own, and fails the next check.
    if !own
        .iter()
        .filter(|group| group.temporary.is_none())
        .all(|group| group.rules.regroup.includes(&ask.sender, group.members.contains_key(&ask.sender)))
    {
        return Err(Refusal::NotAuthorised);
    }

    // None is itself a temporary group, none is part of one or wanted for one, none is out of use.
    let is_taken =
        |group: &GroupId| is_marked(view.model, group) || view.model.spoken_for(group.as_str()).is_some();
    usable(&own, is_taken)?;
    if !own.is_empty() && common_services(&own).is_empty() {
        return Err(Refusal::LocalPolicy { why: "the constituent groups have no service in common" });
    }

    // Each constituent of a partner system belongs to one with which regrouping is agreed.
    let foreign = foreign.into_iter().map(|group| Ok((group.clone(), agreed(view.policy, group)?)));
    let foreign = foreign.collect::<Result<_, Refusal>>()?;
    let own = own.into_iter().cloned().collect();
    Ok(Wanted { proposal, proposed, constituents, own, foreign })
}

/// Whether groups of ours may be part of a temporary group: none is itself one, none is taken, none is out of use.
pub(super) fn usable(
    groups: &[&Arc<GroupDocument>],
    is_taken: impl Fn(&GroupId) -> bool,
) -> Result<(), Refusal> {
    if let Some(group) = groups.iter().find(|group| group.temporary.is_some()) {
        return Err(Refusal::GroupIsTemporary(group.id.clone()));
    }
    if let Some(group) = groups.iter().find(|group| is_taken(&group.id)) {
        return Err(Refusal::AlreadyRegrouped(group.id.clone()));
    }
    if groups.iter().any(|group| group.disabled) {
        return Err(Refusal::LocalPolicy { why: "a constituent group is disabled" });
    }
    if groups.iter().any(|group| group.preconfigured_only) {
        return Err(Refusal::LocalPolicy { why: "a constituent group is for preconfigured regroups only" });
    }
    Ok(())
}

/// Whether a group is part of a temporary group.
pub(super) fn is_marked(model: &Model, group: &GroupId) -> bool {
    model.regrouped(Side::Gms, group.as_str()).is_some()
}

/// Every constituent once, in the order of the request.
fn constituents(policy: &Policy, proposal: &GroupProposal) -> Result<Vec<GroupId>, Refusal> {
    let named = proposal
        .constituents
        .as_deref()
        .ok_or_else(|| Refusal::malformed("GMOP: no on-network-temporary"))?;
    let mut seen = BTreeSet::new();
    let mut constituents = Vec::new();
    for text in named {
        let group = read_group(text)?;
        if seen.insert(group.clone()) {
            constituents.push(group);
        }
    }
    match constituents.len() {
        0 | 1 => Err(Refusal::TooFewGroups),
        count if count > policy.constituents_limit => {
            Err(Refusal::TooManyGroups { limit: policy.constituents_limit })
        }
        _ => Ok(constituents),
    }
}

/// The GMS of a constituent that a partner system owns, if regrouping is agreed with that system.
fn agreed(policy: &Policy, group: &GroupId) -> Result<Psi, Refusal> {
    let permitted =
        policy.partner(group.domain()).is_some_and(|partner| partner.may.regroup && partner.we_may.regroup);
    match policy.gms_of(group) {
        Place::At(gms) if permitted => Ok(gms.clone()),
        _ => Err(Refusal::PartnerNotPermitted(group.clone())),
    }
}

/// Whether no group, user or function has this identity.
fn is_free(view: &View<'_>, id: &str) -> bool {
    let functions = &view.policy.functions;
    let mut functions = functions.participating.iter().chain(&functions.controlling).chain(&functions.gms);
    view.model.group(Side::Gms, id).is_none()
        && view.model.formation(id).is_none()
        && view.model.withdrawal(id).is_none()
        && view.model.user(id).is_none()
        && view.model.user_of(id).is_none()
        && functions.all(|function| function.as_str() != id)
}

/// An identity for a group whose requester proposed none.
fn choose_identity(view: &mut View<'_>) -> GroupId {
    loop {
        let id = format!("sip:tgi-{:016x}@{}", view.ids.number(), view.policy.domain);
        if is_free(view, &id) {
            return GroupId::new(id);
        }
    }
}

/// The document of the temporary group (TS 24.481 7.2.8). What the request leaves open comes from the constituents: it
/// never lasts longer than one of them allows, protects what one of them protects, and its members may do in it what no
/// constituent denies its own.
fn temporary_group(policy: &Policy, id: GroupId, wanted: &Wanted<'_>, ask: &Ask) -> GroupDocument {
    let (own, proposal) = (&wanted.own, wanted.proposal);
    let granted = |rule: fn(&GroupRules) -> &Who| {
        let to_members = own.iter().all(|group| matches!(rule(&group.rules), Who::Members | Who::Anyone));
        if to_members { Who::Members } else { Who::Nobody }
    };
    let abandons = own.iter().any(|group| group.on_acknowledgement_timeout == OnTimeout::Abandon);
    GroupDocument {
        id,
        display_name: proposal.display_name.clone().unwrap_or_default(),
        members: MemberList::default(),
        prearranged: own.iter().any(|group| group.prearranged),
        disabled: false,
        preconfigured_only: false,
        max_participants: None,
        minimum_to_start: 0,
        minimum_affiliated: None,
        acknowledgement_timeout: own.iter().filter_map(|group| group.acknowledgement_timeout).max(),
        on_acknowledgement_timeout: if abandons { OnTimeout::Abandon } else { OnTimeout::Proceed },
        maximum_duration: own.iter().filter_map(|group| group.maximum_duration).min(),
        hang_timer: own.iter().filter_map(|group| group.hang_timer).min(),
        priority: proposal.priority,
        protect_media: proposal.protect_media.unwrap_or_else(|| own.iter().any(|group| group.protect_media)),
        protect_floor_control: proposal
            .protect_floor_control
            .unwrap_or_else(|| own.iter().any(|group| group.protect_floor_control)),
        encodings: common_encodings(policy, own),
        rules: GroupRules {
            // A member of a constituent may call and join: a ruleset cannot say "member of a constituent", so the MC
            // service server counts them as members of this group.
            initiate: Who::Members,
            join: Who::Members,
            conference_state: granted(|rules| &rules.conference_state),
            member_list: granted(|rules| &rules.member_list),
            affiliation_list: granted(|rules| &rules.affiliation_list),
            emergency_call: granted(|rules| &rules.emergency_call),
            imminent_peril_call: granted(|rules| &rules.imminent_peril_call),
            emergency_alert: granted(|rules| &rules.emergency_alert),
            regroup: Who::Nobody,
            others: Vec::new(),
        },
        // Of groups of other systems only nothing is known here but the service of the request.
        services: if own.is_empty() { vec![ask.service] } else { common_services(own) },
        temporary: Some(Temporary {
            constituents: wanted.constituents.clone(),
            requestor: ask.sender.clone(),
        }),
        details: Arc::default(),
        version: 1,
    }
}

/// Services that every constituent has, in the order of the first.
fn common_services<T: AsRef<GroupDocument>>(own: &[T]) -> Vec<Service> {
    let Some((first, rest)) = own.split_first() else { return Vec::new() };
    let everywhere = |service: &&Service| rest.iter().all(|group| group.as_ref().services.contains(service));
    first.as_ref().services.iter().filter(everywhere).copied().collect()
}

/// Codecs that every constituent prefers which prefers any, in the order of the first; those of the configuration if
/// there are none. Names of encodings have no case (RFC 4855 3).
fn common_encodings(policy: &Policy, own: &[Arc<GroupDocument>]) -> Vec<String> {
    let mut lists = own.iter().map(|group| &group.encodings).filter(|list| !list.is_empty());
    let Some(first) = lists.next() else { return policy.default_encodings.clone() };
    let rest: Vec<_> = lists.collect();
    let everywhere =
        |name: &&String| rest.iter().all(|list| list.iter().any(|other| other.eq_ignore_ascii_case(name)));
    let common: Vec<String> = first.iter().filter(everywhere).cloned().collect();
    if common.is_empty() { policy.default_encodings.clone() } else { common }
}
