//! Who has which name, so that no two have the same.

use super::identity::PatternRange;
use std::collections::HashMap;
use std::sync::Arc;

/// Names that are taken, with the line where each was.
#[derive(Default)]
pub(super) struct Names {
    single: HashMap<Arc<str>, usize>,
    ranges: Vec<(PatternRange, usize)>,
}

impl Names {
    /// Takes a name, or tells the line of the one who has it.
    pub fn take(&mut self, name: Arc<str>, line: usize) -> Result<(), usize> {
        if let Some(taken) = self.line_of(&name) {
            return Err(taken);
        }
        self.single.insert(name, line);
        Ok(())
    }

    /// Takes all names of a range, or tells one that is taken and the line of the one who has it.
    pub fn take_range(&mut self, range: PatternRange, line: usize) -> Result<(), (Arc<str>, usize)> {
        if let Some((name, taken)) = self.single.iter().find(|(name, _)| range.contains(name)) {
            return Err((name.clone(), *taken));
        }
        for (other, taken) in &self.ranges {
            if let Some(name) = other.common(&range) {
                return Err((name, *taken));
            }
        }
        self.ranges.push((range, line));
        Ok(())
    }

    /// The line of the one who has a name.
    pub fn line_of(&self, name: &str) -> Option<usize> {
        let of_range = || self.ranges.iter().find(|(range, _)| range.contains(name)).map(|(_, line)| *line);
        self.single.get(name).copied().or_else(of_range)
    }
}
