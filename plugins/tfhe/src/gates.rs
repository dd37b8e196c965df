//! Gates at work: a count's digits are taken off from the lowest up, each from a conversion of its own; what they say is added
//! up and looked up once; the decision is hidden by noise and bootstrapped again until it depends on nothing but itself; then
//! pads pass. See `hq_plugin_sdk::gate`.
//!
//! Hiding and bootstrapping in turns: Ducas, Stehlé, "Sanitization of FHE ciphertexts", EUROCRYPT 2016.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::gate::{Gate, PAD_BITS, PIECE_BITS, PIECES, SENT_BITS, WASH_BITS, WASHES};
use hq_plugin_sdk::rotations::Use;
use tfhe::core_crypto::prelude::{
    LweCiphertext, LweCiphertextOwned, MonomialDegree, decrypt_lwe_ciphertext,
    extract_lwe_sample_from_glwe_ciphertext,
};

use crate::bridge;
use crate::ciphertext;
use crate::error::{Error, WireError};
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::key::SecretKey;
use crate::params::modulus;
use crate::random::Source;
use crate::session::{add, add_constant, add_scaled};
use crate::wire::{Reader, VERSION, put_count};
use crate::workspace::Workspace;

/// Most gates of a frame, and most pads of a gate.
const MAX_GATES: usize = 1 << 12;

/// Most limbs of a pad.
const MAX_LIMBS: usize = 16;

/// What may pass a gate: for each number behind it the pad that hides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// When it is let out.
    pub gate: Gate,
    /// Numbers below the gate's modulus.
    pub pads: Vec<u64>,
}

/// What came out of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Nothing.
    Closed,
    /// The pads.
    Open(Vec<u64>),
}

/// Decides every cell on its count and lets pads pass. `samples` holds, cell by cell, the count by each of the gate's
/// conversions.
///
/// # Errors
/// A key or the samples do not conform, or the operating system gives no randomness.
pub fn pass(
    evaluation_key: &[u8],
    bridge_key: &[u8],
    samples: &[u8],
    cells: &[Cell],
) -> Result<Vec<u8>, BackendError> {
    let key = EvaluationKey::from_frame(evaluation_key, |_| Ok(Needs { digits: true, shares: true }))?;
    let switched = bridge::switch(&key, bridge_key, samples)?;
    let wanted: usize = cells.iter().map(|cell| digits(&cell.gate)).sum();
    if switched.len() != wanted {
        return Err(Error::Samples(WireError::Content(
            "another number of conversions than the gates ask for",
        ))
        .into());
    }
    let mut workspace = Workspace::new(key.params());
    let mut source = Source::new()?;
    let mut payload = vec![VERSION];
    put_count(&mut payload, cells.len());
    let mut rest = switched.as_slice();
    for cell in cells {
        let (conversions, others) = rest.split_at_checked(digits(&cell.gate)).unwrap_or_default();
        rest = others;
        let decision =
            Decision { key: &key, gate: &cell.gate, workspace: &mut workspace, source: &mut source };
        let open = decision.of(conversions)?;
        put_count(&mut payload, cell.pads.len());
        put_count(&mut payload, usize::try_from(cell.gate.limbs()).unwrap_or(MAX_LIMBS));
        send(&key, &open, 1, &mut source, &mut payload);
        for &pad in &cell.pads {
            for limb in 0..cell.gate.limbs() {
                let mut left = pad >> (limb * PAD_BITS);
                for piece in (0..PIECES).rev() {
                    let own = if piece == 0 { left } else { source.number() };
                    left = left.wrapping_sub(own);
                    send(&key, &open, own & ((1 << PAD_BITS) - 1), &mut source, &mut payload);
                }
            }
        }
    }
    Ok(frame::seal(Kind::Passed, key.id(), &payload))
}

fn digits(gate: &Gate) -> usize {
    usize::try_from(gate.digits()).unwrap_or(usize::MAX)
}

/// A cell's decision in the making.
struct Decision<'a> {
    key: &'a EvaluationKey,
    gate: &'a Gate,
    workspace: &'a mut Workspace,
    source: &'a mut Source,
}

impl Decision<'_> {
    /// `open / 2^PAD_BITS` on the torus, from the count's conversions.
    fn of(mut self, conversions: &[LweCiphertextOwned<u64>]) -> Result<LweCiphertextOwned<u64>, Error> {
        let opened = self.opened_by(conversions)?;
        let boxes = u64::from(self.gate.digits()) + 1;
        self.take(&opened)?;
        let mut open =
            self.table(Use::Share, boxes, |count| if count > 0 { QUARTER } else { QUARTER.wrapping_neg() })?;
        for wash in (0..WASHES).rev() {
            add(&mut open, &ciphertext::public(self.key, 0, self.source));
            add_constant(&mut open, self.source.flooding(WASH_BITS));
            self.take(&open)?;
            let high = if wash == 0 { 1 << (u64::BITS - PAD_BITS - 1) } else { QUARTER };
            open = self.table(Use::Share, 1, |_| high)?;
        }
        add_constant(&mut open, 1 << (u64::BITS - PAD_BITS - 1));
        Ok(open)
    }

    /// How many digits open the gate, of boxes one more than there are digits, in the middle of its box.
    fn opened_by(
        &mut self,
        conversions: &[LweCiphertextOwned<u64>],
    ) -> Result<LweCiphertextOwned<u64>, Error> {
        let gate = *self.gate;
        let mut args = conversions.to_vec();
        let boxes = u64::from(gate.digits()) + 1;
        let size = self.key.params().big_dimension().to_lwe_size();
        let mut opened = LweCiphertextOwned::new(0, size, modulus());
        add_constant(&mut opened, turns(1, 4 * boxes));
        for at in 0..gate.digits() {
            let index = usize::try_from(at).unwrap_or(usize::MAX);
            let Some((arg, later)) = args.get_mut(index..).unwrap_or_default().split_first_mut() else {
                return Err(Error::Internal("a conversion that is not there"));
            };
            add_constant(arg, centre(&gate, at).wrapping_add(turns(1, 4 * gate.base())));
            self.take(arg)?;
            add(arg, &self.table(Use::Digit, 1, |_| QUARTER.wrapping_neg())?);
            add_constant(arg, QUARTER);
            self.take(arg)?;
            let says = |w: u64| if gate.opens(at, gate.digit(w)) { turns(1, 2 * boxes) } else { 0 };
            add(&mut opened, &self.table(Use::Digit, gate.base(), says)?);
            for (next, later) in (at + 1..).zip(later) {
                let conversion = gate.conversion(next);
                let off = |w: u64| gate.taken_off((at, gate.digit(w)), conversion).wrapping_neg();
                add(later, &self.table(Use::Digit, gate.base(), off)?);
            }
        }
        Ok(opened)
    }

    /// Makes a sample the argument of tables.
    fn take(&mut self, arg: &LweCiphertextOwned<u64>) -> Result<(), Error> {
        self.workspace.arg.as_mut().copy_from_slice(arg.as_ref());
        self.workspace.key_switch(self.key)
    }

    /// Looks the argument up in a table of a half turn in equal boxes; in the other half turn its entries are negated.
    fn table(
        &mut self,
        role: Use,
        boxes: u64,
        entry: impl Fn(u64) -> u64,
    ) -> Result<LweCiphertextOwned<u64>, Error> {
        let Workspace { tables, .. } = &mut *self.workspace;
        tables.as_mut().fill(0);
        let mut body = tables.get_mut_body();
        let size = body.as_ref().len() as u64;
        for (at, coefficient) in (0_u64..).zip(body.as_mut().iter_mut()) {
            // The box of the coefficient's middle.
            *coefficient = entry((2 * at + 1) * boxes / (2 * size));
        }
        self.workspace.rotate(self.key, role)?;
        let Workspace { tables, output, .. } = &mut *self.workspace;
        extract_lwe_sample_from_glwe_ciphertext(tables, output, MonomialDegree(0));
        Ok(output.clone())
    }
}

/// A quarter of a turn.
const QUARTER: u64 = 1 << 62;

/// A fraction of a turn in 64 bits.
fn turns(part: u64, of: u64) -> u64 {
    u64::try_from((u128::from(part) << 64) / u128::from(of.max(part + 1))).unwrap_or(0)
}

/// What halves the error of a conversion: `most / (2 M t)`.
fn centre(gate: &Gate, at: u32) -> u64 {
    let whole = 2 * u128::from(gate.conversion(at).scale) * u128::from(gate.modulus());
    u64::try_from((u128::from(gate.most()) << 64) / whole).unwrap_or(0)
}

/// Sends a multiple of a decision: made new under the public key, hidden by noise, and rounded.
fn send(
    key: &EvaluationKey,
    open: &LweCiphertextOwned<u64>,
    times: u64,
    source: &mut Source,
    out: &mut Vec<u8>,
) {
    let mut sample = ciphertext::public(key, 0, source);
    add_scaled(sample.as_mut(), open.as_ref(), times.cast_signed());
    add_constant(&mut sample, source.flooding(PIECE_BITS));
    for &word in sample.as_ref() {
        let rounded = word.wrapping_add(1 << (u64::BITS - SENT_BITS - 1)) >> (u64::BITS - SENT_BITS);
        out.extend_from_slice(&u16::try_from(rounded).unwrap_or(0).to_le_bytes());
    }
}

/// Opens what gates let out, in the order of the cells.
///
/// # Errors
/// The frame does not conform, or belongs to another key.
pub fn open(key: &SecretKey, passed: &[u8]) -> Result<Vec<Passed>, BackendError> {
    Ok(open_all(key, passed)?)
}

fn open_all(key: &SecretKey, passed: &[u8]) -> Result<Vec<Passed>, Error> {
    let (found, mut reader) = Reader::open(passed, Kind::Passed).map_err(Error::Sums)?;
    if found != key.id() {
        return Err(Error::SumsKey { found, wanted: key.id() });
    }
    let mut read = || {
        let cells = reader.count(MAX_GATES)?;
        let mut opened = Vec::new();
        for _ in 0..cells {
            opened.push(open_cell(key, &mut reader)?);
        }
        reader.end()?;
        Ok(opened)
    };
    read().map_err(Error::Sums)
}

fn open_cell(key: &SecretKey, reader: &mut Reader<'_>) -> Result<Passed, WireError> {
    let pads = reader.count(MAX_GATES)?;
    let limbs = reader.count(MAX_LIMBS)?;
    let open = open_sample(key, reader)?;
    let mut opened = Vec::new();
    for _ in 0..pads {
        let mut pad = 0_u64;
        for limb in 0..u32::try_from(limbs).unwrap_or(0) {
            let mut sum = 0_u64;
            for _ in 0..PIECES {
                sum += open_sample(key, reader)?;
            }
            pad |= (sum & ((1 << PAD_BITS) - 1)) << (PAD_BITS * limb);
        }
        opened.push(pad);
    }
    match open {
        0 => Ok(Passed::Closed),
        1 => Ok(Passed::Open(opened)),
        _ => Err(WireError::Content("a gate that is neither open nor closed")),
    }
}

fn open_sample(key: &SecretKey, reader: &mut Reader<'_>) -> Result<u64, WireError> {
    let count = key.params().big_dimension().to_lwe_size().0;
    let words = reader
        .bytes(2 * count)?
        .as_chunks()
        .0
        .iter()
        .map(|&word| u64::from(u16::from_le_bytes(word)) << (u64::BITS - SENT_BITS))
        .collect::<Vec<u64>>();
    let phase = decrypt_lwe_ciphertext(&key.big(), &LweCiphertext::from_container(words, modulus())).0;
    Ok(phase.wrapping_add(1 << (u64::BITS - PAD_BITS - 1)) >> (u64::BITS - PAD_BITS))
}
