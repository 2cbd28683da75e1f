//! Requests to a session over a recording that a script stands for.
