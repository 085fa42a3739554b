//! What is provisioned about a user (the MCPTT user profile of TS 24.484, as far as this server decides by it).

use super::{ClientId, GroupId, PublicId, UserId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A user of this MC system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The MC service ID.
    pub id: UserId,
    /// Public user identities by which the SIP core or the registrar knows this user, at least one; the first is
    /// used to reach the user through a core.
    pub public_ids: Vec<PublicId>,
    /// Password for Digest at our own registrar; `None`: no challenge.
    pub password: Option<Arc<str>>,
    /// Client ID to assume where neither the registration nor the request names one.
    pub default_client: Option<ClientId>,
    /// What the user may do; shared by all users that were provisioned alike.
    pub profile: Arc<UserProfile>,
}

/// What a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserProfile {
    /// `<MaxAffiliationsN2>`: most groups the user may be affiliated to at once, over all clients. `None`: no limit.
    pub max_affiliations_n2: Option<u32>,
    /// `<MaxSimultaneousCallsN6>`: most group calls at once. `None`: no limit.
    pub max_calls_n6: Option<u32>,
    /// `<allow-regroup>`: may form and tear down temporary groups.
    pub allow_regroup: bool,
    /// May make prearranged group calls (Warning 109 otherwise).
    pub allow_prearranged_call: bool,
    /// May make chat group calls (Warning 108 otherwise).
    pub allow_chat_call: bool,
    /// `<allow-request-affiliated-groups>`: may read the affiliation status of others.
    pub allow_request_affiliated_groups: bool,
    /// `<allow-request-to-affiliate-other-users>`: may change the affiliation of others (mandatory mode).
    pub allow_affiliate_others: bool,
    /// `<allow-recommend-to-affiliate-other-users>`: may propose a change to others (negotiated mode).
    pub allow_recommend_affiliations: bool,
    /// `<ImplicitAffiliations>`: groups to affiliate to when the user's service starts.
    pub implicit_affiliations: Vec<GroupId>,
    /// How the user's clients commence a call when they have not said (TS 24.379 10.1.1.3.2).
    pub answer_mode: AnswerMode,
}

/// Commencement mode of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerMode {
    /// The client answers by itself.
    Automatic,
    /// The user answers.
    Manual,
}
