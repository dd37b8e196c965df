//! Gates at work: a count's digits are taken off from the lowest up, each from a conversion of its own; what they say is added
//! up and looked up once, modulo 2^128 as sums are that leave; then pads pass. See `hq_plugin_sdk::gate`.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::backend::{BackendError, GateKeys, Gated};
use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::gate::{FLOOD_BITS, Gate, LIMB_BITS, SENT_BYTES};
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::rotations::Use;
use tfhe::core_crypto::prelude::{LweCiphertext, LweCiphertextOwned, decrypt_lwe_ciphertext};

use crate::bridge;
use crate::error::{Error, WireError};
use crate::evaluation_key::{EvaluationKey, Needs};
use crate::key::SecretKey;
use crate::params::{Params, modulus, released_modulus};
use crate::random::Source;
use crate::session::{add, add_constant};
use crate::squash::{Squasher, add_wide_constant};
use crate::sums::zero;
use crate::wire::{Reader, VERSION, put_length};
use crate::workspace::Workspace;

/// Most gates of a frame, and most pads of a gate.
const MAX_GATES: usize = 1 << 12;

/// Most limbs of a pad.
const MAX_LIMBS: usize = 8;

/// What may pass a gate: for each number behind it the pad that hides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// When it is let out.
    pub gate: Gate,
    /// Numbers below the gate's modulus.
    pub pads: Vec<u64>,
}

/// What binds that which passed to its plan and sums.
pub type Context = [u8; 32];

/// Of a plan and the frame of its sums.
#[must_use]
pub fn context(plan: &Plan, sums: &[u8]) -> Context {
    let mut digest = blake3::Hasher::new();
    digest.update(blake3::hash(plan.to_string().as_bytes()).as_bytes());
    digest.update(blake3::hash(sums).as_bytes());
    *digest.finalize().as_bytes()
}

/// The keys that a plan's gates need.
fn needs(plan: &Plan, params: &Params) -> Result<Needs, Error> {
    let placed = plan.gates.as_ref().and_then(|gates| gates.placed.as_ref());
    if placed.is_some_and(|placed| placed.parameters == *params.tfhe()) {
        Ok(Needs::All)
    } else {
        Err(Error::PlanParameters)
    }
}

/// The cells of a plan with their pads, of all pads in the plan's order.
fn cells(plan: &Plan, pads: &[u64]) -> Result<Vec<Cell>, Error> {
    if plan.cells().is_empty() {
        return Err(Error::Gates("the plan has no gates"));
    }
    if pads.len() != plan.padded().len() {
        return Err(Error::Gates("there are more or fewer pads than the gates let out"));
    }
    let mut rest = pads;
    let mut next = |cell| {
        let (own, others) = rest.split_at_checked(plan.sums_behind(cell).len())?;
        rest = others;
        Some(Cell { gate: plan.gate_of(cell)?, pads: own.to_vec() })
    };
    let cells: Option<Vec<Cell>> = plan.cells().iter().map(&mut next).collect();
    cells.ok_or(Error::Gates("a cell without a gate"))
}

/// What passed the gates of a plan, in the order of its pads: -1 where a cell is closed.
pub(crate) fn in_order(plan: &Plan, opened: &[Passed]) -> Result<Vec<i64>, Error> {
    let other = || Error::Passed(WireError::Content("it holds other cells than the plan has"));
    if opened.len() != plan.cells().len() {
        return Err(other());
    }
    let mut pads = Vec::new();
    for (cell, passed) in plan.cells().iter().zip(opened) {
        let count = plan.sums_behind(cell).len();
        match passed {
            Passed::Closed { pads: found } if *found == count => pads.extend(std::iter::repeat_n(-1, count)),
            Passed::Open(own) if own.len() == count => {
                let pad = |&pad: &u64| i64::try_from(pad).map_err(|_| other());
                pads.extend(own.iter().map(pad).collect::<Result<Vec<_>, _>>()?);
            }
            Passed::Closed { .. } | Passed::Open(_) => return Err(other()),
        }
    }
    Ok(pads)
}

/// What came out of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Nothing, of so many pads.
    Closed {
        /// Pads.
        pads: usize,
    },
    /// The pads.
    Open(Vec<u64>),
}

/// Decides every cell on its count and lets pads pass. `samples` holds, cell by cell, the count by each of the gate's
/// conversions.
///
/// # Errors
/// A key or the samples do not conform, or the operating system gives no randomness.
pub fn pass(
    keys: GateKeys<'_>,
    samples: &[u8],
    cells: &[Cell],
    context: Context,
) -> Result<Vec<u8>, BackendError> {
    let key = EvaluationKey::from_frame(keys.evaluation, |_| Ok(Needs::All))?;
    Ok(decide((&key, keys.bridge), samples, cells, context)?)
}

/// The same of a plan's cells, for whose parameters the keys must be.
pub(crate) fn pass_plan(
    plan: &Plan,
    keys: GateKeys<'_>,
    gated: &Gated,
    pads: &[u64],
) -> Result<Vec<u8>, Error> {
    let cells = cells(plan, pads)?;
    let key = EvaluationKey::from_frame(keys.evaluation, |params| needs(plan, params))?;
    decide((&key, keys.bridge), &gated.samples, &cells, context(plan, &gated.sums))
}

fn decide(
    (key, bridge_key): (&EvaluationKey, &[u8]),
    samples: &[u8],
    cells: &[Cell],
    context: Context,
) -> Result<Vec<u8>, Error> {
    let switched = bridge::switch(key, bridge_key, samples)?;
    let wanted: usize = cells.iter().map(|cell| digits(&cell.gate)).sum();
    if switched.len() != wanted {
        return Err(Error::Samples(WireError::Content(
            "another number of conversions than the gates ask for",
        )));
    }
    let mut squasher = Squasher::new(key);
    let mut source = Source::new()?;
    let mut payload = vec![VERSION];
    payload.extend_from_slice(&context);
    put_length(&mut payload, cells.len());
    let mut rest = switched.as_slice();
    for (index, cell) in cells.iter().enumerate() {
        let (conversions, others) = rest.split_at_checked(digits(&cell.gate)).unwrap_or_default();
        rest = others;
        let mut decision = Decision { key, gate: &cell.gate, workspace: &mut squasher.workspace };
        let opened = decision.opened_by(conversions)?;
        let open = decision_of(&mut squasher, &opened, u64::from(cell.gate.digits()) + 1)?;
        put_length(&mut payload, index);
        put_length(&mut payload, cell.pads.len());
        put_length(&mut payload, usize::try_from(cell.gate.limbs()).unwrap_or(MAX_LIMBS));
        send(key, &open, 1, &mut source, &mut payload)?;
        for &pad in &cell.pads {
            for limb in 0..cell.gate.limbs() {
                let limb = (pad >> (limb * LIMB_BITS)) & ((1 << LIMB_BITS) - 1);
                send(key, &open, limb, &mut source, &mut payload)?;
            }
        }
    }
    Ok(frame::seal(Kind::Passed, key.id(), &payload))
}

fn digits(gate: &Gate) -> usize {
    usize::try_from(gate.digits()).unwrap_or(usize::MAX)
}

/// `open / 2^LIMB_BITS` modulo 2^128, from how many digits open the gate.
fn decision_of(
    squasher: &mut Squasher<'_>,
    opened: &LweCiphertextOwned<u64>,
    boxes: u64,
) -> Result<LweCiphertextOwned<u128>, Error> {
    let half = 1 << (u128::BITS - LIMB_BITS - 1);
    squasher.workspace.take(squasher.key, opened)?;
    let mut open =
        squasher.look_up_wide(
            |position, size| {
                if box_of(position, size, boxes) > 0 { half } else { half.wrapping_neg() }
            },
        )?;
    add_wide_constant(&mut open, half);
    Ok(open)
}

/// The box of a coefficient's middle, of so many in a half turn.
fn box_of(position: usize, size: usize, boxes: u64) -> u64 {
    (2 * position as u64 + 1) * boxes / (2 * size as u64)
}

/// A cell's decision in the making.
struct Decision<'a> {
    key: &'a EvaluationKey,
    gate: &'a Gate,
    workspace: &'a mut Workspace,
}

impl Decision<'_> {
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
        self.workspace.take(self.key, arg)
    }

    /// Looks the argument up in a table of a half turn in equal boxes; in the other half turn its entries are negated.
    fn table(
        &mut self,
        role: Use,
        boxes: u64,
        entry: impl Fn(u64) -> u64,
    ) -> Result<LweCiphertextOwned<u64>, Error> {
        self.workspace.look_up(self.key, role, |position, size| entry(box_of(position, size, boxes)))
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

/// Sends a multiple of a decision: made new under the public key of what leaves, hidden by noise, and rounded.
fn send(
    key: &EvaluationKey,
    open: &LweCiphertextOwned<u128>,
    times: u64,
    source: &mut Source,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut sample = zero(key, source.flood(u128::BITS - FLOOD_BITS), source);
    for (word, &decided) in sample.as_mut().iter_mut().zip(open.as_ref()) {
        *word = word.wrapping_add(decided.wrapping_mul(u128::from(times)));
    }
    for &word in sample.as_ref() {
        let rounded = word.wrapping_add(1 << (UNSENT_BITS - 1));
        out.extend_from_slice(rounded.to_be_bytes().get(..SENT_BYTES).unwrap_or_default());
    }
    Ok(())
}

/// Bits of each coefficient that do not leave.
const UNSENT_BITS: usize = 128 - 8 * SENT_BYTES;

/// Opens what gates let out, in the order of the cells.
///
/// # Errors
/// The frame does not conform, or belongs to another key.
pub fn open(key: &SecretKey, passed: &[u8], context: Context) -> Result<Vec<Passed>, BackendError> {
    Ok(open_all(key, passed, context)?)
}

fn open_all(key: &SecretKey, passed: &[u8], context: Context) -> Result<Vec<Passed>, Error> {
    let (found, mut reader) = Reader::open(passed, Kind::Passed).map_err(Error::Passed)?;
    if found != key.id() {
        return Err(Error::PassedKey { found, wanted: key.id() });
    }
    let mut read = || {
        if reader.array::<32>()? != context {
            return Err(WireError::Content("it is of another plan, or of other sums"));
        }
        let cells = length(&mut reader, MAX_GATES)?;
        let mut opened = Vec::new();
        for index in 0..cells {
            if reader.length()? != index {
                return Err(WireError::Content("its cells stand in another order"));
            }
            opened.push(open_cell(key, &mut reader)?);
        }
        reader.end()?;
        Ok(opened)
    };
    read().map_err(Error::Passed)
}

fn open_cell(key: &SecretKey, reader: &mut Reader<'_>) -> Result<Passed, WireError> {
    let pads = length(reader, MAX_GATES)?;
    let limbs = length(reader, MAX_LIMBS)?;
    let open = open_sample(key, reader)?;
    let mut opened = Vec::new();
    for _ in 0..pads {
        let mut pad = 0_u64;
        for limb in 0..u32::try_from(limbs).unwrap_or(0) {
            pad |= open_sample(key, reader)? << (LIMB_BITS * limb);
        }
        opened.push(pad);
    }
    match open {
        0 => Ok(Passed::Closed { pads }),
        1 => Ok(Passed::Open(opened)),
        _ => Err(WireError::Content("a gate that is neither open nor closed")),
    }
}

/// A length of at most so many.
pub(crate) fn length(reader: &mut Reader<'_>, most: usize) -> Result<usize, WireError> {
    let length = reader.length()?;
    if length <= most { Ok(length) } else { Err(WireError::Content("too many parts")) }
}

fn open_sample(key: &SecretKey, reader: &mut Reader<'_>) -> Result<u64, WireError> {
    let count = key.params().released_dimension().to_lwe_size().0;
    let bytes = reader.bytes(SENT_BYTES * count)?;
    let words = bytes
        .chunks_exact(SENT_BYTES)
        .map(|word| word.iter().fold(0, |high, &byte| high << 8 | u128::from(byte)) << UNSENT_BITS)
        .collect::<Vec<u128>>();
    let sample = LweCiphertext::from_container(words, released_modulus());
    let phase = decrypt_lwe_ciphertext(&key.released(), &sample).0;
    let limb = phase.wrapping_add(1 << (u128::BITS - LIMB_BITS - 1)) >> (u128::BITS - LIMB_BITS);
    Ok(u64::try_from(limb).unwrap_or(0))
}
