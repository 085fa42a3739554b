//! The twin in memory.

use super::record::{self, Effects};
use super::{FORMAT, Store, StoreError};
use crate::model::{Change, Fact};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store without a disk, with the same records and the same rules as [`super::DiskStore`]. A clone is a second
/// handle on the same records, by which a test keeps hold of them while a node owns the store: it can make a commit
/// fail, crash the node and open the records again.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    medium: Arc<Mutex<Medium>>,
    /// Which opening of the records this handle belongs to.
    opening: u64,
}

/// How a commit goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of the batch is kept.
    Refused,
    /// The batch is kept, but the store crashed before it could say so.
    Unconfirmed,
}

#[derive(Debug)]
struct Medium {
    format: u32,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    opening: u64,
    poisoned: Option<String>,
    commits: u64,
    fault: Option<(u64, Fault)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let medium = Medium {
            format: FORMAT,
            records: BTreeMap::new(),
            opening: 0,
            poisoned: None,
            commits: 0,
            fault: None,
        };
        Self { medium: Arc::new(Mutex::new(medium)), opening: 0 }
    }

    /// Opens the records again, as after a crash: every older handle refuses from now on.
    ///
    /// # Errors
    /// [`StoreError::Format`] if the records were marked with a format that this binary cannot read.
    pub fn reopen(&self) -> Result<Self, StoreError> {
        let mut medium = self.medium();
        record::FORMATS.way_from(medium.format, "memory")?;
        medium.opening += 1;
        medium.poisoned = None;
        let opening = medium.opening;
        drop(medium);
        Ok(Self { medium: Arc::clone(&self.medium), opening })
    }

    /// Lets the `nth` commit from now (1: the next) go wrong.
    pub fn fail_commit(&self, nth: u64, fault: Fault) {
        let mut medium = self.medium();
        medium.fault = Some((medium.commits + nth, fault));
    }

    /// Marks the records as written in another format.
    pub fn mark_format(&self, format: u32) {
        self.medium().format = format;
    }

    /// Commits that were tried so far.
    pub fn commits(&self) -> u64 {
        self.medium().commits
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.medium().records.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_medium(&self) -> Result<MutexGuard<'_, Medium>, StoreError> {
        let medium = self.medium();
        if medium.opening != self.opening {
            return Err(StoreError::Poisoned("the records were opened again".to_owned()));
        }
        match &medium.poisoned {
            Some(why) => Err(StoreError::Poisoned(why.clone())),
            None => Ok(medium),
        }
    }
}

impl Medium {
    fn keep(&mut self, effects: Effects) {
        for (key, value) in effects {
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        let mut medium = self.open_medium()?;
        medium.commits += 1;
        let commit = medium.commits;
        let fault = medium.fault.take_if(|(nth, _)| *nth == commit).map(|(_, fault)| fault);
        let outcome = record::effects(batch).and_then(|effects| match fault {
            None => {
                medium.keep(effects);
                Ok(())
            }
            Some(Fault::Refused) => Err(StoreError::Engine("refused as asked".to_owned())),
            Some(Fault::Unconfirmed) => {
                medium.keep(effects);
                Err(StoreError::Engine("crashed as asked".to_owned()))
            }
        });
        if let Err(error) = &outcome {
            medium.poisoned = Some(error.to_string());
        }
        outcome
    }

    fn replay(&mut self, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError> {
        let medium = self.open_medium()?;
        for (key, value) in &medium.records {
            each(record::decode(key, value)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite;
    use super::*;

    #[test]
    fn the_twin_passes_the_suite() {
        suite::run(&mut || {
            let store = MemoryStore::new();
            Box::new(move || store.reopen().map(|store| Box::new(store) as Box<dyn Store>))
        });
    }

    #[test]
    fn a_refused_commit_keeps_nothing_and_poisons() {
        let handle = MemoryStore::new();
        let mut store = handle.clone();
        handle.fail_commit(2, Fault::Refused);
        store.commit(&[Change::Put(suite::owed(1, "first"))]).unwrap();
        assert!(matches!(store.commit(&[Change::Put(suite::owed(2, "second"))]), Err(StoreError::Engine(_))));
        assert!(matches!(store.commit(&[]), Err(StoreError::Poisoned(_))));
        assert!(matches!(store.replay(&mut |_| ()), Err(StoreError::Poisoned(_))));
        assert_eq!(suite::facts(&mut handle.reopen().unwrap()), [suite::owed(1, "first")]);
    }

    #[test]
    fn an_unconfirmed_commit_is_there_as_a_whole_after_reopening() {
        let handle = MemoryStore::new();
        let mut store = handle.clone();
        handle.fail_commit(1, Fault::Unconfirmed);
        let batch = [Change::Put(suite::owed(1, "one")), Change::Put(suite::owed(2, "two"))];
        assert!(store.commit(&batch).is_err());
        assert_eq!(
            suite::facts(&mut handle.reopen().unwrap()),
            [suite::owed(1, "one"), suite::owed(2, "two")]
        );
    }

    #[test]
    fn a_handle_from_before_a_crash_refuses() {
        let mut old = MemoryStore::new();
        let mut new = old.reopen().unwrap();
        assert!(matches!(old.commit(&[]), Err(StoreError::Poisoned(_))));
        new.commit(&[]).unwrap();
    }

    #[test]
    fn records_of_a_newer_format_are_refused() {
        let store = MemoryStore::new();
        store.mark_format(FORMAT + 1);
        let error = store.reopen().unwrap_err();
        assert!(matches!(error, StoreError::Format { found, .. } if found == FORMAT + 1));
    }
}
