//! When judges look: so many times, evenly, or at numbers of samples.

use crate::evaluate::trial::LookAt;

/// The most looks of a schedule; a longer one is refused, as a template with more would be.
const LOOKS_MAX: usize = 10_000;

/// A schedule of looks, for trials of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// So many looks, evenly; the last one at the end.
    Even(usize),
    /// At these numbers of samples, and at the end.
    At {
        /// Rising.
        points: Vec<usize>,
        /// And on by this many, to the end.
        every: Option<usize>,
    },
}

impl Schedule {
    /// 15, 20, 25 … and the end: what labelled pairs are looked at by default.
    pub fn pairs() -> Self {
        Self::At {
            points: vec![15, 20],
            every: Some(5),
        }
    }

    /// Reads `15,20,25..`: two dots go on with the last distance.
    ///
    /// # Errors
    /// Anything else; the message shows the form.
    pub fn parse_points(text: &str) -> Result<Self, String> {
        let form = "write rising numbers of samples, as 15,20,25.. or 30,60,120";
        let bad = || format!("`{text}` is no schedule of looks; {form}");
        let (list, goes_on) = match text.trim().strip_suffix("..") {
            Some(list) => (list, true),
            None => (text, false),
        };
        let points: Result<Vec<usize>, _> =
            list.split(',').map(|p| p.trim().parse::<usize>()).collect();
        let points = points.map_err(|_| bad())?;
        let rising = points.is_sorted_by(|a, b| a < b) && points.first().is_some_and(|p| *p > 0);
        if !rising || points.len() > LOOKS_MAX {
            return Err(bad());
        }
        let every = match points.as_slice() {
            [.., before, last] if goes_on => Some(last - before),
            [only] if goes_on => Some(*only),
            _ => None,
        };
        Ok(Self::At { points, every })
    }

    /// The looks at a trial of `points` samples; the last one at the end.
    ///
    /// # Errors
    /// More looks than samples, or than a plan may have.
    pub fn of(&self, points: usize) -> Result<Vec<usize>, String> {
        let mut out = match self {
            Self::Even(looks) => {
                if *looks == 0 || *looks > points {
                    return Err(format!(
                        "{looks} looks at {points} samples; take 1 to {points} looks"
                    ));
                }
                (1..=*looks).map(|k| k * points / looks).collect()
            }
            Self::At { points: at, every } => {
                let mut out = at.clone();
                let mut next = at.last().copied().unwrap_or(points);
                while let Some(every) = every {
                    next += every;
                    if next >= points {
                        break;
                    }
                    out.push(next);
                }
                out
            }
        };
        out.retain(|seen| *seen < points);
        out.push(points);
        if out.len() > LOOKS_MAX {
            return Err(format!(
                "{} looks, at most {LOOKS_MAX}; look less often",
                out.len()
            ));
        }
        Ok(out)
    }

    /// How a reader is told.
    pub fn text(&self) -> String {
        match self {
            Self::Even(looks) => format!("{looks} looks"),
            Self::At { points, every } => {
                let shown: Vec<String> = points.iter().map(ToString::to_string).collect();
                let more = every.map_or("", |_| ", …");
                format!("looks at {}{more} samples and at the end", shown.join(", "))
            }
        }
    }
}

/// The shortest distance between looks in grid points, the last one apart, and the looks with
/// their numbers in a plan that looks that often: no look comes before its number is due, and the
/// last one is the last.
pub fn numbered(looks: &[LookAt]) -> (usize, Vec<u32>) {
    let Some((last, regular)) = looks.split_last() else {
        return (1, Vec::new());
    };
    let mut before = 0;
    let mut every = last.grid.max(1);
    for look in regular {
        every = every.min(look.grid.saturating_sub(before)).max(1);
        before = look.grid;
    }
    let planned = last.grid.div_ceil(every).max(1);
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut out: Vec<u32> = regular
        .iter()
        .map(|look| number(look.grid.div_ceil(every).min(planned - 1)))
        .collect();
    out.push(number(planned));
    (every, out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn schedules_end_at_the_end() {
        let at = |text: &str, points| Schedule::parse_points(text).unwrap().of(points).unwrap();
        assert_eq!(at("15,20,25..", 38), [15, 20, 25, 30, 35, 38]);
        assert_eq!(at("15,20,25..", 40), [15, 20, 25, 30, 35, 40]);
        assert_eq!(at("15,20", 40), [15, 20, 40]);
        assert_eq!(at("10..", 35), [10, 20, 30, 35]);
        assert_eq!(at("15,20,25..", 12), [12]);
        assert_eq!(Schedule::pairs().of(38).unwrap(), at("15,20,25..", 38));
        assert_eq!(Schedule::Even(4).of(240).unwrap(), [60, 120, 180, 240]);
        assert_eq!(Schedule::Even(3).of(10).unwrap(), [3, 6, 10]);
        for text in ["", "a", "5,5", "20,15", "0,5", "15..20"] {
            let message = Schedule::parse_points(text).unwrap_err();
            assert!(message.contains("15,20,25.."), "{message}");
        }
        assert!(Schedule::Even(61).of(60).is_err());
        assert!(Schedule::Even(0).of(60).is_err());
    }

    #[test]
    fn numbers_are_those_of_a_regular_plan() {
        let looks = |seen: &[usize]| seen.iter().map(|s| LookAt::at(*s)).collect::<Vec<_>>();
        assert_eq!(numbered(&looks(&[4, 8, 12])), (4, vec![1, 2, 3]));
        assert_eq!(numbered(&looks(&[15, 20, 25, 28])), (5, vec![3, 4, 5, 6]));
        assert_eq!(numbered(&looks(&[28])), (28, vec![1]));
        // A last look soon after the one before does not make every look a small one.
        assert_eq!(numbered(&looks(&[15, 30, 31])), (15, vec![1, 2, 3]));
    }
}
