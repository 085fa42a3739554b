//! Durable facts: atomic batches on disk, replay at start. The seam of the store is one trait; an embedded engine
//! behind it and a twin in memory.

mod disk;
mod memory;

pub use disk::DiskStore;
pub use memory::MemoryStore;

use crate::model::{Change, Fact};

/// What a store can do. Calls come from one thread, in order.
pub trait Store: Send {
    /// Writes a batch as a whole and syncs it. After `Ok` it survives any crash; after `Err` nothing of it is seen
    /// again, and this store must not be used any more: reopen and replay.
    ///
    /// # Errors
    /// [`StoreError`] if the disk refuses.
    fn commit(&mut self, batch: &[Change]) -> Result<(), StoreError>;

    /// All facts, in the order of the variants of [`Fact`].
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
