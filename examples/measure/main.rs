//! What rollcall costs. `docs/performance.md` holds the figures.
//!
//! The node alone, no sockets and no disk, `cargo run --release --example measure --`
//! - `path [ROUNDS]`: time for an INVITE that is answered 302 and acknowledged, and for an OPTIONS.
//! - `scale [USERS...]`: the same INVITE with so many affiliated users, and the memory of an affiliation.
//! - `memory`: memory of a completed transaction, and of a leg of a call.
//! - `watchers [WATCHERS [AFFILIATED [ROUNDS]]]`: a change of affiliation to a group that has so many watchers.
//!
//! The server, over UDP and with its store on disk:
//! - `durable SERVER [SECONDS]`: affiliations per second, each stored before it is answered.
//! - `starting SERVER [USERS]`: time from the start of the process until it is ready, with so many affiliations on disk.

mod core;
mod messages;
mod server;
mod watchers;

use rollcall::env::Time;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match what.as_str() {
        "path" => core::path(&rest),
        "scale" => core::scale(&rest),
        "memory" => core::memory(),
        "watchers" => watchers::watchers(&rest),
        "durable" => server::durable(&rest),
        "starting" => server::starting(&rest),
        _ => println!(
            "path [ROUNDS] | scale [USERS...] | memory | watchers [WATCHERS [AFFILIATED [ROUNDS]]] | \
             durable SERVER [SECONDS] | starting SERVER [USERS]"
        ),
    }
}

/// The moment at which every measurement begins.
fn start() -> Time {
    Time::from_millis(1_800_000_000_000)
}

/// The argument at a place, or what stands for it.
fn argument(arguments: &[String], place: usize, default: u64) -> u64 {
    arguments.get(place).map_or(default, |text| text.parse().expect("a number"))
}

/// Runs a round so many times and tells how long one took.
#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn measure(what: &str, rounds: u64, mut round: impl FnMut(u64)) {
    let started = Instant::now();
    for n in 0..rounds {
        round(n);
    }
    let each = started.elapsed().as_nanos() / u128::from(rounds);
    println!("{what}: {each} ns each, {rounds} rounds");
}

/// Resident memory of this process, octets.
fn resident() -> u64 {
    kept_of("self", "VmRSS:")
}

/// A line of the status of a process, octets.
fn kept_of(process: &str, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("status");
    let line = status.lines().find(|found| found.starts_with(line)).expect("the line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}
