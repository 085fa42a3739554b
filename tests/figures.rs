//! Figures as text: each file in `tests/figures/` is run on a node, messages in, messages out, on a clock that moves
//! only when the file says so. `REWRITE=1 cargo test --test figures` writes what happened into the files: read that
//! diff like code.
//!
//! A line is `step  from -> to  words` or a verb. Lines from `server` are what must come out, in this order; all other
//! lines go in. Verbs: `wait 32s`, `repeat` (the last message that went in comes again), `lose` (the next message that
//! goes in is lost), `crash` (the node is rebuilt from the facts that were committed), `disk fails` and `disk works`.

mod figure_world;

use figure_world::World;
use std::fmt::Write as _;
use std::path::Path;

/// One parsed line of a figure.
struct Line {
    /// Step label as it stands in the file, may be empty.
    step: String,
    /// What follows it, white space folded.
    words: String,
    /// The line as it stands in the file.
    raw: String,
}

fn parse(text: &str) -> Vec<Line> {
    text.lines()
        .map(|raw| {
            let trimmed = raw.trim_end();
            let (step, rest) = if trimmed.starts_with(' ') || trimmed.is_empty() {
                (String::new(), trimmed)
            } else {
                let (step, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
                (step.to_owned(), rest)
            };
            Line {
                step,
                words: rest.split_whitespace().collect::<Vec<_>>().join(" "),
                raw: trimmed.to_owned(),
            }
        })
        .collect()
}

/// Runs one figure; returns the text of what happened.
fn run(text: &str) -> String {
    let lines = parse(text);
    let mut world = World::new();
    let mut happened = String::new();
    let mut outputs_expected: Vec<&Line> = Vec::new();
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        index += 1;
        if line.raw.starts_with('#') || line.raw.is_empty() {
            let _ = writeln!(happened, "{}", line.raw);
            continue;
        }
        let whole = if line.words.contains(" -> ") {
            line.words.clone()
        } else {
            line.raw.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        if whole.starts_with("server ") {
            // Output without a cause before it: nothing of the kind happened.
            continue;
        }
        let _ = writeln!(happened, "{}", line.raw);
        world.act(&whole);
        outputs_expected.clear();
        while let Some(next) = lines.get(index).filter(|next| next.words.starts_with("server ")) {
            outputs_expected.push(next);
            index += 1;
        }
        let outputs = world.outputs();
        let mut steps: Vec<(&str, &str)> =
            outputs_expected.iter().map(|line| (line.words.as_str(), line.step.as_str())).collect();
        for output in outputs {
            let step = match steps.iter().position(|(words, _)| *words == output) {
                Some(at) => steps.remove(at).1,
                None => "",
            };
            let _ = writeln!(happened, "{step:<6} {output}");
        }
    }
    happened
}

#[test]
fn every_figure_happens_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/figures");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/figures")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no figures in {}", folder.display());
    let only = std::env::var("FIGURE").ok();
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("figure");
        let happened = run(&text);
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&path, &happened).expect("write figure");
        } else if normal(&happened) != normal(&text) {
            let difference = difference(&normal(&text), &normal(&happened));
            wrong.push(format!("{name}:\n{difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
