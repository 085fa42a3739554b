//! What a group document says beside what this server decides by. It is kept so that a partner system which received the
//! document can store it, change it by its policy and pass it on (TS 23.280 10.2.7).

use super::{Service, Who};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The rest of a group document (TS 24.481 7.2.4.2), shared between copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDetails {
    /// `display-name@xml:lang`.
    pub language: Option<String>,
    /// `owner`: the mission critical organisation.
    pub owner: Option<String>,
    /// `permitted-geographic-area`: members may use the group only inside.
    pub permitted_area: Option<Area>,
    /// `mandatory-geographic-area`: members must be on this group while inside.
    pub mandatory_area: Option<Area>,
    /// `on-network-in-progress-emergency-state-cancellation-timeout`.
    pub emergency_timeout: Option<Duration>,
    /// `on-network-in-progress-imminent-peril-state-cancellation-timeout`.
    pub imminent_peril_timeout: Option<Duration>,
    /// `mcvideo-on-network-group-priority`, 0 (lowest) to 255.
    pub mcvideo_priority: Option<u8>,
    /// `mcdata-on-network-group-priority`, 0 (lowest) to 255.
    pub mcdata_priority: Option<u8>,
    /// `supported-services` as received, and the services that were read from it. It is written again as long as the
    /// document names the same services; MCData has an enabler per kind of data, which [`Service`] does not tell apart.
    pub services: Option<(Vec<Service>, String)>,
    /// Elements that this server does not read.
    pub kept: Vec<KeptElement>,
}

/// The rest of one `entry` of the member list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDetails {
    /// `rl:display-name`.
    pub display_name: Option<String>,
    /// Elements that this server does not read, for instance `participant-type` and `mcvideo-mcvideo-id`.
    pub kept: Vec<KeptElement>,
}

/// `areaType`: the union of these shapes, of which there is at least one.
pub type Area = Vec<Shape>;

/// One shape of an area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// `PolygonArea`: 3 to 15 corners.
    Polygon(Vec<Point>),
    /// `EllipsoidArcArea`.
    Arc {
        /// `Center`.
        center: Point,
        /// `Radius`, as coded in the document.
        radius: u32,
        /// `OffsetAngle`, as coded in the document.
        offset_angle: u8,
        /// `IncludedAngle`, as coded in the document.
        included_angle: u8,
    },
}

/// A point, in the coded form of TS 23.032: not degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// `Longitude`, 0 to 16,777,215.
    pub longitude: u32,
    /// `Latitude`, 0 to 16,777,215.
    pub latitude: u32,
}

/// An element that passes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptElement {
    /// Whose element it is.
    pub space: Space,
    /// Its local name.
    pub name: String,
    /// What it holds.
    pub content: KeptContent,
}

/// The namespace of a kept element or action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Space {
    /// OMA `list-service`.
    ListService,
    /// 3GPP `mcpttGroupInfo`.
    GroupInfo,
    /// Any other.
    Foreign,
}

/// The content of a kept element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptContent {
    /// Attributes without prefix, and text.
    Simple {
        /// Name and value, in order.
        attributes: Vec<(String, String)>,
        /// The text, may be empty.
        text: String,
    },
    /// Anything else: the whole element as XML that stands alone.
    Xml(String),
}

/// An action of the ruleset by which this server does not decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherAction {
    /// Whose action it is; never [`Space::Foreign`].
    pub space: Space,
    /// Local name, for instance `mcdata-allow-transmit-data-in-this-group`.
    pub name: String,
    /// Who has it.
    pub who: Who,
}
