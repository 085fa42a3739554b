//! What the standard leaves to the operator.

use super::identity::identity;
use super::reader::{DAY, HOUR, MILLISECOND, SECOND, Section, without_lines};
use crate::model::GroupId;
use std::cell::Cell;
use std::time::Duration;

/// What to answer to a call on a constituent of a temporary group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegroupedCall {
    /// 302 with the temporary group's URI, for the caller to follow.
    Redirect,
    /// 302 between the functions; our participating function follows it for its client.
    Follow,
    /// 403 with Warning 148.
    Reject,
}

pub(super) const REGROUPED_CALL: [(&str, RegroupedCall); 3] = [
    ("redirect", RegroupedCall::Redirect),
    ("follow", RegroupedCall::Follow),
    ("reject", RegroupedCall::Reject),
];

/// `[policy]`: what the standard leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Answer to a call on a constituent of a temporary group.
    pub regrouped_call: RegroupedCall,
    /// TNG1 where the group document has none.
    pub tng1_default: Duration,
    /// How long a MESSAGE to a user is repeated.
    pub owed_for: Duration,
    /// How long a finished GMS operation is remembered for its repetition.
    pub operations_for: Duration,
    /// How long a GMS of another system has to answer.
    pub gms_timeout: Duration,
    /// How long groups stay reserved for a temporary group of another system.
    pub reserved_for: Duration,
    /// Most constituents of one temporary group.
    pub constituents_limit: usize,
    /// Interval granted for affiliations, seconds.
    pub affiliation_interval: u32,
    /// Longest interval granted to subscriptions of functions elsewhere, seconds.
    pub function_subscription_interval: u32,
    /// Groups that nobody leaves by de-affiliation.
    pub no_de_affiliation: Vec<GroupId>,
    /// Shortest life of a registration, seconds.
    pub registration_minimum: u32,
    /// Longest life of a registration, seconds.
    pub registration_maximum: u32,
    /// Constituents take calls only after the call on their torn-down temporary group.
    pub constituents_wait_for_call: bool,
    /// The media function buffers speech until the first member has answered.
    pub buffers_media: bool,
    /// Proposals to change affiliations are checked before they are passed on.
    pub check_proposals: bool,
    /// Who proposed a change of affiliations is told what came of it.
    pub proposal_outcome: bool,
    /// How long the target of a proposal may take to decide.
    pub proposal_timeout: Duration,
    /// Values of `Resource-Priority`.
    pub resource_priority: ResourcePriority,
}

/// `[policy.resource_priority]`; `None`: the value of the received INVITE is carried on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePriority {
    /// In-progress emergency.
    pub emergency: Option<String>,
    /// In-progress imminent peril.
    pub imminent_peril: Option<String>,
    /// Any other call.
    pub normal: Option<String>,
}

impl ResourcePriority {
    fn walk(policy: &Section<'_>) -> Self {
        let section = policy.table(
            "resource_priority",
            "`Resource-Priority` of INVITEs to members by the state of the call (TS 24.379 6.3.3.1.19; RFC 4412).",
        );
        let value = |name, meaning| {
            section
                .key(name, meaning)
                .text("namespace and priority such as `\"mcpttp.15\"`", resource_priority)
                .optional("as in the received INVITE")
        };
        Self {
            emergency: value("emergency", "In-progress emergency."),
            imminent_peril: value("imminent_peril", "In-progress imminent peril."),
            normal: value("normal", "Any other call."),
        }
    }
}

/// RFC 4412 3.1: `r-value = namespace "." r-priority`.
fn resource_priority(text: &str) -> Result<String, String> {
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-!%*_+`'~".contains(&octet))
    };
    match text.split_once('.') {
        Some((namespace, priority)) if text.len() <= 80 && token(namespace) && token(priority) => {
            Ok(text.to_owned())
        }
        _ => Err("namespace and priority such as \"mcpttp.15\"".to_owned()),
    }
}

impl Policy {
    pub(super) fn walk(root: &Section<'_>) -> Self {
        let policy = root.table("policy", "What the standard leaves to the operator.");
        let line = Cell::new(0);
        let regrouped_call = policy
            .key("regrouped_call", "A call on a constituent of a temporary group: `redirect` answers 302 with the temporary group, `follow` lets our participating function follow it for the client, `reject` answers 403 with Warning 148.")
            .one_of(&REGROUPED_CALL)
            .or_else(RegroupedCall::Redirect, "`\"redirect\"`");
        let tng1_default = policy
            .key("tng1_default", "TNG1, how long a call waits for required members, where the group has no `acknowledgement_timeout` (TS 24.379 B.2.1).")
            .duration(100 * MILLISECOND..=10 * 60 * SECOND)
            .or(5 * SECOND);
        let owed_for = policy
            .key("owed_for", "How long a MESSAGE to a user is repeated who does not answer it.")
            .duration(SECOND..=DAY)
            .or(32 * SECOND);
        let operations_for = policy
            .key(
                "operations_for",
                "How long a finished group management operation is remembered for its repetition.",
            )
            .duration(SECOND..=7 * DAY)
            .or(HOUR);
        let gms_timeout = policy
            .key("gms_timeout", "How long the group management server of another system has to answer (T-gms-http). A formation gives each step three times as long and five times altogether; the confirmation of a teardown waits once for the partners.")
            .duration(100 * MILLISECOND..=30 * SECOND)
            .or(6 * SECOND);
        let reserved_for = policy
            .key("reserved_for", "How long groups stay reserved for a temporary group that another system is forming (T-regroup-reserve).")
            .duration(SECOND..=600 * SECOND)
            .or(30 * SECOND);
        let constituents_limit = policy
            .key("constituents_limit", "Most constituents of one temporary group.")
            .integer(2..=256)
            .or(32);
        let affiliation_interval = policy
            .key("affiliation_interval", "Interval granted for affiliations and subscriptions to them, seconds; 4294967295: not by time (TS 24.379 9.2.1.2).")
            .integer(1..=u32::MAX)
            .or(u32::MAX);
        let function_subscription_interval = policy
            .key("function_subscription_interval", "Longest interval granted to a subscription of a function elsewhere, seconds; it refreshes. What such a function has forgotten ends after that.")
            .integer(60..=604_800)
            .or(7_200);
        let no_de_affiliation = policy
            .key("no_de_affiliation", "Groups of this system that nobody leaves by de-affiliation (TS 23.280 10.8.4.2 step 2). The server of another system hears 403 with Warning 100, for clients of this one the group stays as it is. Who logs off here leaves.")
            .texts("URI", |text| identity(text).map(GroupId::new))
            .optional("none: everybody may de-affiliate")
            .map(without_lines)
            .unwrap_or_default();
        let registration_minimum = policy
            .key(
                "registration_minimum",
                "Shortest life of a registration, seconds; 423 below (RFC 3261 10.3 step 7).",
            )
            .integer(1..=86_400)
            .or(60);
        let registration_maximum = policy
            .key("registration_maximum", "Longest life of a registration, seconds.")
            .integer(60..=604_800)
            .at(&line)
            .or(3600);
        let constituents_wait_for_call = policy
            .key(
                "constituents_wait_for_call",
                "Refuse calls on constituents while a call on their torn-down temporary group still runs.",
            )
            .boolean()
            .or(false);
        let buffers_media = policy
            .key("buffers_media", "The media function buffers speech until the first member has answered, so the caller may be answered before (TS 24.379 6.3.3.3).")
            .boolean()
            .or(false);
        let check_proposals = policy
            .key("check_proposals", "Check membership and N2 (403 with Warning 116 or 102) before a proposal to change affiliations is passed on, TS 23.280 10.8.5.1.2 step 2. The owner of a group checks its members in any case, when the target affiliates.")
            .boolean()
            .or(false);
        let proposal_outcome = policy
            .key("proposal_outcome", "Tell who proposed a change of affiliations what came of it (TS 23.280 10.8.5.1.2 step 6), by a MESSAGE that stage 3 does not have: for clients that know it.")
            .boolean()
            .or(false);
        let proposal_timeout = policy
            .key("proposal_timeout", "With `proposal_outcome`: how long the target of a proposal may take to decide, then how long the owners of the groups may. Longer than clients may take to answer a MESSAGE, 40 times T1.")
            .duration(SECOND..=HOUR)
            .or(60 * SECOND);
        let resource_priority = ResourcePriority::walk(&policy);
        if registration_minimum > registration_maximum {
            let message = format!(
                "expected at least `registration_minimum`, {registration_minimum}, found {registration_maximum}"
            );
            policy.mistake(line.get(), "registration_maximum", message);
        }
        Self {
            regrouped_call,
            tng1_default,
            owed_for,
            operations_for,
            gms_timeout,
            reserved_for,
            constituents_limit,
            affiliation_interval,
            function_subscription_interval,
            no_de_affiliation,
            registration_minimum,
            registration_maximum,
            constituents_wait_for_call,
            buffers_media,
            check_proposals,
            proposal_outcome,
            proposal_timeout,
            resource_priority,
        }
    }
}
