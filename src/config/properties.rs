//! `server.properties` as a format of the `config` crate.

use std::error::Error;
use std::fmt::Write as _;

use config::{FileStoredFormat, Format, Map, Value};
use java_properties::PropertiesIter;

use super::parse::layer;
use super::settings::Origin;

/// Java properties, read from the file of this path.
#[derive(Clone, Debug)]
pub(super) struct Properties {
    /// Where the text came from, for messages.
    pub(super) path: String,
}

impl Format for Properties {
    fn parse(
        &self,
        _uri: Option<&String>,
        text: &str,
    ) -> Result<Map<String, Value>, Box<dyn Error + Send + Sync>> {
        let mut values = Vec::new();
        PropertiesIter::new(escaped(text).as_bytes())
            .read_into(|key, value| values.push((key, value, Origin::File(self.path.clone()))))
            .map_err(|error| format!("{}: {error}", self.path))?;
        Ok(layer(values))
    }
}

impl FileStoredFormat for Properties {
    fn file_extensions(&self) -> &'static [&'static str] {
        &["properties"]
    }
}

/// The text of a properties file: UTF-8, or else Latin-1, which Java properties once had to be.
pub(super) fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

/// The same properties in ASCII: everything else as `\uXXXX`, since the parser takes bytes for
/// Latin-1.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            push_unicode_escape(&mut escaped, character);
        }
    }
    escaped
}

/// Appends a character as Java properties write what is not ASCII: `\uXXXX`, twice for a surrogate pair.
pub(crate) fn push_unicode_escape(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string does not fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, escaped};

    #[test]
    fn text_beyond_ascii_survives() {
        assert_eq!(
            escaped("\u{feff}a=\u{e9}\u{1f600}"),
            "a=\\u00e9\\ud83d\\ude00"
        );
        assert_eq!(decode(b"a=\xc3\xa9".to_vec()), "a=\u{e9}");
        assert_eq!(decode(b"a=\xe9".to_vec()), "a=\u{e9}");
    }
}
