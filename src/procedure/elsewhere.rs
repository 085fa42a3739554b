//! Functions that are not in this process: those of our own system, and those of partner systems. Which function is
//! where, what a partner may do here, and the words between functions outside calls.

use super::{Policy, RegroupedCall, Warning};
use crate::documents::conference_info::RosterTold;
use crate::documents::group_dynamic::GroupDynamicData;
use crate::documents::pidf::Presence;
use crate::model::*;

/// PSIs of functions, by kind. Several PSIs may name one function; the first is the one it speaks as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// Participating function, originating and terminating.
    pub participating: Vec<Psi>,
    /// Controlling function of groups; non-controlling for groups of a temporary group that another one controls.
    pub controlling: Vec<Psi>,
    /// Group management server.
    pub gms: Vec<Psi>,
}

impl Functions {
    /// The PSIs of one kind.
    pub fn of(&self, kind: FunctionKind) -> &[Psi] {
        match kind {
            FunctionKind::Participating => &self.participating,
            FunctionKind::Controlling => &self.controlling,
            FunctionKind::Gms => &self.gms,
        }
    }

    /// All PSIs, each once: one that speaks for several functions is one.
    pub fn all(&self) -> impl Iterator<Item = &Psi> {
        let Self { participating, controlling, gms } = self;
        let known = move |psi: &Psi, lists: &[&Vec<Psi>]| lists.iter().any(|list| list.contains(psi));
        let controlling = controlling.iter().filter(move |psi| !known(psi, &[participating]));
        let gms = gms.iter().filter(move |psi| !known(psi, &[participating, &self.controlling]));
        participating.iter().chain(controlling).chain(gms)
    }
}

/// Another MC system, as the agreement with it says (TS 23.280 10.2.7 pre-conditions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Its domain, lower case: that of its users and groups.
    pub domain: String,
    /// Its functions.
    pub functions: Functions,
    /// What it may do here.
    pub may: Permissions,
    /// Both systems tell each other the members of their groups (trusted mutual aid).
    pub shares_members: bool,
    /// It is told who of our members is in a call that it controls, even where it is not told the members of our groups: then
    /// its users see them on the roster. Else they see the group in their place.
    pub shares_participants: bool,
    /// What its users hear who call a constituent of a temporary group; `None`: as anybody.
    pub regrouped_call: Option<RegroupedCall>,
    /// A teardown is confirmed by the 200 to its notification, in both directions, and not by a MESSAGE of its own.
    pub compact_7b: bool,
    /// Groups with members of its own are provided to it before it asks.
    pub provide_groups: bool,
    /// What becomes of the configuration of its groups here.
    pub group_policy: GroupPolicy,
    /// Requests to its functions go through this URI: its gateway server, or a proxy between the systems.
    pub proxy: Option<String>,
    /// What our users and functions may ask of it (TS 24.379 6.8.2 step 2).
    pub we_may: Permissions,
    /// PSIs among those of its functions that are its gateway server's, which speaks for any of them.
    pub gateways: Vec<Psi>,
    /// It may address our gateway server (TS 24.379 6.8.3).
    pub enters: bool,
    /// What is behind our gateway server is hidden from it (TS 24.379 6.8.2 step 3).
    pub hides: bool,
}

impl Default for Partner {
    /// A system that may do nothing here, and of which everything may be asked.
    fn default() -> Self {
        Self {
            domain: String::new(),
            functions: Functions::default(),
            may: Permissions::default(),
            shares_members: false,
            shares_participants: false,
            regrouped_call: None,
            compact_7b: false,
            provide_groups: false,
            group_policy: GroupPolicy::default(),
            proxy: None,
            we_may: Permissions::ALL,
            gateways: Vec::new(),
            enters: false,
            hides: false,
        }
    }
}

/// What a partner system may do here. Nothing that is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Put our groups into its temporary groups and take them out.
    pub regroup: bool,
    /// Call our groups and users.
    pub call: bool,
    /// Affiliate its users to our groups, change and read affiliations.
    pub affiliate: bool,
    /// Exchange group configuration.
    pub group_configuration: bool,
}

impl Permissions {
    /// All of them.
    pub const ALL: Self = Self { regroup: true, call: true, affiliate: true, group_configuration: true };
}

/// A function elsewhere that sent a request, known by address and asserted identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The PSI that it speaks as.
    pub psi: Psi,
    /// The partner system that it belongs to; `None`: our own.
    pub partner: Option<String>,
    /// What it is: a participating function.
    pub participating: bool,
    /// A controlling function.
    pub controlling: bool,
    /// A group management server.
    pub gms: bool,
}

impl Caller {
    /// The controlling function of this process.
    pub fn own_controlling(policy: &Policy) -> Self {
        let psi = policy.functions.controlling.first().cloned().unwrap_or_else(|| Psi::new(""));
        Self { psi, partner: None, participating: false, controlling: true, gms: false }
    }

    /// What it may do here: all that belongs to its kind for a function of our own system, what the agreement says for
    /// one of a partner, nothing for one whose agreement is gone.
    pub fn may(&self, policy: &Policy) -> Permissions {
        match &self.partner {
            None => Permissions::ALL,
            Some(domain) => policy.partner(domain).map(|partner| partner.may).unwrap_or_default(),
        }
    }
}

/// Where a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In this process.
    Here,
    /// Elsewhere: reached by this PSI.
    At(&'a Psi),
    /// Nobody is known who does that.
    Nowhere,
}

impl Policy {
    /// The agreement with the system of this domain.
    pub fn partner(&self, domain: &str) -> Option<&Partner> {
        self.partners.get(&domain.to_ascii_lowercase())
    }

    /// What our users and functions may ask of the system of this domain.
    pub fn we_may(&self, domain: &str) -> Permissions {
        self.partner(domain).map_or(Permissions::ALL, |partner| partner.we_may)
    }

    /// The agreement with the system that a function belongs to.
    pub fn partner_of_function(&self, psi: &Psi) -> Option<&Partner> {
        self.partners.values().find(|partner| partner.functions.all().any(|function| function == psi))
    }

    /// Where the function is that does this for the users or groups of a domain.
    fn place_of(&self, kind: FunctionKind, domain: &str) -> Place<'_> {
        let elsewhere = if domain.eq_ignore_ascii_case(&self.domain) {
            if !self.functions.of(kind).is_empty() {
                return Place::Here;
            }
            Some(&self.elsewhere)
        } else {
            self.partner(domain).map(|partner| &partner.functions)
        };
        elsewhere.and_then(|functions| functions.of(kind).first()).map_or(Place::Nowhere, Place::At)
    }

    /// Where the controlling function of a group is: in the system that the group is defined in.
    pub fn controlling_of(&self, group: &GroupId) -> Place<'_> {
        self.place_of(FunctionKind::Controlling, group.domain())
    }

    /// Where the GMS of a group is.
    pub fn gms_of(&self, group: &GroupId) -> Place<'_> {
        self.place_of(FunctionKind::Gms, group.domain())
    }

    /// Where the participating function of a user is: in the user's primary system.
    pub fn participating_of(&self, user: &UserId) -> Place<'_> {
        self.place_of(FunctionKind::Participating, user.domain())
    }

    /// Whether a user has this MC system as primary system.
    pub fn is_own_user(&self, user: &UserId) -> bool {
        user.domain().eq_ignore_ascii_case(&self.domain)
    }
}

/// How a [`FunctionRequest`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestEnd {
    /// 2xx.
    Taken {
        /// Expires granted.
        expires: Option<u32>,
    },
    /// Another final answer, or silence (408), or no way there (503).
    Failed {
        /// The status.
        status: u16,
        /// Warnings, in order.
        warnings: Vec<Warning>,
        /// Min-Expires (423), seconds.
        min_expires: Option<u32>,
    },
}

/// What a [`Watch`] brings.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A notification with the affiliation status of a group.
    Affiliations(Presence),
    /// A notification that is passed on to watchers here: the affiliations of a user, or the dynamic data of a group.
    Passed(GroupDynamicData),
    /// A notification about the document of a group.
    Group(GroupTold),
    /// A notification with the roster of a call.
    Roster(RosterTold),
    /// A notification without a body that is understood. The subscription goes on.
    Nothing,
    /// The subscription was refused, or ended by the other side for good: status of the refusal, or 410.
    Refused(u16),
    /// It was lost (silence, `deactivated`, `timeout`...): it is made again while the fact stands.
    Lost,
}

/// What a GMS says about a group.
#[derive(Clone, Debug)]
pub enum GroupTold {
    /// Its document, with the mark of a constituent of a temporary group.
    Document(Box<GroupDocument>, Option<Regrouped>),
    /// There is no such group (any more).
    Gone,
}
