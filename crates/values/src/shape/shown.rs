//! What a value looks like: plain data.

use retake_model::Addr;
use serde::{Deserialize, Serialize};

/// A value, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The name of its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// How its language writes it.
    #[serde(default, skip_serializing_if = "Style::is_c")]
    pub style: Style,
    /// What it is.
    #[serde(flatten)]
    pub node: Node,
}

/// How a language writes values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// `{x = 1, y = 2}`
    #[default]
    C,
    /// `Point {x: 1, y: 2}`
    Rust,
    /// `main.Point {X: 1, Y: 2}`
    Go,
}

impl Style {
    fn is_c(&self) -> bool {
        *self == Self::C
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A number, a character, a truth value, the name of an enumeration's value.
    Plain(String),
    /// Text.
    Text {
        /// The first part of it.
        text: String,
        /// Its length in bytes.
        len: u64,
        /// Whether it goes on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// An address.
    Pointer {
        /// Where.
        addr: Addr,
        /// The function or variable there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        symbol: Option<String>,
        /// What is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Box<Shown>>,
    },
    /// A value with named parts.
    Fields(Vec<Field>),
    /// A value with numbered parts: a tuple, or a variant of an enum.
    Tuple {
        /// Its name, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its parts.
        items: Vec<Shown>,
    },
    /// A variant of an enum with named parts.
    Variant {
        /// Its name.
        name: String,
        /// Its parts.
        fields: Vec<Field>,
    },
    /// Elements.
    List {
        /// What it is, if its type does not say that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// How many there are.
        len: u64,
        /// How many there is room for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cap: Option<u64>,
        /// Some of them.
        items: Vec<Shown>,
    },
    /// Keys with values.
    Map {
        /// What it is.
        label: String,
        /// How many there are.
        len: u64,
        /// Some of them.
        entries: Vec<(Shown, Shown)>,
    },
    /// Something around another value.
    Wrapped {
        /// What it is.
        label: String,
        /// What is in it; none if there is nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inner: Option<Box<Shown>>,
        /// What else is known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<(String, String)>,
    },
    /// It has no value; why.
    Missing(String),
    /// It is not shown, as it is too deep, or was shown before.
    Cut,
}

/// A named part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Shown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_of_each_kind() {
        let of = |ty: &str, style, node| Shown { ty: ty.to_owned(), style, node };
        let number = |text: &str| of("int", Style::C, Node::Plain(text.to_owned()));
        let field = |name: &str, value| Field { name: name.to_owned(), value };
        let text = Node::Text { text: "a\"b\n".to_owned(), len: 9, more: true };
        let rows = [
            (number("5"), r#"{"type":"int","plain":"5"}"#, "5"),
            (
                of("char [9]", Style::C, text),
                r#"{"type":"char [9]","text":{"text":"a\"b\n","len":9,"more":true}}"#,
                "\"a\\\"b\\n\"...",
            ),
            (
                of("P", Style::Rust, Node::Fields(vec![field("x", number("1"))])),
                r#"{"type":"P","style":"rust","fields":[{"name":"x","value":{"type":"int","plain":"1"}}]}"#,
                "P {x: 1}",
            ),
            (
                of(
                    "P",
                    Style::C,
                    Node::Fields(vec![field("x", number("1")), field("", number("2"))]),
                ),
                r#"{"type":"P","fields":[{"name":"x","value":{"type":"int","plain":"1"}},{"name":"","value":{"type":"int","plain":"2"}}]}"#,
                "{x = 1, 2}",
            ),
            (
                of(
                    "[]int",
                    Style::Go,
                    Node::List {
                        label: Some("[]int".to_owned()),
                        len: 5,
                        cap: Some(8),
                        items: vec![number("1")],
                    },
                ),
                r#"{"type":"[]int","style":"go","list":{"label":"[]int","len":5,"cap":8,"items":[{"type":"int","plain":"1"}]}}"#,
                "[]int(len 5, cap 8) [1, ...+4 more]",
            ),
            (
                of("*T", Style::Go, Node::Pointer { addr: Addr::new(16), symbol: None, to: None }),
                r#"{"type":"*T","style":"go","pointer":{"addr":16}}"#,
                "(*T)(0x10)",
            ),
            (
                of("T", Style::C, Node::Missing("gone".to_owned())),
                r#"{"type":"T","missing":"gone"}"#,
                "<gone>",
            ),
            (of("T", Style::C, Node::Cut), r#"{"type":"T","cut":null}"#, "..."),
        ];
        for (shown, json, text) in rows {
            assert_eq!(serde_json::to_string(&shown).unwrap(), json);
            assert_eq!(serde_json::from_str::<Shown>(json).unwrap(), shown);
            assert_eq!(shown.to_string(), text);
        }
    }
}
