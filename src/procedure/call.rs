//! Words between the functions of a call: participating, controlling, and the clients behind them. Between two
//! functions in this process they are handed over in memory; towards a client or another system they are SIP.

use super::{Answer, Refusal, Warning};
use crate::documents::{McInfo, SessionDescription};
use crate::model::*;

/// A request for a session: what an INVITE of TS 24.379 clause 10.1.1 carries.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The service (by media type of the info body, or P-Asserted-Service).
    pub service: Service,
    /// mcptt-info: session-type, target, calling user and group, client, indications; foreign elements kept.
    pub info: McInfo,
    /// SDP offer.
    pub offer: Option<SessionDescription>,
    /// The Contact carried `isfocus`.
    pub focus: bool,
    /// The Contact of a focus elsewhere that invites: its session identity (TS 24.379 4.5).
    pub focus_session: Option<String>,
    /// P-Asserted-Identity of the function that invites. It goes on to the client (TS 24.379 10.1.1.3.2). `None`: a client
    /// asks, or a participating function for it.
    pub asserted: Option<Psi>,
    /// Accept-Contact names the service's feature tag and its ICSI (TS 24.379 10.1.1.4.2 step 3).
    pub service_requested: bool,
    /// `Answer-Mode` and `Priv-Answer-Mode`, as received.
    pub answer_modes: Vec<(AnswerModeHeader, String)>,
    /// `Resource-Priority`.
    pub resource_priority: Option<String>,
    /// Hops left (Max-Forwards).
    pub hops: u32,
    /// The sender asks for a running session by its identity (rejoin).
    pub session: Option<CallRef>,
}

/// Which of the two headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerModeHeader {
    /// `Answer-Mode`.
    Answer,
    /// `Priv-Answer-Mode`.
    PrivAnswer,
}

/// A provisional answer.
#[derive(Clone, Debug)]
pub struct Progress {
    /// 180 or 183.
    pub status: u16,
    /// `P-Answer-State: Unconfirmed`.
    pub unconfirmed: bool,
    /// Warnings.
    pub warnings: Vec<Warning>,
}

/// The session is accepted: what a 200 to INVITE carries.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    /// SDP answer.
    pub answer: Option<SessionDescription>,
    /// mcptt-info.
    pub info: Option<McInfo>,
    /// Warnings, in order.
    pub warnings: Vec<Warning>,
    /// Session identity (Contact URI) of the accepting function or client.
    pub session: Option<String>,
    /// `P-Answer-State: Unconfirmed`.
    pub unconfirmed: bool,
    /// Which client accepted, where known (several contacts of a member were tried).
    pub client: Option<ClientId>,
}

/// The session is refused: a final answer from 300.
#[derive(Clone, Debug, Default)]
pub struct Rejection {
    /// Status.
    pub status: u16,
    /// Warnings.
    pub warnings: Vec<Warning>,
    /// mcptt-info.
    pub info: Option<McInfo>,
    /// Contacts of a 3xx, canonical identities.
    pub contacts: Vec<String>,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// Not a refusal at all: the affiliated members of the group, for the one who asks to invite them itself.
    pub members: Option<Box<SharedMembers>>,
}

/// The affiliated members of a group, told to the controlling function of a temporary group by a system that shares its
/// members (trusted mutual aid): 403 with `P-Refused-URI-List` (RFC 5318) and a list of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMembers {
    /// The group.
    pub group: GroupId,
    /// Its affiliated members.
    pub users: Vec<UserId>,
}

/// Whom a function asks for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// Participating function to its client: every contact of these clients is tried at once, the first that accepts
    /// wins.
    Client {
        /// The user.
        user: UserId,
        /// Only these clients; empty: all.
        clients: Vec<ClientId>,
    },
    /// Controlling function to the terminating participating function of a member.
    Terminating {
        /// The member.
        user: UserId,
        /// Affiliated clients of the member.
        clients: Vec<ClientId>,
    },
    /// Originating participating function to the controlling function of a group.
    Controlling {
        /// The group.
        group: GroupId,
        /// Session identity that a controlling function elsewhere gave: the client comes back by it
        /// (TS 24.379 10.1.1.3.5.1).
        session: Option<String>,
    },
    /// Controlling function of a temporary group to the non-controlling function of a constituent (TS 24.379 6.3.4):
    /// elsewhere, or here if a call of the constituent runs.
    NonControlling {
        /// The constituent.
        group: GroupId,
    },
}

/// What a function sends over a leg.
#[derive(Clone, Debug)]
pub enum CallSend {
    /// Ask for a session over a new leg. The service opens the leg with this identity and owner.
    Invite {
        /// The new leg.
        leg: LegId,
        /// The instance that sends.
        owner: LegOwner,
        /// Whom.
        to: Party,
        /// With what.
        invitation: Box<Invitation>,
    },
    /// Give up a session that is not accepted yet.
    Cancel {
        /// The leg.
        leg: LegId,
    },
    /// Provisional answer over an incoming leg.
    Progress {
        /// The leg.
        leg: LegId,
        /// The answer.
        progress: Progress,
    },
    /// Accept over an incoming leg.
    Accept {
        /// The leg.
        leg: LegId,
        /// With what.
        acceptance: Box<Acceptance>,
    },
    /// Refuse over an incoming leg.
    Refuse {
        /// The leg.
        leg: LegId,
        /// With what.
        rejection: Box<Rejection>,
    },
    /// Release an established session.
    Release {
        /// The leg.
        leg: LegId,
        /// Reason header.
        reason: Option<String>,
    },
    /// A re-INVITE inside an established session.
    Offer {
        /// The leg.
        leg: LegId,
        /// The offer, if the media change.
        offer: Option<SessionDescription>,
        /// The indications.
        info: Option<Box<McInfo>>,
    },
    /// The answer to [`LegEvent::Offered`].
    AnswerOffer {
        /// The leg.
        leg: LegId,
        /// Accepted or refused.
        result: Result<Box<Acceptance>, Box<Rejection>>,
    },
}

/// What a function hears over a leg.
#[derive(Clone, Debug)]
pub enum LegEvent {
    /// Provisional answer to our invitation.
    Progress(Progress),
    /// Our invitation was accepted.
    Accepted(Box<Acceptance>),
    /// Our invitation was refused, timed out (408) or could not be sent (503). The leg is gone.
    Refused(Box<Rejection>),
    /// The one who invited us gave up before our answer. The leg is gone.
    Cancelled,
    /// The final answer of a function elsewhere to an invitation that we gave up with [`CallSend::Cancel`]. With a 2xx,
    /// which crossed the CANCEL, it has accepted, and is released. The leg is gone.
    GivenUp {
        /// Status code; 408 and 503 also where no answer came.
        status: u16,
    },
    /// Our acceptance was acknowledged.
    Confirmed,
    /// The other end released the session. The leg is gone.
    Released {
        /// Reason header.
        reason: Option<String>,
    },
    /// The session broke. The leg is gone.
    Lost {
        /// Why, for the log.
        why: &'static str,
    },
    /// A re-INVITE or UPDATE: answer with [`CallSend::AnswerOffer`].
    Offered {
        /// New offer, if there is one.
        offer: Option<SessionDescription>,
        /// Indications, if there are any.
        info: Option<Box<McInfo>>,
    },
    /// The final answer to our [`CallSend::Offer`].
    OfferAnswered(Result<Box<Acceptance>, Box<Rejection>>),
}

impl From<Answer> for Rejection {
    /// The final answer of a refused invitation.
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            warnings: answer.warnings,
            info: answer.info.map(|info| *info),
            contacts: answer.contacts.iter().map(ToString::to_string).collect(),
            retry_after: answer.retry_after,
            members: answer.members,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        refusal.answer().into()
    }
}
