//! The options and commands of the program.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Sources;

/// What the command line says.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "zurau",
    version,
    about = "A Kafka broker in one binary",
    long_about = "A Kafka broker in one binary.\n\nWithout arguments it serves at \
        PLAINTEXT://127.0.0.1:9092 and keeps its data in ./data.",
    after_help = "Settings have Kafka's names. They are taken from the defaults, then the properties \
        file, then the environment (KAFKA_LOG_DIRS is log.dirs), then --override; the last one \
        counts. RUST_LOG chooses what is logged (default: info)."
)]
pub struct Arguments {
    /// Read settings from this file of Java properties (Kafka's server.properties)
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Set one setting, whatever file and environment say; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE", global = true)]
    pub overrides: Vec<String>,

    /// How events are written to standard error
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        global = true
    )]
    pub log_format: LogFormat,

    /// What to do; serve when nothing is said
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do besides serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print every setting with its value and where it came from
    Config,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

impl Arguments {
    /// Where the configuration comes from: these arguments and the environment of the process.
    pub fn sources(&self) -> Sources {
        // A variable that is not Unicode cannot be a setting that anybody meant.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources {
            file: self.config.clone(),
            environment,
            overrides: self.overrides.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Arguments, Command, LogFormat};

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_means_serving_with_the_defaults() {
        let arguments = Arguments::parse_from(["zurau"]);
        assert_eq!(arguments.command, None);
        assert_eq!(arguments.log_format, LogFormat::Text);
        assert!(arguments.config.is_none() && arguments.overrides.is_empty());
    }

    #[test]
    fn options_count_before_and_after_a_command() {
        let line = [
            "zurau",
            "--config",
            "a.properties",
            "config",
            "--override",
            "a=1",
            "--override",
            "b=2",
        ];
        let arguments = Arguments::parse_from(line);
        assert_eq!(arguments.command, Some(Command::Config));
        assert_eq!(arguments.sources().overrides, ["a=1", "b=2"]);
        assert_eq!(arguments.config.as_deref(), Some("a.properties".as_ref()));
    }
}
