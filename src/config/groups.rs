//! Groups and their members.

use super::identity::{IDENTITY, Pattern, PatternRange, identity};
use super::names::Names;
use super::policy::{REGROUPED_CALL, RegroupedCall};
use super::reader::{Item, Section};
use super::server::encoding;
use super::users::{Users, numbers, own};
use crate::model::{GroupDocument, GroupId, GroupRules, Member, OnTimeout, Service, UserId, Who};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A group of this MC system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its document.
    pub document: GroupDocument,
    /// Answer to calls on it while it is a constituent of a temporary group, where it differs from the policy.
    pub regrouped_call: Option<RegroupedCall>,
}

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Group {
    pub(super) fn walk_all(
        root: &Section<'_>,
        domain: Option<&str>,
        users: &Users,
        names: &mut Names,
    ) -> Vec<Self> {
        let sections = root.tables(
            "group",
            "A group of this MC system. The keys are those of the group document (TS 24.481 7.2), with its defaults.",
        );
        sections.iter().filter_map(|group| Self::walk(group, domain, users, names)).collect()
    }

    fn walk(group: &Section<'_>, domain: Option<&str>, users: &Users, names: &mut Names) -> Option<Self> {
        let line = Cell::new(0);
        let id = group
            .key("id", "MC service group ID, in the domain of this system.")
            .text("URI", |text| own(domain, identity(text)?))
            .at(&line)
            .required();
        if let Some(id) = &id
            && let Err(taken) = names.take(id.as_str().into(), line.get())
        {
            group.mistake(
                line.get(),
                "id",
                format!("expected an identity of its own, found {id} of line {taken} again"),
            );
        }
        let display_name = group
            .key("display_name", "Name for people.")
            .text("string", |text| {
                let good = text.len() <= 255 && !text.chars().any(char::is_control);
                if good {
                    Ok(text.to_owned())
                } else {
                    Err("a text of at most 255 octets on one line".to_owned())
                }
            })
            .or(String::new());
        let members = members(group, domain, users);
        let yes = |name, meaning, default| group.key(name, meaning).boolean().or(default);
        let prearranged = yes(
            "prearranged",
            "`on-network-invite-members`: a prearranged group; a chat group otherwise.",
            false,
        );
        let disabled = yes("disabled", "`on-network-disabled`: no calls on the group (Warning 115).", false);
        let preconfigured_only = yes(
            "preconfigured_only",
            "`preconfigured-group-use-only`: the group only lends its configuration.",
            false,
        );
        let max_participants: Option<u32> = group
            .key(
                "max_participants",
                "`on-network-max-participant-count`: most participants of a call (Warning 122).",
            )
            .integer(1..=1_000_000)
            .at(&line)
            .optional("no limit");
        let required = members.values().filter(|member| member.required).count();
        if let Some(most) = max_participants
            && u32::try_from(required).unwrap_or(u32::MAX) > most
        {
            let message =
                format!("expected at least the number of required members, {required}, found {most}");
            group.mistake(line.get(), "max_participants", message);
        }
        let minimum_to_start = group
            .key("minimum_to_start", "`on-network-minimum-number-to-start`: members who must accept before the caller is answered; 0: none.")
            .integer(0..=u16::MAX)
            .or(0);
        let minimum_affiliated = group
            .key("minimum_affiliated", "`on-network-minimum-number-of-affiliated-members`: fewer, and a call is refused (Warning 112).")
            .integer(1..=u32::MAX)
            .optional("none");
        let span = |name, meaning| group.key(name, meaning).duration(Duration::from_millis(100)..=LONGEST);
        let acknowledgement_timeout = span(
            "acknowledgement_timeout",
            "TNG1, `on-network-timeout-for-acknowledgement-of-required-members`: how long a call waits for required members.",
        )
        .optional("`tng1_default` of `[policy]`");
        let on_acknowledgement_timeout = group
            .key("on_acknowledgement_timeout", "When that time is over: `proceed` starts the call without them (Warning 111), `abandon` gives it up (Warning 112).")
            .one_of(&[("proceed", OnTimeout::Proceed), ("abandon", OnTimeout::Abandon)])
            .or_else(OnTimeout::Abandon, "`\"abandon\"`");
        let maximum_duration = span("maximum_duration", "TNG3, `on-network-maximum-duration`: longest call.")
            .optional("no limit; a prearranged group must have one");
        if prearranged && maximum_duration.is_none() && !group.has("maximum_duration") {
            let message = "missing; expected a duration, since the group is prearranged (TS 24.481 7.2.7)";
            group.mistake(group.line(), "maximum_duration", message);
        }
        let hang_timer =
            span("hang_timer", "T4, `on-network-hang-timer`, for the media function.").optional("not run");
        let priority = group
            .key("priority", "`on-network-group-priority`, 0 (lowest) to 255.")
            .integer(0..=255)
            .optional("lowest");
        let protect_media = yes("protect_media", "`protect-media`: clients need a group key.", true);
        let protect_floor_control = yes(
            "protect_floor_control",
            "`protect-floor-control-signalling`: clients need a group key.",
            true,
        );
        let encodings = group
            .key("encodings", "`preferred-voice-encodings`, by rtpmap name, in order.")
            .texts("name such as `\"AMR-WB\"`", encoding)
            .optional("none")
            .unwrap_or_default();
        let services = group
            .key("services", "`supported-services`: `mcptt`, `mcvideo`, `mcdata`.")
            .texts("\"mcptt\", \"mcvideo\", \"mcdata\"", |text| match text {
                "mcptt" => Ok(Service::Mcptt),
                "mcvideo" => Ok(Service::McVideo),
                "mcdata" => Ok(Service::McData),
                _ => Err("\"mcptt\", \"mcvideo\" or \"mcdata\"".to_owned()),
            })
            .or_else(vec![(0, Service::Mcptt)], "`[\"mcptt\"]`");
        let regrouped_call = group
            .key("regrouped_call", "As in `[policy]`, for calls on this group.")
            .one_of(&REGROUPED_CALL)
            .optional("as in `[policy]`");
        let rules = rules(group);
        let document = GroupDocument {
            id: GroupId::new(id?),
            display_name,
            members: Arc::new(members),
            prearranged,
            disabled,
            preconfigured_only,
            max_participants,
            minimum_to_start,
            minimum_affiliated,
            acknowledgement_timeout,
            on_acknowledgement_timeout,
            maximum_duration,
            hang_timer,
            priority,
            protect_media,
            protect_floor_control,
            encodings: encodings.into_iter().map(|(_, name)| name).collect(),
            rules,
            services: services.into_iter().map(|(_, service)| service).collect(),
            temporary: None,
            details: Arc::default(),
            version: 1,
        };
        Some(Self { document, regrouped_call })
    }
}

fn members(group: &Section<'_>, domain: Option<&str>, users: &Users) -> BTreeMap<UserId, Member> {
    let members = RefCell::new(BTreeMap::new());
    let known = |id: &str| {
        let user = UserId::from(id);
        if Some(user.domain()) == domain && !users.contains(id) {
            return Err("a user of this system, or of another domain".to_owned());
        }
        Ok(user)
    };
    let user = |text: &str| known(&identity(text)?);
    let insert = |item: &Item<'_, '_>, id: UserId, member: Member| {
        if members.borrow_mut().insert(id.clone(), member).is_some() {
            item.mistake(format!("expected each member once, found {id} again"));
        }
    };
    let _ = group
        .key("members", "Members: URIs of users of this system or of others, or tables.")
        .items("list of URIs or tables", |item| {
            let (id, member) = match item.table("A member with settings of its own.") {
                None => (item.text(IDENTITY, user)?, Member::default()),
                Some(table) => {
                    let id = table.key("user", "The member.").text("URI", user).required();
                    let member = member(&table);
                    (id?, member)
                }
            };
            insert(&item, id, member);
            Some(())
        })
        .optional("none");
    let _ = group
        .key("member_range", "Members by number, as in `[[users]]`: a table or a list of tables.")
        .items("table or list of tables", |item| {
            let Some(table) = item.table("Members by number.") else {
                item.wrong("a table such as { id = \"sip:user{n}@one.example\", from = 0, to = 9 }");
                return None;
            };
            let pattern =
                table.key("id", "The members.").text("URI with `{n}`", Pattern::identity).required();
            let numbers = numbers(&table);
            let member = member(&table);
            let range = PatternRange { pattern: pattern?, numbers: numbers? };
            if let Some(ids) = users.ids_of(&range) {
                let ids = ids.iter().cloned().map(UserId::new);
                if members.borrow().is_empty() {
                    // Sorted and built at once.
                    *members.borrow_mut() = ids.map(|id| (id, member.clone())).collect();
                } else {
                    ids.for_each(|id| insert(&item, id, member.clone()));
                }
                return Some(());
            }
            for id in range.texts() {
                if let Err(expected) = known(&id) {
                    item.mistake(format!("expected {expected}, found \"{id}\""));
                    return None;
                }
                insert(&item, UserId::new(id), member.clone());
            }
            Some(())
        })
        .optional("none");
    members.into_inner()
}

fn member(table: &Section<'_>) -> Member {
    let yes = |name, meaning| table.key(name, meaning).boolean().or(false);
    Member {
        priority: table
            .key("priority", "`user-priority`: floor priority, 0 (lowest) to 255.")
            .integer(0..=255)
            .optional("lowest"),
        required: yes("required", "`on-network-required`: a call waits for this member."),
        affiliation_required: yes(
            "affiliation_required",
            "`on-network-affiliation-to-group-required`: must be affiliated for a call to start.",
        ),
        receive_only: yes("receive_only", "`on-network-recvonly`: listens only."),
        details: None,
    }
}

/// A word or a user of a rule.
enum Part {
    All(Who),
    One(UserId),
}

fn rules(group: &Section<'_>) -> GroupRules {
    let rules = group.table(
        "rules",
        "Who may do what in the group (`cp:ruleset`, TS 24.481 7.2.8). `\"members\"`, `\"anyone\"`, `\"nobody\"`, or a \
         list of users.",
    );
    let who = |name, meaning| {
        let parts = rules
            .key(name, meaning)
            .texts("\"members\", \"anyone\", \"nobody\" or users", |text| match text {
                "members" => Ok(Part::All(Who::Members)),
                "anyone" => Ok(Part::All(Who::Anyone)),
                "nobody" => Ok(Part::All(Who::Nobody)),
                _ => identity(text)
                    .map(|user| Part::One(UserId::new(user)))
                    .map_err(|_| "\"members\", \"anyone\", \"nobody\" or a list of users".to_owned()),
            })
            .optional("`\"nobody\"`")
            .unwrap_or_default();
        let (count, mut users) = (parts.len(), Vec::new());
        for (line, part) in parts {
            match part {
                Part::All(who) if count == 1 => return who,
                Part::All(_) => rules.mistake(line, name, "expected one word or a list of users, found both"),
                Part::One(user) => users.push(user),
            }
        }
        if users.is_empty() { Who::Nobody } else { Who::Users(users) }
    };
    GroupRules {
        initiate: who("initiate", "`allow-initiate-conference`: start a call."),
        join: who("join", "`join-handling`: join a call."),
        conference_state: who(
            "conference_state",
            "`on-network-allow-conference-state`: subscribe to the roster of a call.",
        ),
        member_list: who("member_list", "`on-network-allow-getting-member-list`: read the members."),
        affiliation_list: who(
            "affiliation_list",
            "`on-network-allow-getting-affiliation-list`: read who is affiliated.",
        ),
        emergency_call: who("emergency_call", "`allow-MCPTT-emergency-call`: make an emergency call."),
        imminent_peril_call: who(
            "imminent_peril_call",
            "`allow-imminent-peril-call`: make an imminent peril call.",
        ),
        emergency_alert: who("emergency_alert", "`allow-MCPTT-emergency-alert`: raise an emergency alert."),
        regroup: who(
            "regroup",
            "Put the group into a temporary group, for users whose `allow_regroup` is true.",
        ),
        others: Vec::new(),
    }
}
