//! What procfs says of a task in one line.

use retake_model::Tid;

/// `/proc/PID/stat` (proc_pid_stat(5)), from the field behind the name on: a name may hold anything.
#[derive(Clone, Debug)]
pub struct TaskStat {
    fields: String,
}

impl TaskStat {
    /// That of a task. `None`: there is no such task.
    pub fn read(tid: Tid) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{tid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        let (_, fields) = line.rsplit_once(')')?;
        Some(Self { fields: fields.to_owned() })
    }

    /// A field by the number that the manual page gives it, from 3 (`state`) on.
    pub fn field(&self, number: usize) -> Option<&str> {
        const FIRST: usize = 3;
        self.fields.split_whitespace().nth(number.checked_sub(FIRST)?)
    }

    /// Whether its state is one of these letters.
    pub fn is_in(&self, states: &[char]) -> bool {
        self.field(3).is_some_and(|state| state.starts_with(states))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = TaskStat::parse("7 (a) S 1) D 5 6 7 8\n").unwrap();
        assert!(stat.is_in(&['S', 'D']) && !stat.is_in(&['S']));
        assert_eq!((stat.field(4), stat.field(5), stat.field(99)), (Some("5"), Some("6"), None));
        assert_eq!(stat.field(2), None);
    }
}
