//! Objectives that stand in somebody else's file: Sloth (`prometheus/v1`, its Kubernetes resource
//! and its `AlertWindows`), OpenSLO (v1 and v1alpha) and Pyrra. An entry of `objectives` with
//! `from: slo.yaml` is replaced by what that file promises; what it counts becomes a metric.
//!
//! A template that reads such files is kept as a bundle, as one that extends others is: their texts
//! follow its own behind lines `--- # haldane file: slo.yaml`, so the digest covers them and the
//! decision log needs no file.

mod expand;
pub mod files;
mod openslo;
mod promise;
mod pyrra;
mod sloth;
mod split;
mod windows;

pub(super) use expand::{Expanded, expanded};
