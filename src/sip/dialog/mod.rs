//! Dialogs and INVITE sessions (RFC 3261 sections 12 to 15, RFC 3262, RFC 3311, RFC 4028, RFC 6026), and the user
//! agent core that checks requests before anybody decides about them (section 8.2).

mod agent;
mod called;
mod calling;
mod checks;
#[allow(clippy::module_inception, reason = "a room of several files, one of them about the dialog")]
mod dialog;
mod reliable;
mod session;
mod sessions;
mod timer;
mod within;

pub use agent::{Agent, AgentSettings, PATIENCE, RESTART_CSEQ_GAP, UNTOLD_CSEQ};
pub(crate) use called::bad_request;
pub use dialog::Dialog;
pub(crate) use dialog::without_params;
pub(crate) use within::come_back;

use crate::sip::message::{Request, Response};
use crate::sip::transaction::{ClientId, Flow, NoHop, ServerId};

/// An INVITE session, incoming or outgoing, from the INVITE to the BYE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Why a request of a session could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// There is no way to the target.
    #[error(transparent)]
    NoHop(#[from] NoHop),
    /// There is no such session, or it is not confirmed (yet, or any more).
    #[error("the session is not confirmed")]
    NotConfirmed,
    /// Another INVITE, or another offer, of either side waits for its answer (RFC 3261 14.1, RFC 3311 5.1): try again
    /// when it has been answered.
    #[error("another offer is open in this session")]
    Busy,
    /// As many sessions as `Limits::sessions` allows are open.
    #[error("too many sessions")]
    Full,
}

/// What the agent tells its user. Requests have passed the checks of RFC 3261 8.2: method known (501) and allowed
/// (405), URI scheme (416), Require (420), Content-Encoding (415), dialog exists (481), CSeq in order (500).
#[derive(Debug)]
pub enum AgentEvent {
    /// A request outside the INVITE sessions: REGISTER, OPTIONS, MESSAGE, PUBLISH, SUBSCRIBE, NOTIFY, REFER. With a
    /// To tag only SUBSCRIBE and NOTIFY come up (the subscription layer knows their dialogs). Answer with
    /// [`Agent::answer`].
    Request {
        /// Its transaction.
        id: ServerId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// A new INVITE. Answer with [`Agent::progress`], [`Agent::accept`] or [`Agent::refuse`].
    Invite {
        /// The session.
        session: SessionId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// The caller gave up before our final answer; 487 is already sent. The session is over.
    Cancelled {
        /// The session.
        session: SessionId,
        /// Reason header of the CANCEL.
        reason: Option<String>,
    },
    /// A provisional response (101-199) to our INVITE. A reliable one was already PRACKed.
    Progress {
        /// The session.
        session: SessionId,
        /// The response.
        response: Response,
    },
    /// Our INVITE was accepted; the ACK is already sent. Comes once: further 2xx of other forks are acknowledged and
    /// released by the agent. Not after [`Agent::cancel`]: a crossing 2xx is acknowledged and released too
    /// ([`Self::GivenUp`] tells of it).
    Accepted {
        /// The session.
        session: SessionId,
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
    /// Our INVITE failed, the session is over. `response` is `None` when it timed out (408), could not be sent (503), or
    /// its 2xx named no place to talk to (502): see `status`.
    Refused {
        /// The session.
        session: SessionId,
        /// Status code, also where no response came.
        status: u16,
        /// The response.
        response: Option<Response>,
    },
    /// The ACK for our 2xx came: the session is confirmed. Carries the ACK for an answer in it. Comes again for a
    /// re-INVITE if its ACK carries a body.
    Confirmed {
        /// The session.
        session: SessionId,
        /// The ACK.
        request: Request,
    },
    /// The peer released the session; 200 is already sent. The session is over.
    Released {
        /// The session.
        session: SessionId,
        /// The BYE.
        request: Request,
    },
    /// A re-INVITE (one without a body asks for an offer in the 2xx), an UPDATE with an offer, an INFO, or a PRACK with
    /// a body. Answer with [`Agent::answer`]. An UPDATE without a body, which only refreshes the session timer or the
    /// target, is answered by the agent. After the session is over the agent has answered it with 487.
    InSession {
        /// The session.
        session: SessionId,
        /// Its transaction.
        id: ServerId,
        /// The request.
        request: Request,
    },
    /// The stored dialog data of a confirmed session changed in a way a restart must know (CSeq, target, timer), or the
    /// 2xx of an INVITE leaves that waited for a PRACK.
    Moved {
        /// The session.
        session: SessionId,
    },
    /// The session broke: no ACK, no PRACK, session timer ran out, 408 or 481 in the session, or an INVITE that was
    /// accepted has no usable Contact. BYE was sent where RFC 3261 and
    /// RFC 4028 ask for it. The session is over.
    Lost {
        /// The session.
        session: SessionId,
        /// Why, for the log.
        why: &'static str,
    },
    /// The final answer to an INVITE of ours that was given up: 487, as a rule. With a 2xx, which crossed the CANCEL, the
    /// peer has done what it does for an INVITE that it accepts; the session is acknowledged and released. `Ended`
    /// follows.
    GivenUp {
        /// The session.
        session: SessionId,
        /// Status code; 408 and 503 also where no response came.
        status: u16,
    },
    /// Our BYE was answered, timed out or failed: nothing more will come of this session.
    Ended {
        /// The session.
        session: SessionId,
    },
    /// The final answer to a request sent with [`Agent::request`] or [`Agent::in_session`]; `None`: timed out (408),
    /// could not be sent (503), or the session ended before it was tried again (487).
    Answered {
        /// The transaction.
        id: ClientId,
        /// Status code, also where no response came.
        status: u16,
        /// The response.
        response: Option<Response>,
    },
}

#[cfg(test)]
mod tests;
