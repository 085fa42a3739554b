//! The table of INVITE sessions: by number, by dialog, and by the moment something is due.

use super::reliable::Reliable;
use super::session::State;
use super::{Dialog, SessionId, timer};
use crate::env::Time;
use crate::env::wheel::{TimerId, Wheel};
use crate::model::{DialogFact, Psi, Source};
use crate::sip::message::{Headers, Method, OutBody, Reply};
use crate::sip::transaction::{ClientId, Hasher, ServerId, Slab};
use crate::sip::wire::Name;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// Requests of the peer that may wait for the user's answer in one session; 503 beyond.
pub(super) const MAX_OPEN_REQUESTS: usize = 16;

/// One INVITE session.
#[derive(Debug)]
pub(super) struct Session {
    pub state: State,
    /// What only the set-up needs.
    pub setup: Setup,
    /// From the first answer with a tag on.
    pub dialog: Option<Box<Dialog>>,
    /// A 2xx of ours that waits for its ACK.
    pub repeat: Option<Box<Repeat>>,
    /// Requests of the peer that wait for the user's answer.
    pub theirs: SmallVec<[(ServerId, Method); 1]>,
    /// Our INVITE or UPDATE with an offer inside the session that waits for its answer.
    pub ours: Option<Ours>,
    /// A request of ours that is tried again a little later.
    pub again: Option<Box<Again>>,
    /// When we refresh (RFC 4028 10); not while a refresh is under way.
    pub refresh_at: Option<Time>,
    /// What we described last, for a peer that can only be refreshed by re-INVITE.
    pub description: Option<Box<OutBody>>,
    /// Allow of the peer names UPDATE; taken for granted until it says otherwise.
    pub peer_updates: bool,
    /// We sent the first INVITE (RFC 3261 14.1).
    pub caller: bool,
    /// Smallest session interval that peers on the way have asked for, seconds.
    pub min_se: u32,
    /// `P-Asserted-Identity` of our requests inside the session.
    pub identity: Option<Psi>,
    /// CSeq of ours when the user was last asked to store the dialog.
    pub told_cseq: u32,
    wake: Option<(TimerId, Time)>,
}

/// What only the set-up of a session needs.
#[derive(Debug)]
pub(super) enum Setup {
    /// They called.
    Called(Called),
    /// We call.
    Calling {
        /// Our INVITE.
        client: ClientId,
        /// When we take the peer for gone: some time after its last provisional response.
        patience: Option<Time>,
    },
    /// Set up.
    Done,
}

/// An INVITE that we answer.
#[derive(Debug)]
pub(super) struct Called {
    pub server: ServerId,
    /// CSeq of the INVITE.
    pub cseq: u32,
    pub source: Source,
    /// To tag of our answers.
    pub tag: String,
    /// Reliable provisional responses, once there was one.
    pub reliable: Option<Box<Reliable>>,
    /// The 2xx that waits for a PRACK.
    pub held: Option<Box<Reply>>,
    /// There is no offer of the caller that waits for our answer: it made none, or a reliable provisional response
    /// answered it (RFC 3311 5.2).
    pub described: bool,
    /// Status of the last provisional response and when to say it again (RFC 3261 13.3.1.1).
    pub progress: Option<(u16, Time)>,
}

/// A 2xx of ours that is repeated until its ACK comes (RFC 3261 13.3.1.4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    pub server: ServerId,
    /// CSeq of the INVITE.
    pub cseq: u32,
    pub interval: std::time::Duration,
    pub again: Time,
    pub until: Time,
}

/// An offer of ours inside a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub client: ClientId,
    /// When we cancel it, for an INVITE: without end a provisional response holds it open.
    pub until: Option<Time>,
}

/// A request of ours that is tried again after a glare (RFC 3261 14.1).
#[derive(Debug)]
pub(super) struct Again {
    pub at: Time,
    pub wish: Wish,
}

/// A request inside a session, as it was wished for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub method: Method,
    pub headers: Vec<(Name, String)>,
    pub body: Option<OutBody>,
    /// The number under which the user knows it; `None`: a refresh of ours.
    pub report: Option<ClientId>,
    /// It was tried again before.
    pub retried: bool,
}

impl Session {
    pub fn new(state: State, setup: Setup, min_se: u32) -> Self {
        let caller = matches!(setup, Setup::Calling { .. });
        Self {
            state,
            setup,
            dialog: None,
            repeat: None,
            theirs: SmallVec::new(),
            ours: None,
            again: None,
            refresh_at: None,
            description: None,
            peer_updates: true,
            caller,
            min_se,
            identity: None,
            told_cseq: 0,
            wake: None,
        }
    }

    /// The INVITE that we answer, while it is open.
    pub fn called(&mut self) -> Option<&mut Called> {
        match &mut self.setup {
            Setup::Called(called) => Some(called),
            _ => None,
        }
    }

    /// An INVITE of either side is open, or a 2xx to one is not acknowledged.
    pub fn invite_open(&self) -> bool {
        self.ours.is_some()
            || self.again.is_some()
            || self.repeat.is_some()
            || self.theirs.iter().any(|(_, method)| matches!(method, Method::Invite | Method::Update))
    }

    /// When the session is released for want of a refresh.
    pub fn release_at(&self) -> Option<Time> {
        let timer = self.dialog.as_ref()?.fact.session_timer.as_ref()?;
        if self.state == State::Confirmed { Some(timer::release_at(timer)) } else { None }
    }

    /// When something is due.
    pub fn due(&self) -> Option<Time> {
        let (called, patience) = match &self.setup {
            Setup::Called(called) => (Some(called), None),
            Setup::Calling { patience, .. } => (None, *patience),
            Setup::Done => (None, None),
        };
        let moments = [
            self.repeat.as_ref().map(|repeat| repeat.again.min(repeat.until)),
            called.and_then(|called| called.reliable.as_ref()?.due()),
            called.and_then(|called| Some(called.progress?.1)),
            patience,
            self.again.as_ref().map(|again| again.at),
            self.ours.and_then(|ours| ours.until),
            self.refresh_at,
            self.release_at(),
        ];
        moments.into_iter().flatten().min()
    }
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    slab: Slab<Session>,
    hasher: Hasher,
    key: Vec<u8>,
    /// Dialogs by the keyed hash of Call-ID and tags.
    dialogs: Numbered<u64, SessionId>,
    wheel: Wheel<SessionId>,
}

impl Sessions {
    pub fn new(hash_key: (u64, u64)) -> Self {
        Self {
            slab: Slab::new(),
            hasher: Hasher::new(hash_key),
            key: Vec::new(),
            dialogs: Numbered::default(),
            wheel: Wheel::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn insert(&mut self, session: Session) -> SessionId {
        SessionId(self.slab.insert(session))
    }

    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.slab.get(id.0)
    }

    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slab.get_mut(id.0)
    }

    /// Takes a session out, with its dialog and its timer.
    pub fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.slab.remove(id.0)?;
        if let Some((timer, _)) = session.wake {
            self.wheel.cancel(timer);
        }
        if let Some(dialog) = &session.dialog {
            self.unlist(&dialog.fact, id);
        }
        Some(session)
    }

    /// Gives a session its dialog, and lets requests inside it find the session.
    pub fn set_dialog(&mut self, id: SessionId, dialog: Dialog) {
        self.list(&dialog.fact, id);
        if let Some(session) = self.slab.get_mut(id.0) {
            session.dialog = Some(Box::new(dialog));
        }
    }

    /// Lets requests inside this dialog find the session.
    pub fn list(&mut self, dialog: &DialogFact, id: SessionId) {
        let place = self.place(&dialog.call_id, &dialog.local_tag, &dialog.remote_tag);
        self.dialogs.insert(place, id);
    }

    /// Requests inside this dialog find the session no more.
    pub fn unlist(&mut self, dialog: &DialogFact, id: SessionId) {
        let place = self.place(&dialog.call_id, &dialog.local_tag, &dialog.remote_tag);
        if self.dialogs.get(&place) == Some(&id) {
            self.dialogs.remove(&place);
        }
    }

    /// The session of a request that came in.
    pub fn of_request(&mut self, request: &Headers) -> Option<SessionId> {
        let place = self.place(request.call_id(), request.to_tag()?, request.from_tag());
        self.dialogs.get(&place).copied()
    }

    /// The session of a response that came in.
    pub fn of_response(&mut self, response: &Headers) -> Option<SessionId> {
        let place = self.place(response.call_id(), response.from_tag(), response.to_tag()?);
        self.dialogs.get(&place).copied()
    }

    /// Peers choose Call-ID and tags, but not where they land: 64 bits under a key they do not know are taken for
    /// the dialog itself.
    fn place(&mut self, call_id: &str, local_tag: &str, remote_tag: &str) -> u64 {
        self.key.clear();
        for part in [call_id, local_tag, remote_tag] {
            self.key.extend_from_slice(part.as_bytes());
            self.key.push(0);
        }
        self.hasher.place(&self.key)
    }

    /// Sets the alarm of a session to what is now due first. Call it after every change.
    pub fn rewind(&mut self, id: SessionId) {
        let Some(session) = self.slab.get_mut(id.0) else { return };
        let due = session.due();
        if session.wake.map(|(_, at)| at) == due {
            return;
        }
        if let Some((timer, _)) = session.wake.take() {
            self.wheel.cancel(timer);
        }
        session.wake = due.map(|at| (self.wheel.schedule(at, id), at));
    }

    /// Sessions in which something is due.
    pub fn expire(&mut self, now: Time, due: &mut Vec<SessionId>) {
        let before = due.len();
        self.wheel.expire(now, due);
        for id in &due[before..] {
            if let Some(session) = self.slab.get_mut(id.0) {
                session.wake = None;
            }
        }
    }

    /// When the next session has something to do.
    pub fn due(&self) -> Option<Time> {
        self.wheel.due()
    }
}

/// A map by numbers that this process gave out, or hashed already.
pub(super) type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// Spreads a number over all bits.
#[derive(Default)]
pub(super) struct Mixer(u64);

impl std::hash::Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(u64::from(*octet));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
