//! Random clients against one node, over a network that loses, repeats and delays, with a server that dies at commits:
//! what must hold after each step, whatever came before. Only what was committed survives a crash; what waited for a
//! commit is not sent.
//!
//! After every input: a constituent belongs to at most one temporary group and both sides agree; no answer leaves before
//! its commit, and what a 2xx promises is on disk; nobody is invited twice to one call; nothing sent to the GMS cuts a
//! call; a stranger never learns of a temporary group; the facts give the same model again; and every message keeps the
//! rules of `outside::judge`. When all have left and time has passed, nothing is left behind.
//!
//! `SEED=7 cargo test --test simulation -- --nocapture` replays one seed (`TRACE=1` shows its messages), `SEEDS=1000` or
//! `SEEDS=1000..2000` runs more of them.

mod outside;
mod simulation_world;

use simulation_world::World;

/// Seeds of the usual run.
const SEEDS: u64 = 24;

/// Long enough for every call to end by itself (TNG3 is 10 min at most) and for 200 s more.
const TO_REST: u64 = 600 + 200;

fn live(seed: u64) {
    let mut world = World::new(seed);
    world.run(simulation_world::life(seed).as_secs());
    world.rest();
    world.run(TO_REST);
    let (crashes, commits, messages) = (world.crashes, world.commits, world.messages);
    println!("seed {seed}: {messages} messages, {commits} commits, {crashes} crashes, {:?}", world.heard());
    assert_eq!(world.holds(), "nothing", "left behind");
    assert!(messages > 100 && commits > 20, "nothing happened");
}

#[test]
fn whatever_happens_no_promise_is_broken_and_nothing_is_left_behind() {
    let said = |name: &str| std::env::var(name).ok();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let seeds = match (said("SEED"), said("SEEDS")) {
        (Some(seed), _) => number(&seed)..number(&seed) + 1,
        (None, None) => 0..SEEDS,
        (None, Some(seeds)) => match seeds.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => 0..number(&seeds),
        },
    };
    if std::env::var_os("TRACE").is_some() {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .without_time()
            .with_ansi(false)
            .init();
    }
    let mut failed = Vec::new();
    for seed in seeds {
        if std::panic::catch_unwind(|| live(seed)).is_err() {
            println!("seed {seed} failed: SEED={seed} cargo test --test simulation -- --nocapture");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}
