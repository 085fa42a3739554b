//! One cause, one answer.

use crate::documents::{Body, McInfo};
use crate::model::*;

/// A Warning of TS 24.379 clause 4.4: `399 <agent> "<code> <text>"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three-digit code at the front of the text; `None` for plain text.
    pub code: Option<u16>,
    /// The text behind it.
    pub text: String,
}

impl Warning {
    /// The warning with this code, with the text of TS 24.379 table 4.4.2-1.
    pub fn coded(code: u16) -> Self {
        Self { code: Some(code), text: text_of(code).to_owned() }
    }

    /// A warning without code.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { code: None, text: text.into() }
    }
}

/// Texts of TS 24.379 table 4.4.2-1, those this server sends.
fn text_of(code: u16) -> &'static str {
    match code {
        100 => "function not allowed due to user authorisation",
        101 => "service authorisation failed",
        102 => "too many simultaneous affiliations",
        103 => "maximum simultaneous MCPTT group calls reached",
        104 => "isfocus not assigned",
        105 => "subscription not allowed in a broadcast group call",
        106 => "user not authorised to join chat group",
        108 => "user not authorised to make chat group calls",
        109 => "user not authorised to make prearranged group calls",
        110 => "user declined the call invitation",
        111 => "group call proceeded without all required group members",
        112 => "group call abandoned due to required group members not part of the group session",
        113 => "group document does not exist",
        114 => "unable to retrieve group document",
        115 => "group is disabled",
        116 => "user is not part of the MCPTT group",
        117 => "the group identity indicated in the request is a prearranged group",
        118 => "the group identity indicated in the request is a chat group",
        119 => "user is not authorised to initiate the group call",
        120 => "user is not affiliated to this group",
        121 => "user is not authorised to join the group call",
        122 => "too many participants",
        123 => "MCPTT session already exists",
        128 => "isfocus already assigned",
        137 => "the indicated group call does not exist",
        138 => "subscription of conference events not allowed",
        140 => "unable to decrypt XML content",
        141 => "user unknown to the participating function",
        142 => "unable to determine the controlling function",
        146 => "T-PF unable to determine the service settings for the called user",
        147 => "user is authorized to initiate a temporary group call",
        148 => "group is regrouped",
        163 => "the group identity indicated in the request does not exist",
        165 => "group ID for regroup already in use",
        167 => "call is not allowed on the preconfigured group",
        179 => "service not authorized with the interconnected system",
        // The wording of stage 3 is not known (TS 24.379 6.8.3).
        180 => "service not authorized by the interconnected system",
        _ => "",
    }
}

/// A final answer, as a procedure means it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// SIP status code.
    pub status: u16,
    /// Warnings, in order.
    pub warnings: Vec<Warning>,
    /// mcptt-info body.
    pub info: Option<Box<McInfo>>,
    /// Any other body.
    pub body: Option<Body>,
    /// Groups to call instead (3xx): Contact.
    pub contacts: Vec<GroupId>,
    /// Retry-After, seconds.
    pub retry_after: Option<u32>,
    /// Expires granted.
    pub expires: Option<u32>,
    /// Min-Expires (423).
    pub min_expires: Option<u32>,
    /// SIP-ETag.
    pub etag: Option<String>,
    /// Affiliated members of a group, in place of a session.
    pub members: Option<Box<super::SharedMembers>>,
}

impl Answer {
    /// A status and nothing else.
    pub fn plain(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A status with a coded warning.
    pub fn warned(status: u16, code: u16) -> Self {
        Self { status, warnings: vec![Warning::coded(code)], ..Self::default() }
    }

    /// A status with a warning in words.
    pub fn worded(status: u16, text: impl Into<String>) -> Self {
        Self { status, warnings: vec![Warning::plain(text)], ..Self::default() }
    }
}

/// Why a procedure refuses. No wildcard arm in [`Refusal::answer`]: a new cause does not compile until someone decides
/// its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The sender broke MIME, XML or SDP, or left out what the procedure needs. `place` names where.
    #[error("malformed request: {place}")]
    Malformed {
        /// What was wrong and where.
        place: String,
    },
    /// A body is missing or of a type that the procedure has no use for.
    #[error("unsupported body: expected {expected}")]
    UnsupportedBody {
        /// Media type the procedure needs.
        expected: &'static str,
    },
    /// An element was encrypted (140).
    #[error("encrypted XML content")]
    Encrypted,
    /// The sender's identity is not bound to a user (141).
    #[error("user unknown to the participating function")]
    UnknownUser,
    /// The sender is not who may send this (a stranger, or a peer without that permission).
    #[error("sender not permitted: {why}")]
    NotPermitted {
        /// Why, for log and Warning.
        why: &'static str,
    },
    /// The request's service identification does not name the service (TS 24.379 10.1.1.4.2 step 3).
    #[error("service identification missing")]
    NotOurService,
    /// No controlling function is known for the group (142).
    #[error("controlling function of {0} unknown")]
    NoControllingFunction(GroupId),
    /// No participating function is known for the user: a member of a system without agreement.
    #[error("participating function of {0} unknown")]
    NoParticipatingFunction(UserId),
    /// The user's profile does not allow the call (109 prearranged, 108 chat).
    #[error("user not authorised to make such group calls")]
    CallsNotAllowed {
        /// Prearranged or chat.
        prearranged: bool,
    },
    /// N6 (103).
    #[error("maximum simultaneous calls N6={limit} reached")]
    TooManyCalls {
        /// N6.
        limit: u32,
    },
    /// No common codec or no speech medium.
    #[error("media not acceptable: {why}")]
    MediaNotAcceptable {
        /// Why.
        why: &'static str,
    },
    /// No group document (113).
    #[error("group {0} does not exist")]
    NoSuchGroup(GroupId),
    /// No group document to be affiliated by (113).
    #[error("group {0} does not exist")]
    NoGroupToAffiliate(GroupId),
    /// 115.
    #[error("group {0} is disabled")]
    GroupDisabled(GroupId),
    /// 116.
    #[error("user is not a member of {0}")]
    NotMember(GroupId),
    /// 117 or 118: session-type does not fit the group.
    #[error("group is {}", if *.prearranged { "prearranged" } else { "a chat group" })]
    WrongSessionType {
        /// What the group is.
        prearranged: bool,
    },
    /// 119.
    #[error("user may not initiate the group call")]
    MayNotInitiate,
    /// 121.
    #[error("user may not join the group call")]
    MayNotJoin,
    /// 106: the same for a chat group.
    #[error("user may not join the chat group")]
    MayNotJoinChat,
    /// 120.
    #[error("user is not affiliated to {0}")]
    NotAffiliated(GroupId),
    /// 122.
    #[error("too many participants, limit {limit}")]
    TooManyParticipants {
        /// Limit of the document.
        limit: u32,
    },
    /// 167.
    #[error("preconfigured group")]
    PreconfiguredOnly,
    /// 148, refused.
    #[error("group is regrouped")]
    Regrouped,
    /// 148, redirected: 302 with the temporary group (profile B of this product).
    #[error("group is regrouped into {temporary}")]
    MovedTemporarily {
        /// The group that was called.
        constituent: GroupId,
        /// The group to call instead.
        temporary: GroupId,
    },
    /// Emergency or imminent peril without permission: 403 with the refused indications in mcptt-info.
    #[error("emergency or imminent peril not authorised")]
    PriorityNotAllowed {
        /// Emergency (true) or imminent peril.
        emergency: bool,
    },
    /// Required members not affiliated or too few affiliated members (112).
    #[error("too few affiliated members")]
    TooFewMembers,
    /// 104.
    #[error("isfocus not assigned")]
    NoFocus,
    /// The user is in this call, or is asked for it, by another function (123).
    #[error("{0} is in this call already")]
    InCallAlready(UserId),
    /// 128: another controlling function has the group in a call.
    #[error("isfocus already assigned")]
    FocusAssigned {
        /// The caller is a member who may begin the call (147): it may join it.
        authorised: bool,
    },
    /// Nobody but the caller is affiliated, who may begin the call (112 and 147).
    #[error("nobody but the caller is affiliated")]
    NobodyElse,
    /// The group is no constituent of the temporary group that is named.
    #[error("the group is not part of that temporary group")]
    NotRegroupedInto,
    /// The one who asks gets the affiliated members, to invite them itself.
    #[error("members of {} are told", .0.group)]
    MembersInstead(Box<super::SharedMembers>),
    /// The one who asks need not wait for members: nobody is invited to a chat group call, and the caller may begin it.
    #[error("the caller may begin the call on the temporary group")]
    MayBegin,
    /// The called user has no registered client.
    #[error("user {0} is not registered")]
    NotRegistered(UserId),
    /// 137.
    #[error("no such group call")]
    NoSuchCall,
    /// 138.
    #[error("subscription of conference events not allowed")]
    NoConferenceState,
    /// 105.
    #[error("broadcast group call")]
    Broadcast,
    /// Interval missing or too short.
    #[error("interval too brief, at least {minimum} s")]
    IntervalTooBrief {
        /// Smallest interval granted.
        minimum: u32,
    },
    /// Entity tag unknown (RFC 3903).
    #[error("unknown entity tag")]
    UnknownEntityTag,
    /// Event package not served.
    #[error("bad event")]
    BadEvent,
    /// N2, where it cannot be met by reduction (102).
    #[error("maximum affiliations N2={limit} reached")]
    TooManyAffiliations {
        /// N2.
        limit: u32,
    },
    /// N2 of the target, where a proposal is checked before it is passed on (102).
    #[error("the proposal passes N2={limit} of the target")]
    ProposalBeyondLimit {
        /// N2.
        limit: u32,
    },
    /// A GMS operation without permission (100).
    #[error("function not allowed due to user authorisation")]
    NotAuthorised,
    /// A GMS operation refused by policy (100).
    #[error("function not allowed due to local policy: {why}")]
    LocalPolicy {
        /// Which policy.
        why: &'static str,
    },
    /// A named group does not exist, at the GMS (163).
    #[error("group {0} does not exist at the GMS")]
    GroupNotFound(GroupId),
    /// A constituent is itself a temporary group.
    #[error("{0} is a temporary group")]
    GroupIsTemporary(GroupId),
    /// A constituent is in another temporary group (148).
    #[error("{0} is already regrouped")]
    AlreadyRegrouped(GroupId),
    /// Teardown of an ordinary group.
    #[error("{0} is not a temporary group")]
    NotTemporary(GroupId),
    /// The proposed identity is taken or not ours to give (165).
    #[error("group identity {0} is not available")]
    GroupIdInUse(GroupId),
    /// Fewer than two distinct constituents.
    #[error("fewer than two constituent groups")]
    TooFewGroups,
    /// More groups in one request than the limit.
    #[error("more than {limit} groups")]
    TooManyGroups {
        /// The limit.
        limit: usize,
    },
    /// Our agreement with a system does not give us what is asked (179, TS 24.379 6.8.2 step 2).
    #[error("the agreement with {domain} does not permit that to us")]
    NotWithPartner {
        /// Its domain.
        domain: String,
    },
    /// A constituent belongs to a system without agreement (179).
    #[error("no agreement with the system of {0}")]
    PartnerNotPermitted(GroupId),
    /// A function asks for what the agreement with its system does not permit (180, TS 24.379 6.8.3).
    #[error("{0} may not ask for that")]
    PartnerMayNot(Psi),
    /// The document of a group is at a GMS that does not answer (114).
    #[error("document of {0} not to be had")]
    NoGroupDocument(GroupId),
    /// A transaction-id was used again for another request.
    #[error("transaction-id was used for another request")]
    TransactionReused,
    /// An operation this server does not have.
    #[error("operation not supported")]
    UnknownOperation,
    /// Nothing here answers to that Request-URI.
    #[error("no such function")]
    NotFound,
    /// No more hops (483).
    #[error("too many hops")]
    TooManyHops,
    /// A later request has been handled before this one (RFC 3261 10.3 step 7).
    #[error("a later request was handled before this one")]
    Overtaken,
    /// A resource ran out: media ports, table space.
    #[error("out of {what}")]
    NoResources {
        /// What ran out.
        what: &'static str,
    },
    /// One of `config::Limits` is reached for now. Nothing changed, and the sender may try again.
    #[error("the limit of {limit} {what} is reached")]
    Full {
        /// What there would be too many of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// We could not commit. Nothing changed, and the sender may try again.
    #[error("store unavailable")]
    StoreUnavailable,
}

impl Refusal {
    /// [`Self::Malformed`] at this place.
    pub fn malformed(place: impl Into<String>) -> Self {
        Self::Malformed { place: place.into() }
    }

    /// The answer, numbers from stage 3 (TS 24.379 clause 4.4.2; GMS operations: this product's table of TS 24.481
    /// GMOP results).
    pub fn answer(&self) -> Answer {
        match self {
            Self::Malformed { place } => Answer::worded(400, place.clone()),
            Self::UnsupportedBody { expected } => Answer::worded(415, format!("{expected} expected")),
            Self::Encrypted => Answer::warned(403, 140),
            Self::UnknownUser => Answer::warned(404, 141),
            Self::NotPermitted { why } => Answer::worded(403, *why),
            Self::NotOurService => Answer::warned(403, 101),
            Self::NoControllingFunction(_) => Answer::warned(404, 142),
            Self::CallsNotAllowed { prearranged } => {
                Answer::warned(403, if *prearranged { 109 } else { 108 })
            }
            Self::TooManyCalls { .. } => Answer::warned(486, 103),
            Self::MediaNotAcceptable { why } => Answer::worded(488, *why),
            Self::NoSuchGroup(_) => Answer::warned(404, 113),
            Self::NoGroupToAffiliate(_) => Answer::warned(403, 113),
            Self::GroupDisabled(_) => Answer::warned(403, 115),
            Self::NotMember(_) => Answer::warned(403, 116),
            Self::WrongSessionType { prearranged } => {
                Answer::warned(404, if *prearranged { 117 } else { 118 })
            }
            Self::MayNotInitiate => Answer::warned(403, 119),
            Self::MayNotJoin => Answer::warned(403, 121),
            Self::MayNotJoinChat => Answer::warned(403, 106),
            Self::NotAffiliated(_) => Answer::warned(403, 120),
            Self::TooManyParticipants { .. } => Answer::warned(486, 122),
            Self::PreconfiguredOnly => Answer::warned(403, 167),
            Self::Regrouped => Answer::warned(403, 148),
            Self::MovedTemporarily { constituent, temporary } => Answer {
                contacts: vec![temporary.clone()],
                info: Some(Box::new(McInfo {
                    request_uri: Some(temporary.to_string()),
                    calling_group: Some(constituent.to_string()),
                    ..McInfo::default()
                })),
                ..Answer::warned(302, 148)
            },
            Self::PriorityNotAllowed { emergency } => {
                let mut info = McInfo::default();
                if *emergency {
                    info.emergency = Some(false);
                    info.alert = Some(false);
                } else {
                    info.imminent_peril = Some(false);
                }
                Answer { info: Some(Box::new(info)), ..Answer::plain(403) }
            }
            Self::TooFewMembers => Answer::warned(480, 112),
            Self::NoFocus => Answer::warned(403, 104),
            Self::InCallAlready(_) => Answer::warned(486, 123),
            Self::FocusAssigned { authorised } => {
                let codes: &[u16] = if *authorised { &[128, 147] } else { &[128] };
                Answer { warnings: codes.iter().copied().map(Warning::coded).collect(), ..Answer::plain(403) }
            }
            Self::NobodyElse => {
                Answer { warnings: vec![Warning::coded(112), Warning::coded(147)], ..Answer::plain(480) }
            }
            Self::NotRegroupedInto => Answer::worded(403, "the group is not part of that temporary group"),
            Self::MembersInstead(members) => Answer { members: Some(members.clone()), ..Answer::plain(403) },
            Self::MayBegin => Answer::warned(403, 147),
            Self::NotRegistered(_) | Self::NoParticipatingFunction(_) => Answer::plain(480),
            Self::NoSuchCall => Answer::warned(404, 137),
            Self::NoConferenceState => Answer::warned(403, 138),
            Self::Broadcast => Answer::warned(480, 105),
            Self::IntervalTooBrief { minimum } => {
                Answer { min_expires: Some(*minimum), ..Answer::plain(423) }
            }
            Self::UnknownEntityTag => Answer::plain(412),
            Self::BadEvent => Answer::plain(489),
            Self::TooManyAffiliations { .. } => Answer::warned(486, 102),
            Self::ProposalBeyondLimit { .. } => Answer::warned(403, 102),
            Self::NotAuthorised => Answer::warned(403, 100),
            Self::LocalPolicy { .. } => Answer {
                warnings: vec![Warning {
                    code: Some(100),
                    text: "function not allowed due to local policy".to_owned(),
                }],
                ..Answer::plain(403)
            },
            Self::GroupNotFound(_) => Answer::warned(404, 163),
            Self::GroupIsTemporary(_) => Answer::worded(403, "a constituent group is a temporary group"),
            Self::AlreadyRegrouped(_) => Answer::warned(403, 148),
            Self::NotTemporary(_) => Answer::worded(403, "the group is not a temporary group"),
            Self::GroupIdInUse(_) => Answer::warned(403, 165),
            Self::TooFewGroups => Answer::worded(400, "fewer than two constituent groups"),
            Self::TooManyGroups { limit } => {
                Answer::worded(400, format!("more than {limit} groups in one request"))
            }
            Self::PartnerNotPermitted(_) | Self::NotWithPartner { .. } => Answer::warned(403, 179),
            Self::PartnerMayNot(_) => Answer::warned(403, 180),
            Self::NoGroupDocument(_) => {
                Answer { retry_after: Some(RETRY_AFTER_SECONDS), ..Answer::warned(480, 114) }
            }
            Self::TransactionReused => Answer::worded(400, "transaction-id was used for another request"),
            Self::UnknownOperation => Answer::worded(501, "operation not supported"),
            Self::NotFound => Answer::plain(404),
            Self::TooManyHops => Answer::plain(483),
            Self::Overtaken => Answer::plain(500),
            Self::NoResources { .. } => {
                Answer { retry_after: Some(RETRY_AFTER_SECONDS), ..Answer::plain(500) }
            }
            Self::Full { what, limit } => Answer {
                retry_after: Some(RETRY_AFTER_SECONDS),
                ..Answer::worded(503, format!("the limit of {limit} {what} is reached"))
            },
            Self::StoreUnavailable => Answer { retry_after: Some(RETRY_AFTER_SECONDS), ..Answer::plain(503) },
        }
    }
}

/// Retry-After of answers that say "not now", seconds.
pub const RETRY_AFTER_SECONDS: u32 = 5;
