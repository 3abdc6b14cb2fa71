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
    let mut out = reference_independent();
    out.extend(reference_correlated());
    out.extend(reference_shaped());
    out
}

fn of_reference(name: &str, about: &str, law: Law) -> Generator {
    Generator::series(name, about, Family::Reference, law)
}

fn reference_independent() -> Vec<Generator> {
    use of_reference as one;
    use series::independent;
    vec![
        one("iid", "normal, 10 %", independent(series::normal)),
        one(
            "lognorm.25",
            "lognormal, σ = 0.25",
            independent(series::lognormal(0.25)),
        ),
        one(
            "lognorm1.0",
            "lognormal, σ = 1: as a 99.9th percentile",
            independent(series::lognormal(1.0)),
        ),
        one(
            "student2.5",
            "exp(0.08 t), Student's t with 2.5 degrees of freedom",
            independent(series::student),
        ),
        one(
            "zeroinf",
            "six samples in ten zero, the rest lognormal, σ = 0.5",
            independent(series::mostly_zero),
        ),
        one(
            "bimodal",
            "three samples in ten at three times the level, lognormal, σ = 0.1",
            independent(series::bimodal),
        ),
    ]
}

fn reference_correlated() -> Vec<Generator> {
    use of_reference as one;
    use series::{alike, ar, ar_and_white, overlap, shared, white};
    let half = ar_and_white(0.95, 0.5, 0.07 * std::f64::consts::SQRT_2);
    vec![
        one("ar.3", "exp of AR(1), ρ = 0.3, 10 %", alike(ar(0.3, 0.1))).remembers(0.3),
        one("ar.6", "exp of AR(1), ρ = 0.6, 10 %", alike(ar(0.6, 0.1))).remembers(0.6),
        one("ar.9", "exp of AR(1), ρ = 0.9, 10 %", alike(ar(0.9, 0.1))).remembers(0.9),
        one(
            "shared.9",
            "AR(1), ρ = 0.9, 15 %, shared by the arms, and white 5 % of their own",
            shared(0.15, white(0.05)),
        ),
        one(
            "shared.9+ar.6",
            "AR(1), ρ = 0.9, 10 %, shared, and AR(1), ρ = 0.6, 7 %, of their own",
            shared(0.10, ar(0.6, 0.07)),
        )
        .remembers(0.6),
        one(
            "rate[1m]",
            "a rate over 4 steps sampled at each, 10 %",
            alike(overlap(4)),
        )
        .over(4),
        one(
            "rate[5m]",
            "a rate over 20 steps sampled at each, 10 %",
            alike(overlap(20)),
        )
        .over(20),
        one(
            "ar.95+wn",
            "AR(1), ρ = 0.95, 7 %, and white 7 %",
            alike(half),
        )
        .remembers(0.95),
    ]
}

fn reference_shaped() -> Vec<Generator> {
    use of_reference as one;
    vec![
        one(
            "diurnal",
            "a ramp and a sine that both arms follow, normal 10 % of their own",
            series::diurnal(),
        ),
        one(
            "levelshift",
            "both arms rise by 60 % in the middle half, normal 10 %",
            series::level_shift(),
        ),
        one(
            "hetero",
            "normal noise that grows from 4 to 12 %, twice that on the canary",
            series::growing_noise(),
        ),
        one(
            "quantised",
            "normal 10 %, rounded to tens: many ties",
            series::quantised(),
        ),
        one(
            "replicas20v1",
            "the mean of twenty pods against one, each lognormal, σ = 0.3",
            series::replicas(),
        ),
        one(
            "spikes",
            "3 to 8 times as high over 1 to 4 samples from one sample in fifty on, lognormal 10 %",
            series::spikes(),
        ),
        one(
            "host2%",
            "normal 10 %, and a lasting factor of the canary, 2 %",
            series::host(),
        )
        .because(
            "its canary differs by a lasting few percent: only a minimum effect or a history of \
             the pair can tell that from a regression",
        ),
    ]
}

fn off_grid() -> Vec<Generator> {
    use series::{alike, apart, ar, ar_and_white, white};
    let one =
        |name, about, law, rho| Generator::series(name, about, Family::OffGrid, law).remembers(rho);
    let mixed = |share| alike(ar_and_white(0.9, share, 0.1));
    let mixed_about =
        |percent: u8| format!("AR(1), ρ = 0.9, as {percent} % of a variance of 10 %²");
    let apart_about = |sd: u8| format!("baseline white 10 %, canary AR(1), ρ = 0.9, {sd} %");
    vec![
        one(
            "ar.72",
            "exp of AR(1), ρ = 0.72, 10 %",
            alike(ar(0.72, 0.1)),
            0.72,
        ),
        one(
            "ar.85",
            "exp of AR(1), ρ = 0.85, 10 %",
            alike(ar(0.85, 0.1)),
            0.85,
        ),
        one(
            "ar-.4",
            "exp of AR(1), ρ = -0.4, 10 %",
            alike(ar(-0.4, 0.1)),
            -0.4,
        ),
        one(
            "iid-v-ar.9",
            &apart_about(10),
            apart(white(0.1), ar(0.9, 0.1)),
            0.9,
        ),
        one(
            "iid-v-ar.9-half",
            &apart_about(5),
            apart(white(0.1), ar(0.9, 0.05)),
            0.9,
        ),
        one(
            "iid-v-ar.9-x4",
            &apart_about(40),
            apart(white(0.1), ar(0.9, 0.4)),
            0.9,
        ),
        one("ar.9-share.5", &mixed_about(50), mixed(0.5), 0.9),
        one("ar.9-share.25", &mixed_about(25), mixed(0.25), 0.9),
        one("ar.9-share.1", &mixed_about(10), mixed(0.1), 0.9),
    ]
}

fn transient() -> Vec<Generator> {
    let mut out = Vec::new();
    for (suffix, rho) in [("", 0.0), ("-ar.6", 0.6), ("-ar.9", 0.9)] {
        let one = |name: &str, about: &str, law| {
            let (name, about) = (format!("{name}{suffix}"), format!("{about}, ρ = {rho}"));
            Generator::series(&name, &about, Family::Transient, law).remembers(rho)
        };
        let cold = "canary 30 % above, which decays with 3 minutes; AR(1) 10 %";
        out.push(one("coldstart", cold, series::cold_start(rho)).because(
            "its canary really is up to 30 % worse in the first minutes: a warm-up must skip them",
        ));
        let better = "canary 20 % below for 20 minutes, then equal; AR(1) 10 %";
        out.push(one("better20m", better, series::better_first(rho)));
    }
    out
}

fn bursts() -> Vec<Generator> {
    let one = |name, noise, rho, common| {
        let about = format!(
            "{noise}; of the canary's samples a share as large as the strength is 3 to 8 times as \
             high, in bursts of 1 to 4"
        );
        Generator::series(name, &about, Family::Burst, series::burst(rho, common))
            .remembers(rho)
            .shares()
    };
    vec![
        one("burst", "white 10 %", 0.0, 0.0),
        one("burst-ar.6", "AR(1), ρ = 0.6, 10 %", 0.6, 0.0),
        one(
            "burst-spikes",
            "white 10 % and spikes in both arms",
            0.0,
            0.02,
        ),
    ]
}

fn silent() -> Vec<Generator> {
    let one = |name: &str, about: &str, share| Generator {
        name: name.to_owned(),
        family: Family::NoData,
        about: about.to_owned(),
        strength: Strength::Level,
        memory: Memory::Short,
        outside: None,
        source: Source::Silent(share),
    };
    vec![
        one(
            "canary-absent",
            "normal 10 %; the canary has no samples",
            0.0,
        ),
        one(
            "canary-silent",
            "normal 10 %; the canary has none in the second half",
            0.5,
        ),
    ]
}

impl Generator {
    fn series(name: &str, about: &str, family: Family, law: Law) -> Self {
        Self {
            name: name.to_owned(),
            family,
            about: about.to_owned(),
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
            about: traffic.about(),
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
