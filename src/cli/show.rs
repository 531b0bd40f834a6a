//! `zurau config`: every setting, its value and where the value came from.

use std::io::{self, Write};

use crate::config::Settings;

/// Longer values do not widen the column.
const WIDEST_VALUE: usize = 40;

/// Writes the settings as aligned lines, in the order of the table.
pub fn settings(settings: &Settings, to: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[String; 3]> = settings
        .iter()
        .map(|(definition, setting)| {
            let value = match setting.value.as_deref() {
                None => "(unset)",
                Some(_) if definition.is_sensitive() => "(hidden)",
                Some("") => "(empty)",
                Some(value) => value,
            };
            [
                definition.name.to_owned(),
                value.to_owned(),
                setting.origin.to_string(),
            ]
        })
        .collect();
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let (keys, values) = (widest(0), widest(1).min(WIDEST_VALUE));
    rows.iter().try_for_each(|[key, value, origin]| {
        writeln!(to, "{key:<keys$}  {value:<values$}  {origin}")
    })
}

#[cfg(test)]
mod tests {
    use crate::config::BrokerConfig;

    #[test]
    fn columns_are_aligned_and_name_the_origin() {
        let config = BrokerConfig::with(&[("log.dirs", "/srv/log")]).unwrap();
        let mut text = Vec::new();
        super::settings(&config.settings, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line("log.dirs ").ends_with("  --override"));
        assert!(line("broker.rack ").contains("  (unset)  "));
        assert_eq!(
            line("log.dirs ").find("/srv/log"),
            line("node.id ").find("1  ")
        );
    }
}
