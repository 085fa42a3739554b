//! Random clients against one system, and against two that are partners of each other, over a network that loses, repeats
//! and delays, with servers that die at commits: what must hold after each step, whatever came before. Only what was
//! committed survives a crash; what waited for a commit is not sent.
//!
//! After every input: a constituent belongs to at most one temporary group, and GMS and MC service server of a system
//! agree; no answer leaves before its commit, and what a 2xx promises is on disk; nobody is invited twice to one call;
//! nobody is rung twice for a call on a temporary group by two systems; nothing sent to the GMS cuts a call, and no
//! teardown does; a stranger never learns of a temporary group; the facts give the same model again; and every message
//! keeps the rules of `outside::judge`. When all calls are over and time has passed, both systems agree on temporary
//! groups, affiliations, and what each serves of the other's group configurations, which their administrators change
//! meanwhile; when all have given up their affiliations, nothing is left behind.
//!
//! `SEED=7 cargo test --test simulation two_systems -- --nocapture` replays one seed (`TRACE=1` shows its messages),
//! `SEEDS=1000` or `SEEDS=1000..2000` runs more of them.

mod outside;
mod simulation_world;

use simulation_world::World;
use std::ops::Range;

/// Seeds of the usual run.
const SEEDS: u64 = 12;

/// Long enough for every call to end by itself (TNG3 is 10 min at most) and for 200 s more.
const TO_REST: u64 = 600 + 200;
/// Long enough for requests that are repeated, and transactions.
const TO_LEAVE: u64 = 300;

/// One life on so many systems.
fn live(seed: u64, systems: usize) {
    let mut world = World::new(seed, systems);
    world.run(simulation_world::life(seed).as_secs());
    world.rest();
    world.run(TO_REST);
    world.agreed();
    world.leave();
    world.run(TO_LEAVE);
    let (crashes, commits, messages) = (world.crashes, world.commits, world.messages);
    println!("seed {seed}: {messages} messages, {commits} commits, {crashes} crashes, {:?}", world.heard());
    if systems > 1 {
        println!("    between them: {:?}", world.between);
    }
    world.left_behind();
    assert!(messages > 100 && commits > 20, "nothing happened");
}

/// The seeds that were asked for.
fn seeds() -> Range<u64> {
    let said = |name: &str| std::env::var(name).ok();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    match (said("SEED"), said("SEEDS")) {
        (Some(seed), _) => number(&seed)..number(&seed) + 1,
        (None, None) => 0..SEEDS,
        (None, Some(seeds)) => match seeds.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => 0..number(&seeds),
        },
    }
}

fn live_all(test: &str, systems: usize) {
    if std::env::var_os("TRACE").is_some() {
        // Both tests may ask for it.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .without_time()
            .with_ansi(false)
            .try_init();
    }
    let mut failed = Vec::new();
    for seed in seeds() {
        if std::panic::catch_unwind(|| live(seed, systems)).is_err() {
            println!("seed {seed} failed: SEED={seed} cargo test --test simulation {test} -- --nocapture");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds of {test} that failed: {failed:?}");
}

#[test]
fn one_system_breaks_no_promise_and_leaves_nothing_behind() {
    live_all("one_system", 1);
}

#[test]
fn two_systems_break_no_promise_and_leave_nothing_behind() {
    live_all("two_systems", 2);
}
