//! Over how many series sums were taken.

use crate::series::align;
use crate::series::samples::Series;
use std::collections::BTreeMap;

/// At how many grid points how many series had a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Widths(BTreeMap<usize, usize>);

impl Widths {
    /// Takes in the grid points of one batch.
    pub(crate) fn note(&mut self, aligned: &[Series]) {
        for column in align::frame(aligned).columns() {
            let width = column.iter().flatten().count();
            if width > 0 {
                *self.0.entry(width).or_default() += 1;
            }
        }
    }

    /// `sum over 3 of 4 series at 7 points`: a sum over fewer series than there were at other
    /// instants is smaller, and nothing about the value says so.
    pub(crate) fn short(&self) -> Option<String> {
        let (most, _) = self.0.last_key_value()?;
        let short = self.0.range(..most);
        let points: usize = short.clone().map(|(_, points)| points).sum();
        let (low, high) = (short.clone().next()?.0, short.last()?.0);
        let fewer = if low == high {
            low.to_string()
        } else {
            format!("{low} to {high}")
        };
        let plural = if points == 1 { "" } else { "s" };
        Some(format!(
            "sum over {fewer} of {most} series at {points} point{plural}"
        ))
    }
}
