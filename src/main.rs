//! The command line of rollcall.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rollcall::config::Config;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
        Command::Serve { config } => load(&config).and_then(serve),
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

fn serve(config: Config) -> anyhow::Result<()> {
    let _ = config;
    None.context("this build cannot serve yet")
}
