//! Values, variables and types as text.

use retake_debugger::{Role, TypeView, VariableView};

/// A variable: its name and its value.
pub(super) fn variable(view: &VariableView) -> String {
    let shadowed = if view.shadowed { " (shadowed)" } else { "" };
    format!("{}{shadowed} = {}", view.name, view.value)
}

/// The variables of a frame of a stack, a line each.
pub(super) fn of_frame(views: &[VariableView]) -> Vec<String> {
    let line = |view: &VariableView| {
        let what = match view.role {
            Some(Role::Argument) => "arg ",
            Some(Role::Result) => "result ",
            Some(Role::Local) | None => "",
        };
        format!("         {what}{}", variable(view))
    };
    views.iter().map(line).collect()
}

/// A type with its fields.
pub(super) fn type_view(view: &TypeView) -> Vec<String> {
    let size = view.size.map(|size| format!("  ({size} bytes)")).unwrap_or_default();
    let mut lines = vec![format!("{}{size}", view.name)];
    for field in &view.fields {
        lines.push(match &field.name {
            Some(name) => format!("    {name}: {}", field.ty),
            None => format!("    <{}>", field.ty),
        });
    }
    lines
}
