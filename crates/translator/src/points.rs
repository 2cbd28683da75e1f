//! From addresses in the cache back to the program's state.

use retake_model::Addr;

use crate::register::Spilled;

/// What holds from an offset in the cache on, up to the next point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) offset: u32,
    /// Where the program is.
    pub(crate) pc: Addr,
    /// Registers that are in their slots.
    pub(crate) spilled: Spilled,
    /// Branches that the clock has counted already, although they come later; less than zero for those that
    /// it is still to count.
    pub(crate) ahead: i8,
    pub(crate) kind: PointKind,
}

/// How well a point tells the program's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PointKind {
    /// Wherever an instruction begins, the state is the program's before the instruction at `pc`.
    Exact,
    /// Within something that the translator added: a few steps lead to an exact point.
    Between,
    /// Within something that was added and that may fault: the instruction at `pc` is then executed where it
    /// lies.
    Fallible,
    /// Right behind a `syscall`.
    Call,
    /// Within a test: memory that cannot be read makes the test fail, which goes on at this offset.
    Test { passed: u32 },
}

/// Points in the order of their offsets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    list: Vec<Point>,
}

impl Points {
    pub(crate) fn push(&mut self, point: Point) {
        self.list.push(point);
    }

    /// Says where a test goes on whose memory cannot be read.
    pub(crate) fn set_passed(&mut self, n: usize, to: u32) {
        if let Some(Point { kind: PointKind::Test { passed }, .. }) = self.list.get_mut(n) {
            *passed = to;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The point that holds at an offset: the last one there, as those before it have no length.
    pub(crate) fn find(&self, offset: u32) -> Option<&Point> {
        let behind = self.list.partition_point(|point| point.offset <= offset);
        self.list.get(behind.checked_sub(1)?)
    }

    /// The point right behind what was executed last: a jump that leads on has no length in the cache, but the
    /// program stands before it then.
    pub(crate) fn find_behind(&self, offset: u32) -> Option<&Point> {
        let first = self.list.partition_point(|point| point.offset < offset);
        let mut here = self.list.iter().skip(first).take_while(|point| point.offset == offset);
        here.find(|point| point.kind == PointKind::Exact).or_else(|| self.find(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_holds_up_to_the_next_one() {
        let mut points = Points::default();
        for (offset, pc) in [(8, 1), (8, 2), (12, 3), (20, 4)] {
            let (spilled, kind) = (Spilled::NONE, PointKind::Exact);
            points.push(Point { offset, pc: Addr::new(pc), spilled, ahead: 0, kind });
        }
        let pc = |offset| points.find(offset).map(|point| point.pc.get());
        let behind = |offset| points.find_behind(offset).map(|point| point.pc.get());
        assert_eq!([behind(8), behind(9), behind(12)], [Some(1), Some(2), Some(3)]);
        assert_eq!(
            [pc(7), pc(8), pc(11), pc(12), pc(19), pc(99)],
            [None, Some(2), Some(2), Some(3), Some(3), Some(4)]
        );
    }
}
