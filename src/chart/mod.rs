//! Charts as SVG, one way of drawing for every surface: pages, reports, files. Pure: series in,
//! text out, the same bytes for the same series.
//!
//! | file | what |
//! |---|---|
//! | `scale` | from values to places, ticks with round numbers |
//! | `clock` | ticks and labels of time |
//! | `path` | lines with gaps, thinned to what a screen can show, extremes kept |
//! | `draw` | a [`Figure`] as SVG: axes, keys, layers |
//! | `strip` | an interval against its limit on one line; the looks of an analysis in a row |
//! | `ink` | text and numbers as XML |
//!
//! A chart is 360 units wide and is meant to be shown about as wide: its letters are 11 units
//! high and stay readable on a phone, where charts stand below one another. Lines differ by dash
//! as well as by colour, every chart carries a title and its description in words, and colours
//! come from [`STYLE`], which knows light and dark.

mod clock;
mod draw;
mod ink;
mod path;
mod scale;
mod strip;

pub use clock::{date_time, day};
pub use draw::{HEIGHT, WIDTH, draw, nested};
pub use ink::escaped;
pub use path::POINTS_DRAWN_MAX;
pub use strip::{Cell, Interval, Looks, interval, looks, looks_nested};

use crate::time::Timestamp;

/// Colours and letters of every chart, for the one `<style>` of the page or file it stands in.
pub const STYLE: &str = include_str!("chart.css");

/// A value at an instant; `None` is a gap, and so is a value that is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: Option<f64>,
}

/// A range at an instant; a bound that is infinite reaches to the edge of the plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// When.
    pub at: Timestamp,
    /// From; may be −∞.
    pub low: f64,
    /// To; may be +∞.
    pub high: f64,
}

/// Which colour and dash a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The baseline: grey, dashed.
    Baseline,
    /// The canary: blue, solid.
    Canary,
    /// Evidence of harm: red, solid.
    Harm,
    /// Evidence of safety: green, dotted.
    Safe,
    /// A second line of the canary: blue, dotted.
    Second,
}

impl Ink {
    /// The class in [`STYLE`].
    const fn class(self) -> &'static str {
        match self {
            Self::Baseline => "base",
            Self::Canary => "can",
            Self::Harm => "harm",
            Self::Safe => "safe",
            Self::Second => "second",
        }
    }
}

/// One thing in a plot; later ones lie over earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A line with gaps.
    Line {
        /// How it looks.
        ink: Ink,
        /// What it is, for the key.
        name: String,
        /// In the order of time.
        points: Vec<Point>,
    },
    /// An area between two bounds.
    Band {
        /// How it looks.
        ink: Ink,
        /// What it is, for the key.
        name: String,
        /// In the order of time; an entry without finite or infinite bounds is a gap.
        ranges: Vec<Option<Range>>,
    },
    /// A horizontal line that something is compared with.
    Limit {
        /// Its value.
        value: f64,
        /// What stands at it.
        name: String,
    },
    /// The line of nothing: no difference.
    Zero,
    /// A stretch of time that does not count.
    Shade {
        /// Its begin.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
        /// Why.
        name: String,
    },
}

/// One chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Begins every id inside; letters, digits and hyphens, unique in the document.
    pub id: String,
    /// What is shown, with the unit.
    pub title: String,
    /// The same in a sentence with numbers, for those who do not see it.
    pub description: String,
    /// The first instant.
    pub from: Timestamp,
    /// The last instant.
    pub to: Timestamp,
    /// What is behind the numbers of the axis: `%` or nothing.
    pub suffix: String,
    /// The axis is at least this long: noise far below the limit should not look like a mountain.
    pub least: f64,
    /// The axis begins at zero.
    pub from_zero: bool,
    /// What is in it.
    pub layers: Vec<Layer>,
    /// What is said when there is nothing to draw.
    pub empty: String,
}
