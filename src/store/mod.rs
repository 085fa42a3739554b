//! Durable facts: atomic batches on disk, replay at start. The seam of the store is one trait; an embedded engine
//! behind it and a twin in memory.

mod disk;
#[cfg(test)]
mod format;
mod memory;
mod record;
#[cfg(test)]
mod suite;

pub use disk::DiskStore;
pub use memory::{Fault, MemoryStore};

use crate::model::{Change, Fact};

/// What a store can do. Calls come from one thread, in order.
pub trait Store: Send {
    /// Writes a batch as a whole and syncs it; within a batch the last change of a key counts. After `Ok` it survives
    /// any crash. After `Err` this store refuses everything: reopen and replay. Whether the batch is there then only
    /// the replay can tell, because a disk that fails may still have written it; it is there as a whole or not at all.
    ///
    /// # Errors
    /// [`StoreError`] if the disk refuses, or after an earlier commit failed.
    fn commit(&mut self, batch: &[Change]) -> Result<(), StoreError>;

    /// All facts, in the order of the variants of [`Fact`], one at a time.
    ///
    /// # Errors
    /// [`StoreError`] if the disk refuses or a record cannot be read.
    fn replay(&mut self, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError>;
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the engine refused.
    #[error("store: {0}")]
    Engine(String),
    /// Another process, or another store of this one, works on the data directory.
    #[error("store: the data in {path} is in use{holder}; one server at a time")]
    InUse {
        /// Data directory.
        path: String,
        /// ` by process 4711`, where that is known.
        holder: String,
    },
    /// An earlier commit failed, so what is on disk and what was said may differ.
    #[error("store: refused, because an earlier commit failed ({0}); reopen and replay")]
    Poisoned(String),
    /// The data directory was written by a version that this binary cannot read.
    #[error(
        "store: the data in {path} has format {found}, this binary reads formats {oldest} to {newest}; {hint}"
    )]
    Format {
        /// Data directory.
        path: String,
        /// Format found.
        found: u32,
        /// Oldest this binary can migrate.
        oldest: u32,
        /// Newest this binary knows.
        newest: u32,
        /// What the operator can do.
        hint: &'static str,
    },
    /// A record cannot be read back.
    #[error("store: record {key} cannot be read: {why}")]
    Record {
        /// Its key, readable.
        key: String,
        /// Why.
        why: String,
    },
}

/// Version of the record format. Raise it with every change of a fact's encoding, and write the migration.
pub const FORMAT: u32 = 1;
