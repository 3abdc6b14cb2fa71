//! What follows from step, grid and onsets alone, worked out once and shared by all analyses.
//!
//! A metric without gaps has the same gains as every other of its shape. They are kept in
//! stretches of [`AT_ONCE`] instants from the start; after its first gap a metric has its own.

use crate::judge::sequential::memory::Shape;
use crate::stats::state_space::{Course, Gains, Model};
use std::sync::{Arc, Mutex, PoisonError};

/// Instants of a stretch: what the filters need over them fits into a processor's nearest memory.
pub const AT_ONCE: usize = 16;

/// Stretches that are kept, of about 40 KB each; what comes later is worked out again and again.
const STRETCHES_MAX: usize = 1000;

/// A stretch without gaps.
#[derive(Debug)]
pub struct Stretch {
    /// What the filters do over it.
    pub course: Course,
    /// The gains after it.
    pub after: Gains,
}

impl Stretch {
    /// The stretch that begins at `gains`.
    pub fn new(model: &Model, gains: &Gains) -> Self {
        let (mut course, mut after) = (Course::default(), gains.clone());
        let present = std::iter::repeat_n(true, AT_ONCE);
        course.run(model, &mut after, present);
        Self { course, after }
    }
}

/// The stretches of all shapes met so far. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Tables(Arc<Mutex<Vec<Table>>>);

/// Those of one shape, from the start on.
#[derive(Debug)]
struct Table {
    shape: Shape,
    stretches: Vec<Arc<Stretch>>,
}

impl Tables {
    /// Stretch number `at` of a shape; the first who asks makes it. Two who ask at once make the
    /// same.
    pub fn stretch(&self, shape: Shape, at: usize, make: impl Fn() -> Stretch) -> Arc<Stretch> {
        if let Some(found) = self.find(shape, at) {
            return found;
        }
        let made = Arc::new(make());
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = tables.iter().map(|table| table.stretches.len()).sum();
        if kept >= STRETCHES_MAX {
            return made;
        }
        if let Some(table) = tables.iter_mut().find(|table| table.shape == shape) {
            if table.stretches.len() == at {
                table.stretches.push(made.clone());
            }
        } else if at == 0 {
            let stretches = vec![made.clone()];
            tables.push(Table { shape, stretches });
        }
        made
    }

    fn find(&self, shape: Shape, at: usize) -> Option<Arc<Stretch>> {
        let tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.iter().find(|table| table.shape == shape)?;
        table.stretches.get(at).cloned()
    }
}
