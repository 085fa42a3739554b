//! What the server was asked, what it said, and so what it must hold.

use crate::sip::Dialog;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Instant;

pub type Groups = BTreeSet<String>;

/// A fact of the server as its client knows it: what it was told last, or what it asked for since and heard nothing of.
#[derive(Clone, Debug)]
pub struct Truth<T> {
    pub told: T,
    pub asked: Option<T>,
}

impl<T: Clone + Debug + PartialEq> Truth<T> {
    pub fn new(told: T) -> Self {
        Self { told, asked: None }
    }

    pub fn ask(&mut self, value: T) {
        assert!(self.asked.is_none(), "one thing at a time");
        self.asked = Some(value);
    }

    /// The server said yes.
    pub fn confirmed(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.told = asked;
        }
    }

    /// The server shows what it holds: what it told, or, as a whole, what it was asked for.
    pub fn shown(&mut self, value: &T, whose: &str) {
        if self.told != *value {
            assert_eq!(self.asked.as_ref(), Some(value), "{whose}: told {:?}", self.told);
            self.confirmed();
        }
    }

    /// As [`Self::shown`], when nothing is under way: what is not there now was not done, and never will be.
    pub fn found(&mut self, value: &T, whose: &str) {
        self.shown(value, whose);
        self.asked = None;
    }
}

/// A client that affiliates itself again and again, and watches itself.
pub struct Publisher {
    pub name: String,
    pub groups: Truth<Groups>,
    /// The version of a second contact, while it is registered.
    pub extra: Truth<Option<u64>>,
    pub subscription: Option<Dialog>,
    /// CSeq of the last NOTIFY, and what it said.
    pub notified: (u32, Option<Groups>),
    pub busy: bool,
}

/// Two groups that are put into a temporary group, again and again.
pub struct Pair {
    /// The temporary group.
    pub temporary: Truth<Option<String>>,
    pub constituents: [String; 2],
    pub members: [String; 2],
    /// The operation that was asked for and, as far as is known, not carried out.
    pub open: Option<Operation>,
    pub next: Instant,
}

#[derive(Clone, Debug)]
pub struct Operation {
    pub forms: bool,
    pub temporary: String,
}

/// A group that is called, again and again.
pub struct Call {
    pub group: String,
    pub caller: String,
    /// An INVITE of the caller is not answered.
    pub inviting: bool,
    /// Who is in the call, by Call-ID.
    pub parties: BTreeMap<String, Party>,
    pub next: Instant,
}

/// One who is in a call, or may be.
#[derive(Clone, Debug)]
pub struct Party {
    pub dialog: Dialog,
    /// The server confirmed it: the 200 to the caller, the ACK to a member.
    pub sure: bool,
    /// A BYE of ours is not answered.
    pub leaving: bool,
}

/// A MESSAGE that the server owes: to whom, of what kind, about which group.
pub type Notice = (String, &'static str, String);
