//! Classes of characters, and escaped characters.

use std::fmt::Write as _;

use super::NotAPattern;
use super::translation::Translation;

/// What no character matches.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";
const EVERYTHING: &str = r"[\x{0}-\x{10FFFF}]";

/// RE2/J's names in `[[:word:]]`, and of `\d`, `\s` and `\w`: all about ASCII.
const ASCII: [(&str, &str); 17] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x{0}-\x{7F}"),
    ("blank", r"\t\x{20}"),
    ("cntrl", r"\x{0}-\x{1F}\x{7F}"),
    ("digit", "0-9"),
    ("graph", r"\x{21}-\x{7E}"),
    ("lower", "a-z"),
    ("print", r"\x{20}-\x{7E}"),
    (
        "punct",
        r"\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}",
    ),
    ("space", r"\t-\r\x{20}"),
    ("upper", "A-Z"),
    ("word", "0-9A-Z_a-z"),
    ("xdigit", "0-9A-Fa-f"),
    ("d", "0-9"),
    ("s", r"\t\n\f\r\x{20}"),
    ("w", "0-9A-Z_a-z"),
];

/// The names that RE2/J knows: Unicode's categories, and the scripts of Unicode 6.0.
const CATEGORIES: &str = "C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z \
    Zl Zp Zs";
const SCRIPTS: &str = "Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid \
    Canadian_Aboriginal Carian Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari \
    Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic Gothic Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew Hiragana \
    Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li \
    Kharoshthi Khmer Lao Latin Lepcha Limbu Linear_B Lisu Lycian Lydian Malayalam Mandaic Meetei_Mayek Mongolian \
    Myanmar New_Tai_Lue Nko Ogham Ol_Chiki Old_Italic Old_Persian Old_South_Arabian Old_Turkic Oriya Osmanya Phags_Pa \
    Phoenician Rejang Runic Samaritan Saurashtra Shavian Sinhala Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le \
    Tai_Tham Tai_Viet Tamil Telugu Thaana Thai Tibetan Tifinagh Ugaritic Unknown Vai Yi";

/// A class of characters, as the `regex` crate has it.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// What stands between the brackets.
    items: String,
    negated: bool,
    unicode_classes: usize,
}

impl Class {
    /// How many of Unicode's classes are in it.
    pub(super) const fn unicode_classes(&self) -> usize {
        self.unicode_classes
    }

    pub(super) fn push_to(&self, out: &mut String) {
        out.push_str(match (self.negated, self.items.is_empty()) {
            (false, true) => NOTHING,
            (true, true) => EVERYTHING,
            (false, false) => "[",
            (true, false) => "[^",
        });
        if !self.items.is_empty() {
            out.push_str(&self.items);
            out.push(']');
        }
    }

    fn add(&mut self, other: &Self) {
        other.push_to(&mut self.items);
        self.unicode_classes += other.unicode_classes;
    }

    /// Halves of characters are left out: no text has them.
    fn add_range(&mut self, first: u32, last: u32) {
        let first = if is_half(first) { 0xE000 } else { first };
        let last = if is_half(last) { 0xD7FF } else { last };
        if first <= last {
            push_char(&mut self.items, first);
            self.items.push('-');
            push_char(&mut self.items, last);
        }
    }
}

const fn is_half(code: u32) -> bool {
    matches!(code, 0xD800..=0xDFFF)
}

/// Writes a character so that it stands for itself, in a class and outside.
pub(super) fn push_char(out: &mut String, code: u32) {
    match char::from_u32(code) {
        Some(literal) if literal.is_ascii_alphanumeric() => out.push(literal),
        // Writing to a text does not fail.
        _ => drop(write!(out, r"\x{{{code:X}}}")),
    }
}

/// A class in brackets, behind the first one.
pub(super) fn bracketed(text: &mut Translation<'_>) -> Result<Class, NotAPattern> {
    let mut class = Class {
        negated: text.skip("^"),
        ..Class::default()
    };
    let mut is_first = true;
    loop {
        if !is_first && text.skip("]") {
            return Ok(class);
        }
        is_first = false;
        if let Some(named) = named(text)? {
            class.add(&named);
        } else if let Some(escaped) = escaped(text)? {
            class.add(&escaped);
        } else {
            let first = class_char(text)?;
            let last = range_end(text)?.unwrap_or(first);
            if last < first {
                return Err(NotAPattern::Range);
            }
            class.add_range(first, last);
        }
    }
}

/// The end of a range. A dash before the closing bracket is a dash.
fn range_end(text: &mut Translation<'_>) -> Result<Option<u32>, NotAPattern> {
    if text.is_at("-]") || !text.skip("-") {
        return Ok(None);
    }
    class_char(text).map(Some)
}

fn class_char(text: &mut Translation<'_>) -> Result<u32, NotAPattern> {
    if text.peek() == Some('\\') {
        return escaped_char(text);
    }
    text.next().map(u32::from).ok_or(NotAPattern::OpenClass)
}

/// `[:word:]` or `[:^word:]`
fn named(text: &mut Translation<'_>) -> Result<Option<Class>, NotAPattern> {
    // RE2/J looks for the end from the first colon on, so that `[:]` is a name, and a wrong one.
    if !text.is_at("[:") || !text.has_ahead(1, ":]") {
        return Ok(None);
    }
    text.next();
    let name = text.until(":]").and_then(|name| name.strip_prefix(':'));
    let name = name.unwrap_or_default();
    let positive = name.strip_prefix('^');
    // One letter is not a name, but that of an escaped class.
    let class = ascii(positive.unwrap_or(name)).filter(|_| positive.unwrap_or(name).len() > 1);
    let items = class.ok_or(NotAPattern::Range)?;
    Ok(Some(Class {
        items: items.to_owned(),
        negated: positive.is_some(),
        unicode_classes: 0,
    }))
}

fn ascii(name: &str) -> Option<&'static str> {
    let mut classes = ASCII.iter();
    classes
        .find(|(known, _)| *known == name)
        .map(|(_, items)| *items)
}

/// `\d`, `\W`, `\pN`, `\p{Greek}`, `\P{^Greek}`
pub(super) fn escaped(text: &mut Translation<'_>) -> Result<Option<Class>, NotAPattern> {
    for (own, name, negated) in [
        (r"\d", "d", false),
        (r"\D", "d", true),
        (r"\s", "s", false),
        (r"\S", "s", true),
        (r"\w", "w", false),
        (r"\W", "w", true),
    ] {
        if text.skip(own) {
            let items = ascii(name).unwrap_or_default().to_owned();
            return Ok(Some(Class {
                items,
                negated,
                unicode_classes: 0,
            }));
        }
    }
    let negated = text.skip(r"\P");
    if !negated && !text.skip(r"\p") {
        return Ok(None);
    }
    let mut letter = [0; 4];
    let name = if text.skip("{") {
        text.until("}").ok_or(NotAPattern::Range)?
    } else {
        text.next()
            .ok_or(NotAPattern::Range)?
            .encode_utf8(&mut letter)
    };
    let positive = name.strip_prefix('^');
    let items = unicode(positive.unwrap_or(name)).ok_or(NotAPattern::Range)?;
    Ok(Some(Class {
        items,
        negated: negated != positive.is_some(),
        unicode_classes: 1,
    }))
}

/// The items of a class with this name.
fn unicode(name: &str) -> Option<String> {
    let is_in = |names: &str| names.split(' ').any(|known| known == name);
    Some(match name {
        "Any" => r"\x{0}-\x{10FFFF}".to_owned(),
        // Without what is not assigned. Halves of characters are in no text.
        "C" => r"\p{Cc}\p{Cf}\p{Co}".to_owned(),
        "Cs" | "Unknown" => String::new(),
        _ if is_in(CATEGORIES) => format!(r"\p{{gc={name}}}"),
        _ if is_in(SCRIPTS) => format!(r"\p{{sc={name}}}"),
        _ => return None,
    })
}

/// An escaped character, which may be half of one.
pub(super) fn escaped_char(text: &mut Translation<'_>) -> Result<u32, NotAPattern> {
    text.next();
    let escaped = text.next().ok_or(NotAPattern::TrailingBackslash)?;
    match escaped {
        // A digit alone would refer to a group.
        '1'..='7' if !text.peek().is_some_and(|next| next.is_digit(8)) => Err(NotAPattern::Escape),
        '0'..='7' => {
            let mut code = escaped.to_digit(8).unwrap_or(0);
            for _ in 0..2 {
                let Some(digit) = text.peek().and_then(|next| next.to_digit(8)) else {
                    break;
                };
                text.next();
                code = code * 8 + digit;
            }
            Ok(code)
        }
        'x' => hexadecimal(text).ok_or(NotAPattern::Escape),
        'a' => Ok(0x07),
        't' => Ok(0x09),
        'n' => Ok(0x0A),
        'v' => Ok(0x0B),
        'f' => Ok(0x0C),
        'r' => Ok(0x0D),
        other if other.is_ascii_alphanumeric() => Err(NotAPattern::Escape),
        other => Ok(other.into()),
    }
}

/// `41` or `{10FFFF}`
fn hexadecimal(text: &mut Translation<'_>) -> Option<u32> {
    if !text.skip("{") {
        let first = text.next()?.to_digit(16)?;
        return Some(first * 16 + text.next()?.to_digit(16)?);
    }
    let mut code = None;
    loop {
        let next = text.next()?;
        if next == '}' {
            return code;
        }
        let larger = code.unwrap_or(0) * 16 + next.to_digit(16)?;
        code = Some(larger).filter(|code| *code <= u32::from(char::MAX));
        code?;
    }
}
