//! The command line of rollcall.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rollcall::config::{Config, Storage};
use rollcall::env::Ids;
use rollcall::node::{Node, setup};
use rollcall::runtime::{self, Clock, Control, Handle, Log, Settings};
use rollcall::store::{DiskStore, MemoryStore, Store};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A SIP application server for 3GPP Mission Critical services.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    Serve {
        /// The configuration; docs/configuration.md is its reference.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration: every mistake is named with file, line, key and what was expected.
    Check {
        /// The configuration; docs/configuration.md is its reference.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve { config } => load(&config).and_then(|checked| serve(&config, checked)),
        Command::Check { config } => load(&config).map(|checked| {
            println!(
                "{}: ok, {} users, {} groups",
                config.display(),
                checked.users.len(),
                checked.groups.len()
            );
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn load(file: &Path) -> anyhow::Result<Config> {
    Ok(Config::load(file)?)
}

/// Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again.
fn serve(file: &Path, config: Config) -> anyhow::Result<()> {
    let _log = Log::start()?;
    let clock = Clock::start();
    let settings = Settings {
        listeners: setup::listeners(&config),
        limits: config.limits.clone(),
        worker_threads: config.server.worker_threads.map_or_else(cores, usize::from),
        patience: runtime::PATIENCE,
        shutdown_grace: config.server.shutdown_grace,
        seed: random()?,
    };
    let seed = random()?;
    let mut starts = 0u8;
    // What a node is built from: the configuration of the start with what was reloaded since.
    let current = Arc::new(Mutex::new(config.clone()));
    let build_from = current.clone();
    // Facts in memory go with the process, not with a node that failed.
    let memory = MemoryStore::new();
    let build = move || {
        let config = build_from.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A node that is rebuilt after a failure of the store must not repeat identifiers of the one before.
        let mut seed = seed;
        seed[0] ^= starts;
        starts = starts.wrapping_add(1);
        let mut store: Box<dyn Store> = match &config.server.storage {
            Storage::Directory(directory) => Box::new(DiskStore::open(directory)?),
            Storage::Memory => Box::new(memory.reopen()?),
        };
        let mut service = setup::service(&config, Ids::new(seed));
        let now = clock.now();
        let mut facts = 0u64;
        store.replay(&mut |fact| {
            facts += 1;
            service.replay(now, fact);
        })?;
        tracing::info!(facts, "facts replayed");
        Ok((Node::start(service, now), store))
    };
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    reactor.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut reload = signal(SignalKind::hangup())?;
        let server = runtime::start(settings, clock, build)?;
        for (transport, address) in &server.bound {
            eprintln!("listening {} {address}", format!("{transport:?}").to_lowercase());
        }
        eprintln!("ready");
        let mut look = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = reload.recv() => reread(file, &config, &current, &server),
                _ = look.tick() => if server.is_over() { break },
            }
        }
        server.order(Control::Stop);
        Ok(tokio::task::spawn_blocking(move || server.join()).await??)
    })
}

/// SIGHUP: what can change without a restart is taken from the file; what cannot is named.
fn reread(file: &Path, running: &Config, current: &Mutex<Config>, server: &Handle<Node>) {
    let read = match Config::load(file) {
        Ok(read) => read,
        Err(mistakes) => {
            tracing::error!("configuration not reloaded:\n{mistakes}");
            return;
        }
    };
    for (what, same) in [
        ("[server]", read.server == running.server),
        ("[media]", read.media == running.media),
        ("[timers]", read.timers == running.timers),
        ("[session]", read.session == running.session),
        ("[sip]", read.sip == running.sip),
        ("[limits]", read.limits == running.limits),
        ("[[route]]", read.routes == running.routes),
        ("[[user]] and [[users]]", read.users == running.users),
    ] {
        if !same {
            tracing::warn!("{what} changed: takes effect at the next start");
        }
    }
    let Config { functions, policy, peers, partners, groups, .. } = read;
    let reloaded = Config { functions, policy, peers, partners, groups, ..running.clone() };
    *current.lock().unwrap_or_else(PoisonError::into_inner) = reloaded.clone();
    server.order(Control::Apply(Box::new(move |node| node.reload(&reloaded))));
    tracing::info!("configuration reloaded: [functions], [policy], [[peer]], [[partner]], [[group]]");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Randomness from the operating system.
fn random() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut seed))
        .context("randomness")?;
    Ok(seed)
}
