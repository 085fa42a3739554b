//! The group management server: one file per procedure (TS 23.280 clause 10.2, TS 24.481).
