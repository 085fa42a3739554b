//! Mistakes of a configuration file.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake: where it stands and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Line, counted from 1.
    pub line: usize,
    /// The key with its sections, `server.listen`; empty where the text is not TOML.
    pub key: String,
    /// What was expected and what was found.
    pub message: String,
}

/// Every mistake of one file, in order of their lines; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The file.
    pub file: PathBuf,
    /// The mistakes.
    pub list: Vec<Mistake>,
}

impl Mistakes {
    pub(super) fn new(file: &Path, mut list: Vec<Mistake>) -> Self {
        list.sort();
        Self { file: file.to_owned(), list }
    }
}

impl fmt::Display for Mistakes {
    /// One line per mistake: `FILE:LINE: KEY: MESSAGE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Mistake { line, key, message }) in self.list.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}: ", self.file.display())?;
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(message)?;
        }
        Ok(())
    }
}
