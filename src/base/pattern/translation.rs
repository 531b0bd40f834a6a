//! RE2/J's syntax, and the same for the `regex` crate.

use std::collections::BTreeSet;

use super::NotAPattern;
use super::classes::{self, Class};

/// The highest count of a repetition.
const MOST_REPETITIONS: u32 = 1000;
/// How many classes of Unicode there may be. Each takes some kilobytes, even if the expression has three characters.
const MOST_UNICODE_CLASSES: usize = 64;

/// Writes RE2/J's expression down for the `regex` crate.
pub(super) fn translate(text: &str) -> Result<String, NotAPattern> {
    let mut translation = Translation {
        rest: text,
        flags: Flags::default(),
        open: Vec::new(),
        out: String::with_capacity(text.len()),
        can_repeat: false,
        has_repeated: false,
        names: BTreeSet::new(),
        unicode_classes: 0,
    };
    while let Some(next) = translation.peek() {
        translation.item(next)?;
    }
    if translation.open.is_empty() {
        Ok(translation.out)
    } else {
        Err(NotAPattern::OpenGroup)
    }
}

/// What `(?ims)` changes. `U` changes nothing here.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    folds_case: bool,
    multi_line: bool,
    dot_is_all: bool,
}

pub(super) struct Translation<'t> {
    rest: &'t str,
    flags: Flags,
    /// The flags behind each open group.
    open: Vec<Flags>,
    out: String,
    /// Whether there is something in this branch that a repetition would repeat. It stands at the end of `out`.
    can_repeat: bool,
    /// Whether the last thing read was a repetition.
    has_repeated: bool,
    names: BTreeSet<&'t str>,
    unicode_classes: usize,
}

impl<'t> Translation<'t> {
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let next = rest.next();
        self.rest = rest.as_str();
        next
    }

    /// Goes on behind this, if it comes next.
    pub(super) fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn is_at(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Whether `text` comes somewhere behind so many bytes, which are ASCII.
    pub(super) fn has_ahead(&self, behind: usize, text: &str) -> bool {
        self.rest
            .get(behind..)
            .is_some_and(|rest| rest.contains(text))
    }

    /// What comes before the first `end`, behind which it goes on.
    pub(super) fn until(&mut self, end: &str) -> Option<&'t str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }

    fn item(&mut self, next: char) -> Result<(), NotAPattern> {
        let had_repeated = std::mem::take(&mut self.has_repeated);
        match next {
            '(' => self.begin_group(),
            ')' => self.end_group(),
            '|' => {
                self.next();
                self.out.push('|');
                self.can_repeat = false;
                Ok(())
            }
            '^' | '$' | '.' => {
                self.next();
                self.atom(match (next, self.flags) {
                    (
                        '^',
                        Flags {
                            multi_line: true, ..
                        },
                    ) => "(?m:^)",
                    ('^', _) => r"\A",
                    (
                        '$',
                        Flags {
                            multi_line: true, ..
                        },
                    ) => "(?m:$)",
                    ('$', _) => r"\z",
                    (
                        _,
                        Flags {
                            dot_is_all: true, ..
                        },
                    ) => "(?s:.)",
                    _ => r"[^\n]",
                });
                Ok(())
            }
            '[' => {
                self.next();
                let class = classes::bracketed(self)?;
                self.class(&class)
            }
            '*' | '+' | '?' => {
                self.next();
                let operator = match next {
                    // Behind another repetition a question mark would mean that it is lazy.
                    '?' => "{0,1}",
                    '*' => "*",
                    _ => "+",
                };
                self.repeat(operator, had_repeated)
            }
            '{' => match self.counts()? {
                Some(operator) => self.repeat(&operator, had_repeated),
                None => {
                    self.next();
                    self.literal('{');
                    // RE2/J refuses to repeat it.
                    self.has_repeated = true;
                    Ok(())
                }
            },
            '\\' => self.escape(),
            literal => {
                self.next();
                self.literal(literal);
                Ok(())
            }
        }
    }

    /// Something that can be repeated, written down for the `regex` crate.
    fn atom(&mut self, translated: &str) {
        self.out.push_str(translated);
        self.can_repeat = true;
    }

    fn literal(&mut self, literal: char) {
        self.can_repeat = true;
        if self.flags.folds_case && (literal.is_ascii_alphabetic() || !literal.is_ascii()) {
            self.out.push_str("(?i:");
            classes::push_char(&mut self.out, literal.into());
            self.out.push(')');
        } else {
            classes::push_char(&mut self.out, literal.into());
        }
    }

    fn class(&mut self, class: &Class) -> Result<(), NotAPattern> {
        self.unicode_classes += class.unicode_classes();
        if self.unicode_classes > MOST_UNICODE_CLASSES {
            return Err(NotAPattern::TooLarge);
        }
        self.can_repeat = true;
        if self.flags.folds_case {
            self.out.push_str("(?i:");
            class.push_to(&mut self.out);
            self.out.push(')');
        } else {
            class.push_to(&mut self.out);
        }
        Ok(())
    }

    fn repeat(&mut self, operator: &str, had_repeated: bool) -> Result<(), NotAPattern> {
        self.skip("?");
        if had_repeated {
            return Err(NotAPattern::RepeatedRepetition);
        }
        if !self.can_repeat {
            return Err(NotAPattern::NothingToRepeat);
        }
        self.out.push_str(operator);
        self.has_repeated = true;
        Ok(())
    }

    /// `{2}`, `{2,}` or `{2,3}`. Anything else is a text, and is not read.
    fn counts(&mut self) -> Result<Option<String>, NotAPattern> {
        let Some((counts, rest)) = self.rest[1..].split_once('}') else {
            return Ok(None);
        };
        let (from, to) = counts.split_once(',').unwrap_or((counts, counts));
        if !is_count(from) || !(is_count(to) || to.is_empty()) {
            return Ok(None);
        }
        // What is too large for a number is too large anyway.
        let number = |count: &str| count.parse().unwrap_or(u32::MAX);
        let (from, to) = (number(from), (!to.is_empty()).then(|| number(to)));
        if from > MOST_REPETITIONS || to.is_some_and(|to| to > MOST_REPETITIONS || to < from) {
            return Err(NotAPattern::Count);
        }
        self.rest = rest;
        let to = to.map_or_else(String::new, |to| to.to_string());
        Ok(Some(format!("{{{from},{to}}}")))
    }

    fn begin_group(&mut self) -> Result<(), NotAPattern> {
        let mut inside = self.flags;
        if self.skip("(?P<") || self.skip("(?<") {
            let name = self.until(">").ok_or(NotAPattern::Name)?;
            let is_name = |part: char| part.is_ascii_alphanumeric() || part == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(NotAPattern::Name);
            }
            if !self.names.insert(name) {
                return Err(NotAPattern::DuplicateName);
            }
        } else if self.skip("(?") {
            let flags;
            (inside, flags) = self.flags()?;
            if flags == OnlyFlags::Yes {
                self.flags = inside;
                return Ok(());
            }
        } else {
            self.next();
        }
        self.open.push(std::mem::replace(&mut self.flags, inside));
        self.out.push_str("(?:");
        self.can_repeat = false;
        Ok(())
    }

    /// `ims-U:` or `ims-U)`
    fn flags(&mut self) -> Result<(Flags, OnlyFlags), NotAPattern> {
        let mut flags = self.flags;
        let mut value = true;
        let mut is_complete = true;
        loop {
            match self.next() {
                Some('i') => flags.folds_case = value,
                Some('m') => flags.multi_line = value,
                Some('s') => flags.dot_is_all = value,
                Some('U') => {}
                Some('-') if value => {
                    (value, is_complete) = (false, false);
                    continue;
                }
                Some(':') if is_complete => return Ok((flags, OnlyFlags::No)),
                Some(')') if is_complete => return Ok((flags, OnlyFlags::Yes)),
                _ => return Err(NotAPattern::Group),
            }
            is_complete = true;
        }
    }

    fn end_group(&mut self) -> Result<(), NotAPattern> {
        self.next();
        self.flags = self.open.pop().ok_or(NotAPattern::NoGroup)?;
        self.atom(")");
        Ok(())
    }

    fn escape(&mut self) -> Result<(), NotAPattern> {
        let assertions = [
            (r"\A", r"\A"),
            (r"\z", r"\z"),
            (r"\b", r"(?-u:\b)"),
            (r"\B", r"(?-u:\B)"),
        ];
        for (own, translated) in assertions {
            if self.skip(own) {
                self.atom(translated);
                return Ok(());
            }
        }
        if self.skip(r"\Q") {
            let quoted = self
                .until(r"\E")
                .unwrap_or_else(|| std::mem::take(&mut self.rest));
            quoted.chars().for_each(|literal| self.literal(literal));
            return Ok(());
        }
        if let Some(class) = classes::escaped(self)? {
            return self.class(&class);
        }
        let code = classes::escaped_char(self)?;
        match char::from_u32(code) {
            Some(literal) => self.literal(literal),
            // Half of a character: no text has it.
            None => self.atom(classes::NOTHING),
        }
        Ok(())
    }
}

/// Whether flags stand for themselves, or belong to a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnlyFlags {
    Yes,
    No,
}

/// Digits without a leading zero.
fn is_count(text: &str) -> bool {
    let is_padded = text.len() > 1 && text.starts_with('0');
    !text.is_empty() && !is_padded && text.bytes().all(|digit| digit.is_ascii_digit())
}
