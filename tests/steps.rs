//! Holds `docs/steps.toml` against the code: a step that is called done is named in the code of its figure, and a step
//! that is cited anywhere is in the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// One figure of `docs/steps.toml`.
struct Figure {
    clause: String,
    /// What is said of each step.
    steps: BTreeMap<String, String>,
    code: Vec<String>,
    tests: Vec<String>,
    scenarios: Vec<String>,
}

fn figures() -> Vec<Figure> {
    let list: Table = read("docs/steps.toml").parse().unwrap();
    let texts = |table: &Table, key: &str| -> Vec<String> {
        let items = table.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let figure = |value: &Value| {
        let table = value.as_table().unwrap();
        let known = ["clause", "title", "code", "tests", "scenarios", "steps", "left_out"];
        assert!(table.keys().all(|key| known.contains(&key.as_str())), "{table}");
        let steps = table.get("steps").and_then(Value::as_table).cloned().unwrap_or_default();
        assert!(
            table.contains_key("left_out") != table.contains_key("steps"),
            "either left out or steps: {table}"
        );
        Figure {
            clause: table["clause"].as_str().unwrap().to_owned(),
            steps: steps.into_iter().map(|(step, said)| (step, said.as_str().unwrap().to_owned())).collect(),
            code: texts(table, "code"),
            tests: texts(table, "tests"),
            scenarios: texts(table, "scenarios"),
        }
    };
    list["figure"].as_array().unwrap().iter().map(figure).collect()
}

/// The words of a text: letters, digits and points.
fn words(text: &str) -> Vec<&str> {
    let apart = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    text.split(apart).map(|word| word.trim_matches(['.', '-'])).filter(|word| !word.is_empty()).collect()
}

/// `7`, `6a`, `14`.
fn is_label(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    !digits.is_empty() && digits.len() + 1 >= word.len() && digits.bytes().all(|octet| octet.is_ascii_digit())
}

/// The steps that words behind `step` or `steps` name: `3`, `1 to 4`, `4 and 5`, `1, 2 and 6a`.
fn labels(words: &[&str]) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let mut last: Option<&str> = None;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match *word {
            "to" if let (Some(from), Some(to)) =
                (last.and_then(number), words.get(at + 1).and_then(|to| number(to))) =>
            {
                labels.extend((from..=to).map(|n| n.to_string()));
                labels.insert(words[at + 1].to_owned());
                at += 1;
            }
            "and" if words.get(at + 1).is_some_and(|word| is_label(word)) => {}
            label if is_label(label) => {
                labels.insert(label.to_owned());
                last = Some(label);
            }
            _ => break,
        }
        at += 1;
    }
    labels
}

fn number(label: &str) -> Option<u32> {
    label.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok()
}

/// Steps of `clause` that a text cites in full: `TS 23.280 10.2.4.2a step 6a`.
fn cited(text: &str, clause: &str) -> BTreeSet<String> {
    let words = words(text);
    let clause: Vec<&str> = clause.split(' ').collect();
    let after = |at: usize| words.get(at + clause.len()..).unwrap_or_default();
    let mut steps = BTreeSet::new();
    for at in 0..words.len() {
        if words.get(at..at + clause.len()) == Some(clause.as_slice())
            && let [step, rest @ ..] = after(at)
            && ["step", "steps"].contains(step)
        {
            steps.extend(labels(rest));
        }
    }
    steps
}

/// Steps that the file of a figure names: in its drawing, or as `Step 3.`.
fn named(text: &str) -> BTreeSet<String> {
    let mut steps = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim_start();
        let words = words(line);
        if line.starts_with("//!") {
            steps.extend(words.iter().filter(|word| is_label(word)).map(|word| (*word).to_owned()));
        } else if line.starts_with("//") {
            for at in 0..words.len() {
                if ["step", "steps", "Step", "Steps"].contains(&words[at]) {
                    steps.extend(labels(&words[at + 1..]));
                }
            }
        }
    }
    steps
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(below) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| ["rs", "txt", "md", "toml", "xml"].iter().any(|e| extension == *e))
        {
            found.push(path);
        }
    }
}

#[test]
fn a_step_that_is_done_is_named_in_the_code_of_its_figure() {
    let mut wrong = Vec::new();
    for figure in figures() {
        let code: Vec<String> = figure.code.iter().map(|file| read(file)).collect();
        let mut steps = BTreeSet::new();
        for text in &code {
            steps.extend(named(text));
            steps.extend(cited(text, &figure.clause));
        }
        for (step, said) in &figure.steps {
            assert!(is_label(step), "{} {step}", figure.clause);
            let reason = ["not ours: ", "left out: "].iter().find_map(|start| said.strip_prefix(start));
            match (said.as_str(), reason) {
                ("done", _) if steps.contains(step) => {}
                ("done", _) => {
                    wrong.push(format!("{} step {step} is not in {:?}", figure.clause, figure.code))
                }
                (_, Some(reason)) if reason.len() > 10 => {}
                _ => wrong.push(format!("{} step {step}: `{said}` is no answer", figure.clause)),
            }
        }
        let number = figure.clause.split(' ').nth(1).unwrap_or_default();
        for file in figure.code.iter().take(1).chain(&figure.tests) {
            if !read(file).contains(figure.clause.split(' ').next_back().unwrap_or_default()) {
                wrong.push(format!("{file} does not name {number} {}", figure.clause));
            }
        }
        for scenario in &figure.scenarios {
            if !read(&format!("sip-scenarios/{scenario}/README.md")).contains(&figure.clause) {
                wrong.push(format!("sip-scenarios/{scenario}/README.md does not name {}", figure.clause));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_step_that_is_cited_is_in_the_list() {
    let figures = figures();
    let mut found = Vec::new();
    for below in ["src", "tests/figures", "sip-scenarios", "docs"] {
        files(&root().join(below), &mut found);
    }
    assert!(found.len() > 50);
    let mut wrong = Vec::new();
    for file in found {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        for figure in figures.iter().filter(|figure| !figure.steps.is_empty()) {
            for step in cited(&text, &figure.clause) {
                if !figure.steps.contains_key(&step)
                    && !figure.steps.keys().any(|known| number(known) == step.parse().ok())
                {
                    wrong.push(format!("{}: {} has no step {step}", file.display(), figure.clause));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn figures_are_listed_once() {
    let clauses: Vec<String> = figures().into_iter().map(|figure| figure.clause).collect();
    for (at, clause) in clauses.iter().enumerate() {
        assert!(!clauses[..at].contains(clause), "{clause}");
    }
}

#[test]
fn citations_are_read_as_people_write_them() {
    let steps = |text: &str| cited(text, "TS 23.280 10.2.4.2a").into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(steps("(TS 23.280 10.2.4.2a step 6a)."), "6a");
    assert_eq!(steps("TS 23.280 10.2.4.2a steps 1 to 3."), "1 2 3");
    assert_eq!(steps("TS 23.280 10.2.4.2a steps 4 and 5: a call"), "4 5");
    assert_eq!(steps("TS 23.280 10.2.4.2a steps 1, 2 and 7"), "1 2 7");
    assert_eq!(steps("TS 23.280 10.2.4.2 step 1; TS 23.280 10.2.4.2a, figure"), "");
    assert_eq!(steps("TS 23.280 10.2.4.2a step by step"), "");
    let named = named("//!  | 2 checks |\n//!  |-- 6a notification -->|\nlet x = 9;\n// Step 4. Not 8.\n");
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["2", "4", "6a"]);
}
