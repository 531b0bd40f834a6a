use super::{NotAPattern, Pattern};

/// Expressions and texts, and what RE2/J makes of them, made by `protocol-tests/group-functions`; `Patterns.java` there
/// says how they are written.
const RECORDED: &str = include_str!("re2j.txt");

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).unwrap().matches(text)
}

/// `RE2J_PATTERNS` may name a file with many more cases.
#[test]
fn expressions_are_those_of_re2j() {
    match std::env::var_os("RE2J_PATTERNS") {
        None => compare(RECORDED, 500),
        Some(path) => compare(&std::fs::read_to_string(path).unwrap(), 10_000),
    }
}

#[test]
fn an_expression_matches_the_whole_text() {
    assert!(matches("", "") && !matches("", "anything"));
    assert!(matches("a|abc", "abc"));
    assert!(!matches("b", "abc"));
    assert!(matches(".*b.*", "abc"));
    assert!(!matches(".*", "a\nb") && matches("(?s).*", "a\nb"));
    assert!(matches("(?i)ABC", "abc"));
    assert!(!matches("abc", "abc\n") && !matches("abc$", "abc\n"));
}

#[test]
fn classes_are_about_ascii() {
    assert!(matches(r"x\d+", "x12") && !matches(r"x\d", "x\u{663}"));
    assert!(matches(r"[\w-]+", "a_b-1") && !matches(r"\w", "\u{e9}"));
    assert!(matches(r"[^\d]+\D", "ab") && !matches(r"\D", "1"));
    assert!(matches(r"\s\S", " a") && !matches(r"\s", "\u{b}"));
    assert!(matches(r"\ba\b.", "a\u{e9}") && !matches(r"a\B.", "a\u{e9}"));
}

#[test]
fn what_is_refused_is_refused_in_re2js_words() {
    for (wrong, why) in [
        ("a**", "invalid nested repetition operator"),
        ("(?=a)", "invalid or unsupported Perl syntax"),
        (r"(a)\1", "invalid escape sequence"),
        ("[a", "missing closing ]"),
        ("a)", "regexp/syntax: internal error"),
    ] {
        assert_eq!(Pattern::new(wrong).unwrap_err().to_string(), why, "{wrong}");
    }
}

#[test]
fn hostile_expressions_are_refused() {
    for wrong in [
        "a".repeat(5000),
        r"(\pL{1000}){100}".to_owned(),
        r"(?i)\PL".repeat(500),
        "(".repeat(1000) + &")".repeat(1000),
        "(?:".repeat(500) + &"a*)*".repeat(500),
        "((((a{100}){100}){100}){100}){100}".to_owned(),
        format!("({}){{1000}}", "x?".repeat(1000)),
    ] {
        assert_eq!(Pattern::new(&wrong).unwrap_err(), NotAPattern::TooLarge);
    }
    assert!(matches("(a?){1000}a{100}", &"a".repeat(1000)));
    assert!(matches(&("(".repeat(40) + &")*".repeat(40)), ""));
}

#[track_caller]
fn compare(cases: &str, least: usize) {
    let (mut compared, mut different, mut too_large) = (0, 0, 0);
    let mut pattern = Err(NotAPattern::TooLarge);
    let mut written = "";
    for line in cases.lines() {
        let (what, text) = line.split_once(' ').unwrap();
        let is_same = match what {
            "pattern" => {
                pattern = Pattern::new(&unwritten(text));
                written = text;
                continue;
            }
            "refused" => pattern
                .as_ref()
                .err()
                .is_some_and(|why| why.to_string() == text),
            _ => {
                let found = pattern
                    .as_ref()
                    .map(|pattern| pattern.matches(&unwritten(text)));
                found == Ok(what == "+")
            }
        };
        compared += 1;
        if matches!(pattern, Err(NotAPattern::TooLarge)) {
            too_large += 1;
        } else if !is_same {
            different += 1;
            println!(
                "{written}  {line}  {:?}",
                pattern.as_ref().map(|pattern| &pattern.0)
            );
        }
    }
    println!("{different} of {compared} differ, {too_large} are too large for us");
    assert!(compared >= least && different == 0 && too_large * 100 < compared);
}

/// Bytes as `%20`.
fn unwritten(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(byte, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}
