//! The TOML configuration, checked: a mistake is named with file, line, key and what was expected, and all mistakes
//! of a file are named at once. `docs/configuration.md` is the reference; it is made of the calls that read the keys.

mod gateway;
mod group_policy;
mod groups;
mod identity;
mod limits;
mod mistake;
mod names;
mod neighbours;
mod network;
mod policy;
mod reader;
mod server;
mod sip;
mod users;

pub use gateway::{Gateway, Hidden};
pub use groups::Group;
pub use limits::Limits;
pub use mistake::{Mistake, Mistakes};
pub use neighbours::{Functions, Partner, Peer, PeerRole, Permission, Route};
pub use network::{Addresses, Listener};
pub use policy::{Policy, RegroupedCall, ResourcePriority};
pub use server::{Core, Media, Server, Storage};
pub use sip::{DigestAlgorithm, Session, Sip, Timers};
pub use users::Users;

use names::Names;
use reader::{Section, Walk};
use std::path::Path;
use toml::de::DeTable;

/// A configuration without mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This server.
    pub server: Server,
    /// PSIs of its functions.
    pub functions: Functions,
    /// Servers whose P-Asserted-Identity counts.
    pub peers: Vec<Peer>,
    /// Other MC systems.
    pub partners: Vec<Partner>,
    /// Next hops by host.
    pub routes: Vec<Route>,
    /// Media function.
    pub media: Media,
    /// What the standard leaves open.
    pub policy: Policy,
    /// Transaction timers.
    pub timers: Timers,
    /// Session timers.
    pub session: Session,
    /// SIP settings.
    pub sip: Sip,
    /// Limits.
    pub limits: Limits,
    /// Users of this MC system.
    pub users: Users,
    /// Groups of this MC system.
    pub groups: Vec<Group>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every mistake of the file; a file that cannot be read is one.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        let octets = std::fs::read(file).map_err(|error| {
            let message = format!("cannot be read: {error}");
            Mistakes::new(file, vec![Mistake { line: 1, key: String::new(), message }])
        })?;
        Self::read(file, &octets)
    }

    /// Checks the contents of `file`, which is only named in mistakes.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(file: &Path, octets: &[u8]) -> Result<Self, Mistakes> {
        let text = std::str::from_utf8(octets).map_err(|error| {
            let before = octets.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|octet| **octet == b'\n').count() + 1;
            let message = "expected UTF-8 text".to_owned();
            Mistakes::new(file, vec![Mistake { line, key: String::new(), message }])
        })?;
        let walk = Walk::over(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            walk.mistake(walk.line(reader::start(error.span())), "", error.message().to_owned());
        }
        let config = Self::walk(&walk, document.get_ref());
        match (walk.into_mistakes(), config) {
            (none, Some(config)) if none.is_empty() => Ok(config),
            (mistakes, _) => Err(Mistakes::new(file, mistakes)),
        }
    }

    /// `None` only after a mistake.
    fn walk<'a>(walk: &'a Walk, document: &'a DeTable<'a>) -> Option<Self> {
        let root = Section::root(walk, document);
        let mut names = Names::default();
        let server = Server::walk(&root);
        let domain = server.as_ref().map(|server| server.domain.as_str());
        let (functions, line) = Functions::walk(&root, &mut names);
        let peers = Peer::walk_all(&root);
        functions.check_gms(&root, line, &peers);
        let partners = Partner::walk_all(&root, domain, &functions, &peers);
        let routes = Route::walk_all(&root);
        let media = Media::walk(&root);
        if let (Some(server), Some((media, line))) = (&server, &media) {
            server::ports_apart(&root, server, media, *line);
        }
        let policy = Policy::walk(&root);
        let timers = Timers::walk(&root);
        let session = Session::walk(&root);
        let sip = Sip::walk(&root, domain);
        let limits = Limits::walk(&root);
        let users = Users::walk(&root, domain, &mut names);
        let groups = Group::walk_all(&root, domain, &users, &mut names);
        users.check_groups(walk, domain, &groups);
        Some(Self {
            server: server?,
            functions,
            peers,
            partners,
            routes,
            media: media?.0,
            policy,
            timers,
            session,
            sip,
            limits,
            users,
            groups,
        })
    }
}

/// Every section and key with its meaning, kind and default, as Markdown: the second half of `docs/configuration.md`.
pub fn reference() -> String {
    let walk = Walk::describing();
    let nothing = DeTable::new();
    // What is missing in nothing is of no interest here.
    let _ = Config::walk(&walk, &nothing);
    walk.into_reference().markdown()
}
