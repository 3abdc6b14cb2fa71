//! Work over several threads, counted; results come in the order of the work, so they do not
//! depend on how many threads there are.

use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most threads; more would only wait for one another.
const JOBS_MAX: usize = 1024;

/// How much is done of how much, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicUsize,
    all: AtomicUsize,
}

impl Progress {
    /// Done, and of how many.
    pub fn now(&self) -> (usize, usize) {
        let of = self.all.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed).min(of), of)
    }

    fn expect(&self, more: usize) {
        self.all.fetch_add(more, Ordering::Relaxed);
    }

    fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Threads with their progress.
#[derive(Debug)]
pub struct Workers<'p> {
    pool: ThreadPool,
    progress: &'p Progress,
}

impl<'p> Workers<'p> {
    /// So many threads, at least one.
    ///
    /// # Errors
    /// Threads that cannot be had.
    pub fn new(jobs: usize, progress: &'p Progress) -> Result<Self, String> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs.clamp(1, JOBS_MAX))
            .build()
            .map_err(|fault| format!("cannot start {jobs} threads: {fault}"))?;
        Ok(Self { pool, progress })
    }

    /// Announces work, so that progress knows the whole before it begins.
    pub fn expect(&self, pieces: usize) {
        self.progress.expect(pieces);
    }

    /// `work` of every index below `pieces`, in order; announced before with
    /// [`Workers::expect`].
    ///
    /// # Errors
    /// The fault of the first piece that has one.
    pub fn each<T: Send>(
        &self,
        pieces: usize,
        work: impl Fn(usize) -> Result<T, String> + Send + Sync,
    ) -> Result<Vec<T>, String> {
        let all: Vec<Result<T, String>> = self.pool.install(|| {
            let one = |idx| {
                let done = work(idx);
                self.progress.step();
                done
            };
            (0..pieces).into_par_iter().map(one).collect()
        });
        all.into_iter().collect()
    }
}
