//! Choosing parameters: every ring degree, plaintext modulus and key-switching shape, cheapest first, until one
//! certifies.

use std::collections::BTreeMap;

use hq_plugin_sdk::capabilities::SecurityLimit;
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_sdk::plan::{Op, Plan};

use crate::certificate::{self, blocks};
use crate::cost::{Census, Ring};
use crate::noise::{FLOODING_BITS, Noise, NoiseParameters, ceil, secret_bound};
use crate::passes;
use crate::planner::{Pipeline, Placement, PlanError, Planned, RELEASE_LEVEL, Search, too_deep};

/// The sums in limbs, for the plaintext moduli that split them alike.
struct Split {
    moduli: Vec<u64>,
    pipeline: Pipeline,
    limbs: Plan,
    /// At least what the release of the sums costs.
    release_ns: f64,
}

/// The placements for some plaintext moduli.
struct Placed {
    moduli: Vec<u64>,
    placements: Vec<Placement>,
}

impl Search<'_> {
    /// Every ring degree, plaintext modulus and key-switching shape, by estimated cost; the first that
    /// certifies. A modulus whose sums cost more to release than a whole plan that was found is not placed.
    pub(crate) fn cheapest(&self, security_bits: u32) -> Result<Planned, PlanError> {
        let limits: Vec<&SecurityLimit> =
            self.leveled.security.iter().filter(|limit| limit.security_bits == security_bits).collect();
        let mut splits = self.split_all(&limits).into_iter().peekable();
        let mut placed: Vec<Placed> = Vec::new();
        let mut best: Option<Planned> = None;
        while let Some(next) =
            splits.next_if(|split| best.as_ref().is_none_or(|best| split.release_ns < best.cost_ns))
        {
            let mut group = vec![next];
            if let Some(best) = &best {
                group.extend(std::iter::from_fn(|| splits.next_if(|split| split.release_ns < best.cost_ns)));
            }
            for split in group {
                if let Ok(placements) = Self::place_limbs(split.pipeline, split.limbs) {
                    placed.push(Placed { moduli: split.moduli, placements });
                }
            }
            best = self.first_certified(&placed, &limits);
        }
        if let Some(best) = best {
            return Ok(best);
        }
        // Say why the largest modulus had none.
        let allowed = self.most_levels(security_bits);
        match placed.iter().max_by_key(|placed| placed.moduli.last().copied()) {
            Some(placed) => Err(too_deep(placed.placements.iter(), allowed)),
            None => {
                let placements = self.place(1 << self.leveled.max_plaintext_bits.min(62))?;
                Err(too_deep(placements.iter(), allowed))
            }
        }
    }

    /// The cheapest candidate that certifies.
    fn first_certified(&self, placed: &[Placed], limits: &[&SecurityLimit]) -> Option<Planned> {
        let mut candidates = Vec::new();
        for &limit in limits {
            let own = self.plaintext_moduli(limit.ring_degree);
            for placed in placed {
                for &modulus in own.iter().filter(|modulus| placed.moduli.contains(modulus)) {
                    for placement in &placed.placements {
                        candidates.extend(self.candidates(placement, modulus, limit));
                    }
                }
            }
        }
        candidates.sort_by(|a, b| a.cost_ns.total_cmp(&b.cost_ns));
        candidates.into_iter().find_map(|candidate| {
            // A backend may lack primes of this size, or the certificate a bit: another shape may do.
            let request = self.request(&candidate)?;
            let parameters = (self.resolve)(&request).ok()?;
            self.certified(candidate.placement, &parameters).ok()
        })
    }

    /// The sums in limbs for all plaintext moduli; the cheapest to release first.
    fn split_all(&self, limits: &[&SecurityLimit]) -> Vec<Split> {
        let mut moduli: Vec<u64> =
            limits.iter().flat_map(|limit| self.plaintext_moduli(limit.ring_degree)).collect();
        moduli.sort_unstable();
        moduli.dedup();
        let mut splits: Vec<Split> = Vec::new();
        for modulus in moduli {
            // A modulus too small for the rows has no plan; a larger one may.
            let Ok((pipeline, limbs)) = self.limbs(modulus) else { continue };
            match splits.iter_mut().find(|split| split.limbs == limbs) {
                Some(split) => split.moduli.push(modulus),
                None => {
                    let release_ns = self.release_ns(&limbs, modulus, limits);
                    splits.push(Split { moduli: vec![modulus], pipeline, limbs, release_ns });
                }
            }
        }
        let sums_of: BTreeMap<u64, usize> = splits
            .iter()
            .flat_map(|split| split.moduli.iter().map(|&modulus| (modulus, split.limbs.sums.len())))
            .collect();
        for split in &mut splits {
            split.moduli.retain(|&modulus| !self.is_dominated(modulus, &sums_of, limits));
        }
        splits.retain(|split| !split.moduli.is_empty());
        splits.sort_by(|a, b| a.release_ns.total_cmp(&b.release_ns));
        splits
    }

    /// Whether, at every ring degree that may have this modulus, a smaller one needs hardly more sums: it has
    /// less noise.
    fn is_dominated(&self, modulus: u64, sums_of: &BTreeMap<u64, usize>, limits: &[&SecurityLimit]) -> bool {
        let Some(own) = sums_of.get(&modulus) else { return false };
        limits
            .iter()
            .map(|limit| self.plaintext_moduli(limit.ring_degree))
            .filter(|moduli| moduli.contains(&modulus))
            .all(|moduli| {
                let smaller = moduli.iter().filter(|&&other| other < modulus);
                smaller.filter_map(|other| sums_of.get(other)).any(|&sums| sums <= own + own / 16)
            })
    }

    /// At least what the release of so many sums costs, at the smallest ring that can hold an opened number.
    fn release_ns(&self, limbs: &Plan, modulus: u64, limits: &[&SecurityLimit]) -> f64 {
        let primes = u32::try_from(RELEASE_LEVEL.limbs()).unwrap_or(u32::MAX);
        let opened = ceil(float(modulus).log2(), 1..=64).saturating_add(FLOODING_BITS);
        let holds = |limit: &&&SecurityLimit| {
            // Primes lie up to a bit below their size in bits, and there is one special prime at least.
            let slack = primes + 1;
            let total = opened.saturating_add(self.leveled.max_modulus_bits);
            limit.security_bits == 0 || total <= limit.max_log2_qp.saturating_add(slack)
        };
        let per_sum = limits.iter().filter(holds).map(|limit| {
            Census::releases(1).nanoseconds(
                self.leveled,
                Ring { degree: limit.ring_degree, digit_limbs: 1, specials: 1 },
                RELEASE_LEVEL,
            )
        });
        let per_sum = per_sum.fold(f64::INFINITY, f64::min);
        let sums = u32::try_from(limbs.sums.len()).map_or(f64::MAX, f64::from);
        if per_sum.is_finite() { per_sum * sums } else { 0.0 }
    }

    /// Primes of the widest chain that the security table has room for.
    fn most_levels(&self, security_bits: u32) -> usize {
        let widest = self.leveled.security.iter().filter(|limit| limit.security_bits == security_bits);
        let most = widest.map(|limit| limit.max_log2_qp).max().unwrap_or(0);
        usize::try_from(most.checked_div(self.leveled.max_modulus_bits).unwrap_or(0)).unwrap_or(0)
    }

    /// Candidates for t: what counts rows, and what holds ever wider sums in one piece.
    fn plaintext_moduli(&self, ring_degree: u32) -> Vec<u64> {
        let most = 1_u64 << self.leveled.max_plaintext_bits.min(62);
        let step = 2 * u64::from(ring_degree);
        let mut wishes = vec![self.encoded.rows.saturating_add(1)];
        for sum in &self.encoded.sums {
            let whole = passes::span(sum.range).saturating_mul(self.encoded.rows).saturating_add(1);
            for limbs in 1..=3 {
                let bits = (u64::BITS - whole.leading_zeros()).div_ceil(limbs);
                wishes.push(if limbs == 1 { whole } else { self.encoded.rows << (bits / 2).min(20) });
            }
        }
        let mut moduli: Vec<u64> = wishes
            .into_iter()
            // t is 1 modulo 2N; larger ones are rounded up, so that few placements are tried.
            .map(|wish| wish.saturating_sub(1).div_ceil(step).max(1))
            .map(|multiple| if multiple <= 4 { multiple } else { multiple.next_power_of_two() })
            .map(|multiple| multiple.saturating_mul(step).saturating_add(1))
            .filter(|&modulus| modulus < most)
            .collect();
        moduli.sort_unstable();
        moduli.dedup();
        moduli
    }

    /// The key-switching shapes for a placed plan at one ring degree that its levels leave room for.
    fn candidates<'a>(
        &'a self,
        placement: &'a Placement,
        modulus: u64,
        limit: &'a SecurityLimit,
    ) -> impl Iterator<Item = Candidate<'a>> {
        let shapes =
            (1..=4_u32).flat_map(|digits| (1..=digits.min(3)).map(move |specials| (digits, specials)));
        shapes.filter_map(move |(digit_limbs, specials)| {
            let ring = Ring { degree: limit.ring_degree, digit_limbs, specials };
            let cost_ns = self.cost_ns(placement, ring);
            let candidate = Candidate { placement, modulus, limit, ring, cost_ns };
            let least = vec![candidate.least_bits(); placement.levels];
            self.room(&candidate, &least).then_some(candidate)
        })
    }

    /// Whether the security table has room for primes of these sizes and the special ones.
    fn room(&self, candidate: &Candidate<'_>, log2_moduli: &[f64]) -> bool {
        let bits: u32 = log2_moduli.iter().map(|&bits| ceil(bits, 1..=64)).sum();
        let total = bits + candidate.ring.specials * self.leveled.max_modulus_bits;
        // Primes lie up to a bit below their size in bits; the certificate checks the exact product.
        let slack =
            u32::try_from(log2_moduli.len()).unwrap_or(u32::MAX).saturating_add(candidate.ring.specials);
        candidate.limit.security_bits == 0 || total <= candidate.limit.max_log2_qp.saturating_add(slack)
    }

    /// Bits per prime from the noise gap of its level, or `None` where they cannot fit.
    fn request(&self, candidate: &Candidate<'_>) -> Option<RnsRequest> {
        let Candidate { placement, modulus, limit, ring, .. } = *candidate;
        let widest = f64::from(self.leveled.max_modulus_bits);
        let ring_degree = f64::from(limit.ring_degree);
        let special_bits = vec![self.leveled.max_modulus_bits; usize::try_from(ring.specials).ok()?];
        let mut parameters = NoiseParameters {
            ring_degree,
            log2_t: float(modulus).log2(),
            log2_moduli: vec![widest - 0.5; placement.levels],
            log2_p: special_bits.iter().map(|&bits| f64::from(bits) - 0.5).sum(),
            digit_limbs: usize::try_from(ring.digit_limbs).ok()?,
            error_stddev: self.leveled.error_stddev,
            log2_secret: secret_bound(ring_degree, self.leveled),
        };
        let least = candidate.least_bits();
        for _ in 0..4 {
            let bits = prime_bits(placement, &parameters, limit)?;
            parameters.log2_moduli = bits.iter().map(|&bits| bits.max(least).min(widest)).collect();
            // The widest primes of the first round leave least noise: narrower ones only add bits.
            if !self.room(candidate, &parameters.log2_moduli) {
                return None;
            }
        }
        Some(RnsRequest {
            ring_degree: limit.ring_degree,
            min_plaintext_modulus: modulus,
            modulus_bits: parameters.log2_moduli.iter().map(|&bits| ceil(bits, 1..=64)).collect(),
            special_bits,
            digit_limbs: ring.digit_limbs,
            relinearization_degree: 2,
            security_bits: limit.security_bits,
        })
    }
}

/// A placed plan with what parameters could be asked for it.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    placement: &'a Placement,
    modulus: u64,
    limit: &'a SecurityLimit,
    ring: Ring,
    cost_ns: f64,
}

impl Candidate<'_> {
    /// A prime is 1 modulo 2 N t: it has at least so many bits, and a few more to be a prime.
    fn least_bits(&self) -> f64 {
        1.0 + (2.0 * f64::from(self.ring.degree)).log2() + float(self.modulus).log2()
    }
}

/// The noise gap of each level: what a switch there should divide by.
fn prime_bits(
    placement: &Placement,
    parameters: &NoiseParameters,
    limit: &SecurityLimit,
) -> Option<Vec<f64>> {
    let count = parameters.log2_moduli.len();
    let (placed, shapes) = (&placement.plan, &placement.shapes);
    let blocks = u32::try_from(blocks(placed.rows, limit.ring_degree)).map_or(f64::MAX, f64::from);
    let noise: Noise = certificate::model(parameters.clone(), placed, blocks);
    let bounds = noise.bounds(placed, shapes);
    let release = usize::from(RELEASE_LEVEL.0);
    let mut gaps = vec![0.0_f64; count];
    let mut raise = |level: usize, gap: f64| {
        if let Some(known) = gaps.get_mut(level) {
            *known = known.max(gap);
        }
    };
    for (node, op) in placed.iter() {
        if let Op::ModSwitch { arg } = op {
            let (bits, shape) = (bounds.get(arg.index())?, shapes.get(arg.index())?);
            let parts = shapes.get(node.index())?.parts;
            raise(usize::from(shape.level.0), bits - noise.rounding(parts));
        }
    }
    let mut opened = 0.0_f64;
    for sum in &placed.sums {
        let (bits, &shape) = (bounds.get(sum.node.index())?, shapes.get(sum.node.index())?);
        let level = usize::from(shape.level.0);
        if level > release {
            raise(level, bits + blocks.log2() - noise.rounding(2));
        }
        opened = opened.max(noise.released(*bits, blocks, shape, release));
    }
    // The primes of the release level share what is opened, flooding included, and a bit of sign.
    let base = opened + f64::from(FLOODING_BITS) + 3.0;
    let share = base / f64::from(RELEASE_LEVEL.0 + 1);
    for level in 0..=release {
        raise(level, share);
    }
    Some(gaps.into_iter().map(|gap| gap + 0.5).collect())
}

#[expect(clippy::cast_precision_loss, reason = "estimates need no more than a double holds")]
fn float(value: u64) -> f64 {
    value as f64
}
