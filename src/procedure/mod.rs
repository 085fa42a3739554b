//! The words of a procedure: what it is asked, what it decides ([`Outcome`]), what it sends ([`Send`]), why it refuses
//! ([`Refusal`]). No SIP here: `service::render` knows how a word looks on the wire.

mod call;
mod elsewhere;
mod media;
mod passing;
mod refusal;
#[cfg(test)]
pub mod testing;
pub mod uri;

pub use crate::config::RegroupedCall;
pub use call::*;
pub use elsewhere::*;
pub use media::MediaPorts;
pub use passing::*;
pub use refusal::{Answer, RETRY_AFTER_SECONDS, Refusal, Warning};

use crate::env::{Ids, Time};
use crate::model::*;

/// What a procedure may look at. Everything it decides comes from here.
pub struct View<'a> {
    /// Facts and provisioned data.
    pub model: &'a Model,
    /// Policy and timer values from the configuration.
    pub policy: &'a Policy,
    /// The time.
    pub now: Time,
    /// Source of new identifiers.
    pub ids: &'a mut Ids,
    /// Ports of the media function that are free.
    pub media: &'a mut MediaPorts,
}

/// What the configuration decides where the standard leaves it open.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Host in Warning headers: `Warning: 399 <agent> "..."`.
    pub warning_agent: String,
    /// Domain of this MC system: temporary groups get their identities here.
    pub domain: String,
    /// The functions in this process.
    pub functions: Functions,
    /// The gateway server in this process: what partners see of all functions, where they are told so.
    pub gateway: Option<Psi>,
    /// Functions of this MC system that are other processes.
    pub elsewhere: Functions,
    /// Partner systems, by domain in lower case.
    pub partners: std::collections::BTreeMap<String, Partner>,
    /// What happens to a call on a constituent of a temporary group, where the group has no setting of its own.
    pub regrouped_call: RegroupedCall,
    /// The same for groups that have one.
    pub regrouped_calls: std::collections::BTreeMap<GroupId, RegroupedCall>,
    /// TNG1 where the group document has none (TS 24.379 B.2.1: 5 s).
    pub tng1_default: std::time::Duration,
    /// How long a refused or silent MESSAGE to a user is repeated (T-client-ack; 32 s).
    pub owed_for: std::time::Duration,
    /// How long a finished GMS operation is remembered for its repetition.
    pub operations_for: std::time::Duration,
    /// How long a GMS elsewhere has to answer (T-gms-http; 6 s).
    pub gms_timeout: std::time::Duration,
    /// How long groups stay reserved for a temporary group of another system (T-regroup-reserve; 30 s).
    pub reserved_for: std::time::Duration,
    /// Most constituents of one temporary group.
    pub constituents_limit: usize,
    /// Interval granted for affiliations and affiliation subscriptions, seconds (4294967295).
    pub affiliation_interval: u32,
    /// Longest interval granted to subscriptions of functions elsewhere, seconds (7200). They refresh; a subscription whose
    /// end was lost on the way ends after that.
    pub function_subscription_interval: u32,
    /// Groups of this system that nobody leaves by de-affiliation (TS 23.280 10.8.4.2 step 2, 10.8.4.3 step 4).
    pub no_de_affiliation: std::collections::BTreeSet<GroupId>,
    /// Shortest life of a registration, seconds; 423 below (RFC 3261 10.3 step 7).
    pub registration_minimum: u32,
    /// Longest life of a registration, seconds.
    pub registration_maximum: u32,
    /// Media function: address for SDP answers.
    pub media_address: std::net::IpAddr,
    /// Codecs offered to members where the caller's offer has none of its own, by rtpmap name.
    pub default_encodings: Vec<String>,
    /// Calls on constituents are refused while a call on their torn-down temporary group still runs (default: false).
    pub constituents_wait_for_call: bool,
    /// The media function buffers speech until the first member has answered: the caller may be answered on a 183 with
    /// `P-Answer-State: Unconfirmed` (TS 24.379 6.3.3.3; default: false).
    pub buffers_media: bool,
    /// Proposals to change affiliations are checked before they are passed on (TS 23.280 10.8.5.1.2 step 2; default:
    /// false).
    pub check_proposals: bool,
    /// Who proposed a change of affiliations is told what came of it (TS 23.280 10.8.5.1.2 step 6), after this time at
    /// the latest that the target did not decide. `None` (default): not told.
    pub proposal_outcome: Option<std::time::Duration>,
    /// Values of `Resource-Priority` (TS 24.379 6.3.3.1.19).
    pub resource_priorities: ResourcePriorities,
}

/// `Resource-Priority` by the state of the call, from the service configuration (`<emergency-resource-priority>` and
/// its siblings), for instance `mcpttp.15`. `None`: the value of the received INVITE is carried on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePriorities {
    /// In-progress emergency.
    pub emergency: Option<String>,
    /// In-progress imminent peril.
    pub imminent_peril: Option<String>,
    /// Any other call.
    pub normal: Option<String>,
}

impl Policy {
    /// What happens to a call on this constituent of a temporary group.
    pub fn regrouped_call_of(&self, group: &GroupId) -> RegroupedCall {
        self.regrouped_calls.get(group).copied().unwrap_or(self.regrouped_call)
    }

    /// The same as a user hears it: the agreement with the user's system may say otherwise.
    pub fn regrouped_call_for(&self, caller: &UserId, group: &GroupId) -> RegroupedCall {
        let of_partner = self.partner(caller.domain()).and_then(|partner| partner.regrouped_call);
        of_partner.unwrap_or_else(|| self.regrouped_call_of(group))
    }

    /// Whether a group is defined in this MC system. Groups of any other domain belong to a partner.
    pub fn is_own(&self, group: &GroupId) -> bool {
        group.domain().eq_ignore_ascii_case(&self.domain)
    }
}

/// What a procedure decided: facts to commit, and what is sent once they are kept.
#[derive(Clone, Debug)]
pub struct Outcome<W> {
    /// Facts, committed as a whole before any of `sends` leaves.
    pub changes: Vec<Change>,
    /// In the order of the figure.
    pub sends: Vec<Send>,
    /// The procedure waits for something (`None`: it is over).
    pub wait: Option<W>,
    /// One line for the operator, if the event matters.
    pub log: Option<String>,
}

/// A procedure that has nothing to wait for.
pub type Over = std::convert::Infallible;

impl<W> Default for Outcome<W> {
    fn default() -> Self {
        Self { changes: Vec::new(), sends: Vec::new(), wait: None, log: None }
    }
}

impl<W> Outcome<W> {
    /// Changes and sends, nothing to wait for.
    pub fn end(changes: Vec<Change>, sends: Vec<Send>) -> Self {
        Self { changes, sends, wait: None, log: None }
    }

    /// The same with a wait.
    pub fn wait(wait: W, changes: Vec<Change>, sends: Vec<Send>) -> Self {
        Self { changes, sends, wait: Some(wait), log: None }
    }

    /// Adds the operator's line.
    #[must_use]
    pub fn logged(mut self, line: impl Into<String>) -> Self {
        self.log = Some(line.into());
        self
    }
}

/// Whom an answer goes to: a request that waits for it. The service layer knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

/// Something a procedure sends.
#[allow(clippy::large_enum_variant, reason = "few at a time, each moved once")]
#[derive(Clone, Debug)]
pub enum Send {
    /// The final answer to a request.
    Answer {
        /// The request.
        to: ReplyTo,
        /// The answer.
        answer: Answer,
    },
    /// GMS to MC service server, in memory when both are here: the document changed or appeared
    /// (TS 23.280 10.2.4.1; TS 23.280 10.2.4.2a step 4).
    GroupChanged(GroupChange),
    /// MC service server to GMS, in memory when both are here: the configuration of a group of another system is wanted
    /// (TS 23.280 10.2.7.3 step 1). The answer is a [`GroupChange::Configured`], or nothing.
    GroupWanted(GroupId),
    /// A MESSAGE to a user. The fact [`Fact::Owed`] stands in the changes of the same outcome; the service sends it, and
    /// again after a restart, and removes it when it is answered or given up.
    Owed(OwedRef),
    /// A GMS elsewhere told of a group, or is known not to: what waited for it is decided, once the changes are made.
    GroupKnown(GroupId),
    /// A request to a function elsewhere. The fact [`Fact::Request`] stands in the changes of the same outcome; the
    /// service sends it, again after a restart, removes the fact when it is answered for good, and tells the procedure
    /// ([`RequestEnd`]).
    Request(RequestRef),
    /// The request that was received goes on, and waits for the answer from there.
    PassOn(Box<PassOn>),
    /// A subscription at a function elsewhere begins. The fact [`Fact::Watch`] stands in the changes of the same outcome;
    /// what it brings comes as [`Heard`].
    Watch(WatchRef),
    /// A subscription at a function elsewhere is given up; its fact is removed in the changes of the same outcome.
    Unwatch(WatchRef),
    /// The affiliation status of a user changed for a service: every watcher of it gets a NOTIFY (TS 24.379 9.2.2.2.5).
    /// `p_id`: of the PUBLISH that caused it.
    AffiliationStatus {
        /// The user.
        user: UserId,
        /// The service.
        service: Service,
        /// Echo of `p-id`.
        p_id: Option<String>,
    },
    /// The affiliation of a user who is served elsewhere to a group that is owned here changed, or was published again:
    /// every watcher of it gets a NOTIFY (TS 24.379 9.2.2.3.5). `p_id`: of the PUBLISH that caused it.
    GroupAffiliation {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// The service.
        service: Service,
        /// Echo of `p-id`.
        p_id: Option<String>,
    },
    /// MC service server to GMS, in memory when both are here: who is affiliated changed (TS 23.280 10.8 "status
    /// update").
    AffiliationUpdate {
        /// The user.
        user: UserId,
        /// The service.
        service: Service,
        /// Groups that changed, with whether the user is affiliated to them now.
        groups: Vec<(GroupId, bool)>,
    },
    /// A user is affiliated to a group with one more client: a running call invites it (TS 24.379 10.1.1.4.6).
    Affiliated {
        /// The user.
        user: UserId,
        /// The client.
        client: ClientId,
        /// The service of the affiliation.
        service: Service,
        /// The group.
        group: GroupId,
    },
    /// A user's affiliation to a group ended: a running call removes it (TS 24.379 10.1.1.4.4.3).
    Deaffiliated {
        /// The user.
        user: UserId,
        /// The client.
        client: ClientId,
        /// The service of the affiliation.
        service: Service,
        /// The group.
        group: GroupId,
    },
    /// The roster of a call changed: every watcher gets a NOTIFY (TS 24.379 10.1.3.4.2).
    Roster {
        /// The call.
        call: CallRef,
    },
    /// The call is over: watchers get their last NOTIFY (`terminated;reason=noresource`).
    RosterEnds {
        /// The call.
        call: CallRef,
    },
    /// What another controlling function tells of a call changed its roster: every watcher gets a NOTIFY, but not the
    /// function above us, which is told of our own participants only (TS 24.379 10.1.3.4.2).
    RosterHeard {
        /// The call.
        call: CallRef,
    },
    /// Another controlling function has no part of the call any more: it gets its last NOTIFY.
    RosterEndsFor {
        /// The call.
        call: CallRef,
        /// Our leg to it.
        leg: LegId,
    },
    /// The other controlling function is in this process: this leg hears its roster.
    RosterHandedOver {
        /// The leg that hears it.
        to: LegId,
    },
    /// A word between the functions of a call.
    Call(CallSend),
    /// Wake me: [`Wake`] comes back at that time unless the instance is over by then.
    WakeAt {
        /// When.
        at: Time,
        /// What for.
        wake: Wake,
    },
}

/// Timers of procedures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wake {
    /// TNG1 of a call (TS 24.379 B.2.1): required members have not all acknowledged.
    Tng1(CallRef),
    /// TNG3 of a call: its longest duration is over.
    Tng3(CallRef),
}

/// A change of group documents, as the GMS tells it to the MC service server.
#[allow(clippy::large_enum_variant, reason = "few at a time, each moved once")]
#[derive(Clone, Debug)]
pub enum GroupChange {
    /// A temporary group was formed of these constituents.
    Formed {
        /// Its document.
        document: GroupDocument,
        /// The marks of its constituents in this system.
        marks: Vec<(GroupId, Regrouped)>,
    },
    /// The configuration of a group of another system came, or changed (TS 23.280 10.2.7.2 step 4, 10.2.7.3 step 6).
    Configured {
        /// What our policy made of it.
        document: GroupDocument,
    },
    /// The configuration of a group of another system counts here no longer (TS 23.280 10.2.7.1).
    Withdrawn {
        /// The group.
        group: GroupId,
    },
    /// A temporary group was torn down (TS 23.280 10.2.4.2a step 4).
    TornDown {
        /// The temporary group.
        temporary: GroupId,
        /// Its constituents in this system.
        constituents: Vec<GroupId>,
    },
}
