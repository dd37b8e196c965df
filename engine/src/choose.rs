//! Choosing parameters: every ring degree, plaintext modulus, placement and key-switching shape, cheapest first,
//! until one certifies.

use std::collections::BTreeMap;

use hq_plugin_sdk::capabilities::SecurityLimit;
use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::verify::Shape;

use crate::certificate::{self, Uncertified, blocks};
use crate::chain::{Chain, PrimeSizes, Wish};
use crate::cost::{Census, Ring};
use crate::demand::Demand;
use crate::noise::{FLOODING_BITS, Noise, NoiseParameters, ceil, float};
use crate::passes::{self, Cut, place};
use crate::planner::{Pipeline, PlanError, Planned, Search, Shaped, too_deep};
use crate::search::{Found, search};

/// The sums in limbs, for the plaintext moduli that split them alike.
struct Split {
    moduli: Vec<u64>,
    pipeline: Pipeline,
    limbs: Plan,
    /// At least what the release of the sums costs.
    release_ns: f64,
}

/// A shaped circuit at a ring degree and a plaintext modulus.
#[derive(Clone, Copy)]
struct Setting<'a> {
    shaped: &'a Shaped,
    modulus: u64,
    limit: &'a SecurityLimit,
}

/// A circuit under some cuts, priced.
#[derive(Clone)]
struct Priced<C> {
    placed: Plan,
    chain: C,
}

/// Settings that are searched in full.
const SEARCHED: usize = 3;

/// Evaluations for each of the others, which start from what was found.
const GLANCE: usize = 24;

/// Bits by which the first primes lie above the step that they are searched in.
const SPARSE_BITS: f64 = 6.0;

/// What a bit too much costs, in nanoseconds: more than any plan.
const REFUSED: f64 = 1e18;

impl Search<'_> {
    /// Every ring degree, plaintext modulus and key-switching shape, by estimated cost; the first that
    /// certifies. A modulus whose sums cost more to release than a whole plan that was found is not placed.
    pub(crate) fn cheapest(&self, security_bits: u32) -> Result<Planned, PlanError> {
        let limits: Vec<&SecurityLimit> =
            self.leveled.security.iter().filter(|limit| limit.security_bits == security_bits).collect();
        let mut best: Option<Planned> = None;
        let (mut last, mut ungated) = (None, None);
        for split in self.split_all(&limits) {
            if best.as_ref().is_some_and(|best| split.release_ns >= best.cost_ns) {
                continue;
            }
            let Ok(shaped) = Self::shape(split.pipeline, split.limbs) else { continue };
            let found = self.cheapest_of(&shaped, &split.moduli, &limits).map_err(|error| ungated = error);
            best = match (best, found.ok()) {
                (Some(best), Some(found)) => Some(if found.cost_ns < best.cost_ns { found } else { best }),
                (best, found) => best.or(found),
            };
            last = Some((shaped, split.moduli));
        }
        if let Some(best) = best {
            return Ok(best);
        }
        if let Some(error) = ungated {
            return Err(error);
        }
        // Say why the largest modulus had none.
        let (shaped, modulus) = match last {
            Some((shaped, moduli)) => (shaped, moduli.last().copied().unwrap_or(2)),
            None => {
                let modulus = 1 << self.leveled.max_plaintext_bits.min(62);
                (Self::shape_all(self.limbs(modulus)?)?, modulus)
            }
        };
        let allowed = limits.iter().map(|limit| {
            let bits = f64::from(limit.max_log2_qp) - f64::from(self.leveled.max_modulus_bits);
            shaped
                .iter()
                .map(|shaped| self.levels_in(Setting { shaped, modulus, limit }, bits))
                .max()
                .unwrap_or(0)
        });
        let allowed = allowed.max().unwrap_or(0);
        Err(shaped
            .iter()
            .map(|shaped| too_deep(&shaped.plan, allowed))
            .min_by_key(depth)
            .unwrap_or_else(none))
    }

    /// The cheapest certified plan of some shaped circuits for plaintext moduli that split them alike; else why gates kept
    /// one from being certified.
    fn cheapest_of(
        &self,
        shaped: &[Shaped],
        moduli: &[u64],
        limits: &[&SecurityLimit],
    ) -> Result<Planned, Option<PlanError>> {
        let mut settings: Vec<(f64, Setting<'_>)> = Vec::new();
        for &limit in limits {
            let own = self.plaintext_moduli(limit.ring_degree);
            let Some(&modulus) = own.iter().find(|modulus| moduli.contains(modulus)) else { continue };
            for shaped in shaped {
                let setting = Setting { shaped, modulus, limit };
                // A few cuts tell which settings are worth a search.
                settings.extend(self.wished(setting, &[], 0).map(|found| (found.cost, setting)));
            }
        }
        settings.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut starts: Vec<Vec<Cut>> = Vec::new();
        let mut found: Vec<(Setting<'_>, Found<Priced<Wish>>)> = Vec::new();
        for (index, &(_, setting)) in settings.iter().enumerate() {
            let budget = if index < SEARCHED { usize::MAX } else { GLANCE };
            if let Some(best) = self.wished(setting, &starts, budget) {
                starts.push(best.cuts.clone());
                found.push((setting, best));
            }
        }
        found.retain(|(_, found)| found.cost < REFUSED);
        found.sort_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost));
        let mut ungated = None;
        let certified = found.iter().find_map(|(setting, found)| {
            // A backend may lack primes of this size, or the certificate a bit.
            let Priced { placed, chain: wish } = &found.made;
            let Setting { shaped, modulus, limit } = *setting;
            let request = wish.request(limit.ring_degree, modulus, limit.security_bits);
            let parameters = (self.resolve)(&request).ok()?;
            let certified = self.certified(shaped, placed, (&wish.chain, &parameters), found.cost);
            certified
                .map_err(|error| {
                    if matches!(error, PlanError::Uncertified(Uncertified::Gates { .. })) {
                        ungated = Some(error);
                    }
                })
                .ok()
        });
        certified.ok_or(ungated)
    }

    fn shape_all(limbs: Vec<(Pipeline, Plan)>) -> Result<Vec<Shaped>, PlanError> {
        let shaped = limbs.into_iter().map(|(pipeline, plan)| Self::shape(pipeline, plan));
        Ok(shaped.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The cheapest placement of a shaped circuit with the chain that it wishes for.
    fn wished(
        &self,
        setting: Setting<'_>,
        starts: &[Vec<Cut>],
        budget: usize,
    ) -> Option<Found<Priced<Wish>>> {
        let Setting { shaped, modulus, limit } = setting;
        // A prime is 1 modulo 2 N t: one of some tens of multiples is, which takes a few bits more. Where these are not left
        // below the widest prime, the backend may still have one.
        let least = SPARSE_BITS + (2.0 * f64::from(limit.ring_degree)).log2() + float(modulus).log2();
        let widest = self.leveled.max_modulus_bits;
        let sizes = PrimeSizes { least: least.min(f64::from(widest)), widest };
        search(&shaped.plan, starts, budget, |cuts| {
            let (placed, shapes, demand, unit) = self.placed(setting, cuts)?;
            let census = Census::of(&placed, &shapes);
            let wishes = (1..=4).flat_map(|width| demand.wishes(sizes, width, unit));
            let priced = wishes.map(|wish| {
                let ring = Ring {
                    degree: limit.ring_degree,
                    limbs: wish.modulus_bits.len(),
                    digit_limbs: wish.digit_limbs,
                    specials: u32::try_from(wish.special_bits.len()).unwrap_or(u32::MAX),
                };
                let cost = census.nanoseconds(self.leveled, ring, &wish.chain);
                (cost + REFUSED * self.excess(&wish, limit), wish)
            });
            let (cost, chain) = priced.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
            Some((cost, Priced { placed, chain }))
        })
    }

    /// Bits by which a chain exceeds what security and storage allow; the search goes where there are fewer.
    fn excess(&self, wish: &Wish, limit: &SecurityLimit) -> f64 {
        let secure = if limit.security_bits == 0 { u32::MAX } else { limit.max_log2_qp };
        let stored = self.max_log2_q.unwrap_or(u32::MAX);
        let powers = u32::try_from(wish.relinearization_limbs.len()).unwrap_or(u32::MAX);
        let degree = powers.saturating_add(1).saturating_sub(self.leveled.max_relinearization_degree);
        let over = wish.log2_qp().saturating_sub(secure) + wish.log2_q().saturating_sub(stored);
        f64::from(over) + 1e3 * f64::from(degree)
    }

    /// The plan under keys that exist.
    pub(crate) fn fixed(&self, parameters: &RnsParameters) -> Result<Planned, PlanError> {
        let modulus = parameters.plaintext_modulus;
        let shaped = Self::shape_all(self.limbs(modulus)?)?;
        let limit = SecurityLimit {
            ring_degree: parameters.ring_degree,
            security_bits: parameters.security_bits,
            max_log2_qp: 0,
        };
        let ring = Ring::of(parameters);
        let mut found: Vec<(&Shaped, Found<Option<Priced<Chain>>>)> = Vec::new();
        for shaped in &shaped {
            let setting = Setting { shaped, modulus, limit: &limit };
            let best = search(&shaped.plan, &[], usize::MAX, |cuts| {
                let (placed, shapes, demand, unit) = self.placed(setting, cuts)?;
                match demand.fit(parameters, unit) {
                    Ok(chains) => {
                        let census = Census::of(&placed, &shapes);
                        let priced = chains
                            .into_iter()
                            .map(|chain| (census.nanoseconds(self.leveled, ring, &chain), chain));
                        let (cost, chain) = priced.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
                        Some((cost, Some(Priced { placed, chain })))
                    }
                    Err(lacking) => Some((REFUSED * lacking, None)),
                }
            });
            found.extend(best.map(|best| (shaped, best)));
        }
        found.sort_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost));
        let mut refused = None;
        for (shaped, found) in &found {
            let Some(Priced { placed, chain }) = &found.made else { continue };
            match self.certified(shaped, placed, (chain, parameters), found.cost) {
                Ok(planned) => return Ok(planned),
                Err(error) => refused = Some(error),
            }
        }
        let bits = parameters.log2_q(parameters.moduli.len());
        Err(refused.unwrap_or_else(|| {
            let deep = shaped.iter().map(|shaped| {
                too_deep(&shaped.plan, self.levels_in(Setting { shaped, modulus, limit: &limit }, bits))
            });
            deep.min_by_key(depth).unwrap_or_else(none)
        }))
    }

    /// A circuit placed under cuts, with what it asks of a chain.
    fn placed(&self, setting: Setting<'_>, cuts: &[Cut]) -> Option<(Plan, Vec<Shape>, Demand, f64)> {
        let plan = &setting.shaped.plan;
        let most_parts = self.leveled.max_relinearization_degree.saturating_add(1);
        let placed = place(plan, cuts, u8::try_from(most_parts).unwrap_or(u8::MAX)).ok()?;
        let shapes = passes::stage_shapes(&placed).ok()?;
        let blocks = u32::try_from(blocks(plan.rows, setting.limit.ring_degree)).map_or(f64::MAX, f64::from);
        let parameters = NoiseParameters::new(setting.limit.ring_degree, setting.modulus, self.leveled);
        let mut noise: Noise = certificate::model(parameters, &placed, blocks);
        let demand = Demand::of(&placed, &shapes, blocks, &mut noise);
        Some((placed, shapes, demand, noise.key_switch_unit()))
    }

    /// Stages of the plan with a switch after each product that a modulus of so many bits has room for.
    fn levels_in(&self, setting: Setting<'_>, bits: f64) -> u32 {
        let Some((_, _, demand, _)) = self.placed(setting, &[]) else { return 0 };
        let mut total = demand.sums_modulus();
        let mut levels = 0;
        for gap in demand.gap.iter().skip(2).copied().chain([f64::INFINITY]) {
            if total > bits {
                break;
            }
            levels += 1;
            total += gap;
        }
        levels
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
            for (pipeline, limbs) in self.limbs(modulus).unwrap_or_default() {
                // What is in limbs cannot be decided on.
                if limbs.cells().iter().any(|cell| limbs.count_of(cell).is_none()) {
                    continue;
                }
                match splits.iter_mut().find(|split| split.limbs == limbs) {
                    Some(split) => split.moduli.push(modulus),
                    None => {
                        let release_ns = self.release_ns(&limbs, modulus, limits);
                        splits.push(Split { moduli: vec![modulus], pipeline, limbs, release_ns });
                    }
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
        let opened = ceil(float(modulus).log2(), 1..=64).saturating_add(FLOODING_BITS);
        let holds = |limit: &&&SecurityLimit| limit.security_bits == 0 || opened <= limit.max_log2_qp;
        let primes = f64::from(opened.div_ceil(self.leveled.max_modulus_bits));
        let per_sum = limits.iter().filter(holds).filter_map(|limit| {
            let costs = crate::cost::nearest(self.leveled, limit.ring_degree)?;
            Some((costs.release + costs.transform) * primes * f64::from(limit.ring_degree))
        });
        let per_sum = per_sum.fold(f64::INFINITY, f64::min);
        let sums = u32::try_from(limbs.sums.len()).map_or(f64::MAX, f64::from);
        if per_sum.is_finite() { per_sum * sums } else { 0.0 }
    }

    /// Candidates for t: what counts rows, and what holds ever wider sums in one piece.
    fn plaintext_moduli(&self, ring_degree: u32) -> Vec<u64> {
        let most = 1_u64 << self.leveled.max_plaintext_bits.min(62);
        let step = 2 * u64::from(ring_degree);
        let rows = self.encoded.first().map_or(0, |(_, plan)| plan.rows);
        let mut wishes = vec![rows.saturating_add(1)];
        for sum in self.encoded.iter().flat_map(|(_, plan)| &plan.sums) {
            let whole = passes::span(sum.range).saturating_mul(rows).saturating_add(1);
            for limbs in 1..=3 {
                let bits = (u64::BITS - whole.leading_zeros()).div_ceil(limbs);
                wishes.push(if limbs == 1 { whole } else { rows << (bits / 2).min(20) });
            }
        }
        let mut moduli: Vec<u64> = wishes
            .into_iter()
            // t is 1 modulo 2N; larger ones are rounded up, so that few placements are tried.
            .map(|wish| wish.saturating_sub(1).div_ceil(step).max(1))
            .map(|multiple| if multiple <= 4 { multiple } else { multiple.next_power_of_two() })
            .filter_map(|multiple| next_prime(multiple.checked_mul(step)?.checked_add(1)?, step, most))
            .collect();
        moduli.sort_unstable();
        moduli.dedup();
        moduli
    }
}

/// The first prime from `least` on in steps, below `most`, so that a backend that takes the next one takes it.
fn next_prime(least: u64, step: u64, most: u64) -> Option<u64> {
    let is_prime = |n: u64| n > 1 && (2..=n.isqrt()).all(|divisor| !n.is_multiple_of(divisor));
    std::iter::successors(Some(least), |n| n.checked_add(step))
        .take_while(|&n| n < most)
        .find(|&n| is_prime(n))
}

fn depth(error: &PlanError) -> u32 {
    if let PlanError::TooDeep { depth, .. } = error { *depth } else { u32::MAX }
}

fn none() -> PlanError {
    PlanError::TooDeep { depth: 0, allowed: 0, aggregate: 0 }
}
