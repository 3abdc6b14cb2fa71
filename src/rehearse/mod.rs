//! Unit tests of templates: what a test file says, the samples it stands for, and whether the
//! verdict is the one that is expected. `docs/template-tests.md` is its reference.
//!
//! | question | module |
//! |---|---|
//! | what can a test say? | [`spec`] |
//! | text to tests, every mistake with its place | [`read`], `arms` (data), `expectations` |
//! | `'0.2 ~5% for 10m, 0.3'` | [`pieces`] |
//! | data to the answers of a source | [`samples`] |
//! | answers to a verdict, by the engine | [`run`] |
//! | is the verdict the expected one? | [`compare`] |
//! | completion in editors | [`schema`] |
//! | expectations written anew | [`update`] |
//!
//! Nothing here reads a file or a clock; the texts are handed in by whoever has them.

mod arms;
pub mod compare;
mod expectations;
mod fit;
pub mod pieces;
pub mod read;
pub mod run;
pub mod samples;
pub mod schema;
pub mod spec;
pub mod table;
pub mod update;
