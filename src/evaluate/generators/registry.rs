//! Every generator there is, family by family.

use crate::evaluate::generators::counts::Traffic;
use crate::evaluate::generators::series::{self, Law};
use crate::evaluate::generators::{Family, Generator, Memory, Source, Strength};

/// All of them.
pub fn all() -> Vec<Generator> {
    let mut out = reference();
    out.extend(off_grid());
    out.extend(transient());
    out.extend(bursts());
    out.extend(Traffic::reference().into_iter().map(Generator::counts));
    out.extend(silent());
    out
}

fn reference() -> Vec<Generator> {
    use series::{alike, ar, independent, overlap, shared, white};
    let one = |name, law| Generator::series(name, Family::Reference, law);
    vec![
        one("iid", independent(series::normal)),
        one("lognorm.25", independent(series::lognormal(0.25))),
        one("lognorm1.0", independent(series::lognormal(1.0))),
        one("student2.5", independent(series::student)),
        one("ar.3", alike(ar(0.3, 0.1))).remembers(0.3),
        one("ar.6", alike(ar(0.6, 0.1))).remembers(0.6),
        one("ar.9", alike(ar(0.9, 0.1))).remembers(0.9),
        one("shared.9", shared(0.15, white(0.05))),
        one("shared.9+ar.6", shared(0.10, ar(0.6, 0.07))).remembers(0.6),
        one("diurnal", series::diurnal()),
        one("levelshift", series::level_shift()),
        one("hetero", series::growing_noise()),
        one("quantised", series::quantised()),
        one("zeroinf", independent(series::mostly_zero)),
        one("replicas20v1", series::replicas()),
        one("rate[1m]", alike(overlap(4))).over(4),
        one("rate[5m]", alike(overlap(20))).over(20),
        one(
            "ar.95+wn",
            alike(series::ar_and_white(
                0.95,
                0.5,
                0.07 * std::f64::consts::SQRT_2,
            )),
        )
        .remembers(0.95),
        one("spikes", series::spikes()),
        one("bimodal", independent(series::bimodal)),
        one("host2%", series::host()).because(
            "its canary differs by a lasting few percent (standard deviation 2 %): only a minimum \
             effect or a history of the pair can tell that from a regression",
        ),
    ]
}

fn off_grid() -> Vec<Generator> {
    use series::{alike, apart, ar, ar_and_white, white};
    let one = |name, law, rho| Generator::series(name, Family::OffGrid, law).remembers(rho);
    vec![
        one("ar.72", alike(ar(0.72, 0.1)), 0.72),
        one("ar.85", alike(ar(0.85, 0.1)), 0.85),
        one("ar-.4", alike(ar(-0.4, 0.1)), -0.4),
        one("iid-v-ar.9", apart(white(0.1), ar(0.9, 0.1)), 0.9),
        one("iid-v-ar.9-half", apart(white(0.1), ar(0.9, 0.05)), 0.9),
        one("iid-v-ar.9-x4", apart(white(0.1), ar(0.9, 0.4)), 0.9),
        one("ar.9-share.5", alike(ar_and_white(0.9, 0.5, 0.1)), 0.9),
        one("ar.9-share.25", alike(ar_and_white(0.9, 0.25, 0.1)), 0.9),
        one("ar.9-share.1", alike(ar_and_white(0.9, 0.1, 0.1)), 0.9),
    ]
}

fn transient() -> Vec<Generator> {
    let mut out = Vec::new();
    for (suffix, rho) in [("", 0.0), ("-ar.6", 0.6), ("-ar.9", 0.9)] {
        let one = |name: &str, law| {
            let name = format!("{name}{suffix}");
            Generator::series(&name, Family::Transient, law).remembers(rho)
        };
        out.push(one("coldstart", series::cold_start(rho)).because(
            "its canary really is up to 30 % worse in the first minutes: a warm-up must skip them",
        ));
        out.push(one("better20m", series::better_first(rho)));
    }
    out
}

fn bursts() -> Vec<Generator> {
    let one = |name, rho, common| {
        Generator::series(name, Family::Burst, series::burst(rho, common))
            .remembers(rho)
            .shares()
    };
    vec![
        one("burst", 0.0, 0.0),
        one("burst-ar.6", 0.6, 0.0),
        one("burst-spikes", 0.0, 0.02),
    ]
}

fn silent() -> Vec<Generator> {
    let one = |name: &str, share| Generator {
        name: name.to_owned(),
        family: Family::NoData,
        strength: Strength::Level,
        memory: Memory::Short,
        outside: None,
        source: Source::Silent(share),
    };
    vec![one("canary-absent", 0.0), one("canary-silent", 0.5)]
}

impl Generator {
    fn series(name: &str, family: Family, law: Law) -> Self {
        Self {
            name: name.to_owned(),
            family,
            strength: Strength::Level,
            memory: Memory::Short,
            outside: None,
            source: Source::Series(law),
        }
    }

    pub(super) fn counts(traffic: Traffic) -> Self {
        Self {
            name: traffic.name(),
            family: Family::Counts,
            strength: Strength::Errors,
            memory: Memory::Short,
            outside: None,
            source: Source::Counts(traffic),
        }
    }

    fn remembers(mut self, rho: f64) -> Self {
        self.memory = Memory::Correlation(rho);
        self
    }

    fn over(mut self, window: usize) -> Self {
        self.memory = Memory::Window(window);
        self
    }

    fn because(mut self, why: &'static str) -> Self {
        self.outside = Some(why);
        self
    }

    fn shares(mut self) -> Self {
        self.strength = Strength::Share;
        self
    }
}
