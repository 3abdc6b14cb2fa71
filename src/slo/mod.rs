//! Objectives, error budgets and burn rates, as in the SRE workbook, chapter 5.

pub mod burn_rate;
pub mod objective;
pub mod rungs;
