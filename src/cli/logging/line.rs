//! An event as one line, of text or of JSON, that no value can forge.
//!
//! Clients choose much of what is logged: names, ids, reasons, texts quoted in errors. So, in the message and
//! in every field:
//!
//! - control characters, including line ends, and characters that change the direction of text on a terminal are
//!   escaped;
//! - a value of more than one word is quoted, so that it cannot look like further fields;
//! - a long value is cut, and its length is written. It is never held in memory as a whole.
//!
//! ```text
//! 2026-11-30T12:00:00.000000Z  WARN closing connection peer=10.0.0.1:5000 reason="a frame of 3 bytes"
//! ```

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use crate::config::push_unicode_escape;

/// How many bytes of a value are written at most.
const VALUE_LIMIT: usize = 1024;
/// The name of the field that `tracing` gives to an event's message.
const MESSAGE: &str = "message";

/// The format of lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    format: LogFormat,
    colours: bool,
}

impl Lines {
    /// Lines in this format, with colours if they are text for a terminal.
    pub(super) fn new(format: LogFormat, terminal: bool) -> Self {
        Self {
            format,
            colours: terminal && format == LogFormat::Text,
        }
    }

    /// The line that says how many lines were dropped.
    pub(super) fn dropped(self, count: u64) -> String {
        let mut line = self.begin(Level::WARN);
        let text = format_args!("{count} log lines were dropped: standard error did not take them");
        line.value(MESSAGE, &text);
        line.end(module_path!())
    }

    fn begin(self, level: Level) -> Line {
        let mut line = Line {
            text: String::with_capacity(256),
            look: self,
        };
        line.begin(level);
        line
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = self.begin(*event.metadata().level());
        event.record(&mut line);
        writer.write_str(&line.end(event.metadata().target()))
    }
}

/// A text as a line without time and level.
pub(super) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    push_escaped(&mut line, text);
    line.push('\n');
    line
}

/// A line that is being built.
struct Line {
    text: String,
    look: Lines,
}

impl Line {
    fn begin(&mut self, level: Level) {
        let mut time = String::new();
        if SystemTime.format_time(&mut Writer::new(&mut time)).is_err() {
            time.push_str("<unknown time>");
        }
        match self.look.format {
            LogFormat::Json => {
                let _ = write!(self.text, r#"{{"timestamp":"{time}","level":"{level}""#);
            }
            LogFormat::Text => {
                self.in_colour(Colour::Dim, &time);
                self.text.push(' ');
                self.in_colour(Colour::of(level), &format!("{level:>5}"));
            }
        }
    }

    fn end(mut self, target: &str) -> String {
        if self.look.format == LogFormat::Json {
            let _ = write!(self.text, r#","target":"{target}"}}"#);
        }
        self.text.push('\n');
        self.text
    }

    /// A value that is written as text.
    fn value(&mut self, name: &str, value: &dyn fmt::Display) {
        let mut shortened = Shortened::default();
        // A value that cannot be formatted is empty.
        let _ = write!(shortened, "{value}");
        let text = shortened.finish();
        match self.look.format {
            LogFormat::Json => {
                self.name(name);
                push_json(&mut self.text, &text);
            }
            LogFormat::Text if name == MESSAGE => {
                self.text.push(' ');
                push_escaped(&mut self.text, &text);
            }
            LogFormat::Text => {
                self.name(name);
                if is_one_word(&text) {
                    push_escaped(&mut self.text, &text);
                } else {
                    push_quoted(&mut self.text, &text);
                }
            }
        }
    }

    /// A number or boolean, which JSON does not quote.
    fn literal(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.text, "{value}");
    }

    fn name(&mut self, name: &str) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        match self.look.format {
            LogFormat::Json => {
                let _ = write!(self.text, r#","{name}":"#);
            }
            LogFormat::Text => {
                self.text.push(' ');
                self.in_colour(Colour::Italic, name);
                self.in_colour(Colour::Dim, "=");
            }
        }
    }

    fn in_colour(&mut self, colour: Colour, text: &str) {
        if self.look.colours {
            let _ = write!(self.text, "\x1b[{}m{text}\x1b[0m", colour as u8);
        } else {
            self.text.push_str(text);
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field.name(), &format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.literal(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.literal(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.literal(field.name(), value);
    }
}

/// The numbers of terminal colours and styles.
#[derive(Clone, Copy)]
enum Colour {
    Dim = 2,
    Italic = 3,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Magenta = 35,
}

impl Colour {
    const fn of(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Red,
            Level::WARN => Self::Yellow,
            Level::INFO => Self::Green,
            Level::DEBUG => Self::Blue,
            Level::TRACE => Self::Magenta,
        }
    }
}

/// The beginning of a text, and the length of the whole text.
#[derive(Default)]
struct Shortened {
    kept: String,
    length: usize,
}

impl Shortened {
    /// The text, or its beginning and how long it is.
    fn finish(mut self) -> String {
        if self.length > self.kept.len() {
            let _ = write!(self.kept, "... ({} bytes in all)", self.length);
        }
        self.kept
    }
}

impl fmt::Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nothing was cut so far, so this follows the kept part.
        if self.length == self.kept.len() {
            let room = VALUE_LIMIT - self.kept.len();
            let mut end = room.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            self.kept.push_str(&text[..end]);
        }
        self.length += text.len();
        Ok(())
    }
}

/// Whether a value needs no quotes to show where it ends.
fn is_one_word(text: &str) -> bool {
    !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_whitespace() || matches!(c, '"' | '\\' | '=') || needs_escape(c))
}

/// Whether a character is not just displayed.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // direction marks and overrides, line and paragraph separators
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.extend(c.escape_default()),
            c if needs_escape(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
}

fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for part in text.split_inclusive(['"', '\\']) {
        match part.strip_suffix(['"', '\\']) {
            Some(before) => {
                push_escaped(line, before);
                line.push('\\');
                line.push_str(&part[before.len()..]);
            }
            None => push_escaped(line, part),
        }
    }
    line.push('"');
}

/// A text as JSON, with every character escaped that a terminal would interpret, even if JSON does not require it.
fn push_json(line: &mut String, text: &str) {
    let json = serde_json::Value::from(text).to_string();
    for c in json.chars() {
        if needs_escape(c) {
            push_unicode_escape(line, c);
        } else {
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    const EVIL: &str = "x\n2026-01-01T00:00:00Z ERROR all is lost directory=\"/data\"\x1b[2J\x07\r\u{9b}31m\u{7f}\u{2028}\u{202e}";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(format: LogFormat, terminal: bool, log: impl FnOnce()) -> String {
        let written = Written::default();
        let lines = Lines::new(format, terminal);
        let subscriber = tracing_subscriber::fmt()
            .event_format(lines)
            .with_writer(written.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn without_time(line: &str) -> &str {
        line.split_once("Z ").unwrap().1
    }

    #[test]
    fn text_is_one_line_whatever_is_in_it() {
        let line = logged(LogFormat::Text, false, || {
            tracing::warn!(
                name = EVIL, shown = %EVIL, debugged = ?EVIL, count = 3, yes = true, word = "w", path = %"/a/b",
                nothing = "", pair = "a=b", quoted = "say \"\\\"", "evil {EVIL}"
            );
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with('\n'));
        assert!(
            !line.trim_end_matches('\n').chars().any(needs_escape),
            "{line}"
        );
        let evil = r#"x\n2026-01-01T00:00:00Z ERROR all is lost directory="/data"\u{1b}[2J\u{7}\r\u{9b}31m\u{7f}\u{2028}\u{202e}"#;
        assert!(
            without_time(&line).starts_with(&format!(" WARN evil {evil} name=")),
            "{line}"
        );
        let quoted = evil.replace('"', r#"\""#);
        assert!(
            line.contains(&format!(r#" name="{quoted}" shown="{quoted}" debugged="#)),
            "{line}"
        );
        let rest =
            r#" count=3 yes=true word=w path=/a/b nothing="" pair="a=b" quoted="say \"\\\"""#;
        assert!(line.contains(rest), "{line}");
    }

    #[test]
    fn a_terminal_gets_colours_and_no_others() {
        let line = logged(LogFormat::Text, true, || {
            tracing::info!(name = EVIL, "{EVIL}")
        });
        let wanted = "\x1b[32m INFO\x1b[0m x\\n";
        assert!(line.contains(wanted), "{line:?}");
        assert!(
            line.contains("\x1b[3mname\x1b[0m\x1b[2m=\x1b[0m\"x\\n"),
            "{line:?}"
        );
        assert_eq!(line.matches('\x1b').count(), 8, "{line:?}");
    }

    #[test]
    fn json_is_one_object_whatever_is_in_it() {
        let line = logged(LogFormat::Json, true, || {
            tracing::error!(name = EVIL, shown = %EVIL, count = 3, yes = false, absent = None::<u64>, "{EVIL}");
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(
            !line.trim_end_matches('\n').chars().any(needs_escape),
            "{line}"
        );
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        for field in ["message", "name", "shown"] {
            assert_eq!(read[field], EVIL);
        }
        assert_eq!(
            (&read["level"], &read["count"], &read["yes"]),
            (&"ERROR".into(), &3.into(), &false.into())
        );
        assert_eq!(read["target"], module_path!());
        assert!(read["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!(read.get("absent").is_none());
    }

    #[test]
    fn long_values_are_cut_and_their_length_is_said() {
        let long = "ü".repeat(16_000);
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, false, || tracing::info!(member = %long, "{long}"));
            assert!(line.len() < 3 * VALUE_LIMIT, "{}", line.len());
            assert_eq!(
                line.matches("ü... (32000 bytes in all)").count(),
                2,
                "{line}"
            );
        }
        let exact = "x".repeat(VALUE_LIMIT);
        assert!(logged(LogFormat::Text, false, || tracing::info!("{exact}")).ends_with("x\n"));
    }

    #[test]
    fn what_was_lost_is_said_in_the_form_of_the_log() {
        let text = Lines::new(LogFormat::Text, false).dropped(7);
        let said = " WARN 7 log lines were dropped: standard error did not take them\n";
        assert_eq!(without_time(&text), said);
        let json: serde_json::Value =
            serde_json::from_str(&Lines::new(LogFormat::Json, false).dropped(7)).unwrap();
        assert_eq!(json["level"], "WARN");
        assert_eq!(plain("zurau: no\nway"), "zurau: no\\nway\n");
    }
}
