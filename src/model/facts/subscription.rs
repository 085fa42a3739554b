//! Subscriptions: those that this server notifies, and its own at functions elsewhere.

use crate::env::Time;
use crate::model::*;
use serde::{Deserialize, Serialize};

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
        /// Whom it is for.
        audience: Audience,
    },
    /// The roster of a call whose controlling function is elsewhere, as that one tells it (TS 24.379 10.1.3.3).
    Session {
        /// The session of the subscriber in it.
        id: ParticipationRef,
        /// Service of the call.
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

/// Whom the roster of a call is told for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Audience {
    /// The subscriber: a participant that is served here.
    Participant,
    /// A participant that is served elsewhere: its participating function subscribes for it.
    ServedElsewhere(UserId),
    /// The other controlling function of a call on a temporary group, at the other end of this leg of the call
    /// (TS 24.379 10.1.3.4.3, 10.1.3.5.3).
    Focus(LegId),
}

impl Watched {
    /// The service in whose names the notifications are.
    pub fn service(&self) -> Service {
        match self {
            Self::Affiliations { service, .. }
            | Self::GroupAffiliation { service, .. }
            | Self::Conference { service, .. }
            | Self::Session { service, .. }
            | Self::Group { service, .. } => *service,
            // Group documents are of no one service.
            Self::GroupDocuments { .. } => Service::Mcptt,
        }
    }

    /// The event package (RFC 3856, RFC 4575, RFC 5875).
    pub fn package(&self) -> &'static str {
        match self {
            Self::Affiliations { .. } | Self::GroupAffiliation { .. } | Self::Group { .. } => "presence",
            Self::Conference { .. } | Self::Session { .. } => "conference",
            Self::GroupDocuments { .. } => "xcap-diff",
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
    /// At a controlling function elsewhere: the roster of a call in which a user of ours has this session, for the user
    /// (TS 24.379 10.1.3.3).
    Session {
        /// The session.
        id: ParticipationRef,
    },
    /// At the other controlling function of a call on a temporary group: whom it has in the call (TS 24.379 10.1.3.4.3,
    /// 10.1.3.5.3).
    Focus {
        /// Our leg to it.
        leg: LegId,
    },
    /// At the GMS of this system, where it is elsewhere: the document of a group (TS 24.481 6.3.13.2.2).
    GroupDocument {
        /// The group.
        group: GroupId,
    },
}
