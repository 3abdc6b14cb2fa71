//! Judgement: windows in, judgement out. Pure, the same live, in replay and in simulation.

mod absorb;
mod arms;
pub mod explain;
mod intervals;
pub mod judgement;
pub mod windows;

/// Raised by every change that can alter a judgement or a verdict; stored in every record (A12).
pub const SEMANTICS: u32 = 1;
