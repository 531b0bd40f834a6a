//! Regular expressions of topics and transactional ids, as members and tools give them: those of RE2/J, which Kafka
//! uses, and which must match the whole text.
//!
//! `translation.rs` reads RE2/J's syntax and writes it down for the `regex` crate, so that what is accepted, how it is
//! refused and what it matches is as with Kafka. Only whether the whole text matches is asked, so groups capture nothing
//! and nothing is lazy. These differ between the two, among others:
//!
//! | in RE2/J | in `regex` |
//! | --- | --- |
//! | `\d`, `\s`, `\w`, `\b` and `[[:word:]]` are about ASCII | Unicode, where it may be |
//! | `\Q...\E`, octal `\012`, `\pN`, `\p{^Greek}` | unknown or otherwise |
//! | `[a&&b]`, `[a--b]`, `[[a]]` are sets of these characters | operations on sets, nested sets |
//! | `{,2}` and `{01}` are text | an error, a repetition |
//! | `a**`, `x{1001}`, `(?x)`, `\b{start}`, `\p{Letter}` are errors | fine |
//! | `$` is the end of the text, with `(?m)` of a line | the same |
//!
//! # Bounds
//!
//! An expression is refused that is long, has very many classes of Unicode, is deeply nested, or becomes large, whatever
//! Kafka thinks of it. To read one takes some ten milliseconds at most. What is accepted takes memory as bounded here, and
//! time in proportion to the text, but not always little: `((a|b|ab)?){900}` takes milliseconds for a topic's name. So
//! nobody looks through all topics in a decision.
//!
//! The classes of RE2/J are of Unicode 6.0, ours are newer: letters of newer scripts, and those which have got a
//! category or the other case since, match otherwise. Names of topics have ASCII only.

mod classes;
#[cfg(test)]
mod tests;
mod translation;

use regex::{Regex, RegexBuilder};

/// The longest accepted expression, in bytes.
const LONGEST: usize = 4 * 1024;
/// The memory that a compiled expression may take.
const MOST_MEMORY: usize = 1024 * 1024;

/// The memory that one takes while it is compared with texts.
const MOST_MEMORY_TO_MATCH: usize = 512 * 1024;

/// A regular expression.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

/// Why a text is no regular expression, in RE2/J's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAPattern {
    #[error("invalid character class range")]
    Range,
    #[error("invalid escape sequence")]
    Escape,
    #[error("invalid named capture")]
    Name,
    #[error("duplicate capture group name")]
    DuplicateName,
    #[error("invalid or unsupported Perl syntax")]
    Group,
    #[error("invalid nested repetition operator")]
    RepeatedRepetition,
    #[error("invalid repeat count")]
    Count,
    #[error("missing argument to repetition operator")]
    NothingToRepeat,
    #[error("missing closing ]")]
    OpenClass,
    #[error("missing closing )")]
    OpenGroup,
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// A parenthesis that closes nothing: RE2/J has no better word for it.
    #[error("regexp/syntax: internal error")]
    NoGroup,
    /// Ours.
    #[error("the expression is too large")]
    TooLarge,
}

impl Pattern {
    /// The regular expression with this text.
    ///
    /// # Errors
    /// When it is none of RE2/J's, or is larger than any that is in use.
    pub(crate) fn new(text: &str) -> Result<Self, NotAPattern> {
        if text.len() > LONGEST {
            return Err(NotAPattern::TooLarge);
        }
        let translated = translation::translate(text)?;
        RegexBuilder::new(&format!(r"\A(?:{translated})\z"))
            .size_limit(MOST_MEMORY)
            .dfa_size_limit(MOST_MEMORY_TO_MATCH)
            .build()
            .map(Self)
            .map_err(|_| NotAPattern::TooLarge)
    }

    /// Whether it matches the whole text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
