//! The judge of Kayenta (`NetflixACAJudge-v1.0`), faults included, for those who migrate.
//!
//! What is in here follows the behaviour of Kayenta's judge number for number, measured against
//! the unmodified judge (`tests/vectors/kayenta.json`). It is kept for comparison and for moving
//! house; `docs/judges.md` lists what is wrong with it, each with a case that shows it. The one
//! place where it cannot follow is noise that Kayenta draws unseeded: see [`noise`].
//!
//! Its words are Kayenta's (control, experiment, High, Low, Nodata); [`find`] translates.
//!
//! | question | module |
//! |---|---|
//! | what was asked for? | [`settings`] |
//! | which values count? | [`transform`], [`describe`] |
//! | by how much does the experiment lie above? | [`interval`] over [`shifted`] and [`root`] |
//! | how large is that? | [`effect`] |
//! | High, Low or Pass? | [`classify`] |
//! | what is the whole worth? | [`score`] |
//! | what of it goes into a finding? | [`find`] |
//! | how is it said? | [`explain`] |
//!
//! Around the judge, for those who come with a Kayenta configuration: [`query`] (its Prometheus
//! queries), [`pairing`] (which series meet) and [`schedule`] (which windows are judged).

pub mod classify;
pub mod describe;
pub mod effect;
pub mod explain;
pub mod find;
pub mod interval;
pub mod noise;
pub mod pairing;
pub mod query;
pub mod root;
pub mod schedule;
pub mod score;
pub mod settings;
pub mod shifted;
pub mod transform;
