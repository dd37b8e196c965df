//! How sums leave, and what hides their noise.

use std::fmt::Write as _;

use super::{Subject, section};

pub(super) fn release(out: &mut String, subject: &Subject<'_>) {
    let Subject { plan, rns, certificate, .. } = *subject;
    section(out, "Release");
    let Some(release) = plan.release else { return };
    let widest = certificate.sums.iter().max_by_key(|sum| sum.hi.saturating_sub(sum.lo));
    let noisiest = certificate.sums.iter().map(|sum| sum.bits).fold(f64::NEG_INFINITY, f64::max);
    let flooded = certificate.sums.iter().map(|sum| sum.flooded_bits).fold(f64::NEG_INFINITY, f64::max);
    let _ = writeln!(
        out,
        "Sums are relinearized once, at {} at most, switched to {} (log2 Q = {:.1}), and only their constant coefficient leaves.\n\
         noise there <= {noisiest:.1} bits; flooding uniform in t [-2^{f}, 2^{f}]; in all <= {flooded:.1} bits < {:.1}\n\
         statistical distance 2^{} per number; decryption failure <= 2^{:.0} over the whole plan",
        release.relinearize,
        release.level,
        rns.log2_q(usize::from(release.level.0)),
        rns.log2_q(usize::from(release.level.0)) - 1.0,
        certificate.release_distance_log2,
        certificate.failure_log2,
        f = release.flood_bits,
    );
    let predicted = subject.predicted.sums.iter();
    let deviation = predicted.clone().map(|sum| sum.bits).fold(f64::NEG_INFINITY, f64::max);
    let opened = predicted.map(|sum| sum.flooded_bits).fold(f64::NEG_INFINITY, f64::max);
    let _ = writeln!(
        out,
        "standard deviation {deviation:.1} bits before flooding, {opened:.1} with it (predicted)"
    );
    if let Some(measured) = subject.measured {
        let most = |bits: &[f64]| bits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let _ = writeln!(
            out,
            "of one block: largest of all sums {:.1} bits before flooding, {:.1} with it (measured)",
            most(&measured.sum_bits_before_flooding),
            most(&measured.sum_bits)
        );
    }
    if let Some(widest) = widest {
        let _ = writeln!(
            out,
            "widest sum {}..{}: fewer values than t = {}, so none wraps",
            widest.lo, widest.hi, rns.plaintext_modulus
        );
    }
}
