//! Ctrl-C in each of the searches that can take long: the prompt is back soon, and nothing has moved.

use std::io::Write;
use std::time::{Duration, Instant};

use retake_testkit::fixture;

use super::screen::CTRL_C;
use super::{open, recorded};

/// A third of a second is what is promised, on a machine that does nothing else.
const SOON: Duration = Duration::from_millis(1500);

/// From where, with what set, and what takes long then.
struct Search {
    from: &'static str,
    set: String,
    movement: String,
}

/// Most of the six seconds are before what they look for, behind it, or all of them.
fn searches(once: &str, wide: &str) -> Vec<Search> {
    let mixes = format!("written_once.c:{}", fixture::line_of("c/hot/written_once.c", "mixes"));
    let search = |from, set: String, movement: String| Search { from, set, movement };
    // What a predicate says, a number of hits, and what only the debugger itself can judge.
    let never = format!("break {mixes} if x == 0 && x == 1");
    let asks = format!("break {mixes} if len(\"x\") == 2");
    let counts = format!("break {mixes}\ncondition -hitcount 1 == 99999999999");
    let mut all = Vec::new();
    for set in [&never, &asks, &counts] {
        all.push(search("start", set.clone(), "continue".into()));
        all.push(search("end", set.clone(), "rewind".into()));
    }
    all.push(search("start", never.clone(), "hits 1".into()));
    all.push(search("end", String::new(), format!("trace {mixes} if x == 0 && x == 1")));
    for size in [format!("-w -size 8 {once}"), format!("-w -size 300 {wide}")] {
        all.push(search("start", format!("watch {size}"), "continue".into()));
        all.push(search("end", format!("watch {size}"), "rewind".into()));
    }
    all.push(search("end", String::new(), format!("last {once}")));
    all.push(search("end", String::new(), format!("last -size 300 {wide}")));
    all
}

#[test]
fn ctrl_c_brings_the_prompt_back_soon() {
    let program = fixture::c("c/hot/written_once.c", &["-O1"]);
    let of = recorded(&[program.to_str().expect("a path"), "600"]);
    let printed = of.retake.replay(&of.dir).good().output();
    let mut words = printed.split_whitespace();
    let (once, wide) = (words.next().expect("an address"), words.next().expect("an address"));
    let mut took = Vec::new();
    for Search { from, set, movement } in searches(once, wide) {
        let mut screen = open(&of, 80, &[]);
        screen.answer(&format!("goto {from}"));
        for line in set.lines() {
            screen.answer(line);
        }
        let before = screen.answer("when");
        screen.send(&format!("{movement}\n"));
        screen.expect("Ctrl-C stops");
        let since = Instant::now();
        screen.send(CTRL_C);
        screen.expect("interrupted");
        screen.expect("(retake) ");
        took.push((since.elapsed(), format!("{movement} from the {from}, {set:?}")));
        assert_eq!(screen.answer("when"), before, "after {movement}");
    }
    took.sort();
    // With --nocapture: the figures.
    let (median, most) = (took[took.len() / 2].0, took.last().expect("some"));
    let _ = writeln!(
        std::io::stderr(),
        "Ctrl-C in {} searches: the prompt is back in {median:?} (median), {:?} at most ({})",
        took.len(),
        most.0,
        most.1
    );
    assert!(most.0 < SOON, "{took:#?}");
}
