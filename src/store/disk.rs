//! The embedded engine.
pub struct DiskStore;
