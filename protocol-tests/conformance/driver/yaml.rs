//! YAML files as JSON values, so that everything behind this reads one kind of tree.

use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value as Json};

/// Reads a file that holds one YAML document.
pub(crate) fn read(path: &Path) -> Result<Json, String> {
    let wrong = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let documents = Yaml::load_from_str(&text).map_err(|error| wrong(&error))?;
    match documents.as_slice() {
        [document] => json(document).map_err(|error| wrong(&error)),
        _ => Err(wrong(&"one document is wanted")),
    }
}

fn json(yaml: &Yaml<'_>) -> Result<Json, String> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Json::Null,
        Yaml::Value(Scalar::Boolean(value)) => Json::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Json::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Json::from(value.into_inner()),
        Yaml::Value(Scalar::String(text)) => Json::from(text.as_ref()),
        Yaml::Sequence(list) => Json::Array(list.iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                let name = match json(name)? {
                    Json::String(text) => text,
                    Json::Number(number) => number.to_string(),
                    other => return Err(format!("{other} cannot be a name")),
                };
                object.insert(name, json(value)?);
            }
            Json::Object(object)
        }
        other => return Err(format!("{other:?} is not understood")),
    })
}
