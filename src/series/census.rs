//! What was done to samples on their way in. Nothing is left out without being counted here, so
//! that a reader of a finding can tell "there was nothing" from "we did not use it".

/// Counts of what was done; sums over batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Samples that stood between two grid points.
    pub off_grid: u64,
    /// Samples before the first or after the last grid point asked for.
    pub outside: u64,
    /// NaN and infinities.
    pub non_finite: u64,
    /// Samples that came again with the same instant and value.
    pub repeated: u64,
    /// Samples at an instant for which the source gave different values: none of them is used.
    pub conflicting: u64,
    /// Samples that came after a later one.
    pub out_of_order: u64,
    /// Counter samples below zero.
    pub negative: u64,
    /// Bucket samples whose counterpart at the same instant was missing.
    pub unpaired: u64,
    /// Counter resets: the value fell, so counting went on from zero.
    pub resets: u64,
    /// Counters born after the start: their first value counts.
    pub births: u64,
    /// Counters of which nobody knows whether they were born: their first value does not count.
    pub origin_unknown: u64,
    /// Intervals with more bad events than events.
    pub exceeding: u64,
}

impl Census {
    /// Adds what another part of the data saw.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.fields_mut().into_iter().zip(other.fields()) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Samples that were not used, whatever the reason.
    pub fn left_out(&self) -> u64 {
        [
            self.off_grid,
            self.outside,
            self.non_finite,
            self.repeated,
            self.conflicting,
            self.negative,
            self.unpaired,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// One short sentence for each count above zero that a reader must know, in a fixed order.
    /// Samples outside the grid are none: they belong to another look.
    pub fn sentences(&self) -> Vec<String> {
        let words: [(u64, &str, &str); 11] = [
            (self.off_grid, "sample", "off the grid left out"),
            (
                self.non_finite,
                "sample",
                "NaN or infinite, turned into gaps",
            ),
            (
                self.conflicting,
                "sample",
                "of conflicting values at one instant left out",
            ),
            (self.repeated, "sample", "repeated, counted once"),
            (self.out_of_order, "sample", "out of order, sorted"),
            (self.negative, "sample", "of a counter below zero left out"),
            (
                self.unpaired,
                "bucket sample",
                "without its counterpart left out",
            ),
            (self.resets, "counter reset", "bridged"),
            (
                self.births,
                "counter",
                "born since the start, counted from zero",
            ),
            (
                self.origin_unknown,
                "counter",
                "of unknown origin, first value not counted",
            ),
            (
                self.exceeding,
                "interval",
                "with more bad events than events, the excess carried on",
            ),
        ];
        words
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, noun, what)| {
                let plural = if count == 1 { "" } else { "s" };
                format!("{count} {noun}{plural} {what}")
            })
            .collect()
    }

    fn fields(&self) -> [u64; 12] {
        let mut copy = *self;
        copy.fields_mut().map(|field| *field)
    }

    fn fields_mut(&mut self) -> [&mut u64; 12] {
        [
            &mut self.off_grid,
            &mut self.outside,
            &mut self.non_finite,
            &mut self.repeated,
            &mut self.conflicting,
            &mut self.out_of_order,
            &mut self.negative,
            &mut self.unpaired,
            &mut self.resets,
            &mut self.births,
            &mut self.origin_unknown,
            &mut self.exceeding,
        ]
    }
}
