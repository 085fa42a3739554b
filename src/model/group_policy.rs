//! What an MC system changes in the configuration of another system's groups.

use super::{Area, UserId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What we change in the configuration of the groups of a partner before we store it (TS 23.280 10.2.7.2 step 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupPolicy {
    /// Priorities that become others, by their value.
    pub priority_map: BTreeMap<u8, u8>,
    /// The highest priority that a group of the partner has here.
    pub priority_max: Option<u8>,
    /// Where members may use the groups.
    pub permitted_area: Option<Area>,
    /// Most participants.
    pub max_participants: Option<u32>,
    /// Longest hang timer.
    pub hang_timer: Option<Duration>,
    /// Longest call.
    pub maximum_duration: Option<Duration>,
    /// Longest in-progress emergency.
    pub emergency_timeout: Option<Duration>,
    /// Longest in-progress imminent peril.
    pub imminent_peril_timeout: Option<Duration>,
    /// Actions that nobody may take here, by element name.
    pub deny: Vec<String>,
    /// No use of the groups on the network.
    pub disable: bool,
    /// Codecs that are supported here; empty: any.
    pub encodings: Vec<String>,
    /// What is for use off the network is removed.
    pub strip_off_network: bool,
    /// Floor priorities of users of ours.
    pub user_priorities: BTreeMap<UserId, u8>,
}

impl GroupPolicy {
    /// What becomes of a priority.
    pub fn priority_of(&self, priority: u8) -> u8 {
        let mapped = self.priority_map.get(&priority).copied().unwrap_or(priority);
        self.priority_max.map_or(mapped, |most| mapped.min(most))
    }
}
