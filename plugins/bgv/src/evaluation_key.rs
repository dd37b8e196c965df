//! What the service computes with: a public key and relinearization keys, read from their frame and expanded
//! as far as a session needs them.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use hq_plugin_sdk::frame::{KeyId, Kind};

use crate::error::{Error, WireError};
use crate::key::{digit_range, digits, key_id, powers, relinearization_limbs, relinearization_use};
use crate::params::Params;
use crate::poly::{Limb, Poly};
use crate::sample::{self, Use};
use crate::wire::{self, Reader, unpack};

/// How much of an evaluation key is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Primes of the public key.
    pub public: usize,
    /// By power of the secret, from the second: the most primes of a ciphertext with such a part that is
    /// relinearized, 0 where there is none.
    pub powers: Vec<usize>,
}

impl Needs {
    /// All there is.
    #[must_use]
    pub fn all(params: &Params) -> Self {
        Self {
            public: params.chain(),
            powers: powers(params).map(|power| relinearization_limbs(params, power)).collect(),
        }
    }

    /// Adds the relinearization of ciphertexts of `parts` parts and `limbs` primes.
    pub fn add_relinearization(&mut self, parts: usize, limbs: usize) {
        let highest = parts.saturating_sub(2);
        self.powers.resize(self.powers.len().max(highest), 0);
        self.powers.iter_mut().take(highest).for_each(|most| *most = limbs.max(*most));
    }
}

/// Residues of both parts of a key modulo one prime, transformed.
type Pair = (Limb, Limb);

/// An evaluation key, expanded.
#[derive(Debug)]
pub struct EvaluationKey {
    params: Arc<Params>,
    id: KeyId,
    /// Encryption of zero modulo the chain.
    public: (Poly, Poly),
    /// By power p and digit j an encryption of `g_j s^p` modulo QP for the Q of that power, where g_j is P modulo the primes of digit j
    /// and 0 modulo all others; by ring, as far as they are needed.
    relinearization: Vec<Vec<Vec<Option<Pair>>>>,
}

impl EvaluationKey {
    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }

    /// The id of its key pair.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The public key, transformed, modulo the first primes of the chain.
    #[must_use]
    pub fn public(&self) -> (&[Limb], &[Limb]) {
        (&self.public.0, &self.public.1)
    }

    /// The relinearization key of a power of the secret and a digit modulo one ring's prime, transformed.
    ///
    /// # Errors
    /// It was not read: the session did not announce that it needs it.
    pub fn relinearization(
        &self,
        power: usize,
        digit: usize,
        ring: usize,
    ) -> Result<(&[u64], &[u64]), Error> {
        let digits = power.checked_sub(2).and_then(|index| self.relinearization.get(index));
        let pair = digits.and_then(|digits| digits.get(digit)?.get(ring)?.as_ref());
        let (body, uniform) = pair.ok_or(Error::Internal("a key is used that was not announced"))?;
        Ok((body, uniform))
    }

    /// Reads and expands a whole evaluation-key frame.
    ///
    /// # Errors
    /// The bytes or the parameters do not conform.
    pub fn from_frame(bytes: &[u8]) -> Result<Self, Error> {
        Self::for_needs(bytes, |params| Ok(Needs::all(params)))
    }

    /// Reads an evaluation-key frame and expands what is needed of it. Lengths, checksum and digest are
    /// checked of all; residues of what is expanded.
    ///
    /// # Errors
    /// The bytes or the parameters do not conform, or whatever `needs` says of the parameters.
    pub fn for_needs(
        bytes: &[u8],
        needs: impl FnOnce(&Params) -> Result<Needs, Error>,
    ) -> Result<Self, Error> {
        let (id, mut reader) = Reader::open(bytes, Kind::EvaluationKey).map_err(Error::Key)?;
        let found = key_id(reader.payload());
        if found != id {
            return Err(Error::Key(WireError::Digest { found, named: id }));
        }
        let params = Params::new(&reader.parameters().map_err(Error::Key)?).map_err(Error::KeyParams)?;
        let needs = needs(&params)?;
        let mut key = Self { params, id, public: (Poly::new(), Poly::new()), relinearization: Vec::new() };
        key.read_parts(&mut reader, &needs).map_err(Error::Key)?;
        Ok(key)
    }

    fn read_parts(&mut self, reader: &mut Reader<'_>, needs: &Needs) -> Result<(), WireError> {
        let params = Arc::clone(&self.params);
        let seed = reader.array()?;
        let (chain, all) = (params.chain(), params.rings().len());
        let mut source = Source { reader, params: &params, seed: &seed };
        for ring in 0..chain {
            if let Some((body, uniform)) = source.pair(Use::PublicKey, ring, ring < needs.public)? {
                self.public.0.push(body);
                self.public.1.push(uniform);
            }
        }
        for power in powers(&params) {
            let limbs = needs.powers.get(power - 2).copied().unwrap_or(0);
            let given = relinearization_limbs(&params, power);
            let mut read = Vec::new();
            for digit in 0..digits(&params, given) {
                let used = digit_range(&params, digit, given).start < limbs;
                let wanted = |ring: usize| used && (ring < limbs || ring >= chain);
                let purpose = relinearization_use(power, digit);
                let pairs = (0..all).map(|ring| match ring {
                    ring if (given..chain).contains(&ring) => Ok(None),
                    ring => source.pair(purpose, ring, wanted(ring)),
                });
                read.push(pairs.collect::<Result<Vec<_>, _>>()?);
            }
            self.relinearization.push(read);
        }
        source.reader.end()
    }
}

/// A key's payload behind its parameters.
struct Source<'a, 'b> {
    reader: &'a mut Reader<'b>,
    params: &'a Params,
    seed: &'a [u8; 32],
}

impl Source<'_, '_> {
    /// The next limb of a key: expanded where it is wanted, and else passed over.
    fn pair(&mut self, purpose: Use, ring: usize, wanted: bool) -> Result<Option<Pair>, WireError> {
        let (bits, degree) = (self.params.residue_bits(ring), self.params.degree());
        let packed = wire::packed(self.reader, degree, bits)?;
        let Some(q) = self.params.rings().get(ring).map(|ring| ring.q).filter(|_| wanted) else {
            return Ok(None);
        };
        let mut body = Limb::zero(degree);
        unpack(packed, bits, q, &mut body)?;
        let mut uniform = Limb::zero(degree);
        sample::expand(self.seed, purpose, q, &mut uniform);
        Ok(Some((body, uniform)))
    }
}
