//! Floor 8: the command line: its options and commands, and what the program prints. The broker does the
//! serving.
//!
//! - [`arguments`]: the options and commands.
//! - [`logging`]: events to standard error, as text or JSON. Standard output is for results: the configuration,
//!   the ready line.
//! - [`show`]: `zurau config`.
//!
//! Exit codes: 0 on success (for a broker: after SIGTERM, SIGINT or SIGHUP); 1 if it cannot start or serve, with one
//! line on standard error; 2 if the command line is wrong.

pub mod arguments;
pub mod logging;
pub mod show;

pub use arguments::{Arguments, Command, LogFormat};
