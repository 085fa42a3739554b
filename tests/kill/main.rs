//! Kills the server at random moments under load, starts it again on the same directory and looks whether anything a
//! client was told is lost: registrations, affiliations, temporary groups, calls, subscriptions, notifications owed.
//!
//! `KILL_SEED=<number>` repeats the choices of a run, though not the moments of the system; `KILL_ROUNDS=<number>` kills
//! so many times.

#![allow(clippy::disallowed_methods, reason = "a test waits for what it sees from outside")]

mod books;
mod check;
#[path = "../process/mod.rs"]
mod process;
mod sip;
mod world;

use process::{Folder, Process, free_port};
use rand::Rng;
use std::time::Duration;
use world::World;

/// Kills of the usual run.
const ROUNDS: u64 = 24;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

#[test]
fn nothing_that_a_client_was_told_is_lost_when_the_server_is_killed() {
    let seed = number("KILL_SEED").unwrap_or_else(|| rand::rng().random());
    let rounds = number("KILL_ROUNDS").unwrap_or(ROUNDS);
    println!("KILL_SEED={seed}");
    let (folder, server) = (Folder::new("kill"), free_port());
    let config = folder.config(&World::config(server, &folder.path().join("data")));
    let mut world = World::new(server, seed);
    let mut process = Process::start(&config);
    world.move_in();
    for round in 1..=rounds {
        let before = world.done;
        let span = Duration::from_micros(world.rng.random_range(1_000..800_000));
        world.load(span);
        process.kill();
        println!("round {round}: killed after {span:?} and {} answers", world.done - before);
        world.crash();
        while world.rng.random_bool(0.25) {
            // Killed again before it is ready, or just after.
            let process = Process::spawn(&config);
            std::thread::sleep(Duration::from_micros(world.rng.random_range(0..150_000)));
            process.kill();
        }
        process = Process::start(&config);
        world.resume();
        world.check();
    }
    process.signal("TERM");
    assert!(process.wait().success(), "the end is a good one");
}
