//! The twin in memory.
pub struct MemoryStore;
