//! The MC service server: one file per procedure (TS 24.379).

pub mod calls;
pub mod conference;
pub mod groups;
