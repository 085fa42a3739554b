//! The TOML configuration, checked: a mistake is named with file, line and key.

mod limits;

pub use limits::Limits;
