//! Facts: what survives a restart, as keyed records.

use super::*;
use crate::env::Time;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One change of what the server knows. Changes that belong together are committed together.
#[allow(clippy::large_enum_variant, reason = "few at a time, each moved once on its way to the disk")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Adds the record or replaces the one with the same key.
    Put(Fact),
    /// Removes the record; nothing happens if there is none.
    Remove(FactKey),
}

/// One record. The order of the variants is the order of replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A group document that a side knows by being told: of a temporary group, or from a GMS elsewhere.
    TemporaryGroup(Side, GroupDocument),
    /// The mark of a constituent group as a side knows it.
    Regrouped(Side, GroupId, Regrouped),
    /// Where a public user identity can be reached.
    Registration(Registration),
    /// The affiliations of one client.
    Affiliation(ClientAffiliations),
    /// A group call.
    Call(Call),
    /// A participant of a group call.
    Participant(Participant),
    /// A served user's session at the participating function.
    Participation(Participation),
    /// One side of a session and what is at its other end.
    Leg(Leg),
    /// A subscription we notify.
    Subscription(Subscription),
    /// A request we still owe.
    Owed(Owed),
    /// A finished operation, kept so that its repetition gets the same result.
    Operation(Operation),
    /// A request of one of our functions to a function elsewhere that is not answered for good.
    Request(FunctionRequest),
    /// A subscription of one of our functions at a function elsewhere.
    Watch(Watch),
    /// A proposal to change affiliations whose outcome is to be told.
    Proposal(Proposal),
    /// The settings of a client for a service.
    Settings(ClientSettings),
    /// A temporary group of several systems that is being formed.
    Formation(Formation),
    /// Groups of ours that a GMS elsewhere wants for a temporary group.
    Reservation(Reservation),
    /// A temporary group that partner systems have yet to let go.
    Withdrawal(Withdrawal),
    /// A finished operation of a GMS elsewhere.
    Exchange(Exchange),
    /// The document of a group of another system as a side goes by it.
    Configuration(Side, GroupDocument),
    /// What such a document was when it came.
    Received(Received),
    /// The configuration of a group of ours at a partner system.
    Sharing(Sharing),
    /// A group of another system whose configuration is wanted.
    Wanted(Wanted),
    /// The affiliation of a user who is served elsewhere to a group that is owned here.
    OwnedAffiliation(OwnedAffiliation),
    /// The subscriber has not taken the state as it is now: a notification with the full state is owed, also after a
    /// restart. A record of its own, because it comes and goes with every notification and the subscription stays.
    Untold(SubscriptionRef),
}

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FactKey {
    /// Of [`Fact::TemporaryGroup`].
    TemporaryGroup(Side, GroupId),
    /// Of [`Fact::Regrouped`].
    Regrouped(Side, GroupId),
    /// Of [`Fact::Registration`].
    Registration(PublicId),
    /// Of [`Fact::Affiliation`].
    Affiliation(UserId, ClientId),
    /// Of [`Fact::Call`].
    Call(CallRef),
    /// Of [`Fact::Participant`].
    Participant(CallRef, LegId),
    /// Of [`Fact::Participation`].
    Participation(ParticipationRef),
    /// Of [`Fact::Leg`].
    Leg(LegId),
    /// Of [`Fact::Subscription`].
    Subscription(SubscriptionRef),
    /// Of [`Fact::Owed`].
    Owed(OwedRef),
    /// Of [`Fact::Operation`]: who asked, and the transaction-id of the request.
    Operation(UserId, String),
    /// Of [`Fact::Request`].
    Request(RequestRef),
    /// Of [`Fact::Watch`].
    Watch(WatchRef),
    /// Of [`Fact::Proposal`].
    Proposal(ProposalRef),
    /// Of [`Fact::Settings`].
    Settings(UserId, ClientId, Service),
    /// Of [`Fact::Formation`]: the temporary group.
    Formation(GroupId),
    /// Of [`Fact::Reservation`]: the temporary group.
    Reservation(GroupId),
    /// Of [`Fact::Withdrawal`]: the temporary group.
    Withdrawal(GroupId),
    /// Of [`Fact::Exchange`]: who asked, and the transaction-id of the request.
    Exchange(Psi, String),
    /// Of [`Fact::Configuration`].
    Configuration(Side, GroupId),
    /// Of [`Fact::Received`].
    Received(GroupId),
    /// Of [`Fact::Sharing`]: the group and the partner's GMS.
    Sharing(GroupId, Psi),
    /// Of [`Fact::Wanted`].
    Wanted(GroupId),
    /// Of [`Fact::OwnedAffiliation`].
    OwnedAffiliation(GroupId, UserId, Service),
    /// Of [`Fact::Untold`].
    Untold(SubscriptionRef),
}

impl Fact {
    /// The key of this record.
    pub fn key(&self) -> FactKey {
        match self {
            Self::TemporaryGroup(side, document) => FactKey::TemporaryGroup(*side, document.id.clone()),
            Self::Regrouped(side, group, _) => FactKey::Regrouped(*side, group.clone()),
            Self::Registration(registration) => FactKey::Registration(registration.public_id.clone()),
            Self::Affiliation(client) => FactKey::Affiliation(client.user.clone(), client.client.clone()),
            Self::Call(call) => FactKey::Call(call.id),
            Self::Participant(participant) => FactKey::Participant(participant.call, participant.leg),
            Self::Participation(participation) => FactKey::Participation(participation.id),
            Self::Leg(leg) => FactKey::Leg(leg.id),
            Self::Subscription(subscription) => FactKey::Subscription(subscription.id),
            Self::Owed(owed) => FactKey::Owed(owed.id),
            Self::Operation(operation) => {
                FactKey::Operation(operation.requestor.clone(), operation.transaction_id.clone())
            }
            Self::Request(request) => FactKey::Request(request.id),
            Self::Watch(watch) => FactKey::Watch(watch.id),
            Self::Proposal(proposal) => FactKey::Proposal(proposal.id),
            Self::Settings(settings) => {
                FactKey::Settings(settings.user.clone(), settings.client.clone(), settings.service)
            }
            Self::Formation(formation) => FactKey::Formation(formation.document.id.clone()),
            Self::Reservation(reservation) => FactKey::Reservation(reservation.temporary.clone()),
            Self::Withdrawal(withdrawal) => FactKey::Withdrawal(withdrawal.temporary.clone()),
            Self::Configuration(side, document) => FactKey::Configuration(*side, document.id.clone()),
            Self::Received(received) => FactKey::Received(received.document.id.clone()),
            Self::Sharing(sharing) => FactKey::Sharing(sharing.document.id.clone(), sharing.with.clone()),
            Self::Wanted(wanted) => FactKey::Wanted(wanted.group.clone()),
            Self::Exchange(exchange) => {
                FactKey::Exchange(exchange.with.clone(), exchange.transaction_id.clone())
            }
            Self::OwnedAffiliation(owned) => {
                FactKey::OwnedAffiliation(owned.group.clone(), owned.user.clone(), owned.service)
            }
            Self::Untold(subscription) => FactKey::Untold(*subscription),
        }
    }
}

/// The GMS and the MC service server share a binary, not facts: each keeps its own picture of the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The group management server, owner of the documents.
    Gms,
    /// The MC service server, which holds copies.
    Mc,
}

/// Transport protocol of a flow. TLS gets its variant when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams: unreliable.
    Udp,
    /// A stream: reliable.
    Tcp,
}

/// Where a registered user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The address of record.
    pub public_id: PublicId,
    /// The MC user it stands for.
    pub user: UserId,
    /// At least one; the registration ends with the last.
    pub bindings: Vec<Binding>,
}

/// One contact of a registration (RFC 3261 10.2.1), or the S-CSCF of a third-party registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// URI to send requests to: the contact; with a core, the public identity itself.
    pub contact: String,
    /// `Route` values for requests to it (`Path` of the REGISTER, or the configured core); may be empty.
    pub route: Vec<String>,
    /// `+sip.instance` or the client ID of the body, if either was given.
    pub client: Option<ClientId>,
    /// Contact parameters as received, for answers to REGISTER (`+g.3gpp.mcptt` and the like).
    pub parameters: String,
    /// Call-ID and CSeq of the REGISTER, for RFC 3261 10.3 step 7.
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// When the binding ends.
    pub expires: Time,
    /// Where the REGISTER came from: requests from the same place count as this user's.
    pub source: Source,
    /// How the binding came about.
    pub origin: BindingOrigin,
    /// Services that the client was authorised for by registering: by its feature tags, or by what it said. A refresh may
    /// add to them and takes none away.
    pub services: ServiceSet,
}

/// Transport and address a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// Protocol.
    pub transport: Transport,
    /// Address and port of the peer.
    pub address: SocketAddr,
}

/// How a binding came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingOrigin {
    /// The client registered here.
    Own,
    /// A configured S-CSCF said so (third-party REGISTER).
    ThirdParty,
}

/// What a client has said about a service by PUBLISH of `poc-settings` (TS 24.379 7.3.3, 7.3.4), or that it has logged off
/// from it (7.3.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSettings {
    /// The user.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
    /// The service.
    pub service: Service,
    /// Logged on. A client that has logged off while it is registered stays so until it logs on again: a refreshed
    /// registration does not.
    pub active: bool,
    /// How the client commences calls; `None`: it has not said.
    pub answer_mode: Option<AnswerMode>,
    /// When the settings end, and the client with them is logged off; `None`: not by time.
    pub expires: Option<Time>,
}

/// All affiliations of one client of one user. The record goes with the last group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAffiliations {
    /// The user.
    pub user: UserId,
    /// The client.
    pub client: ClientId,
    /// The groups, in the order of the request.
    pub groups: Vec<GroupAffiliation>,
}

/// One affiliation of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAffiliation {
    /// The group.
    pub group: GroupId,
    /// Status (TS 24.379 9.3.1.2); `deaffiliated` is the absence of the entry.
    pub status: AffiliationStatus,
    /// When what was granted to the client ends; `None`: not by time (interval 4294967295).
    pub expires: Option<Time>,
    /// Service that the affiliation is for.
    pub service: Service,
    /// The request for a call brought it, and is not answered yet (TS 24.379 9.2.2.2.12): only while `Affiliating`. If the
    /// call is refused the entry goes, and a restart, which ends the call, takes it along.
    pub by_call: bool,
    /// How it stands with the server that owns the group; `None`: this server owns it.
    pub owner: Option<Box<AtOwner>>,
}

impl GroupAffiliation {
    /// An entry in force, of a group that is owned here.
    pub fn own(group: GroupId, service: Service, expires: Option<Time>) -> Self {
        Self { group, status: AffiliationStatus::Affiliated, expires, service, by_call: false, owner: None }
    }

    /// When it ends by time: what was granted to the client, or what the owner granted.
    pub fn ends(&self) -> Option<Time> {
        let granted = self.owner.as_ref().and_then(|owner| owner.expires);
        self.expires.into_iter().chain(granted).min()
    }

    /// Whether its time is not over.
    pub fn lasts(&self, now: Time) -> bool {
        self.ends().is_none_or(|end| end > now)
    }

    /// When something is to be done about it: its end, or the next publishing to the owner.
    pub fn due(&self) -> Option<Time> {
        let publish = self.owner.as_ref().and_then(|owner| owner.publish_at);
        self.ends().into_iter().chain(publish).min()
    }
}

/// What the server that serves a user keeps of its talk with the server that owns a group (TS 24.379 9.2.2.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtOwner {
    /// The last request about this entry: its affiliating p-id, while it is not in force.
    pub asked: Option<RequestRef>,
    /// How often it was asked again because no notification came.
    pub attempts: u8,
    /// When the owner's grant ends; `None`: not by time.
    pub expires: Option<Time>,
    /// Next publishing: when to publish again, to refresh the grant or because no notification came.
    pub publish_at: Option<Time>,
}

/// The affiliation of a user who is served elsewhere to a group that is owned here (TS 24.379 9.2.2.3.2). That it is there
/// means affiliated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedAffiliation {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
    /// The service.
    pub service: Service,
    /// The clients by which the user is affiliated, in order; at least one.
    pub clients: Vec<ClientId>,
    /// When it ends; `None`: not by time.
    pub expires: Option<Time>,
}

/// Status values that may stand in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AffiliationStatus {
    /// The owner of the group has not answered yet.
    Affiliating,
    /// In force.
    Affiliated,
    /// On its way out.
    Deaffiliating,
}

/// A group call at its controlling function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its identity; also the `gr` parameter of the MCPTT session identity.
    pub id: CallRef,
    /// The group as it was when the call began: a running call outlives its group.
    pub group: GroupDocument,
    /// For a call on a temporary group: the members of its constituents at the start.
    pub members: MemberList,
    /// The service that the call is for.
    pub service: Service,
    /// Who called.
    pub initiator: UserId,
    /// A broadcast group call (TS 24.379 6.2.8.2): ends with the initiator, has no conference subscriptions.
    pub broadcast: bool,
    /// In-progress emergency or imminent peril state of the call.
    pub priority: CallPriority,
    /// `Resource-Priority` of the INVITEs to members, as the caller sent it.
    pub resource_priority: Option<String>,
    /// Set up, or still waiting for members.
    pub established: bool,
    /// When the call began.
    pub started: Time,
    /// TNG3: when it ends at the latest.
    pub ends: Option<Time>,
    /// The group was torn down while the call runs: no new participants.
    pub orphaned: bool,
    /// The call of a constituent that is part of the call on its temporary group: this server is its non-controlling
    /// function (TS 24.379 6.3.4).
    pub superior: Option<Superior>,
}

/// The controlling function of the temporary group, as a non-controlling function sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superior {
    /// Our leg to it; among the participants it stands for the temporary group.
    pub leg: LegId,
    /// The temporary group.
    pub temporary: GroupId,
    /// The call ran before: it splits off and goes on when the controlling function releases it.
    pub merged: bool,
}

/// What the call gives way to, lowest first (TS 24.379 6.2.8.1): emergency beats imminent peril.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CallPriority {
    /// An ordinary call.
    #[default]
    Normal,
    /// In-progress imminent peril.
    ImminentPeril,
    /// In-progress emergency.
    Emergency,
}

/// A participant of a call, or one who left it while it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The call.
    pub call: CallRef,
    /// The controlling function's leg towards this participant.
    pub leg: LegId,
    /// The user.
    pub user: UserId,
    /// The client, where known.
    pub client: Option<ClientId>,
    /// First of the two media ports of this leg (speech, then floor control).
    pub media_port: u16,
    /// When the participant came in.
    pub joined: Time,
    /// No longer in the session. The record stays until the call ends: its user may come back
    /// (TS 24.379 10.1.1.4.5) and the roster shows the user as disconnected. `leg` and `media_port` are free.
    pub left: bool,
    /// How often this user came in or left so far. Their sum over a call is the `version` of its conference-info
    /// document: it rises with every change of the roster.
    pub turns: u32,
}

/// A session of a served user at the participating function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participation {
    /// Its identity; also the `gr` parameter of the session identity given to the client.
    pub id: ParticipationRef,
    /// Which end of the call the user is on.
    pub role: ParticipationRole,
    /// The served user.
    pub user: UserId,
    /// The client, where known.
    pub client: Option<ClientId>,
    /// The group of the call.
    pub group: GroupId,
    /// Leg to the client.
    pub client_leg: LegId,
    /// Leg to the controlling function.
    pub core_leg: LegId,
    /// Controlling function's session identity, for the conference package.
    pub session: Option<String>,
}

/// Originating or terminating participating function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParticipationRole {
    /// The served user called or joined.
    Originating,
    /// The served user was invited.
    Terminating,
}

/// One side of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its identity.
    pub id: LegId,
    /// The function instance that holds it.
    pub owner: LegOwner,
    /// What is at the other end.
    pub link: LegLink,
    /// The service of the session.
    pub service: Service,
    /// Released by us, but the other end has not heard: a restart repeats the BYE.
    pub ending: bool,
}

/// The function instance that holds a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LegOwner {
    /// A call at the controlling function.
    Call(CallRef),
    /// A session at the participating function.
    Participation(ParticipationRef),
}

/// What is at the other end of a leg.
#[allow(clippy::large_enum_variant, reason = "a leg is a record of its own; most end in a dialog")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegLink {
    /// A leg of another function in this process.
    Memory(LegId),
    /// A SIP dialog.
    Dialog(DialogFact),
}

/// A SIP dialog as it is stored (RFC 3261 12): enough to go on with it after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogFact {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: String,
    /// Our URI with display name, as in From of our requests, without tag.
    pub local_uri: String,
    /// The peer's URI with display name, without tag.
    pub remote_uri: String,
    /// The peer's Contact.
    pub remote_target: String,
    /// Our Contact value, with parameters.
    pub local_contact: String,
    /// Route set, in the order requests carry it.
    pub route_set: Vec<String>,
    /// CSeq of our last request in the dialog.
    pub local_cseq: u32,
    /// CSeq of the peer's last request, if there was one.
    pub remote_cseq: Option<u32>,
    /// Where the peer was last heard from; used where the route set and target give no better answer.
    pub source: Option<Source>,
    /// RFC 4028: interval in seconds, whether we refresh, and when it runs out.
    pub session_timer: Option<SessionTimerFact>,
}

/// A session timer as it is stored (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTimerFact {
    /// Session interval in seconds.
    pub interval: u32,
    /// Whether this server refreshes.
    pub we_refresh: bool,
    /// When the session ends if nobody refreshes.
    pub expires: Time,
}

/// A subscription that this server notifies (RFC 6665).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its identity.
    pub id: SubscriptionRef,
    /// The subscriber.
    pub subscriber: Subscriber,
    /// What is watched.
    pub watched: Watched,
    /// The dialog.
    pub dialog: DialogFact,
    /// `id` parameter of the Event header, if any.
    pub event_id: Option<String>,
    /// When it ends.
    pub expires: Time,
}

/// Who subscribed here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subscriber {
    /// A user of this system.
    User(UserId),
    /// A function elsewhere, known by its PSI.
    Function(Psi),
}

impl std::fmt::Display for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Function(psi) => psi.fmt(f),
        }
    }
}

/// What a subscription watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watched {
    /// Affiliation status of a user, for one client only if `client` is given (TS 24.379 9.2.2.2.4).
    Affiliations {
        /// The user whose status it is.
        user: UserId,
        /// Per-client restriction.
        client: Option<ClientId>,
        /// Service.
        service: Service,
    },
    /// At the owner of a group: by which clients a user who is served elsewhere is affiliated (TS 24.379 9.2.2.3.4).
    GroupAffiliation {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// Service.
        service: Service,
    },
    /// The roster of a call (TS 24.379 10.1.3.4).
    Conference {
        /// The call.
        call: CallRef,
        /// Service of the call, in whose names the roster is told.
        service: Service,
    },
    /// Who is affiliated to a group, and its state (TS 24.379 9.2.2.3.4, 9.2.2.3.9).
    Group {
        /// The group.
        group: GroupId,
        /// Service.
        service: Service,
        /// Per-user restriction.
        user: Option<UserId>,
        /// On whose behalf a function asks: it is told what this user may see. `None`: the subscriber's own.
        by: Option<UserId>,
    },
    /// Documents of groups at the GMS (TS 24.481 6.3.13).
    GroupDocuments {
        /// The groups, in the order of the request.
        groups: Vec<GroupId>,
        /// The subscriber takes the documents in the notification; else it is told their entity tags only.
        with_documents: bool,
    },
}

impl Watched {
    /// The service in whose names the notifications are.
    pub fn service(&self) -> Service {
        match self {
            Self::Affiliations { service, .. }
            | Self::GroupAffiliation { service, .. }
            | Self::Conference { service, .. }
            | Self::Group { service, .. } => *service,
            // Group documents are of no one service.
            Self::GroupDocuments { .. } => Service::Mcptt,
        }
    }

    /// The event package (RFC 3856, RFC 4575, RFC 5875).
    pub fn package(&self) -> &'static str {
        match self {
            Self::Affiliations { .. } | Self::GroupAffiliation { .. } | Self::Group { .. } => "presence",
            Self::Conference { .. } => "conference",
            Self::GroupDocuments { .. } => "xcap-diff",
        }
    }
}

/// A request this server owes to a user: sent after the commit, and again after a restart, until it is answered or
/// given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Its identity.
    pub id: OwedRef,
    /// Who gets it.
    pub to: UserId,
    /// Only these clients of the user; empty: all.
    pub clients: Vec<ClientId>,
    /// The service whose clients these are, in whose names it is told.
    pub service: Service,
    /// What it says.
    pub notice: Notice,
    /// When to give it up.
    pub until: Time,
}

/// Contents of an owed MESSAGE from the GMS, or from the participating function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// A group of yours is now part of a temporary group (TS 23.280 10.2.4.1).
    Regrouped {
        /// The temporary group's document.
        temporary: GroupDocument,
        /// The receiver's constituent groups.
        constituents: Vec<GroupId>,
        /// transaction-id of the operation.
        transaction_id: String,
        /// Who formed it.
        requestor: UserId,
    },
    /// The temporary group is gone (TS 23.280 10.2.4.2a step 6a).
    TornDown {
        /// The temporary group.
        temporary: GroupId,
        /// The receiver's constituent groups.
        constituents: Vec<GroupId>,
        /// transaction-id of the operation.
        transaction_id: String,
        /// Who tore it down.
        requestor: UserId,
    },
    /// The result of an operation, to the user who asked for it (TS 23.280 10.2.4.2a step 7).
    Result(OperationResult),
    /// What came of a proposal to change affiliations, to the user who made it (TS 23.280 10.8.5.1.2 step 6). From the
    /// participating function.
    Proposal(ProposalEnd),
}

/// The result of a GMS operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationResult {
    /// Which operation: the local name of the request element.
    pub operation: GmsOperation,
    /// The group it was about.
    pub group: GroupId,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// Call-ID of the request, for In-Reply-To.
    pub in_reply_to: String,
    /// The resulting document (formation).
    pub document: Option<GroupDocument>,
    /// Why it failed after the request was accepted. `None`: success.
    pub failure: Option<Failure>,
}

/// Operations that users ask of the GMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GmsOperation {
    /// Form a temporary group.
    Formation,
    /// Tear it down.
    Teardown,
}

/// A finished operation: its repetition (same requestor, same transaction-id) changes nothing and gets the same
/// result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked.
    pub requestor: UserId,
    /// transaction-id of the request.
    pub transaction_id: String,
    /// What came of it.
    pub result: OperationResult,
    /// Fingerprint of the request, to tell a repetition from a reuse of the identifier.
    pub request_hash: u64,
    /// When the record may go.
    pub forget: Time,
}

/// Which function of an MC system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FunctionKind {
    /// Participating function: serves users.
    Participating,
    /// Controlling function: owns groups; non-controlling where another one controls the call.
    Controlling,
    /// Group management server.
    Gms,
}

/// A request of one of our functions to a function elsewhere, outside any dialog. It is a fact until it is answered for
/// good: after a restart it is sent again, so whoever receives it must bear a repetition.
///
/// Requests with the same receiver and the same [`Asked::subject`] go one after the other, in the order in which they
/// were begun, so that a late repetition of an old one cannot undo a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRequest {
    /// Its identity.
    pub id: RequestRef,
    /// Our function.
    pub from: FunctionKind,
    /// The function that is asked.
    pub to: Psi,
    /// What for.
    pub what: Asked,
    /// When it was begun.
    pub begun: Time,
    /// After silence, 408, 480, 500, 503 or 504 it is sent again, with pauses that grow, until then. `None`: the first
    /// transaction decides.
    pub until: Option<Time>,
}

/// What one function asks of another.
#[allow(clippy::large_enum_variant, reason = "few at a time, each moved once")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// PUBLISH: the clients by which a user is affiliated to a group. From the server that serves the user to the one
    /// that owns the group (TS 24.379 9.2.2.2.6); from that one to a GMS elsewhere (TS 23.280 10.8.3.1 step 5b).
    Affiliation {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// The service.
        service: Service,
        /// None: the user is not affiliated any more.
        clients: Vec<ClientId>,
        /// `p-id` of the document; the notification that follows repeats it.
        p_id: String,
    },
    /// MESSAGE: what came of a proposal to change affiliations. From the server of the target to that of the user who
    /// made it (TS 23.280 10.8.5.1.2 step 6).
    ProposalEnd {
        /// What is told.
        end: ProposalEnd,
        /// The service.
        service: Service,
    },
    /// MESSAGE: a request of one GMS to another.
    Group(GroupRequest),
    /// MESSAGE: the result of such a request.
    GroupResult(GroupResponse),
}

impl Asked {
    /// What must stay in order: requests about the same subject are sent one at a time.
    pub fn subject(&self) -> String {
        match self {
            Self::Affiliation { group, user, service, .. } => format!("{group} {user} {service:?}"),
            Self::ProposalEnd { end, .. } => format!("{} {} {}", end.originator, end.target, end.call_id),
            Self::Group(request) => request.group.to_string(),
            // Each result stands for itself: its receiver knows it by the transaction-id.
            Self::GroupResult(response) => format!("result {}", response.transaction_id),
        }
    }

    /// Whether its receiver knows a repetition, in whatever order it comes, so that it may be sent again before it is
    /// known what became of the first one.
    pub fn bears_repetition(&self) -> bool {
        matches!(self, Self::Group(_) | Self::GroupResult(_))
    }

    /// What it is, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Affiliation { .. } => "affiliation",
            Self::ProposalEnd { .. } => "outcome of a proposal",
            Self::Group(request) => match request.what {
                GroupAsked::RegroupCheck { .. } => "check of a temporary group",
                GroupAsked::RegroupNotification { .. } => "notification of a temporary group",
                GroupAsked::RegroupCancel => "cancellation of a temporary group",
                GroupAsked::TeardownNotification { .. } => "notification of a teardown",
                GroupAsked::InformationProvision { .. } => "provision of a group configuration",
                GroupAsked::InformationRequest => "request for a group configuration",
            },
            Self::GroupResult(_) => "result of a group operation",
        }
    }
}

/// A subscription of one of our functions at a function elsewhere (RFC 6665 4.1). While the fact stands the subscription
/// is kept up: refreshed, and made anew after it was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Its identity.
    pub id: WatchRef,
    /// Our function.
    pub from: FunctionKind,
    /// The function that notifies.
    pub at: Psi,
    /// What is watched.
    pub what: Watching,
    /// The dialog, and when the subscription ends unless it is refreshed; `None` before the first notification.
    pub dialog: Option<(DialogFact, Time)>,
}

/// What a [`Watch`] is about. There is at most one for each value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Watching {
    /// At the server that owns the group: by which clients a user that we serve is affiliated (TS 24.379 9.2.2.2.7).
    GroupAffiliation {
        /// The group.
        group: GroupId,
        /// The user.
        user: UserId,
        /// The service.
        service: Service,
    },
    /// At the participating function of a user who is served elsewhere: the user's affiliations, for a user of ours who
    /// watches them (TS 24.379 9.2.2.2.10).
    UserAffiliations {
        /// The user who is served elsewhere.
        user: UserId,
        /// Who watches.
        by: UserId,
        /// The service.
        service: Service,
    },
    /// At the server that owns a group of another system: its dynamic data, for a user of ours who watches it
    /// (TS 24.379 9.2.1.6).
    GroupData {
        /// The group.
        group: GroupId,
        /// Who watches.
        by: UserId,
        /// The service.
        service: Service,
    },
    /// At the GMS of this system, where it is elsewhere: the document of a group (TS 24.481 6.3.13.2.2).
    GroupDocument {
        /// The group.
        group: GroupId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be millions of them, nearly all to groups of this system.
    #[test]
    fn an_affiliation_is_small() {
        assert!(size_of::<GroupAffiliation>() <= 40);
    }
}
