//! Figures as text: each file in `tests/figures/` is run on a node, messages in, messages out, on a clock that moves
//! only when the file says so. `REWRITE=1 cargo test --test figures` writes what happened into the files: read that
//! diff like code. `FIGURE=name` runs only the figures with that in their name. Those of two systems are played again with
//! every mishap: see `figure_mishaps`.
//!
//! The first column is the step of the figure that the first line of the file cites; it begins with a digit. What
//! follows is `from -> server words`, or `server ...`, which must come out in this order, or a verb:
//!
//! | verb | meaning |
//! |---|---|
//! | `policy`, `server`, `session`, `sip`, `user`, `group`, `rules`, `partner` `key=value` | changes the configuration; later in the file: with a restart |
//! | `without partner two.example` | takes a partner out of it |
//! | `given alice bob registered`, `given alice affiliated fire-1`, `given alice formed harbour of fire-1,police-1`, `given alice calls fire-1 with bob` | pre-conditions; in the call everyone else is busy |
//! | `given joint regroups fire-1,fire-2@two` | a pre-condition written into the stores: what the MC service servers know of a temporary group |
//! | `given joint is gone at one` | the same of its teardown, at one system |
//! | `wait 32s` | time passes, timers fire |
//! | `repeat`, `bob repeats` | the last message that went in, or bob's last, comes again |
//! | `given answers` | everyone answers the MESSAGEs and NOTIFYs that wait |
//! | `lose` | the next message that goes in is lost |
//! | `bob vanishes`, `bob returns` | nothing can be sent to that client |
//! | `crash` | the server is started again from the facts that were kept |
//! | `crash before commit`, `crash after commit` | the server dies with the next message: nothing of it is kept; or it is kept, and nothing is sent |
//! | `disk fails`, `disk works` | commits fail |
//! | `look` | what the server still holds |
//!
//! A figure without further words has one system, `server`, that `tests/figures/system.toml` describes. A figure of
//! several systems names them and their files first: `system one primary`, `system two partner`. Each has a store of its
//! own, and their messages to each other are arrows of the figure as all others, written `one -> two words`. They need
//! no line to arrive: what one sends the other gets at once, and does what it does, unless a verb says otherwise.
//! `fire-2@two` is short for sip:fire-2@two.example, the domain of `two`; names without `@` are in the domain of the first
//! system. `zoe@two -> two words` is a user of the second one.
//!
//! | verb | meaning with several systems |
//! |---|---|
//! | `one policy key=value`, and so on | changes the configuration of that system |
//! | `lose one -> two`, `lose one -> two x3` | the next message, or the next three, from one to the other is lost; a stream breaks with it |
//! | `delay one -> two 2s`, `delay one -> two 2s x3` | it takes so long; a stream keeps its order |
//! | `double one -> two` | it arrives twice; over a stream once |
//! | `repeat one -> two` | the last datagram from one to the other comes again |
//! | `cut one two`, `mend one two`; `cut one -> two`, `mend one -> two` | nothing passes between them; nothing passes this way |
//! | `crash one` | it is started again from the facts that were kept |
//! | `crash one before commit`, `crash one after commit` | it dies at its next commit: nothing of it is kept; or it is kept, and nothing is sent |
//! | `stop one`, `start one` | it is down: what is sent to it comes back as unreachable; it starts again from its facts |
//! | `empty one` | it starts again, and everything that it kept is lost |
//! | `disk of one fails`, `disk of one works` | its commits fail |
//!
//! Between systems a request outside a dialog shows its Request-URI (`uri=`) and who vouches for it (`by=`,
//! P-Asserted-Identity), and in brackets what the network does with the message. Whether it goes as a datagram or over a
//! stream (RFC 3261 18.1.1) is not shown; clients take datagrams only.

mod figure_mishaps;
mod figure_world;
mod outside;

use figure_world::{SERVER, World};
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

/// One line of a figure.
struct Line<'a> {
    /// Step label, may be empty.
    step: &'a str,
    /// What follows it, white space folded.
    words: String,
    /// The line as it stands in the file.
    raw: &'a str,
}

impl<'a> Line<'a> {
    fn read(raw: &'a str) -> Self {
        let raw = raw.trim_end();
        let (step, rest) = match raw.split_once(char::is_whitespace) {
            // Verbs stand in the first column too.
            Some((step, rest)) if step.starts_with(|c: char| c.is_ascii_digit()) => (step, rest),
            _ => ("", raw),
        };
        Self { step, words: rest.split_whitespace().collect::<Vec<_>>().join(" "), raw }
    }

    /// Something that one of these systems does.
    fn is_output(&self, systems: &[(String, String)]) -> bool {
        let mut words = self.words.split(' ');
        let first = words.next().unwrap_or_default();
        systems.iter().any(|(name, _)| name == first)
            && matches!(words.next(), Some("->" | "keeps" | "forgets" | "holds"))
    }

    fn is_text(&self) -> bool {
        self.raw.is_empty() || self.raw.starts_with('#')
    }
}

/// The systems of a figure and their configurations: `system one primary`, or the only one.
fn systems(lines: &[Line<'_>]) -> Vec<(String, String)> {
    let named = lines.iter().filter_map(|line| line.words.strip_prefix("system ")?.split_once(' '));
    let named: Vec<_> = named.map(|(name, file)| (name.to_owned(), file.to_owned())).collect();
    if named.is_empty() { vec![(SERVER.to_owned(), "system".to_owned())] } else { named }
}

/// Runs one figure; returns the text of what happened, and what broke a rule of every figure.
fn run(text: &str, hidden: bool) -> (String, Vec<String>) {
    let lines: Vec<Line<'_>> = text.lines().map(Line::read).collect();
    let systems = systems(&lines);
    let mut world = World::new(&systems);
    if hidden {
        world.hide();
    }
    let mut happened = String::new();
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        if line.is_text() {
            let _ = writeln!(happened, "{}", line.raw);
            continue;
        }
        if line.is_output(&systems) {
            // Without a cause before it: nothing of the kind happened.
            continue;
        }
        let _ = writeln!(happened, "{:<6}{}", line.step, line.words);
        let did = std::panic::catch_unwind(AssertUnwindSafe(|| world.act(&line.words)));
        if let Err(why) = did {
            let why = why.downcast_ref::<String>().cloned().unwrap_or_else(|| "panic".to_owned());
            let so_far = world.outputs().join("\n        ");
            return (happened, vec![format!("at `{}`: {why}\n  after it: {so_far}", line.words)]);
        }
        let mut steps: Vec<(&str, &str)> = Vec::new();
        while let Some(expected) = lines.next_if(|next| next.is_output(&systems)) {
            steps.push((expected.words.as_str(), expected.step));
        }
        for output in world.outputs() {
            let step = match steps.iter().position(|(words, _)| *words == output) {
                Some(place) => steps.remove(place).1,
                None => "",
            };
            let _ = writeln!(happened, "{step:<6} {output}");
        }
    }
    (happened, world.faults())
}

fn figures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/figures");
    let only = std::env::var("FIGURE").unwrap_or_default();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/figures")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no figures in {}", folder.display());
    files
}

#[test]
fn every_figure_happens_as_it_is_written() {
    let mut wrong = Vec::new();
    for path in figures() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("figure");
        let (happened, faults) = run(&text, false);
        let stopped = faults.iter().any(|fault| fault.starts_with("at `"));
        wrong.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        if stopped {
            wrong.push(happened);
        } else if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&path, &happened).expect("write figure");
        } else if normal(&happened) != normal(&text) {
            let difference = difference(&normal(&text), &normal(&happened));
            wrong.push(format!("{name}:\n{difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// TS 23.280 5.2.10.7: behind gateways that hide the systems from each other all figures of several systems happen as they do
/// without, and nothing that crosses the border shows what is behind it.
#[test]
fn figures_of_several_systems_happen_behind_gateways_too() {
    let mut wrong = Vec::new();
    let mut ran = 0;
    for path in figures() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("figure");
        if !text.contains("\n      system two ") || NOT_BEHIND_GATEWAYS.contains(&name.as_str()) {
            continue;
        }
        ran += 1;
        let (happened, faults) = run(&text, true);
        wrong.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        let (happened, expected) = (unnamed(&happened), unnamed(&text));
        if happened != expected {
            wrong.push(format!("{name}:\n{}", difference(&expected, &happened)));
        }
    }
    assert!(ran > 0 || std::env::var_os("FIGURE").is_some(), "no figure of several systems");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Not played behind gateways: a client here has a Contact at the other system's address, which hears its own address back.
const NOT_BEHIND_GATEWAYS: [&str; 1] = ["two_systems_network"];

/// What a figure says but for the names that a gateway replaces: the function that is asked and the one that asks, and the
/// Call-ID of a client.
fn unnamed(text: &str) -> Vec<String> {
    let named = |word: &&str| !["uri=", "by=", "in-reply-to="].iter().any(|key| word.starts_with(key));
    let function = |word: &str| {
        let (key, value) = word.split_once('=').unwrap_or(("", word));
        match value.split('@').next() {
            Some("gateway" | "gms" | "groups" | "mcptt") => format!("{key}=function"),
            _ => word.to_owned(),
        }
    };
    let words =
        |line: &str| -> String { line.split(' ').filter(named).map(function).collect::<Vec<_>>().join(" ") };
    // How many transactions are open depends on what goes as a datagram, and so on the length of names.
    let counted = |line: String| match line.split_once(" holds ") {
        Some((who, what)) => {
            let what = what.split(", ").filter(|one| !one.ends_with("transactions"));
            format!("{who} holds {}", what.collect::<Vec<_>>().join(", "))
        }
        None => line,
    };
    // In what order messages leave that one input causes may depend on the same.
    let mut happened: Vec<Vec<String>> = Vec::new();
    let systems = systems(&text.lines().map(Line::read).collect::<Vec<_>>());
    for line in text.lines().map(Line::read).filter(|line| !line.is_text()) {
        let said = counted(words(&line.words));
        match happened.last_mut().filter(|_| line.is_output(&systems)) {
            Some(block) => block.push(said),
            None => happened.push(vec![said]),
        }
    }
    for block in &mut happened {
        block[1..].sort();
    }
    happened.concat()
}

/// White space does not count, but the order of lines and their steps do.
fn normal(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

fn difference(expected: &[String], happened: &[String]) -> String {
    let same = expected.iter().zip(happened).take_while(|(a, b)| a == b).count();
    let show = |lines: &[String]| {
        lines.iter().skip(same.saturating_sub(1)).take(8).map(|l| format!("    {l}\n")).collect::<String>()
    };
    format!("  expected:\n{}  happened:\n{}", show(expected), show(happened))
}
