//! `[partner.group_policy]`: what becomes of the configuration of a partner's groups before it is stored here.

use super::identity::identity;
use super::reader::{Item, Section, without_lines};
use super::server::encoding;
use crate::model::{GroupPolicy, Point, Shape, UserId};
use std::collections::BTreeMap;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Actions that can be denied, by the name of their element (TS 24.481 7.2.8).
const ACTIONS: [&str; 9] = [
    "allow-MCPTT-emergency-call",
    "allow-imminent-peril-call",
    "allow-MCPTT-emergency-alert",
    "mcvideo-allow-emergency-call",
    "mcvideo-allow-imminent-peril-call",
    "mcvideo-allow-emergency-alert",
    "mcdata-allow-transmit-data-in-this-group",
    "mcdata-allow-emergency-alert",
    "mcdata-allow-short-data-service",
];

pub(super) fn group_policy(partner: &Section<'_>) -> GroupPolicy {
    let policy = partner.table(
        "group_policy",
        "What this system changes in the configuration of the partner's groups before it stores it, keeping what came \
         (TS 23.280 10.2.7.2 step 2). It never changes who is a member, the kind of the group or its protection.",
    );
    let span = |name, meaning| {
        policy.key(name, meaning).duration(Duration::from_secs(1)..=LONGEST).optional("as it came")
    };
    let map = policy
        .key("priority_map", "Priorities that become others here, each as `from=to`, 0 (lowest) to 255.")
        .texts("such as `\"200=100\"`", |text| {
            let pair = text
                .split_once('=')
                .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
            pair.ok_or_else(|| "two numbers from 0 to 255, such as \"200=100\"".to_owned())
        })
        .optional("none")
        .unwrap_or_default();
    let corners = policy
        .key("permitted_area", "Where members may use the groups: 3 to 15 corners of a polygon, each as `longitude latitude` in the coded form of TS 23.032, 0 to 16777215. It takes the place of the area that came.")
        .texts("such as `\"1000000 2000000\"`", corner)
        .optional("as it came")
        .unwrap_or_default();
    let permitted_area = match corners.len() {
        0 => None,
        3..=15 => Some(vec![Shape::Polygon(without_lines(corners))]),
        found => {
            let line = corners.first().map_or(policy.line(), |(line, _)| *line);
            policy.mistake(line, "permitted_area", format!("expected 3 to 15 corners, found {found}"));
            None
        }
    };
    GroupPolicy {
        priority_map: without_lines(map).into_iter().collect::<BTreeMap<u8, u8>>(),
        priority_max: policy
            .key("priority_max", "Highest priority that a group of the partner has here.")
            .integer(0..=255)
            .optional("as it came"),
        permitted_area,
        max_participants: policy
            .key("max_participants", "Most participants of a call.")
            .integer(1..=1_000_000)
            .optional("as it came"),
        hang_timer: span("hang_timer", "Longest hang timer."),
        maximum_duration: span("maximum_duration", "Longest call."),
        emergency_timeout: span("emergency_timeout", "Longest in-progress emergency."),
        imminent_peril_timeout: span("imminent_peril_timeout", "Longest in-progress imminent peril."),
        deny: without_lines(
            policy
                .key("deny", "Actions that nobody may take here, by element name: `allow-MCPTT-emergency-call`, `allow-imminent-peril-call`, `allow-MCPTT-emergency-alert`, their `mcvideo-` and `mcdata-` counterparts.")
                .texts("name of an action", |text| {
                    let known = ACTIONS.contains(&text);
                    if known { Ok(text.to_owned()) } else { Err(format!("one of {}", ACTIONS.join(", "))) }
                })
                .optional("none")
                .unwrap_or_default(),
        ),
        disable: policy.key("disable", "No use of the groups on the network.").boolean().or(false),
        encodings: without_lines(
            policy
                .key("encodings", "Codecs that are supported here; others are removed, and a group that has no other is refused.")
                .texts("name such as `\"AMR-WB\"`", encoding)
                .optional("any")
                .unwrap_or_default(),
        ),
        strip_off_network: policy
            .key("strip_off_network", "What is for use off the network is removed.")
            .boolean()
            .or(false),
        user_priorities: policy
            .key("users", "Floor priorities of users in the partner's groups.")
            .items("list of tables", user)
            .optional("as they came")
            .unwrap_or_default()
            .into_iter()
            .collect(),
    }
}

fn corner(text: &str) -> Result<Point, String> {
    let coordinate = |text: &str| text.parse().ok().filter(|value| *value <= 16_777_215_u32);
    let mut parts = text.split_whitespace().map(coordinate);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Some(longitude)), Some(Some(latitude)), None) => Ok(Point { longitude, latitude }),
        _ => Err("longitude and latitude, each 0 to 16777215".to_owned()),
    }
}

fn user(item: Item<'_, '_>) -> Option<(UserId, u8)> {
    let Some(table) = item.table("A user.") else {
        item.wrong("a table such as { user = \"sip:bob@two.example\", priority = 5 }");
        return None;
    };
    let user = table.key("user", "The user.").text("URI", |text| identity(text).map(UserId::new)).required();
    let priority = table.key("priority", "`user-priority`, 0 (lowest) to 255.").integer(0..=255).required();
    Some((user?, priority?))
}
