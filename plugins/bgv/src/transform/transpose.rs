//! Squares of as many vectors as a vector has lanes, transposed in registers: the last layers of a
//! transform, whose butterflies lie within a vector, become layers between vectors.

use pulp::Simd;

/// An instruction set that can transpose.
pub(super) trait Transpose: Simd {
    /// Transposes the one square of eight vectors of eight lanes, or both squares of four lanes.
    fn transpose(self, x: [Self::f64s; 8]) -> [Self::f64s; 8];
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256d, __m512d};

    use pulp::x86::{V3, V4};
    use pulp::{cast, f64x4, f64x8};

    use super::Transpose;

    // Nothing but intrinsics and functions that are always inlined: what is left as a call of its own is compiled
    // without the instruction set, and slower by a factor of forty.

    impl Transpose for V4 {
        #[inline(always)]
        fn transpose(self, [a, b, c, d, e, f, g, h]: [f64x8; 8]) -> [f64x8; 8] {
            let avx = self.avx512f;
            let (a, b, c, d): (__m512d, __m512d, __m512d, __m512d) = (cast(a), cast(b), cast(c), cast(d));
            let (e, f, g, h): (__m512d, __m512d, __m512d, __m512d) = (cast(e), cast(f), cast(g), cast(h));
            // Pairs of vectors: lanes 0 2 4 6, and 1 3 5 7.
            let (ab, cd) = (avx._mm512_unpacklo_pd(a, b), avx._mm512_unpacklo_pd(c, d));
            let (ef, gh) = (avx._mm512_unpacklo_pd(e, f), avx._mm512_unpacklo_pd(g, h));
            let (pq, rs) = (avx._mm512_unpackhi_pd(a, b), avx._mm512_unpackhi_pd(c, d));
            let (tu, vw) = (avx._mm512_unpackhi_pd(e, f), avx._mm512_unpackhi_pd(g, h));
            let [c0, c2, c4, c6] = halves(self, ab, cd, ef, gh);
            let [c1, c3, c5, c7] = halves(self, pq, rs, tu, vw);
            [c0, c1, c2, c3, c4, c5, c6, c7]
        }
    }

    /// A square of four by four pairs.
    #[inline(always)]
    fn halves(simd: V4, p: __m512d, q: __m512d, r: __m512d, s: __m512d) -> [f64x8; 4] {
        let avx = simd.avx512f;
        let (p0, p1) = (avx._mm512_shuffle_f64x2::<0x88>(p, q), avx._mm512_shuffle_f64x2::<0xdd>(p, q));
        let (r0, r1) = (avx._mm512_shuffle_f64x2::<0x88>(r, s), avx._mm512_shuffle_f64x2::<0xdd>(r, s));
        [
            cast(avx._mm512_shuffle_f64x2::<0x88>(p0, r0)),
            cast(avx._mm512_shuffle_f64x2::<0x88>(p1, r1)),
            cast(avx._mm512_shuffle_f64x2::<0xdd>(p0, r0)),
            cast(avx._mm512_shuffle_f64x2::<0xdd>(p1, r1)),
        ]
    }

    impl Transpose for V3 {
        #[inline(always)]
        fn transpose(self, [a, b, c, d, e, f, g, h]: [f64x4; 8]) -> [f64x4; 8] {
            let [a, b, c, d] = square(self, cast(a), cast(b), cast(c), cast(d));
            let [e, f, g, h] = square(self, cast(e), cast(f), cast(g), cast(h));
            [a, b, c, d, e, f, g, h]
        }
    }

    #[inline(always)]
    fn square(simd: V3, a: __m256d, b: __m256d, c: __m256d, d: __m256d) -> [f64x4; 4] {
        let avx = simd.avx;
        let (ab, cd) = (avx._mm256_unpacklo_pd(a, b), avx._mm256_unpacklo_pd(c, d));
        let (pq, rs) = (avx._mm256_unpackhi_pd(a, b), avx._mm256_unpackhi_pd(c, d));
        [
            cast(avx._mm256_permute2f128_pd::<0x20>(ab, cd)),
            cast(avx._mm256_permute2f128_pd::<0x20>(pq, rs)),
            cast(avx._mm256_permute2f128_pd::<0x31>(ab, cd)),
            cast(avx._mm256_permute2f128_pd::<0x31>(pq, rs)),
        ]
    }
}
