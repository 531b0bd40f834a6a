//! The binary: arguments, configuration, log, then the broker.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use zurau::broker::{self, BrokerConfig, Settings, Warning};
use zurau::cli::logging::Log;
use zurau::cli::{Arguments, Command, logging, show};

/// Reserves memory lazily, so that a hostile array count costs address space and not memory. For the
/// same reason it is built to have no transparent huge pages: they would make 2 MiB resident for
/// every byte that is touched first.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = logging::start(arguments.log_format);
    let (config, warnings) = match BrokerConfig::load(&arguments.sources()) {
        Ok(loaded) => loaded,
        Err(error) => return failure(&log, &error),
    };
    match arguments.command {
        Some(Command::Config { .. }) => {
            broker::tell(&warnings);
            print(&log, &config.settings)
        }
        None => serve(&log, config, &warnings),
    }
}

/// Serves until a signal ends it.
fn serve(log: &Log, config: BrokerConfig, warnings: &[Warning]) -> ExitCode {
    match broker::run(config, warnings, log.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(log, &error),
    }
}

/// Prints the configuration.
fn print(log: &Log, settings: &Settings) -> ExitCode {
    let mut output = io::stdout().lock();
    match show::settings(settings, &mut output).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough (`zurau config | head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failure(log, &error),
    }
}

/// Says in one line why the program ends.
fn failure(log: &Log, reason: &dyn std::fmt::Display) -> ExitCode {
    log.last_words(&format!("zurau: {reason}"));
    ExitCode::FAILURE
}
