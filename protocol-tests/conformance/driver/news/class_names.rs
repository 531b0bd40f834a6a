//! The names in a compiled class of Java: those of an enumeration's constants are among its texts.

/// The texts of a class that look like constants: capitals, digits and underscores.
pub(super) fn constants(class: &[u8]) -> Option<Vec<String>> {
    let mut rest = class.get(8..)?;
    let count = u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?);
    let mut names = Vec::new();
    let mut index = 1;
    while index < count {
        index += 1;
        let tag = *take(&mut rest, 1)?.first()?;
        let size = match tag {
            1 => {
                let size = u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?);
                let text = std::str::from_utf8(take(&mut rest, usize::from(size))?);
                names.extend(
                    text.ok()
                        .filter(|text| is_constant(text))
                        .map(str::to_owned),
                );
                0
            }
            // Numbers of 64 bits count as two entries.
            5 | 6 => {
                index += 1;
                8
            }
            3 | 4 | 9..=12 | 17 | 18 => 4,
            15 => 3,
            _ => 2,
        };
        take(&mut rest, size)?;
    }
    Some(names)
}

fn is_constant(text: &str) -> bool {
    text.len() > 3
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(size)?;
    *rest = after;
    Some(taken)
}
