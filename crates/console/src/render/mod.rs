//! Outputs as text for people and as JSON for programs. Nothing is printed here.

mod goroutines;
mod showing;
mod stops;
pub(crate) mod table;
mod text;
mod values;

use serde_json::{Value, json};

use crate::{ConsoleError, Output};

pub use text::{text, trace_line};

/// An output as one line of JSON.
pub fn json(output: &Output) -> String {
    serde_json::to_string(output).unwrap_or_else(|err| failed(&err))
}

/// A command and what it gave, as one line of JSON: `{"command", "kind", "data"}` or
/// `{"command", "error"}`.
pub fn json_step(command: &str, result: &Result<Output, ConsoleError>) -> String {
    let object = match result {
        Ok(output) => match serde_json::to_value(output) {
            Ok(Value::Object(mut object)) => {
                object.insert("command".to_owned(), json!(command));
                Value::Object(object)
            }
            Ok(value) => json!({ "command": command, "data": value }),
            Err(err) => return failed(&err),
        },
        Err(err) => {
            let mut object = json!({ "command": command, "error": err.to_string() });
            if !err.done().is_empty() {
                object["done"] = json!(err.done());
            }
            object
        }
    };
    object.to_string()
}

fn failed(err: &serde_json::Error) -> String {
    json!({ "error": err.to_string() }).to_string()
}
