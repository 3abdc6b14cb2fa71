//! Lines with gaps as paths. A line with more points than a screen has columns becomes an area
//! between the least and the greatest value of each column, so that no extreme is lost, under a
//! line through the columns' means.

use crate::chart::Point;
use crate::chart::clock::Clock;
use crate::chart::ink::place;
use crate::chart::scale::Scale;
use std::fmt::Write as _;

/// Points of a line that are drawn one by one; a longer line is drawn by columns of four units.
pub const POINTS_DRAWN_MAX: usize = 240;

/// Units of a column: about as wide as a line with its neighbours' space, so that the means of a
/// noisy day are a line and not a smear.
const COLUMN: f64 = 4.0;

/// What a line is drawn as.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawn {
    /// The area between the extremes of each column; empty for a short line.
    pub(super) area: String,
    /// The line.
    pub(super) line: String,
    /// Values without a neighbour: a line of one point cannot be seen.
    pub(super) dots: String,
}

/// A value that is drawn.
fn finite(point: &Point) -> Option<f64> {
    point.value.filter(|value| value.is_finite())
}

/// Points as paths.
pub(super) fn line(points: &[Point], clock: &Clock, scale: &Scale) -> Drawn {
    if points.len() > POINTS_DRAWN_MAX {
        return columns(points, clock, scale);
    }
    let mut out = Drawn::default();
    for run in points.split(|point| finite(point).is_none()) {
        let places: Vec<(f64, f64)> = run
            .iter()
            .filter_map(|point| Some((clock.at(point.at), scale.at(finite(point)?))))
            .collect();
        stroke(&places, &mut out);
    }
    out
}

/// One stretch without a gap.
fn stroke(places: &[(f64, f64)], out: &mut Drawn) {
    if let [(x, y)] = places {
        // With round ends a line without length is a dot.
        let _ = write!(out.dots, "M{} {}h.01", place(*x), place(*y));
        return;
    }
    polyline(places.iter().copied(), 'M', &mut out.line);
}

fn polyline(places: impl Iterator<Item = (f64, f64)>, first: char, out: &mut String) {
    for (idx, (x, y)) in places.enumerate() {
        let letter = if idx == 0 { first } else { 'L' };
        let _ = write!(out, "{letter}{} {}", place(x), place(y));
    }
}

/// One column of the screen.
#[derive(Clone, Copy)]
struct Column {
    x: f64,
    least: f64,
    greatest: f64,
    sum: f64,
    count: f64,
}

fn columns(points: &[Point], clock: &Clock, scale: &Scale) -> Drawn {
    let mut runs: Vec<Vec<Column>> = vec![Vec::new()];
    let ends = (clock.at(clock.from), clock.at(clock.to));
    let mut empty_since: Option<f64> = None;
    for point in points {
        let middle = COLUMN * (libm::floor(clock.at(point.at) / COLUMN) + 0.5);
        let x = middle.clamp(ends.0, ends.1);
        let Some(value) = finite(point) else {
            empty_since.get_or_insert(x);
            continue;
        };
        // A gap is shown when it leaves a column empty; a shorter one has no room.
        let last = runs
            .last()
            .and_then(|run| run.last())
            .map(|column| column.x);
        let gap = empty_since.take().is_some() && last.is_some_and(|last| x - last > 1.5 * COLUMN);
        if gap {
            runs.push(Vec::new());
        }
        let Some(run) = runs.last_mut() else { continue };
        let y = scale.at(value);
        match run.last_mut() {
            Some(column) if column.x >= x => {
                column.least = column.least.min(y);
                column.greatest = column.greatest.max(y);
                column.sum += y;
                column.count += 1.0;
            }
            _ => run.push(Column {
                x,
                least: y,
                greatest: y,
                sum: y,
                count: 1.0,
            }),
        }
    }
    let mut out = Drawn::default();
    for run in runs {
        let means: Vec<(f64, f64)> = run.iter().map(|c| (c.x, c.sum / c.count)).collect();
        stroke(&means, &mut out);
        if run.len() > 1 {
            area(
                &run.iter()
                    .map(|c| (c.x, c.least, c.greatest))
                    .collect::<Vec<_>>(),
                &mut out.area,
            );
        }
    }
    out
}

/// A closed area along `(x, one edge, other edge)`.
pub(super) fn area(edges: &[(f64, f64, f64)], out: &mut String) {
    if edges.is_empty() {
        return;
    }
    polyline(edges.iter().map(|(x, a, _)| (*x, *a)), 'M', out);
    polyline(edges.iter().rev().map(|(x, _, b)| (*x, *b)), 'L', out);
    out.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn points(values: &[Option<f64>]) -> (Vec<Point>, Clock) {
        let at = |idx: usize| {
            let s = i64::try_from(idx).unwrap_or(0);
            Timestamp::from_s(60 * s)
        };
        let points = values.iter().enumerate().map(|(idx, value)| Point {
            at: at(idx),
            value: *value,
        });
        let end = at(values.len().saturating_sub(1));
        let clock = Clock::new(Timestamp::from_s(0), end, (0.0, 100.0));
        (points.collect(), clock)
    }

    #[test]
    fn gaps_and_lonely_points_are_seen() {
        let values = [
            Some(0.0),
            Some(1.0),
            None,
            Some(1.0),
            Some(f64::NAN),
            Some(0.0),
        ];
        let (points, clock) = points(&values);
        let drawn = line(&points, &clock, &Scale::new((0.0, 1.0), (10.0, 0.0)));
        assert_eq!(drawn.line, "M0 10L20 0");
        assert_eq!(drawn.dots, "M60 0h.01M100 10h.01");
        assert_eq!(drawn.area, "");
    }

    #[test]
    fn a_long_line_keeps_its_extremes() {
        let mut values = vec![Some(0.5); 1440];
        values[700] = Some(1.0);
        values[900] = Some(0.0);
        for gone in values.iter_mut().skip(1000).take(100) {
            *gone = None;
        }
        let (points, clock) = points(&values);
        let drawn = line(&points, &clock, &Scale::new((0.0, 1.0), (1000.0, 0.0)));
        assert!(drawn.area.contains(" 0L"), "the spike up");
        assert!(drawn.area.contains(" 1000L"), "the spike down");
        assert_eq!(drawn.line.matches('M').count(), 2, "the gap");
        assert!(drawn.area.len() + drawn.line.len() < 6_000);
    }
}
