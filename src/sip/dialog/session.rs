//! INVITE sessions.
