//! A backend that computes in the clear, row by row: the smallest one that keeps all promises, as an example of a plugin.
//! `docs/plugins/backends.md` goes through it.

use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Fault, KeyPair, Measurement, Session};
use hq_plugin_sdk::capabilities::{Capabilities, InputForm, OpKind};
use hq_plugin_sdk::export_backend;
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Origin, Plan};

/// The backend.
#[derive(Debug)]
pub struct Tally;

export_backend!(Tally);

/// A plan at work: its sums over the blocks so far.
#[derive(Debug)]
pub struct TallySession {
    plan: Plan,
    /// The key that everything must be of.
    key: KeyId,
    /// Rows that a block has at most.
    rows_per_block: usize,
    sums: Vec<i128>,
    blocks: u64,
}

/// What a key says: whose it is, and how many rows a block has. There is nothing secret in it.
#[derive(Clone, Copy, Debug)]
pub struct TallyKey {
    id: KeyId,
    rows_per_block: usize,
}

/// No sum of a state is larger: whatever is added to it fits.
const MAX_SUM: u128 = 1 << 100;

/// Numbers in a frame: integrity and kind are the frame's business, the rest is this backend's.
fn seal(kind: Kind, key: KeyId, numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let payload: Vec<u8> = numbers.into_iter().flat_map(i64::to_le_bytes).collect();
    frame::seal(kind, key, &payload)
}

/// Numbers out of a frame. Whatever comes from outside may be anything, and `fault` says who is to blame.
fn open(bytes: &[u8], kind: Kind, fault: Fault) -> Result<(KeyId, Vec<i64>), BackendError> {
    let frame = frame::open(bytes, kind).map_err(|error| BackendError::new(fault, error.to_string()))?;
    let (numbers, rest) = frame.payload.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(BackendError::new(fault, "its numbers are cut short"));
    }
    Ok((frame.key, numbers.iter().map(|number| i64::from_le_bytes(*number)).collect()))
}

fn open_key(bytes: &[u8], kind: Kind) -> Result<TallyKey, BackendError> {
    let (id, numbers) = open(bytes, kind, Fault::Key)?;
    let rows = match numbers.as_slice() {
        [rows] => usize::try_from(*rows).ok().filter(|&rows| rows > 0),
        _ => None,
    };
    let wrong = || BackendError::new(Fault::Key, "a key holds the number of rows of a block");
    Ok(TallyKey { id, rows_per_block: rows.ok_or_else(wrong)? })
}

impl Evaluator for Tally {
    type Session = TallySession;

    fn capabilities() -> Capabilities {
        Capabilities {
            name: "tally".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: InputForm::Columns,
            ops: vec![
                OpKind::Input,
                OpKind::Member,
                OpKind::Less,
                OpKind::Equal,
                OpKind::Linear,
                OpKind::Mul,
            ],
            leveled: None,
            bootstrapped: None,
            gates: None,
            encrypted: false,
        }
    }

    fn resolve(_: &RnsRequest) -> Result<RnsParameters, BackendError> {
        Err(BackendError::new(Fault::Parameters, "a backend without noise has no primes to choose"))
    }

    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<TallySession, BackendError> {
        let TallyKey { id, rows_per_block } = open_key(evaluation_key, Kind::EvaluationKey)?;
        let known = Self::capabilities().ops;
        if let Some(op) = plan.nodes().iter().find(|op| !known.contains(&op.kind())) {
            return Err(BackendError::new(Fault::Plan, format!("it has no operation {:?}", op.kind())));
        }
        let wanted = plan.parameters.as_ref().map(Parameters::rows_per_block);
        if wanted.and_then(|rows| usize::try_from(rows).ok()) != Some(rows_per_block) {
            return Err(BackendError::new(Fault::Key, "the plan is for keys with other blocks"));
        }
        let sums = vec![0; plan.sums.len()];
        Ok(TallySession { plan: plan.clone(), key: id, rows_per_block, sums, blocks: 0 })
    }

    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        let key = open_key(evaluation_key, Kind::EvaluationKey)?;
        Ok(seal(Kind::Parameter, key.id, [value]))
    }
}

impl TallySession {
    /// One input of a block, checked: of this key, and of one length with the others.
    fn column(&self, bytes: &[u8], at: usize, rows: &mut Option<usize>) -> Result<Vec<i64>, BackendError> {
        let wrong = |reason: &str| BackendError::new(Fault::Input, format!("input {at}: {reason}"));
        let input = self.plan.inputs.get(at).ok_or_else(|| wrong("the plan has no such input"))?;
        let kind = match input.origin {
            Origin::Table => Kind::Ciphertext,
            Origin::Parameter => Kind::Parameter,
        };
        let (key, numbers) = open(bytes, kind, Fault::Input)?;
        if key != self.key {
            return Err(BackendError::new(Fault::Key, format!("input {at} is of another key")));
        }
        let fits = match input.origin {
            Origin::Table => {
                *rows.get_or_insert(numbers.len()) == numbers.len() && numbers.len() <= self.rows_per_block
            }
            Origin::Parameter => numbers.len() == 1,
        };
        if fits { Ok(numbers) } else { Err(wrong("it has another number of values")) }
    }

    /// By this a saved state is known to be one of the same plan.
    fn fingerprint(&self) -> i64 {
        let plan = frame::seal(Kind::Plan, self.key, self.plan.to_string().as_bytes());
        let head = frame::checksum(&plan).and_then(|checksum| checksum.first_chunk::<8>());
        head.map_or(0, |head| i64::from_le_bytes(*head))
    }
}

impl Session for TallySession {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        if inputs.len() != self.plan.inputs.len() {
            let wanted = self.plan.inputs.len();
            return Err(BackendError::new(Fault::Input, format!("{} inputs, not {wanted}", inputs.len())));
        }
        let mut rows = None;
        let mut columns = Vec::with_capacity(inputs.len());
        for (at, bytes) in inputs.iter().enumerate() {
            columns.push(self.column(bytes, at, &mut rows)?);
        }
        // A parameter is the same in every row.
        for (column, input) in columns.iter_mut().zip(&self.plan.inputs) {
            if input.origin == Origin::Parameter {
                *column = column.first().map_or_else(Vec::new, |&value| vec![value; rows.unwrap_or(0)]);
            }
        }
        // Nothing was changed so far: a block that is refused leaves no trace.
        let added = interpret(&self.plan, &columns);
        self.sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        self.blocks += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        let sums = self.sums.iter().map(|&sum| i64::try_from(sum)).collect::<Result<Vec<_>, _>>();
        let sums = sums.map_err(|_| BackendError::new(Fault::Plan, "a sum has more than 63 bits"))?;
        Ok(seal(Kind::Sums, self.key, sums))
    }

    fn fork(&self) -> Result<Self, BackendError> {
        let sums = vec![0; self.sums.len()];
        Ok(Self { plan: self.plan.clone(), sums, blocks: 0, ..*self })
    }

    fn absorb(&mut self, other: Self) -> Result<(), BackendError> {
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, added)| *sum += added);
        self.blocks += other.blocks;
        Ok(())
    }

    fn save(&self) -> Result<Vec<u8>, BackendError> {
        let mut numbers = vec![self.fingerprint(), self.blocks.cast_signed()];
        for sum in &self.sums {
            // Two numbers each, the lower half first.
            let bytes = sum.to_le_bytes();
            numbers.extend(bytes.as_chunks::<8>().0.iter().map(|half| i64::from_le_bytes(*half)));
        }
        Ok(seal(Kind::State, self.key, numbers))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError> {
        let wrong = |reason: &str| BackendError::new(Fault::Input, reason);
        let (key, numbers) = open(state, Kind::State, Fault::Input)?;
        let [plan, blocks, sums @ ..] = numbers.as_slice() else { return Err(wrong("it is cut short")) };
        if key != self.key {
            return Err(BackendError::new(Fault::Key, "the state is of another key"));
        }
        let (sums, odd) = sums.as_chunks::<2>();
        let sum = |[low, high]: &[i64; 2]| i128::from(low.cast_unsigned()) | i128::from(*high) << 64;
        let sums: Vec<i128> = sums.iter().map(sum).collect();
        let sound = odd.is_empty() && *blocks >= 0 && sums.iter().all(|sum| sum.unsigned_abs() <= MAX_SUM);
        if *plan != self.fingerprint() || sums.len() != self.sums.len() || !sound {
            return Err(wrong("the state is of another plan"));
        }
        if self.blocks > 0 {
            return Err(wrong("blocks were done before"));
        }
        self.blocks = blocks.cast_unsigned();
        self.sums = sums;
        Ok(())
    }
}

impl Custody for Tally {
    type Key = TallyKey;

    fn keygen(parameters: &Parameters, _: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let Parameters::Clear { rows_per_block } = parameters else {
            return Err(BackendError::new(
                Fault::Parameters,
                "it has parameters of no scheme but the clear one",
            ));
        };
        let (id, rows) = (KeyId::default(), i64::from(*rows_per_block));
        Ok(KeyPair {
            secret: seal(Kind::SecretKey, id, [rows]).into(),
            evaluation: seal(Kind::EvaluationKey, id, [rows]),
        })
    }

    fn load(secret: &[u8]) -> Result<TallyKey, BackendError> {
        open_key(secret, Kind::SecretKey)
    }

    fn encrypt(key: &TallyKey, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        if values.len() > key.rows_per_block {
            return Err(BackendError::new(
                Fault::Input,
                format!("{} rows are more than a block has", values.len()),
            ));
        }
        Ok(seal(Kind::Ciphertext, key.id, values.iter().copied()))
    }

    fn decrypt(key: &TallyKey, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        match open(result, Kind::Sums, Fault::Input)? {
            (id, sums) if id == key.id => Ok(sums),
            _ => Err(BackendError::new(Fault::Key, "the sums are of another key")),
        }
    }

    fn measure(_: &TallyKey, _: &[u8], _: &Plan, _: &[Vec<&[u8]>]) -> Result<Measurement, BackendError> {
        Ok(Measurement::default())
    }
}

#[cfg(test)]
mod tests {
    use hq_plugin_sdk::conformance::{Options, run};

    use super::Tally;

    #[test]
    fn the_backend_conforms() {
        assert_eq!(run::<Tally>(&Options::default()), Ok(()));
    }
}
