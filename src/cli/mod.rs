//! Floor 8: the command line. What can be asked of the program, and how it shows itself on a
//! terminal; serving itself is the broker's.
//!
//! - [`arguments`]: the options and commands.
//! - [`logging`]: events to standard error, as text or JSON. Standard output is for what was asked
//!   for: the configuration, the ready line.
//! - [`show`]: `zurau config`.
//!
//! Exit codes: 0 when what was asked for is done (for a broker: after SIGTERM, SIGINT or SIGHUP), 1 when it
//! cannot start or serve, with one line on standard error, 2 when the command line is wrong.

pub mod arguments;
pub mod logging;
pub mod show;

pub use arguments::{Arguments, Command, LogFormat};
