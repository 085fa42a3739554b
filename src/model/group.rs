//! The group document (TS 24.481 clause 7.2), as far as this server decides by it.

use super::{GroupDetails, GroupId, MemberDetails, OtherAction, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

/// Members of a group, shared between the document, its copies and the snapshots of calls.
pub type MemberList = Arc<BTreeMap<UserId, Member>>;

/// One group: `list-service` of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDocument {
    /// `list-service@uri`.
    pub id: GroupId,
    /// `display-name`; empty where there is none.
    pub display_name: String,
    /// Members in order of their identity; empty for a temporary group (its members are those of its constituents).
    pub members: MemberList,
    /// `on-network-invite-members`: prearranged (true) or chat.
    pub prearranged: bool,
    /// `on-network-disabled`.
    pub disabled: bool,
    /// `preconfigured-group-use-only`: no call on the group itself.
    pub preconfigured_only: bool,
    /// `on-network-max-participant-count`; `None`: no limit by document.
    pub max_participants: Option<u32>,
    /// `on-network-minimum-number-to-start`; 0: do not wait.
    pub minimum_to_start: u16,
    /// `on-network-minimum-number-of-affiliated-members`.
    pub minimum_affiliated: Option<u32>,
    /// `on-network-timeout-for-acknowledgement-of-required-members`: TNG1. `None`: the default of 5 s.
    pub acknowledgement_timeout: Option<Duration>,
    /// What to do when TNG1 expires.
    pub on_acknowledgement_timeout: OnTimeout,
    /// `on-network-maximum-duration`: TNG3. Present for every prearranged group (7.2.7).
    pub maximum_duration: Option<Duration>,
    /// `on-network-hang-timer`: kept for the media function.
    pub hang_timer: Option<Duration>,
    /// `on-network-group-priority`, 0 (lowest) to 255.
    pub priority: Option<u8>,
    /// `protect-media`.
    pub protect_media: bool,
    /// `protect-floor-control-signalling`.
    pub protect_floor_control: bool,
    /// `preferred-voice-encodings`, by rtpmap name.
    pub encodings: Vec<String>,
    /// The `cp:ruleset`.
    pub rules: GroupRules,
    /// Services of the group (`supported-services`).
    pub services: Vec<Service>,
    /// `on-network-temporary`: the constituent groups, of which there are at least two. `None`: an ordinary group.
    pub temporary: Option<Temporary>,
    /// What else the document says.
    pub details: Arc<GroupDetails>,
    /// Version of the document; rises with every change.
    pub version: u64,
}

impl GroupDocument {
    /// A document that says nothing but its identity, with the defaults of TS 24.481 7.2.8.
    pub fn blank(id: GroupId) -> Self {
        Self {
            id,
            display_name: String::new(),
            members: MemberList::default(),
            prearranged: false,
            disabled: false,
            preconfigured_only: false,
            max_participants: None,
            minimum_to_start: 0,
            minimum_affiliated: None,
            acknowledgement_timeout: None,
            on_acknowledgement_timeout: OnTimeout::Abandon,
            maximum_duration: None,
            hang_timer: None,
            priority: None,
            protect_media: true,
            protect_floor_control: true,
            encodings: Vec::new(),
            rules: GroupRules::default(),
            services: Vec::new(),
            temporary: None,
            details: Arc::default(),
            version: 0,
        }
    }
}

/// `on-network-temporary`, with what this server keeps beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Temporary {
    /// `constituent-MCPTT-group-IDs`, in the order of the request.
    pub constituents: Vec<GroupId>,
    /// Who formed the group.
    pub requestor: UserId,
}

/// `on-network-regrouped` of a constituent group: it belongs to a temporary group now. At most one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regrouped {
    /// Attribute `temporary-MCPTT-group-ID`.
    pub temporary: GroupId,
    /// Attribute `temporary-MCPTT-group-requestor`.
    pub requestor: UserId,
    /// All constituents of the temporary group.
    pub constituents: Vec<GroupId>,
    /// Priority of the temporary group.
    pub priority: Option<u8>,
    /// `protect-media` of the temporary group.
    pub protect_media: bool,
    /// `protect-floor-control-signalling` of the temporary group.
    pub protect_floor_control: bool,
}

/// One `entry` of the member list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// `user-priority`: floor priority, 0 to 255.
    pub priority: Option<u8>,
    /// `on-network-required`: a call waits for this member until TNG1.
    pub required: bool,
    /// `on-network-affiliation-to-group-required`: must be affiliated for a call to start.
    pub affiliation_required: bool,
    /// `on-network-recvonly`.
    pub receive_only: bool,
    /// What else the entry says.
    pub details: Option<Box<MemberDetails>>,
}

/// What TNG1's expiry leads to. Any other text in the document reads as `Abandon`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnTimeout {
    /// Go on without the required members: 200 with Warning 111.
    Proceed,
    /// Give up: 480 with Warning 112.
    #[default]
    Abandon,
}

/// Actions of the ruleset. Absent means not allowed (TS 24.481 7.2.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRules {
    /// `allow-initiate-conference`.
    pub initiate: Who,
    /// `join-handling`.
    pub join: Who,
    /// `on-network-allow-conference-state`.
    pub conference_state: Who,
    /// `on-network-allow-getting-member-list`.
    pub member_list: Who,
    /// `on-network-allow-getting-affiliation-list`.
    pub affiliation_list: Who,
    /// `allow-MCPTT-emergency-call`.
    pub emergency_call: Who,
    /// `allow-imminent-peril-call`.
    pub imminent_peril_call: Who,
    /// `allow-MCPTT-emergency-alert`.
    pub emergency_alert: Who,
    /// Who may put this group into a temporary group (stage 2: "based on group policy"), beside `<allow-regroup>` of
    /// the user's own profile.
    pub regroup: Who,
    /// Actions by which this server does not decide, in the order of their names.
    pub others: Vec<OtherAction>,
}

/// To whom a rule gives its actions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    /// No one.
    #[default]
    Nobody,
    /// `<is-list-member/>`: the members of the group.
    Members,
    /// `<cp:many/>`: anyone this server knows.
    Anyone,
    /// `<cp:one id=.../>`.
    Users(Vec<UserId>),
}

impl Who {
    /// Whether `user` is meant; `is_member` tells whether the user is a member of the group.
    pub fn includes(&self, user: &UserId, is_member: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Members => is_member,
            Self::Anyone => true,
            Self::Users(users) => users.contains(user),
        }
    }
}

/// A Mission Critical service. The three differ in names only (TS 24.379, 24.281, 24.282): `documents::names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Service {
    /// Mission Critical Push To Talk.
    Mcptt,
    /// Mission Critical Video.
    McVideo,
    /// Mission Critical Data.
    McData,
}

impl Service {
    /// All of them, in this order.
    pub const ALL: [Self; 3] = [Self::Mcptt, Self::McVideo, Self::McData];
}

/// Some of the services.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSet(u8);

impl ServiceSet {
    /// Whether a service is in it.
    pub fn contains(self, service: Service) -> bool {
        self.0 & Self::bit(service) != 0
    }

    /// The services of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The services, in the order of [`Service::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().filter(move |service| self.contains(*service))
    }

    fn bit(service: Service) -> u8 {
        match service {
            Service::Mcptt => 1,
            Service::McVideo => 2,
            Service::McData => 4,
        }
    }
}

impl From<Service> for ServiceSet {
    fn from(service: Service) -> Self {
        Self::from_iter([service])
    }
}

impl FromIterator<Service> for ServiceSet {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        Self(services.into_iter().fold(0, |bits, service| bits | Self::bit(service)))
    }
}

impl std::fmt::Debug for ServiceSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// One value for each service. Affiliations and calls of one service do not concern the others (TS 23.280 5.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerService<T> {
    mcptt: T,
    mcvideo: T,
    mcdata: T,
}

impl<T> PerService<T> {
    /// One value for each, as `value` says.
    pub fn of(mut value: impl FnMut(Service) -> T) -> Self {
        Self {
            mcptt: value(Service::Mcptt),
            mcvideo: value(Service::McVideo),
            mcdata: value(Service::McData),
        }
    }
}

impl<T> Index<Service> for PerService<T> {
    type Output = T;

    fn index(&self, service: Service) -> &T {
        match service {
            Service::Mcptt => &self.mcptt,
            Service::McVideo => &self.mcvideo,
            Service::McData => &self.mcdata,
        }
    }
}

impl<T> IndexMut<Service> for PerService<T> {
    fn index_mut(&mut self, service: Service) -> &mut T {
        match service {
            Service::Mcptt => &mut self.mcptt,
            Service::McVideo => &mut self.mcvideo,
            Service::McData => &mut self.mcdata,
        }
    }
}
