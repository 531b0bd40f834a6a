//! Patterns of topics and transactional ids, as members and tools give them: those of RE2, which must match the whole
//! text.
//!
//! Rust's patterns are almost the same. What differs is refused or translated: repetitions of repetitions, large
//! counts and some flags do not exist in RE2, and its `\d`, `\s`, `\w` and `\b` are about ASCII.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSetItem, Flag, Flags, FlagsItemKind,
    GroupKind, RepetitionKind, RepetitionRange, Span,
};

/// The longest accepted pattern.
const LONGEST: usize = 4 * 1024;
/// The maximum repetition count in a pattern.
const MOST_REPETITIONS: u32 = 1000;
/// The memory that a pattern may take.
const MOST_MEMORY: usize = 512 * 1024;

/// A pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

/// The text is not a pattern.
#[derive(Debug, thiserror::Error)]
#[error("invalid or unsupported Perl syntax")]
pub(crate) struct NotAPattern;

impl Pattern {
    /// The pattern with this text.
    ///
    /// # Errors
    /// When it is not one of RE2's, or is larger than any that is in use.
    pub(crate) fn new(text: &str) -> Result<Self, NotAPattern> {
        if text.len() > LONGEST {
            return Err(NotAPattern);
        }
        let mut parser = ParserBuilder::new().octal(true).build();
        let parsed = parser.parse(text).map_err(|_| NotAPattern)?;
        let differences = ast::visit(&parsed, Differences::default())?;
        let whole = format!(r"\A(?:{})\z", translated(text, &differences));
        let pattern = RegexBuilder::new(&whole)
            .octal(true)
            .size_limit(MOST_MEMORY)
            .dfa_size_limit(MOST_MEMORY)
            .build();
        pattern.map(Self).map_err(|_| NotAPattern)
    }

    /// Whether it matches the whole text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// The text with some of its parts replaced.
fn translated(text: &str, differences: &[(Span, &'static str)]) -> String {
    let mut translated = String::with_capacity(text.len());
    let mut from = 0;
    for (span, replacement) in differences {
        let (start, end) = (span.start.offset, span.end.offset);
        translated.push_str(text.get(from..start).unwrap_or_default());
        translated.push_str(replacement);
        from = end;
    }
    translated.push_str(text.get(from..).unwrap_or_default());
    translated
}

/// Finds what RE2 does not have, and what has another meaning there.
#[derive(Debug, Default)]
struct Differences(Vec<(Span, &'static str)>);

impl Differences {
    fn class(&mut self, class: &ClassPerl) {
        let ascii = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.0.push((class.span, ascii));
    }
}

impl ast::Visitor for Differences {
    type Output = Vec<(Span, &'static str)>;
    type Err = NotAPattern;

    fn finish(mut self) -> Result<Self::Output, NotAPattern> {
        self.0.sort_by_key(|(span, _)| span.start.offset);
        Ok(self.0)
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), NotAPattern> {
        match part {
            Ast::Repetition(repetition) => {
                let most = match &repetition.op.kind {
                    RepetitionKind::Range(
                        RepetitionRange::Exactly(most)
                        | RepetitionRange::AtLeast(most)
                        | RepetitionRange::Bounded(_, most),
                    ) => *most,
                    _ => 0,
                };
                if most > MOST_REPETITIONS || matches!(*repetition.ast, Ast::Repetition(_)) {
                    return Err(NotAPattern);
                }
            }
            Ast::Flags(flags) => check(&flags.flags)?,
            Ast::Group(group) => {
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    check(flags)?;
                }
            }
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => self.0.push((assertion.span, r"(?-u:\b)")),
                AssertionKind::NotWordBoundary => self.0.push((assertion.span, r"(?-u:\B)")),
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => {}
                _ => return Err(NotAPattern),
            },
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), NotAPattern> {
        if let ClassSetItem::Perl(class) = item {
            self.class(class);
        }
        Ok(())
    }
}

/// RE2 has the flags `i`, `m`, `s` and `U`.
fn check(flags: &Flags) -> Result<(), NotAPattern> {
    let is_known = flags.items.iter().all(|item| {
        !matches!(
            item.kind,
            FlagsItemKind::Flag(Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace)
        )
    });
    is_known.then_some(()).ok_or(NotAPattern)
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn matches(pattern: &str, id: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(id)
    }

    #[test]
    fn patterns_are_those_of_re2() {
        for pattern in [
            "",
            "my-.*",
            "(?i)a|b",
            r"\p{Greek}+",
            "^x{2,1000}$",
            "(a*)*",
            "a*?",
            r"[\d-]+",
        ] {
            assert!(Pattern::new(pattern).is_ok(), "{pattern}");
        }
        for wrong in [
            "(",
            "[a",
            "a**",
            "a{2}+",
            "a{1001}",
            r"\8",
            "x{3,2}",
            "(?x)a b",
            r"\p{Nothing}",
            r"\b{start}a",
            r"(\pL{1000}){100}",
            &"a".repeat(5000),
        ] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_id() {
        assert!(matches("", "") && !matches("", "anything"));
        assert!(matches("a|abc", "abc"));
        assert!(!matches("b", "abc"));
        assert!(matches(".*b.*", "abc"));
        assert!(!matches(".*", "a\nb") && matches("(?s).*", "a\nb"));
        assert!(matches("(?i)ABC", "abc"));
        assert!(!matches("abc", "abc\n"));
    }

    #[test]
    fn classes_are_about_ascii() {
        assert!(matches(r"x\d+", "x12") && !matches(r"x\d", "x\u{663}"));
        assert!(matches(r"[\w-]+", "a_b-1") && !matches(r"\w", "\u{e9}"));
        assert!(matches(r"[^\d]+\D", "ab") && !matches(r"\D", "1"));
        assert!(matches(r"\s\S", " a") && !matches(r"\s", "\u{b}"));
        assert!(matches(r"\ba\b.", "a\u{e9}") && !matches(r"a\B.", "a\u{e9}"));
    }
}
