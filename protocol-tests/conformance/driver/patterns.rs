//! Patterns for names and for paths in answers.

/// `*` stands for any characters, here and in the functions below.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    if after.is_empty() {
        return true;
    }
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| matches(after, &rest[at..]))
}

/// A path like `Topics[0].Partitions[1].ErrorCode` against `Topics.*.ErrorCode` or `**.ErrorCode`:
/// a name without an index stands for every element, `*` for one name and `**` for any number.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    segments_match(&segments(pattern), &segments(path))
}

/// Keys of elements may hold dots.
fn segments(path: &str) -> Vec<&str> {
    let mut result = Vec::new();
    let (mut start, mut depth) = (0, 0);
    for (at, letter) in path.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            '.' if depth == 0 => {
                result.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    result.push(&path[start..]);
    result
}

fn segments_match(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|at| segments_match(rest, &path[at..])),
        (Some((one, rest)), Some((segment, others))) => {
            let name = segment.split('[').next().unwrap_or_default();
            (matches(one, segment) || matches(one, name)) && segments_match(rest, others)
        }
        _ => false,
    }
}
