//! How values of other crates are written in JSON: as the text that people write.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// Signals, by name, or none.
pub(crate) mod optional_signal {
    use retake_model::Signal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "super::signal")] Signal);

    pub(crate) fn serialize<S: Serializer>(
        signal: &Option<Signal>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        signal.map(Named).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Signal>, D::Error> {
        Ok(Option::<Named>::deserialize(from)?.map(|Named(signal)| signal))
    }
}

/// Signals, by name.
pub(crate) mod signal {
    use retake_model::Signal;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(signal: &Signal, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(signal)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Signal, D::Error> {
        let name = String::deserialize(from)?;
        let numbered = name.strip_prefix("SIGRT").and_then(|number| number.parse().ok());
        let found = match numbered {
            Some(number) => Signal::from_number(number).ok(),
            None => Signal::from_name(&name),
        };
        found.ok_or_else(|| D::Error::custom(format!("{name:?} is not a signal")))
    }
}
