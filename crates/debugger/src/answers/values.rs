//! Values, variables and types.

use retake_values::{Role, Shown};
use serde::{Deserialize, Serialize};

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableView {
    /// Its name.
    pub name: String,
    /// What it is; nothing of those outside of functions.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "role")]
    pub role: Option<Role>,
    /// Whether a variable of an inner block has its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadowed: bool,
    /// The line on which it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Its value.
    pub value: Shown,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeView {
    /// Its name.
    pub name: String,
    /// Its size in bytes, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<TypeField>,
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeField {
    /// Its name; none of a base class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of its type.
    #[serde(rename = "type")]
    pub ty: String,
}

/// How the role of a variable is written.
mod role {
    use retake_values::Role;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Text {
        Argument,
        Result,
        Local,
    }

    pub(super) fn serialize<S: Serializer>(role: &Option<Role>, to: S) -> Result<S::Ok, S::Error> {
        let text = role.map(|role| match role {
            Role::Argument => Text::Argument,
            Role::Result => Text::Result,
            Role::Local => Text::Local,
        });
        text.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Role>, D::Error> {
        Ok(Option::<Text>::deserialize(from)?.map(|text| match text {
            Text::Argument => Role::Argument,
            Text::Result => Role::Result,
            Text::Local => Role::Local,
        }))
    }
}
