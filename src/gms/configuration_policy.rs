//! What becomes of a group configuration on its way between systems: what the primary system leaves out
//! (TS 23.280 10.2.7.2 step 1, 10.2.7.3 step 3), and what the policy of the partner system changes before it is stored
//! (TS 23.280 10.2.7.2 step 2, 10.2.7.3 step 4).

use crate::documents::group_document;
use crate::model::*;
use crate::procedure::Partner;
use std::sync::Arc;

/// The document of a group of ours as a partner may see it. One that shares members with us sees all; another one sees
/// those that are its own users. Rules that name others are cut down, keys and the state of regrouping do not leave.
pub(super) fn outgoing(document: &GroupDocument, partner: &Partner) -> GroupDocument {
    let mut sent = document.clone();
    group_document::remove_keys(&mut sent);
    sent.temporary = None;
    sent.version = 1;
    sent.rules.regroup = Who::Nobody;
    if partner.shares_members {
        return sent;
    }
    let is_theirs = |user: &UserId| user.domain().eq_ignore_ascii_case(&partner.domain);
    let members = sent.members.iter().filter(|(user, _)| is_theirs(user));
    sent.members = Arc::new(members.map(|(user, member)| (user.clone(), member.clone())).collect());
    let rules = &mut sent.rules;
    let named = [
        &mut rules.initiate,
        &mut rules.join,
        &mut rules.conference_state,
        &mut rules.member_list,
        &mut rules.affiliation_list,
        &mut rules.emergency_call,
        &mut rules.imminent_peril_call,
        &mut rules.emergency_alert,
    ];
    for who in named.into_iter().chain(rules.others.iter_mut().map(|action| &mut action.who)) {
        if let Who::Users(users) = who {
            users.retain(is_theirs);
            if users.is_empty() {
                *who = Who::Nobody;
            }
        }
    }
    sent
}

/// Whether a partner has users in a group (pre-condition of TS 23.280 10.2.7.2 and 10.2.7.3).
pub(super) fn concerns(document: &GroupDocument, domain: &str) -> bool {
    document.members.keys().any(|user| user.domain().eq_ignore_ascii_case(domain))
}

/// What our policy makes of the configuration of a group of another system. The identity, the services, the kind of the
/// group, the protection, its owner, its list of members and who of them is required are the primary system's.
///
/// # Errors
/// The result is no configuration that can be used; nothing is stored then.
pub(super) fn incoming(
    document: &GroupDocument,
    policy: &GroupPolicy,
) -> Result<GroupDocument, &'static str> {
    let mut group = document.clone();
    // Who may regroup is not told between systems, and here nobody may: the group is not ours.
    group.rules.regroup = Who::Nobody;
    group.version = 1;
    {
        let details = Arc::make_mut(&mut group.details);
        for priority in [&mut group.priority, &mut details.mcvideo_priority, &mut details.mcdata_priority] {
            *priority = priority.map(|priority| policy.priority_of(priority));
        }
        if let Some(area) = &policy.permitted_area {
            details.permitted_area = Some(area.clone());
        }
        lower(&mut details.emergency_timeout, policy.emergency_timeout);
        lower(&mut details.imminent_peril_timeout, policy.imminent_peril_timeout);
    }
    lower(&mut group.max_participants, policy.max_participants);
    lower(&mut group.hang_timer, policy.hang_timer);
    lower(&mut group.maximum_duration, policy.maximum_duration);
    for action in &policy.deny {
        group_document::deny_action(&mut group, action);
    }
    group.disabled |= policy.disable;
    if policy.strip_off_network {
        group_document::remove_off_network(&mut group);
    }
    if !policy.encodings.is_empty() && !group.encodings.is_empty() {
        let supported = |name: &String| policy.encodings.iter().any(|known| known.eq_ignore_ascii_case(name));
        group.encodings.retain(supported);
        if group.encodings.is_empty() {
            return Err("none of the preferred codecs is supported here");
        }
    }
    for (user, priority) in &policy.user_priorities {
        if group.members.contains_key(user)
            && let Some(member) = Arc::make_mut(&mut group.members).get_mut(user)
        {
            member.priority = Some(*priority);
        }
    }
    validate(&group)?;
    Ok(group)
}

/// A limit that may be there, and another one: the lower counts.
fn lower<T: Ord + Copy>(limit: &mut Option<T>, most: Option<T>) {
    if let Some(most) = most {
        *limit = Some(limit.map_or(most, |limit| limit.min(most)));
    }
}

/// The rules of TS 24.481 7.2.7 that the schema does not hold.
fn validate(group: &GroupDocument) -> Result<(), &'static str> {
    if group.temporary.is_some() {
        return Err("a temporary group is told by its formation");
    }
    if group.services.is_empty() {
        return Err("the group supports no service");
    }
    if group.prearranged && group.maximum_duration.is_none() {
        return Err("a prearranged group needs on-network-maximum-duration");
    }
    let required = group.members.values().filter(|member| member.required).count();
    if group.max_participants.is_some_and(|most| usize::try_from(most).is_ok_and(|most| required > most)) {
        return Err("more members are required than may take part");
    }
    Ok(())
}
