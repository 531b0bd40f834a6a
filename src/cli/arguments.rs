//! The options and commands of the program.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Sources;

/// Files that container engines create in a container.
const CONTAINER_FILES: &[&str] = &["/.dockerenv", "/run/.containerenv"];
/// Variables that they or Kubernetes set there.
const CONTAINER_VARIABLES: &[&str] = &["container", "KUBERNETES_SERVICE_HOST"];

/// The command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "zurau",
    version,
    about = "A Kafka broker in one binary",
    long_about = "A Kafka broker in one binary.\n\nWithout arguments it listens on \
        PLAINTEXT://127.0.0.1:9092 and keeps its data in ./data.",
    after_help = "Settings have Kafka's names. They come from the defaults, the properties file, the \
        environment (KAFKA_LOG_DIRS is log.dirs) and --override; later ones override earlier ones. \
        RUST_LOG selects what is logged (default: info)."
)]
pub struct Arguments {
    /// Read settings from this file of Java properties (Kafka's server.properties)
    #[arg(value_name = "FILE", value_parser = file_or_nothing)]
    pub file: Option<PathBuf>,

    /// The same as FILE
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "file")]
    pub config: Option<PathBuf>,

    /// Set one setting, overriding the file and the environment; may be repeated
    #[arg(
        long = "override",
        value_name = "KEY=VALUE",
        value_parser = key_and_value,
        global = true
    )]
    pub overrides: Vec<String>,

    /// The format of the log on standard error
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        global = true
    )]
    pub log_format: LogFormat,

    /// What to do; without a command, serve
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do besides serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print every setting with its value and where it came from
    Config {
        /// Read settings from this file of Java properties
        #[arg(value_name = "FILE", value_parser = file_or_nothing, conflicts_with = "config")]
        file: Option<PathBuf>,
    },
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
        // A variable that is not Unicode cannot be meant as a setting.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let of_command = self.command.as_ref().and_then(Command::file);
        let file = self.config.as_ref().or(self.file.as_ref()).or(of_command);
        Sources {
            file: file.cloned(),
            environment,
            overrides: self.overrides.clone(),
            // A command that only prints the configuration has no clients.
            in_container: self.command.is_none() && is_in_container(),
        }
    }
}

impl Command {
    fn file(&self) -> Option<&PathBuf> {
        let Self::Config { file } = self;
        file.as_ref()
    }
}

/// A file name in the place of a command. A word that is neither is a wrong command, not a missing file.
fn file_or_nothing(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if text.contains(['.', '/']) || path.exists() {
        Ok(path.to_owned())
    } else {
        Err("there is no such file or command".to_owned())
    }
}

/// One `--override`. The configuration checks key and value.
fn key_and_value(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("use key=value".to_owned()),
    }
}

fn is_in_container() -> bool {
    CONTAINER_FILES.iter().any(|file| Path::new(file).exists())
        || CONTAINER_VARIABLES
            .iter()
            .any(|variable| std::env::var_os(variable).is_some())
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
        assert_eq!(arguments.command, Some(Command::Config { file: None }));
        assert_eq!(arguments.sources().overrides, ["a=1", "b=2"]);
        assert_eq!(arguments.config.as_deref(), Some("a.properties".as_ref()));
    }

    #[test]
    fn a_file_is_named_as_kafka_users_are_used_to() {
        let line = ["zurau", "conf/server.properties", "--override", "a=1"];
        let arguments = Arguments::parse_from(line);
        let file = arguments.sources().file;
        assert_eq!(file.as_deref(), Some("conf/server.properties".as_ref()));
        let arguments = Arguments::parse_from(["zurau", "config", "server.properties"]);
        let file = arguments.sources().file;
        assert_eq!(file.as_deref(), Some("server.properties".as_ref()));
    }

    #[test]
    fn a_wrong_command_line_is_told_from_a_wrong_configuration() {
        for line in [
            &["zurau", "strat"][..],
            &["zurau", "--override", "nonsense"],
            &["zurau", "--override", "=1"],
            &["zurau", "a.properties", "--config", "b.properties"],
            &[
                "zurau",
                "config",
                "a.properties",
                "--config",
                "b.properties",
            ],
            &["zurau", "a.properties", "b.properties"],
            &["zurau", "--no-such-option"],
        ] {
            let error = Arguments::try_parse_from(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
