//! Group calls, their participants, and the sessions of served users.

use crate::env::Time;
use crate::model::*;
use serde::{Deserialize, Serialize};

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
    /// Who called it.
    pub caller: UserId,
    /// The call ran before: it splits off and goes on when the controlling function releases it.
    pub merged: bool,
    /// It was answered while TNG1 runs for required members of ours who are not in the call (TS 24.379 6.3.3.3).
    pub awaits_required: bool,
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

/// Whom another controlling function has in a call on a temporary group, as it told last (TS 24.379 10.1.3.4.3, 10.1.3.5.3).
/// The record stays until the call ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The call, as it is here.
    pub call: CallRef,
    /// For whom the function speaks: a constituent, or the temporary group if it is above us.
    pub of: GroupId,
    /// The users it names, in order, and whether they are in the session.
    pub users: Vec<(UserId, bool)>,
    /// How often this changed. Counts in the `version` as the turns of a [`Participant`].
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
