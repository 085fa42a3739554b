//! The MC service server: one file per procedure (TS 24.379).
