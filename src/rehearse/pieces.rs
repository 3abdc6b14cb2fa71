//! Values over time as a test writes them: `0.2 ~5% for 10m, 0.3 ~5%`.
//!
//! | text | values |
//! |---|---|
//! | `0.2` | 0.2 to the end |
//! | `0.2 for 10m, 0.3` | 0.2 for ten minutes, then 0.3 to the end |
//! | `0.2+0.01 for 10m` | 0.2 0.21 0.22 … for ten minutes |
//! | `0.2x20 0.3x40`, `1+2x5 _ 7` | as in Prometheus' rule tests, one value each step |
//! | `_`, `stale`, `_ for 5m` | nothing |
//! | `0.2 ~5%`, `0.2 ~0.01` | with noise: its standard deviation |
//! | `0.2 ~5% phi 0.6` | … correlated between neighbours |
//! | `0.2%` | a share |
//! | `600/m` | a rate |
//!
//! A number alone is a level that goes on; with `x`, or several in a row, each is one value and the
//! data end with the last.

use crate::series::notation;
use crate::simulate::noise::Noise;
use crate::time::{Span, Step};

/// Pieces of one text; more are refused.
pub const PIECES_MAX: usize = 100;

/// Strongest correlation between neighbours; a stronger one is refused, because a value remembers
/// no more than 128 shocks.
pub const PHI_MAX: f64 = 0.95;

/// Values over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    /// What the numbers are.
    pub unit: Unit,
    pieces: Vec<Piece>,
}

/// What numbers are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// As they stand.
    Plain,
    /// Shares: written with `%`, kept as 0 to 1.
    Share,
    /// Per second: written as `10/s`, `600/m` or `36000/h`.
    Rate,
}

#[derive(Clone, Debug, PartialEq)]
struct Piece {
    shape: Shape,
    noise: Option<Spread>,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// One value each step.
    Listed(Vec<Option<f64>>),
    /// A level that rises by so much each step, for so long; without a length to the end.
    Level {
        first: Option<f64>,
        rise: f64,
        lasts: Option<Span>,
    },
}

/// Noise around a value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    /// Standard deviation, as a share of the value or in its unit.
    size: f64,
    relative: bool,
    phi: f64,
}

/// One value, before chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    value: f64,
    noise: Option<Spread>,
}

impl Point {
    /// The value with the noise of place `idx`; noise alone never changes a sign.
    pub fn drawn(self, noise: Noise, idx: u64) -> f64 {
        let Some(spread) = self.noise else {
            return self.value;
        };
        let scale = if spread.relative {
            self.value.abs()
        } else {
            1.0
        };
        let value = self.value + spread.size * scale * noise.correlated(idx, spread.phi);
        if self.value >= 0.0 {
            value.max(0.0)
        } else {
            value.min(0.0)
        }
    }
}

/// What is wrong with a text, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiecesFault {
    /// Where it begins, in bytes.
    pub at: usize,
    /// How many characters it covers.
    pub len: usize,
    /// Lower case: the thing and the way out.
    pub message: String,
}

impl Pieces {
    /// One number to the end.
    pub fn constant(value: f64) -> Self {
        let shape = Shape::Level {
            first: Some(value),
            rise: 0.0,
            lasts: None,
        };
        Self {
            unit: Unit::Plain,
            pieces: vec![Piece { shape, noise: None }],
        }
    }

    /// One value each step.
    pub fn listed(values: Vec<Option<f64>>) -> Self {
        let shape = Shape::Listed(values);
        Self {
            unit: Unit::Plain,
            pieces: vec![Piece { shape, noise: None }],
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PiecesFault> {
        let mut reader = Units::default();
        let mut pieces = Vec::new();
        let (mut at, mut open) = (0, None);
        for part in text.split(',') {
            if let Some((at, len)) = open {
                let message = "this goes on to the end, so nothing can follow; write `… for 10m`";
                return Err(fault(at, len, message));
            }
            if pieces.len() >= PIECES_MAX {
                let message = format!("more than {PIECES_MAX} pieces; use fewer");
                return Err(fault(at, 1, message));
            }
            let piece = reader.piece(part, at)?;
            if let Shape::Level { lasts: None, .. } = piece.shape {
                let trimmed = part.trim();
                let skipped = part.len() - part.trim_start().len();
                open = Some((at + skipped, trimmed.chars().count()));
            }
            pieces.push(piece);
            at += part.len() + 1;
        }
        Ok(Self {
            unit: reader.unit.unwrap_or(Unit::Plain),
            pieces,
        })
    }

    /// The values at `count` places a step apart; past the end of what is written there is
    /// nothing.
    pub fn points(&self, step: Step, count: usize) -> Vec<Option<Point>> {
        let mut out = Vec::with_capacity(count.min(1 << 16));
        for piece in &self.pieces {
            let noise = piece.noise;
            let room = count - out.len();
            match &piece.shape {
                Shape::Listed(values) => {
                    let point = |value: &Option<f64>| value.map(|value| Point { value, noise });
                    out.extend(values.iter().take(room).map(point));
                }
                Shape::Level { first, rise, lasts } => {
                    let wanted = lasts.map_or(room, |lasts| steps(lasts, step));
                    let mut value = *first;
                    for _ in 0..wanted.min(room) {
                        out.push(value.map(|value| Point { value, noise }));
                        value = value.map(|value| value + rise);
                    }
                }
            }
        }
        out.resize(count, None);
        out
    }

    /// How long the data last, when they end.
    pub fn lasts(&self, step: Step) -> Option<Span> {
        self.pieces.iter().try_fold(Span::ZERO, |sum, piece| {
            Some(sum.plus(match &piece.shape {
                Shape::Listed(values) => {
                    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
                    step.span().times(count)
                }
                Shape::Level { lasts, .. } => (*lasts)?,
            }))
        })
    }

    /// Whether there is any value at all.
    pub fn is_something(&self) -> bool {
        self.first().is_some()
    }

    /// The first value with its noise, going on for ever.
    #[must_use]
    pub fn level(&self) -> Option<Self> {
        let (first, noise) = self.first()?;
        let shape = Shape::Level {
            first: Some(first),
            rise: 0.0,
            lasts: None,
        };
        Some(Self {
            unit: self.unit,
            pieces: vec![Piece { shape, noise }],
        })
    }

    fn first(&self) -> Option<(f64, Option<Spread>)> {
        self.pieces.iter().find_map(|piece| {
            let value = match &piece.shape {
                Shape::Listed(values) => values.iter().flatten().next().copied(),
                Shape::Level { first, .. } => *first,
            };
            value.map(|value| (value, piece.noise))
        })
    }

    /// The smallest and the largest value written, before chance; the rise of a level counts once.
    pub fn range(&self) -> Option<(f64, f64)> {
        let values = self.pieces.iter().flat_map(|piece| match &piece.shape {
            Shape::Listed(values) => values.clone(),
            Shape::Level { first, rise, .. } => vec![*first, first.map(|first| first + rise)],
        });
        values.flatten().fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((f64::min(low, value), f64::max(high, value)))
        })
    }
}

/// How many steps begin within a length of time.
pub fn steps(lasts: Span, step: Step) -> usize {
    let step = step.span().ms();
    usize::try_from((lasts.ms() + step - 1) / step).unwrap_or(usize::MAX)
}

fn fault(at: usize, len: usize, message: impl Into<String>) -> PiecesFault {
    PiecesFault {
        at,
        len: len.max(1),
        message: message.into(),
    }
}

/// The unit all numbers of one text share.
#[derive(Default)]
struct Units {
    unit: Option<Unit>,
}

/// A word with its place.
type Word<'t> = (usize, &'t str);

impl Units {
    fn piece(&mut self, part: &str, from: usize) -> Result<Piece, PiecesFault> {
        let mut words = words(part, from);
        if words.is_empty() {
            let message = "a piece is empty; write a value such as `0.2`, or `_` for nothing";
            return Err(fault(from, part.chars().count(), message));
        }
        let lasts = lasts(&mut words)?;
        let noise = spread(&mut words)?;
        let bare: Vec<(usize, &str, String, f64)> = words
            .iter()
            .map(|(at, word)| {
                let (text, scale) = self.bare(*at, word)?;
                Ok((*at, *word, text, scale))
            })
            .collect::<Result<_, PiecesFault>>()?;
        let [(at, word, text, scale)] = bare.as_slice() else {
            return match (lasts, bare.first()) {
                (None, Some(_)) => listed(&bare).map(|shape| Piece { shape, noise }),
                (_, first) => {
                    let (at, len) = first.map_or((from, 1), |(at, word, ..)| (*at, word.len()));
                    let message = "`for` follows one level such as `0.2`; give each its own \
                                   `for`, with a comma between";
                    Err(fault(at, len, message))
                }
            };
        };
        let gap = text == "_" || text == "stale";
        let level = if gap {
            Some((None, 0.0))
        } else {
            level(text, *scale)
        };
        let shape = match (level, lasts) {
            (Some((first, rise)), lasts) if lasts.is_some() || rise == 0.0 => {
                Shape::Level { first, rise, lasts }
            }
            (Some(_), _) => {
                let message = format!(
                    "`{word}` does not say for how long; write `{word} for 10m` or `{word}x5`"
                );
                return Err(fault(*at, word.chars().count(), message));
            }
            (None, Some(_)) => {
                let message = format!(
                    "`{word}` has no length of its own when `for` says it; write `0.2 for 10m` or \
                     `0.2+0.01 for 10m`"
                );
                return Err(fault(*at, word.chars().count(), message));
            }
            (None, None) => listed(&bare)?,
        };
        Ok(Piece { shape, noise })
    }

    /// A word without its units, and what its numbers are to be multiplied by.
    fn bare(&mut self, at: usize, word: &str) -> Result<(String, f64), PiecesFault> {
        const UNITS: [(&str, Unit, f64); 4] = [
            ("%", Unit::Share, 0.01),
            ("/s", Unit::Rate, 1.0),
            ("/m", Unit::Rate, 1.0 / 60.0),
            ("/h", Unit::Rate, 1.0 / 3600.0),
        ];
        if word.starts_with('_') || word.starts_with("stale") {
            return Ok((word.to_owned(), 1.0));
        }
        let found = UNITS.iter().find(|(text, ..)| word.contains(text));
        let (text, unit, scale) = match found {
            Some((text, unit, scale)) => (word.replace(text, ""), *unit, *scale),
            None => (word.to_owned(), Unit::Plain, 1.0),
        };
        if text.is_empty() {
            let message = format!("`{word}` stands alone; write it without a space, as `5{word}`");
            return Err(fault(at, word.chars().count(), message));
        }
        if self.unit.is_some_and(|other| other != unit) {
            let message = format!("`{word}` has another unit than the values before it");
            return Err(fault(at, word.chars().count(), message));
        }
        self.unit = Some(unit);
        Ok((text, scale))
    }
}

/// The words of a piece with their places.
fn words(part: &str, from: usize) -> Vec<Word<'_>> {
    let mut out = Vec::new();
    let mut at = from;
    for word in part.split(char::is_whitespace) {
        if !word.is_empty() {
            out.push((at, word));
        }
        at += word.len() + 1;
    }
    out
}

/// Takes `for 10m` off the end.
fn lasts(words: &mut Vec<Word<'_>>) -> Result<Option<Span>, PiecesFault> {
    let Some(place) = words.iter().position(|(_, word)| *word == "for") else {
        return Ok(None);
    };
    let taken = words.split_off(place);
    let [(at, _), rest @ ..] = taken.as_slice() else {
        return Ok(None);
    };
    match rest {
        [(at, text)] => match Span::parse(text) {
            Some(span) if span > Span::ZERO => Ok(Some(span)),
            _ => {
                let message = format!("`{text}` is no length of time, write `30s`, `10m` or `1h`");
                Err(fault(*at, text.chars().count(), message))
            }
        },
        [] => Err(fault(
            *at,
            3,
            "`for` is followed by a length of time such as `10m`",
        )),
        [_, (at, text), ..] => {
            let message = format!("`{text}` after the length of time; put a comma between pieces");
            Err(fault(*at, text.chars().count(), message))
        }
    }
}

/// Takes `~5%` and `~5% phi 0.6` out.
fn spread(words: &mut Vec<Word<'_>>) -> Result<Option<Spread>, PiecesFault> {
    let phi = match words.iter().position(|(_, word)| *word == "phi") {
        None => None,
        Some(place) => {
            let (at, _) = words.remove(place);
            if place >= words.len() {
                let message = "`phi` is followed by a correlation such as `0.6`";
                return Err(fault(at, 3, message));
            }
            let (value_at, text) = words.remove(place);
            let phi = text.parse().ok();
            let Some(phi) = phi.filter(|phi| (0.0..=PHI_MAX).contains(phi)) else {
                let message = format!("phi `{text}` is no correlation from 0 to {PHI_MAX}");
                return Err(fault(value_at, text.chars().count(), message));
            };
            Some((at, phi))
        }
    };
    let Some(place) = words.iter().position(|(_, word)| word.starts_with('~')) else {
        return match phi {
            None => Ok(None),
            Some((at, _)) => {
                let message = "`phi` says how noise is correlated, and there is none; write \
                               `~5% phi 0.6`";
                Err(fault(at, 3, message))
            }
        };
    };
    let (at, text) = words.remove(place);
    let digits = text.trim_start_matches('~');
    let (digits, relative) = match digits.strip_suffix('%') {
        Some(digits) => (format!("{digits}e-2"), true),
        None => (digits.to_owned(), false),
    };
    let size = digits.parse().ok().filter(|size: &f64| size.is_finite());
    let Some(size) = size.filter(|size| *size >= 0.0) else {
        let message = format!("`{text}` is no noise, write `~5%` or `~0.01`");
        return Err(fault(at, text.chars().count(), message));
    };
    Ok(Some(Spread {
        size,
        relative,
        phi: phi.map_or(0.0, |(_, phi)| phi),
    }))
}

/// `5` or `5+2` or `5-2`, scaled; nothing when it says how often.
fn level(text: &str, scale: f64) -> Option<(Option<f64>, f64)> {
    if let Ok(value) = text.parse::<f64>() {
        return Some((Some(value * scale), 0.0));
    }
    if text.contains('x') {
        return None;
    }
    // The notation demands repetitions of an increment: one shows both.
    match notation::parse(&format!("{text}x1")).ok()?.as_slice() {
        [Some(first), Some(second)] => Some((Some(first * scale), (second - first) * scale)),
        _ => None,
    }
}

fn listed(words: &[(usize, &str, String, f64)]) -> Result<Shape, PiecesFault> {
    let mut out = Vec::new();
    for (at, word, text, scale) in words {
        let values = notation::parse(text)
            .map_err(|found| fault(*at, word.chars().count(), found.message.replace(text, word)))?;
        out.extend(values.into_iter().map(|value| Some(value? * scale)));
        if out.len() > notation::VALUES_MAX {
            let most = notation::VALUES_MAX;
            let message = format!("`{word}` makes more than {most} values; use fewer");
            return Err(fault(*at, word.chars().count(), message));
        }
    }
    Ok(Shape::Listed(out))
}
