//! Reads a TOML document key by key.
//!
//! Asking for a key says all there is to say about it: its name, meaning, kind, range and default. From the same
//! calls come the value, the mistakes with their lines, the list of known keys (what nobody asked for is unknown),
//! and the reference in `docs/configuration.md`.

use super::mistake::Mistake;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Spans for ranges and defaults.
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// What all sections of one document share.
pub(super) struct Walk {
    line_starts: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
    /// Being written only by [`Walk::describing`].
    reference: Option<RefCell<Reference>>,
    /// An empty table: the item that [`Walk::describing`] finds in every list.
    sample: Spanned<DeValue<'static>>,
}

impl Walk {
    /// A walk over this text.
    pub fn over(text: &str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let sample = Spanned::new(0..0, DeValue::Table(DeTable::new()));
        Self { line_starts, mistakes: RefCell::default(), reference: None, sample }
    }

    /// A walk over an empty text that visits every section once and writes down what it is asked for.
    pub fn describing() -> Self {
        Self { reference: Some(RefCell::default()), ..Self::over("") }
    }

    /// Line of an octet of the text, counted from 1.
    pub fn line(&self, octet: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= octet).max(1)
    }

    /// Notes a mistake.
    pub fn mistake(&self, line: usize, key: impl Into<String>, message: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { line, key: key.into(), message: message.into() });
    }

    /// The mistakes so far.
    pub fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes.into_inner()
    }

    /// What [`Walk::describing`] wrote down.
    pub fn into_reference(self) -> Reference {
        self.reference.map(RefCell::into_inner).unwrap_or_default()
    }

    fn describe_sample<'a>(&'a self, visit: impl FnOnce(&'a Spanned<DeValue<'a>>)) {
        if self.reference.is_some() {
            visit(&self.sample);
        }
    }

    fn describe(&self, write: impl FnOnce(&mut Reference)) {
        if let Some(reference) = &self.reference {
            write(&mut reference.borrow_mut());
        }
    }
}

/// The reference of all sections and keys, in the order they are asked for.
#[derive(Default)]
pub(super) struct Reference {
    sections: Vec<SectionEntry>,
}

struct SectionEntry {
    heading: String,
    text: &'static str,
    keys: Vec<[String; 4]>,
}

impl Reference {
    /// The reference as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            text += &format!("\n## `{}`\n\n{}\n", section.heading, section.text);
            if section.keys.is_empty() {
                continue;
            }
            text += "\n| key | value | default | meaning |\n|---|---|---|---|\n";
            for [name, kind, default, meaning] in &section.keys {
                text += &format!("| `{name}` | {kind} | {default} | {meaning} |\n");
            }
        }
        text
    }
}

/// One table of the document.
pub(super) struct Section<'a> {
    walk: &'a Walk,
    path: String,
    table: Option<&'a DeTable<'a>>,
    line: usize,
    known: RefCell<Vec<&'static str>>,
    /// Index in the reference.
    entry: usize,
}

impl<'a> Section<'a> {
    /// The document itself.
    pub fn root(walk: &'a Walk, document: &'a DeTable<'a>) -> Self {
        Self {
            walk,
            path: String::new(),
            table: Some(document),
            line: 1,
            known: RefCell::default(),
            entry: usize::MAX,
        }
    }

    fn below(walk: &'a Walk, path: String, table: Option<&'a DeTable<'a>>, line: usize) -> Self {
        let mut entry = usize::MAX;
        walk.describe(|reference| entry = reference.sections.len().wrapping_sub(1));
        Self { walk, path, table, line, known: RefCell::default(), entry }
    }

    /// The line this table starts at.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Notes a mistake about this table or one of its keys.
    pub fn mistake(&self, line: usize, key: &str, message: impl Into<String>) {
        self.walk.mistake(line, self.full(key), message);
    }

    fn full(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => self.path.clone(),
            _ => format!("{}.{key}", self.path),
        }
    }

    fn value(&self, name: &'static str) -> Option<(usize, &'a Spanned<DeValue<'a>>)> {
        self.known.borrow_mut().push(name);
        let (key, value) = self.table?.get_key_value(name)?;
        Some((self.walk.line(key.span().start), value))
    }

    fn announce(&self, heading: String, text: &'static str) {
        self.walk.describe(|reference| {
            reference.sections.push(SectionEntry { heading, text, keys: Vec::new() });
        });
    }

    /// The table `[name]`; empty where it is absent.
    pub fn table(&self, name: &'static str, text: &'static str) -> Section<'a> {
        let path = self.full(name);
        self.announce(format!("[{path}]"), text);
        let Some((line, value)) = self.value(name) else {
            return Section::below(self.walk, path, None, self.line);
        };
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.mistake(line, name, format!("expected a table `[{path}]`, found {}", found(value)));
        }
        Section::below(self.walk, path, table, line)
    }

    /// The tables `[[name]]`, in order.
    pub fn tables(&self, name: &'static str, text: &'static str) -> Vec<Section<'a>> {
        let path = self.full(name);
        self.announce(format!("[[{path}]]"), text);
        let Some((line, value)) = self.value(name) else {
            let described = self.walk.reference.is_some();
            return described.then(|| Section::below(self.walk, path, None, 1)).into_iter().collect();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.mistake(line, name, format!("expected tables `[[{path}]]`, found {}", found(value)));
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(array.len());
        for item in array.iter() {
            let line = self.walk.line(item.span().start);
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section::below(self.walk, path.clone(), Some(table), line)),
                None => self.mistake(line, name, format!("expected a table, found {}", found(item))),
            }
        }
        sections
    }

    /// Asks for a key. `meaning` stands in the reference.
    pub fn key<'s>(&'s self, name: &'static str, meaning: &'static str) -> Key<'s, 'a> {
        Key { section: self, name, meaning, value: self.value(name), secret: false, at_least_one: false }
    }

    /// Whether the table has this key; asks for nothing.
    pub fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }
}

impl Drop for Section<'_> {
    /// Whatever nobody has asked for by now is unknown.
    fn drop(&mut self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let line = self.walk.line(key.span().start);
            let nearest = known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, name), *known))
                .filter(|(distance, known)| *distance <= known.len().max(name.len()).div_ceil(3))
                .min();
            let hint = match nearest {
                Some((_, nearest)) => format!("did you mean `{nearest}`?"),
                None => format!("expected one of {}", list(known.iter().map(|key| format!("`{key}`")))),
            };
            self.mistake(line, name, format!("unknown key; {hint}"));
        }
    }
}

/// A key that is being asked for. The next call tells its kind.
pub(super) struct Key<'s, 'a> {
    section: &'s Section<'a>,
    name: &'static str,
    meaning: &'static str,
    value: Option<(usize, &'a Spanned<DeValue<'a>>)>,
    secret: bool,
    at_least_one: bool,
}

impl<'s, 'a> Key<'s, 'a> {
    /// The value never appears in a message.
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// An empty list is a mistake.
    pub fn at_least_one(mut self) -> Self {
        self.at_least_one = true;
        self
    }

    fn read<T>(
        self,
        kind: String,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, String>,
    ) -> Found<'s, 'a, T> {
        let Self { section, name, meaning, value, secret, .. } = self;
        let line = value.map_or(section.line, |(line, _)| line);
        let read = value.and_then(|(line, value)| match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(expected) => {
                let found = if secret { "something else".to_owned() } else { found(value) };
                section.mistake(line, name, format!("expected {expected}, found {found}"));
                None
            }
        });
        Found { section, name, meaning, kind, line, present: value.is_some(), value: read }
    }

    /// `true` or `false`.
    pub fn boolean(self) -> Found<'s, 'a, bool> {
        self.read("boolean".to_owned(), |value| value.as_bool().ok_or_else(|| "`true` or `false`".to_owned()))
    }

    /// A whole number.
    pub fn integer<N>(self, range: RangeInclusive<N>) -> Found<'s, 'a, N>
    where
        N: TryFrom<u64> + PartialOrd + Display,
    {
        let kind = format!("integer, {} to {}", range.start(), range.end());
        self.read(kind, |value| {
            integer_in(value, &range)
                .ok_or_else(|| format!("an integer from {} to {}", range.start(), range.end()))
        })
    }

    /// A span of time such as `"500ms"`.
    pub fn duration(self, range: RangeInclusive<Duration>) -> Found<'s, 'a, Duration> {
        let span = format!("{} to {}", range.start().shown(), range.end().shown());
        self.read(format!("duration, {span}"), |value| {
            value.as_str().and_then(duration).filter(|value| range.contains(value)).ok_or_else(|| {
                format!("a duration such as \"500ms\", \"5s\", \"2m\", \"1h\" or \"7d\", from {span}")
            })
        })
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(self, words: &[(&'static str, T)]) -> Found<'s, 'a, T> {
        let all = || list(words.iter().map(|(word, _)| format!("\"{word}\"")));
        self.read(all(), |value| {
            let said = value.as_str();
            words
                .iter()
                .find(|(word, _)| Some(*word) == said)
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("one of {}", all()))
        })
    }

    /// A string that `read` takes; its error says what was expected.
    pub fn text<T>(self, kind: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Found<'s, 'a, T> {
        self.read(kind.to_owned(), |value| match value.as_str() {
            Some(text) => read(text),
            None => Err(format!("a string: {kind}")),
        })
    }

    /// A list of strings, or a single one; each with its line.
    pub fn texts<T>(
        self,
        kind: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Found<'s, 'a, Vec<(usize, T)>> {
        let described = format!("list: {kind}");
        self.items(&described, |item| item.text(kind, &read).map(|value| (item.line, value)))
    }

    /// A list whose items are read one by one, or a single item. An item that notes a mistake returns `None`.
    pub fn items<T>(self, kind: &str, read: impl Fn(Item<'_, 'a>) -> Option<T>) -> Found<'s, 'a, Vec<T>> {
        let (section, name, at_least_one) = (self.section, self.name, self.at_least_one);
        let item = |value: &'a Spanned<DeValue<'a>>| Item {
            section,
            name,
            line: section.walk.line(value.span().start),
            value,
        };
        let single = self.value.map(|(_, value)| value);
        section.walk.describe_sample(|sample| drop(read(item(sample))));
        self.read(kind.to_owned(), |value| {
            Ok(match value.as_array() {
                Some(array) if at_least_one && array.is_empty() => {
                    return Err(format!("at least one: {}", kind.trim_start_matches("list: ")));
                }
                Some(array) => array.iter().filter_map(|value| read(item(value))).collect(),
                None => single.into_iter().filter_map(|value| read(item(value))).collect(),
            })
        })
    }
}

/// One item of a list.
pub(super) struct Item<'s, 'a> {
    section: &'s Section<'a>,
    name: &'static str,
    /// Its line.
    pub line: usize,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Item<'_, 'a> {
    /// The item as a string that `read` takes.
    pub fn text<T>(&self, kind: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let result = match self.value.get_ref().as_str() {
            Some(text) => read(text),
            None => Err(format!("a string: {kind}")),
        };
        result.map_err(|expected| self.wrong(&expected)).ok()
    }

    /// The item as a table, if it is one; `text` stands in the reference.
    pub fn table(&self, text: &'static str) -> Option<Section<'a>> {
        let table = self.value.get_ref().as_table()?;
        let path = self.section.full(self.name);
        self.section.announce(format!("{path} = [{{...}}]"), text);
        Some(Section::below(self.section.walk, path, Some(table), self.line))
    }

    /// Notes that something else was expected.
    pub fn wrong(&self, expected: &str) {
        self.mistake(format!("expected {expected}, found {}", found(self.value)));
    }

    /// Notes a mistake about this item.
    pub fn mistake(&self, message: impl Into<String>) {
        self.section.mistake(self.line, self.name, message);
    }
}

/// A key that was looked up. The next call tells what its absence means.
#[must_use]
pub(super) struct Found<'s, 'a, T> {
    section: &'s Section<'a>,
    name: &'static str,
    meaning: &'static str,
    kind: String,
    line: usize,
    present: bool,
    value: Option<T>,
}

impl<T> Found<'_, '_, T> {
    /// Keeps the line of the key, of the section where it is absent.
    pub fn at(self, line: &Cell<usize>) -> Self {
        line.set(self.line);
        self
    }

    /// Must be there.
    pub fn required(self) -> Option<T> {
        self.write("required");
        if !self.present {
            let kind = self.kind.trim_start_matches("list: ");
            self.section.mistake(self.line, self.name, format!("missing; expected: {kind}"));
        }
        self.value
    }

    /// May be absent; `meaning` says what that means.
    pub fn optional(self, meaning: &str) -> Option<T> {
        self.write(meaning);
        self.value
    }

    /// Is `default` where absent.
    pub fn or(self, default: T) -> T
    where
        T: Shown,
    {
        let shown = format!("`{}`", default.shown());
        self.or_else(default, &shown)
    }

    /// Is `default` where absent; the reference says `shown`.
    pub fn or_else(self, default: T, shown: &str) -> T {
        self.write(shown);
        self.value.unwrap_or(default)
    }

    fn write(&self, default: &str) {
        self.section.walk.describe(|reference| {
            if let Some(section) = reference.sections.get_mut(self.section.entry) {
                let row = [self.name, &self.kind, default, self.meaning].map(str::to_owned);
                section.keys.push(row);
            }
        });
    }
}

/// A default as it is written in TOML.
pub(super) trait Shown {
    /// The text.
    fn shown(&self) -> String;
}

macro_rules! shown_by_display {
    ($($kind:ty),*) => { $(impl Shown for $kind {
        fn shown(&self) -> String {
            self.to_string()
        }
    })* };
}
shown_by_display!(bool, u8, u16, u32, u64, usize);

impl Shown for String {
    fn shown(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        let millis = self.as_millis();
        let (unit, name) = UNITS
            .iter()
            .rev()
            .find(|(unit, _)| millis != 0 && millis.is_multiple_of(u128::from(*unit)))
            .unwrap_or(&UNITS[0]);
        format!("\"{}{name}\"", millis / u128::from(*unit))
    }
}

/// Milliseconds of each unit of time.
const UNITS: [(u64, &str); 5] = [(1, "ms"), (1_000, "s"), (60_000, "m"), (3_600_000, "h"), (86_400_000, "d")];

/// Reads `"500ms"`, `"5s"`, `"2m"`, `"1h"`, `"7d"`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, name) = text.split_at(digits);
    let (unit, _) = UNITS.iter().find(|(_, known)| *known == name)?;
    number.parse::<u64>().ok()?.checked_mul(*unit).map(Duration::from_millis)
}

fn integer_in<N: TryFrom<u64> + PartialOrd>(value: &DeValue<'_>, range: &RangeInclusive<N>) -> Option<N> {
    let written = value.as_integer()?;
    let number = u64::from_str_radix(written.as_str(), written.radix()).ok()?;
    N::try_from(number).ok().filter(|number| range.contains(number))
}

/// A value as it is named in a message: short, on one line.
fn found(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) if text.chars().count() > 60 => {
            format!("\"{}...\"", text.escape_debug().take(60).collect::<String>())
        }
        DeValue::String(text) => format!("\"{}\"", text.escape_debug()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(list) if list.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// `a, b or c`.
pub(super) fn list(words: impl IntoIterator<Item = String>) -> String {
    let mut words: Vec<String> = words.into_iter().collect();
    match words.pop() {
        None => "nothing".to_owned(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
    }
}

/// The octets of a text that a parser's error points at.
pub(super) fn start(span: Option<Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

/// The values of a list whose lines are no longer needed.
pub(super) fn without_lines<T>(found: Vec<(usize, T)>) -> Vec<T> {
    found.into_iter().map(|(_, value)| value).collect()
}

/// Reads a text for people: short, on one line.
pub(super) fn short(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("a text of 1 to 255 octets on one line".to_owned())
    }
}
