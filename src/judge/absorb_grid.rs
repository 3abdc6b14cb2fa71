//! The grid that the data of a metric are put on.

use crate::judge::windows::POINTS_MAX;
use crate::plan::Plan;
use crate::series::grid::Grid;

/// How many grid points the window may come to have.
pub(super) fn points_planned(plan: &Plan) -> usize {
    let points = grid_of(plan, 0, 0).points_until(plan.timing.deadline);
    points.min(POINTS_MAX)
}

/// `len` points of the plan's grid from point `first` on.
pub(super) fn grid_of(plan: &Plan, first: usize, len: usize) -> Grid {
    let (start, step) = (plan.timing.start, plan.timing.step);
    let whole = Grid {
        start,
        step,
        len: 0,
    };
    Grid {
        start: whole.instant(first),
        step,
        len,
    }
}
