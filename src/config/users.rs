//! Users: single entries and ranges. A range costs one string per user, which users, their public identities and the
//! members of groups share.

use super::groups::Group;
use super::identity::{IDENTITY, Pattern, PatternRange, identity};
use super::names::Names;
use super::reader::{Found, Section, Walk};
use crate::model::{AnswerMode, ClientId, GroupId, PublicId, User, UserId, UserProfile};
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Highest number in a range.
pub const RANGE_LAST: u64 = 99_999_999;
/// Most users of one range.
pub const RANGE_LENGTH: u64 = 10_000_000;

/// The users of this MC system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    entries: Vec<Entry>,
    single: HashSet<Arc<str>>,
}

/// One user, or a range of users that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    range: Option<PatternRange>,
    ids: Vec<Arc<str>>,
    /// Empty: the ID is the only public identity.
    public_ids: Vec<Template>,
    password: Option<Template>,
    client: Option<Template>,
    profile: Arc<UserProfile>,
    lines: Lines,
}

/// Where an entry's mistakes are. Moving an entry is no change.
#[derive(Clone, Debug)]
struct Lines {
    implicit_affiliations: usize,
}

impl PartialEq for Lines {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lines {}

/// A text that is the same for all users of a range, or has the number of the user in it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Template {
    Same(Arc<str>),
    Numbered(Pattern),
}

impl Template {
    fn for_user(&self, n: u64) -> Arc<str> {
        match self {
            Self::Same(text) => text.clone(),
            Self::Numbered(pattern) => pattern.text(n).into(),
        }
    }
}

impl Users {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.ids.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a user of this identity.
    pub fn contains(&self, id: &str) -> bool {
        self.single.contains(id)
            || self.entries.iter().filter_map(|entry| entry.range.as_ref()).any(|range| range.contains(id))
    }

    /// All users, in the order of the file. Users of one entry share their profile.
    pub fn iter(&self) -> impl Iterator<Item = User> + '_ {
        self.entries.iter().flat_map(|entry| {
            let first = entry.range.as_ref().map_or(0, |range| *range.numbers.start());
            (first..).zip(&entry.ids).map(|(n, id)| entry.user(n, id))
        })
    }

    /// The identities of a range of users, shared with them. `None`: they are not part of one range of ours.
    pub(super) fn ids_of(&self, range: &PatternRange) -> Option<&[Arc<str>]> {
        for entry in &self.entries {
            let Some(users) = &entry.range else { continue };
            let (Some(skip), Ok(length)) =
                (range.numbers.start().checked_sub(*users.numbers.start()), usize::try_from(range.len()))
            else {
                continue;
            };
            let slice =
                usize::try_from(skip).ok().and_then(|skip| entry.ids.get(skip..skip.checked_add(length)?));
            if let Some(ids) = slice.filter(|_| users.pattern == range.pattern) {
                return Some(ids);
            }
        }
        None
    }

    pub(super) fn walk(root: &Section<'_>, domain: Option<&str>, names: &mut Names) -> Self {
        let mut users = Self::default();
        let mut publics = Names::default();
        let sections = root.tables("user", "A user of this MC system. What is not granted is denied.");
        for user in sections {
            users.walk_user(&user, domain, names, &mut publics);
        }
        let sections = root.tables(
            "users",
            "A range of users that are alike: one for each number from `from` to `to`. `{n}` stands for the number, \
             `{n:4}` for the number with at least four digits.",
        );
        for range in sections {
            users.walk_range(&range, domain, names, &mut publics);
        }
        users
    }

    fn walk_user(
        &mut self,
        user: &Section<'_>,
        domain: Option<&str>,
        names: &mut Names,
        publics: &mut Names,
    ) {
        let line = Cell::new(0);
        let id = user
            .key("id", "MC service ID, in the domain of this system.")
            .text("URI", |text| own(domain, identity(text)?))
            .at(&line)
            .required();
        let public_ids = user
            .key("public_ids", "Public user identities (IMPU); the first is used to reach the user.")
            .texts("URI", identity)
            .optional("the `id`")
            .unwrap_or_default();
        let password = password(user, |text| Ok(Template::Same(text.into())));
        let client = client(user, |text| Ok(Template::Same(text.into())));
        let (profile, implicit_affiliations) = profile(user);
        let Some(id) = id.map(Arc::<str>::from) else { return };
        if let Err(taken) = names.take(id.clone(), line.get()) {
            user.mistake(
                line.get(),
                "id",
                format!("expected an identity of its own, found {id} of line {taken} again"),
            );
        }
        let mut take = |line, id: Arc<str>| {
            if let Err(taken) = publics.take(id.clone(), line) {
                let message =
                    format!("expected a public identity of its own, found {id} of line {taken} again");
                user.mistake(line, "public_ids", message);
            }
        };
        if public_ids.is_empty() {
            take(line.get(), id.clone());
        }
        let mut templates = Vec::new();
        for (line, public) in public_ids {
            let public = Arc::<str>::from(public);
            take(line, public.clone());
            templates.push(Template::Same(if public == id { id.clone() } else { public }));
        }
        self.single.insert(id.clone());
        self.entries.push(Entry {
            range: None,
            ids: vec![id],
            public_ids: templates,
            password,
            client,
            profile,
            lines: Lines { implicit_affiliations },
        });
    }

    fn walk_range(
        &mut self,
        users: &Section<'_>,
        domain: Option<&str>,
        names: &mut Names,
        publics: &mut Names,
    ) {
        let line = Cell::new(0);
        let pattern = users
            .key("id", "MC service IDs, in the domain of this system.")
            .text("URI with `{n}`", |text| {
                let pattern = Pattern::identity(text)?;
                own(domain, pattern.text(0)).map(|_| pattern)
            })
            .at(&line)
            .required();
        let numbers = numbers(users);
        let public_ids = users
            .key("public_ids", "Public user identities (IMPU); the first is used to reach the user.")
            .texts("URI with `{n}`", Pattern::identity)
            .optional("the `id`")
            .unwrap_or_default();
        let password = password(users, template);
        let client = client(users, template);
        let (profile, implicit_affiliations) = profile(users);
        let (Some(pattern), Some(numbers)) = (pattern, numbers) else { return };
        let range = PatternRange { pattern, numbers };
        let again = |what, (id, taken): (Arc<str>, usize)| {
            format!("expected {what} of their own, found {id} of line {taken} again")
        };
        if let Err(taken) = names.take_range(range.clone(), line.get()) {
            users.mistake(line.get(), "id", again("identities", taken));
        }
        if public_ids.is_empty()
            && let Err(taken) = publics.take_range(range.clone(), line.get())
        {
            users.mistake(line.get(), "public_ids", again("public identities", taken));
        }
        let mut templates = Vec::new();
        for (line, pattern) in public_ids {
            let range = PatternRange { pattern: pattern.clone(), numbers: range.numbers.clone() };
            if let Err(taken) = publics.take_range(range, line) {
                users.mistake(line, "public_ids", again("public identities", taken));
            }
            templates.push(Template::Numbered(pattern));
        }
        self.entries.push(Entry {
            ids: range.texts().collect(),
            range: Some(range),
            public_ids: templates,
            password,
            client,
            profile,
            lines: Lines { implicit_affiliations },
        });
    }

    /// Implicit affiliations name groups that exist and have the user as a member.
    pub(super) fn check_groups(&self, walk: &Walk, domain: Option<&str>, groups: &[Group]) {
        let by_id: HashMap<&str, &Group> =
            groups.iter().map(|group| (group.document.id.as_str(), group)).collect();
        for entry in &self.entries {
            let key = if entry.range.is_some() {
                "users.implicit_affiliations"
            } else {
                "user.implicit_affiliations"
            };
            for id in &entry.profile.implicit_affiliations {
                let Some(group) = by_id.get(id.as_str()) else {
                    if Some(id.domain()) == domain {
                        let message = format!("expected a group of this system, found {id}");
                        walk.mistake(entry.lines.implicit_affiliations, key, message);
                    }
                    continue;
                };
                if let Some(stranger) =
                    entry.ids.iter().find(|user| !group.document.members.contains_key(user.as_ref()))
                {
                    let message =
                        format!("expected groups with this user as a member, found {id} without {stranger}");
                    walk.mistake(entry.lines.implicit_affiliations, key, message);
                }
            }
        }
    }
}

impl Entry {
    fn user(&self, n: u64, id: &Arc<str>) -> User {
        let public_ids = if self.public_ids.is_empty() {
            vec![PublicId::new(id.clone())]
        } else {
            self.public_ids.iter().map(|template| PublicId::new(template.for_user(n))).collect()
        };
        User {
            id: UserId::new(id.clone()),
            public_ids,
            password: self.password.as_ref().map(|template| template.for_user(n)),
            default_client: self.client.as_ref().map(|template| ClientId::new(template.for_user(n))),
            profile: self.profile.clone(),
        }
    }
}

/// An identity that must be in our domain.
pub(super) fn own(domain: Option<&str>, id: String) -> Result<String, String> {
    match domain {
        Some(domain) if UserId::from(id.as_str()).domain() != domain => {
            Err(format!("a URI in our domain, {domain}"))
        }
        _ => Ok(id),
    }
}

/// `from` and `to` of a range.
pub(super) fn numbers(range: &Section<'_>) -> Option<std::ops::RangeInclusive<u64>> {
    let line = Cell::new(0);
    let from = range.key("from", "First number.").integer(0..=RANGE_LAST).or(0);
    let to = range.key("to", "Last number.").integer(0..=RANGE_LAST).at(&line).required()?;
    if to < from {
        range.mistake(line.get(), "to", format!("expected at least `from`, {from}, found {to}"));
        return None;
    }
    if to - from >= RANGE_LENGTH {
        range.mistake(
            line.get(),
            "to",
            format!("expected at most {RANGE_LENGTH} numbers, found {}", to - from + 1),
        );
        return None;
    }
    Some(from..=to)
}

fn template(text: &str) -> Result<Template, String> {
    match Pattern::read(text) {
        Some(pattern) => Ok(Template::Numbered(pattern)),
        None if text.contains(['{', '}']) => Err("a text with at most one `{n}`".to_owned()),
        None => Ok(Template::Same(text.into())),
    }
}

fn password(section: &Section<'_>, read: impl Fn(&str) -> Result<Template, String>) -> Option<Template> {
    section
        .key("password", "Password for Digest at our registrar (RFC 3261 22).")
        .secret()
        .text("string", |text| {
            if (1..=255).contains(&text.len()) {
                read(text)
            } else {
                Err("a text of 1 to 255 octets".to_owned())
            }
        })
        .optional("no challenge")
}

fn client(section: &Section<'_>, read: impl Fn(&str) -> Result<Template, String>) -> Option<Template> {
    section
        .key("client", "MC service client ID to assume where neither registration nor request names one.")
        .text("string", |text| {
            let plain = text.bytes().all(|octet| octet.is_ascii_graphic());
            if (1..=255).contains(&text.len()) && plain {
                read(text)
            } else {
                Err("a client ID such as \"urn:uuid:00000000-0000-1000-8000-00aabbccddee\"".to_owned())
            }
        })
        .optional("none")
}

/// The keys of a user profile, and the line of its implicit affiliations.
fn profile(section: &Section<'_>) -> (Arc<UserProfile>, usize) {
    let yes = |name, meaning| section.key(name, meaning).boolean().or(false);
    let most = |name, meaning| -> Found<'_, '_, u32> { section.key(name, meaning).integer(0..=u32::MAX) };
    let line = Cell::new(0);
    let profile = UserProfile {
        max_affiliations_n2: most(
            "max_affiliations_n2",
            "N2, most groups the user may be affiliated to at once, over all clients.",
        )
        .optional("no limit"),
        max_calls_n6: most("max_calls_n6", "N6, most group calls at once.").optional("no limit"),
        allow_regroup: yes("allow_regroup", "May form and tear down temporary groups."),
        allow_prearranged_call: yes(
            "allow_prearranged_call",
            "May make prearranged group calls (Warning 109 otherwise).",
        ),
        allow_chat_call: yes("allow_chat_call", "May make chat group calls (Warning 108 otherwise)."),
        allow_request_affiliated_groups: yes(
            "allow_request_affiliated_groups",
            "May read the affiliations of others.",
        ),
        allow_affiliate_others: yes(
            "allow_affiliate_others",
            "May change the affiliations of others (mandatory mode).",
        ),
        allow_recommend_affiliations: yes(
            "allow_recommend_affiliations",
            "May propose changes of their affiliations to others (negotiated mode).",
        ),
        implicit_affiliations: section
            .key("implicit_affiliations", "Groups the user is affiliated to when the service starts.")
            .texts("URI", |text| identity(text).map(GroupId::new).map_err(|_| IDENTITY.to_owned()))
            .at(&line)
            .optional("none")
            .unwrap_or_default()
            .into_iter()
            .map(|(_, group)| group)
            .collect(),
        answer_mode: section
            .key(
                "answer_mode",
                "How the user's clients commence a call when they have not said (TS 24.379 10.1.1.3.2).",
            )
            .one_of(&[("automatic", AnswerMode::Automatic), ("manual", AnswerMode::Manual)])
            .or_else(AnswerMode::Manual, "`\"manual\"`"),
    };
    (Arc::new(profile), line.get())
}
