//! The daemon's clock: the system's, never going back; or the same sped up, for the demo.

use crate::time::{Span, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads time and waits for it. Cheap to clone; all clones share the "never back" mark.
#[derive(Clone, Debug)]
pub struct Clock {
    kind: Kind,
    /// The latest instant ever given, so that a clock set back stands still instead.
    latest_ms: Arc<AtomicI64>,
}

#[derive(Clone, Debug)]
enum Kind {
    System,
    /// Counts from `origin` on, `factor` times as fast as the machine's monotonic clock.
    Fast {
        origin: Timestamp,
        since: Instant,
        factor: u32,
    },
}

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Self {
            kind: Kind::System,
            latest_ms: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// A clock that starts at `origin` and runs `factor` times as fast; a factor of 0 counts as 1.
    pub fn fast(origin: Timestamp, factor: u32) -> Self {
        let kind = Kind::Fast {
            origin,
            since: Instant::now(),
            factor: factor.max(1),
        };
        Self {
            kind,
            latest_ms: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// The present instant; never before one given earlier.
    pub fn now(&self) -> Timestamp {
        let ms = match &self.kind {
            Kind::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => whole_ms(since),
                Err(before) => -whole_ms(before.duration()),
            },
            Kind::Fast {
                origin,
                since,
                factor,
            } => origin
                .plus(Span::from_ms(whole_ms(since.elapsed())).times((*factor).into()))
                .ms(),
        };
        Timestamp::from_ms(self.latest_ms.fetch_max(ms, Ordering::AcqRel).max(ms))
    }

    /// How long to sleep on the machine until `at`; zero when it has passed. At most a minute, so
    /// that a clock set forward is noticed.
    pub fn wait_for(&self, at: Timestamp) -> Duration {
        const NAP_MAX_MS: u64 = 60_000; // bounds how late a forward step of the clock is noticed
        let ms = u64::try_from(at.since(self.now()).ms()).unwrap_or(0);
        let real = match &self.kind {
            Kind::System => ms,
            Kind::Fast { factor, .. } => ms.div_ceil(u64::from(*factor)),
        };
        Duration::from_millis(real.min(NAP_MAX_MS))
    }
}

fn whole_ms(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn a_clock_set_back_stands_still() {
        let clock = Clock::system();
        let future = clock.now().plus(Span::from_s(3600));
        clock.latest_ms.store(future.ms(), Ordering::Release);
        assert_eq!(clock.now(), future);
        assert_eq!(clock.clone().now(), future);
    }

    #[test]
    fn a_fast_clock_counts_from_its_origin() {
        let clock = Clock::fast(Timestamp::from_s(1_000_000), 60);
        let now = clock.now();
        assert!(now >= Timestamp::from_s(1_000_000));
        assert!(clock.wait_for(now.plus(Span::from_s(60))) <= Duration::from_secs(1));
    }
}
