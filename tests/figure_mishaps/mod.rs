//! The figures of two systems once more, each time with one mishap: each message that crosses the border is lost once and
//! comes twice once, and each commit is the last of its system once, before and after it is kept. The parties repeat what
//! nobody answers, as the protocol has it, and hang up at the end.
//!
//! What must hold then, whatever the figure is about: every request of a client has a final answer; what a client heard and
//! what both systems keep is the same as without the mishap, for a lost or repeated message; for a crash what they keep, and
//! nobody is rung more than once again; a teardown cuts no call; no call, dialog or media port is left; and every message
//! keeps the rules of `outside::judge`.
//!
//! A figure is cut where a comment begins: a mishap in one part is followed to the end of that part. `MISHAP=name` plays
//! only the runs with that in their name, as they are named when they fail, and `TRACE=1` shows what happens in them.

use crate::figure_world::World;
use crate::figure_world::mishap::{Mishap, Outcome};
use crate::{Line, systems};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The figures that are played.
const FIGURES: [&str; 13] = [
    "two_systems_call_trusted",
    "two_systems_call_untrusted",
    "two_systems_running_call",
    "two_systems_redirect_follow",
    "two_systems_group_call",
    "two_systems_formation",
    "two_systems_teardown",
    "two_systems_teardown_during_call",
    "two_systems_teardown_during_call_untrusted",
    "two_systems_affiliation_by_call",
    "three_systems_call",
    "affiliation_partner",
    "group_configuration_provision",
];

/// Between two lines: what was lost is repeated within this time.
const BREATH: &str = "wait 4s";

/// The lines of a figure, and where its parts end.
struct Figure {
    name: &'static str,
    text: String,
}

/// One run: where it led, what broke a rule, and for each line what happened with it.
struct Run {
    outcome: Outcome,
    faults: Vec<String>,
    marks: Vec<Mark>,
}

/// What a line brought: messages between the systems and commits, counted from the start of the figure.
struct Mark {
    line: usize,
    crossed: Range<usize>,
    commits: Range<usize>,
}

impl Figure {
    fn read(name: &'static str) -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/figures");
        let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).expect("figure");
        Self { name, text }
    }

    /// Where each part ends: before the comment of the next one.
    fn ends(&self) -> Vec<usize> {
        let lines: Vec<Line<'_>> = self.text.lines().map(Line::read).collect();
        let begins = |place: &usize| {
            let comment = |line: &Line<'_>| line.raw.starts_with('#');
            *place > 0 && comment(&lines[*place]) && !comment(&lines[*place - 1])
        };
        (0..lines.len()).filter(begins).chain([lines.len()]).collect()
    }

    /// Whether something goes wrong between or in the systems as it is written.
    fn has_mishaps(&self, part: Range<usize>) -> bool {
        let lines = self.text.lines().skip(part.start).take(part.len()).map(Line::read);
        let verbs = ["cut", "lose", "delay", "double", "crash", "stop", "empty", "disk", "repeat"];
        lines.into_iter().any(|line| verbs.contains(&line.words.split(' ').next().unwrap_or_default()))
    }

    /// Plays the lines up to `end`.
    fn play(&self, end: usize, mishap: Option<Mishap>) -> Run {
        let traces = mishap.is_some() && std::env::var_os("TRACE").is_some();
        let lines: Vec<Line<'_>> = self.text.lines().map(Line::read).collect();
        let systems = systems(&lines);
        let mut world = World::new(&systems);
        world.play(mishap, !traces);
        // All goes in datagrams, which are repeated.
        for (name, _) in &systems {
            world.act(&format!("{name} sip udp_request_octets=65000"));
        }
        let (mut faults, mut marks) = (Vec::new(), Vec::new());
        for (place, line) in lines.iter().enumerate().take(end) {
            let skipped = line.is_text() || line.is_output(&systems);
            let first = line.words.split(' ').next().unwrap_or_default();
            if skipped || ["look", "repeat", "system"].contains(&first) || !world.is_possible(&line.words) {
                continue;
            }
            let before = (world.played(), world.calls_of_parties());
            let mut act = |line: &str| {
                world.act(line);
                let happened = world.outputs();
                if traces {
                    println!("      {line}\n       {}", happened.join("\n       "));
                }
            };
            act(&line.words);
            act("given answers");
            if first == "given" {
                continue;
            }
            act(BREATH);
            let (crossed, commits) = world.played();
            marks.push(Mark { line: place, crossed: before.0.0..crossed, commits: before.0.1..commits });
            if line.words.contains("MESSAGE teardown") {
                let after = world.calls_of_parties();
                let cut = before.1.iter().filter(|call| !after.contains(call));
                faults.extend(cut.map(|(name, call)| format!("the teardown cut {call} of {name}")));
            }
        }
        world.rest();
        if traces {
            println!("      rest\n       {}", world.outputs().join("\n       "));
        }
        let (outcome, more) = world.outcome();
        faults.extend(more);
        Run { outcome, faults, marks }
    }
}

/// One run that is to be made: the figure, its part, what goes wrong.
type Job<'a> = (&'a Figure, usize, Mishap);

/// How a run is called: by figure, line where it ends, and what goes wrong.
fn name_of((figure, end, mishap): &Job<'_>) -> String {
    format!("{}:{end}:{mishap:?}", figure.name)
}

/// What is wrong with a run, compared to the one without mishap.
fn compare(expected: &Run, run: &Run, mishap: Mishap) -> Vec<String> {
    let mut wrong = run.faults.clone();
    let mut differ = |what: &str, expected: &[String], got: &[String]| {
        let only = |one: &[String], other: &[String]| {
            let mut other = other.to_vec();
            let missing = |line: &&String| match other.iter().position(|known| known == *line) {
                Some(place) => {
                    other.remove(place);
                    false
                }
                None => true,
            };
            one.iter().filter(missing).cloned().collect::<Vec<_>>()
        };
        let (missing, more) = (only(expected, got), only(got, expected));
        wrong.extend(missing.into_iter().map(|line| format!("{what}: not {line}")));
        wrong.extend(more.into_iter().map(|line| format!("{what}: but {line}")));
    };
    let crash = !matches!(mishap, Mishap::Lost(_) | Mishap::Twice(_));
    if !crash {
        differ("heard", &expected.outcome.heard, &run.outcome.heard);
    }
    differ("kept", &expected.outcome.kept, &run.outcome.kept);
    differ("held", &expected.outcome.holds, &run.outcome.holds);
    if crash {
        // A system that has forgotten an INVITE sends it once more.
        let (rung, once) = (rung(&run.outcome), rung(&expected.outcome));
        let more = rung.iter().filter(|(who, times)| **times > once.get(*who).unwrap_or(&0) + 1);
        wrong.extend(more.map(|(who, times)| format!("{who} is rung {times} times")));
    }
    wrong
}

/// How often each party was invited to each call.
fn rung(outcome: &Outcome) -> BTreeMap<&str, usize> {
    let mut rung = BTreeMap::new();
    for line in outcome.heard.iter().filter(|line| line.contains(" hears INVITE answer=")) {
        *rung.entry(line.as_str()).or_default() += 1;
    }
    rung
}

#[test]
fn a_figure_of_two_systems_ends_well_whatever_is_lost_repeated_or_killed_once() {
    let only = std::env::var("MISHAP").ok();
    let figures = FIGURES.map(Figure::read);
    let mut jobs: Vec<Job<'_>> = Vec::new();
    let mut wrong = Vec::new();
    let mut calm: Vec<((&str, usize), Run)> = Vec::new();
    for figure in &figures {
        let mut begin = 0;
        for end in figure.ends() {
            let run = figure.play(end, None);
            wrong.extend(run.faults.iter().map(|fault| format!("{}:{end}: {fault}", figure.name)));
            let marks = run.marks.iter().filter(|mark| mark.line >= begin);
            // A part that has mishaps of its own gets no more.
            let marks = marks.filter(|_| !figure.has_mishaps(begin..end));
            for mark in marks {
                for number in mark.crossed.clone() {
                    let both = [Mishap::Lost(number), Mishap::Twice(number)];
                    jobs.extend(both.map(|what| (figure, end, what)));
                }
                for number in mark.commits.clone() {
                    let both = [Mishap::DiesBefore(number), Mishap::DiesAfter(number)];
                    jobs.extend(both.map(|what| (figure, end, what)));
                }
            }
            calm.push(((figure.name, end), run));
            begin = end;
        }
    }
    jobs.retain(|job| only.as_ref().is_none_or(|only| name_of(job).contains(only.as_str())));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (figure, end, mishap) = job;
            let run = std::panic::catch_unwind(|| figure.play(*end, Some(*mishap)));
            let expected = calm.iter().find(|(of, _)| *of == (figure.name, *end)).map(|(_, run)| run);
            let found = match (run, expected) {
                (Ok(run), Some(expected)) => compare(expected, &run, *mishap),
                _ => vec!["panic".to_owned()],
            };
            if !found.is_empty() {
                wrong.push(format!("{}\n    {}", name_of(job), found.join("\n    ")));
            }
        }
        wrong
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    wrong.extend(std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("worker")).collect::<Vec<_>>()
    }));
    println!("{} runs", jobs.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
