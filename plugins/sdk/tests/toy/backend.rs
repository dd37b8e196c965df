//! The backend itself, right or with one flaw.

use hq_plugin_sdk::backend::{BackendError, Custody, Evaluator, Fault, KeyPair, Measurement, Session};
use hq_plugin_sdk::capabilities::{Capabilities, InputForm, OpKind};
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Input, Origin, Plan};
use hq_plugin_sdk::verify::verify;

pub(super) const RIGHT: u8 = 0;
pub(super) const OFF_BY_ONE: u8 = 1;
pub(super) const PANICS: u8 = 2;
pub(super) const TAKES_ANY_KIND: u8 = 3;
pub(super) const COUNTS_FAILED_BLOCKS: u8 = 4;
pub(super) const SHARES_SUMS: u8 = 5;
pub(super) const BLAMES_ITSELF: u8 = 6;
pub(super) const TAKES_ANY_PLAN: u8 = 7;
pub(super) const FORKS_WITH_SUMS: u8 = 8;
pub(super) const FORGETS_FORKS: u8 = 9;
pub(super) const TAKES_ANY_STATE: u8 = 10;
pub(super) const RESTORES_TWICE: u8 = 11;

pub(super) struct Toy<const FLAW: u8>;

pub(super) struct ToySession<const FLAW: u8> {
    plan: Plan,
    sums: Vec<i128>,
    blocks: u64,
}

fn numbers(bytes: &[u8], kind: Kind, any_kind: bool, fault: Fault) -> Result<Vec<i64>, BackendError> {
    let wrong = |reason: String| BackendError::new(fault, reason);
    let (frame, rest) = frame::split(bytes).map_err(|error| wrong(error.to_string()))?;
    let (numbers, odd) = frame.payload.as_chunks::<8>();
    if (frame.kind != kind && !any_kind) || !rest.is_empty() || !odd.is_empty() {
        return Err(wrong("not the frame that was wanted".to_owned()));
    }
    Ok(numbers.iter().map(|number| i64::from_le_bytes(*number)).collect())
}

pub(super) fn sealed(kind: Kind, values: &[i64]) -> Vec<u8> {
    frame::seal(
        kind,
        KeyId::default(),
        &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
    )
}

fn key_rows(bytes: &[u8], kind: Kind) -> Result<i64, BackendError> {
    match numbers(bytes, kind, false, Fault::Key)?[..] {
        [rows] if rows > 0 => Ok(rows),
        _ => Err(BackendError::new(Fault::Key, "not a key")),
    }
}

impl<const FLAW: u8> Evaluator for Toy<FLAW> {
    type Session = ToySession<FLAW>;

    fn capabilities() -> Capabilities {
        let ops =
            [OpKind::Input, OpKind::Member, OpKind::Less, OpKind::Equal, OpKind::Linear, OpKind::Mul].into();
        let (name, version) = ("toy".to_owned(), "1".to_owned());
        Capabilities {
            name,
            version,
            inputs: InputForm::Columns,
            ops,
            leveled: None,
            bootstrapped: None,
            gates: None,
            encrypted: false,
        }
    }

    fn resolve(_: &RnsRequest) -> Result<RnsParameters, BackendError> {
        Err(BackendError::new(Fault::Parameters, "none"))
    }

    fn open(plan: &Plan, evaluation_key: &[u8]) -> Result<Self::Session, BackendError> {
        let rows = key_rows(evaluation_key, Kind::EvaluationKey)?;
        if FLAW != TAKES_ANY_PLAN {
            verify(plan).map_err(|error| BackendError::new(Fault::Plan, error.to_string()))?;
            if plan.parameters.as_ref().is_none_or(|it| i64::from(it.rows_per_block()) != rows) {
                return Err(BackendError::new(Fault::Key, "other parameters"));
            }
        }
        if plan.nodes().iter().any(|op| !Self::capabilities().ops.contains(&op.kind())) {
            return Err(BackendError::new(Fault::Plan, "operation"));
        }
        Ok(ToySession { plan: plan.clone(), sums: vec![0; plan.sums.len()], blocks: 0 })
    }

    fn encrypt_parameter(evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        key_rows(evaluation_key, Kind::EvaluationKey)?;
        Ok(sealed(Kind::Parameter, &[value]))
    }
}

static SHARED: std::sync::Mutex<Vec<i128>> = std::sync::Mutex::new(Vec::new());

impl<const FLAW: u8> Session for ToySession<FLAW> {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        if FLAW == COUNTS_FAILED_BLOCKS {
            self.sums.iter_mut().for_each(|sum| *sum += 1);
        }
        if inputs.len() != self.plan.inputs.len() {
            assert!(FLAW != PANICS, "as a plugin may");
            let fault = if FLAW == BLAMES_ITSELF { Fault::Internal } else { Fault::Input };
            return Err(BackendError::new(fault, "inputs"));
        }
        let mut columns: Vec<Vec<i64>> = inputs
            .iter()
            .zip(&self.plan.inputs)
            .map(|(bytes, input)| {
                let kind = match input.origin {
                    Origin::Table => Kind::Ciphertext,
                    Origin::Parameter => Kind::Parameter,
                };
                numbers(bytes, kind, FLAW == TAKES_ANY_KIND, Fault::Input)
            })
            .collect::<Result<_, _>>()?;
        let is_parameter = |input: &Input| input.origin == Origin::Parameter;
        let of_table = columns.iter().zip(&self.plan.inputs).find(|(_, input)| !is_parameter(input));
        let rows = of_table.map_or(0, |(column, _)| column.len());
        for (column, _) in columns.iter_mut().zip(&self.plan.inputs).filter(|(_, input)| is_parameter(input))
        {
            *column = vec![column[0]; rows];
        }
        let added = interpret(&self.plan, &columns);
        if FLAW == COUNTS_FAILED_BLOCKS {
            self.sums.iter_mut().for_each(|sum| *sum -= 1);
        }
        self.sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        self.blocks += 1;
        if FLAW == SHARES_SUMS {
            let mut shared = SHARED.lock().unwrap();
            shared.resize(self.sums.len(), 0);
            shared.iter_mut().zip(&self.sums).for_each(|(shared, sum)| *shared += sum);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        if FLAW == SHARES_SUMS {
            self.sums = std::mem::take(&mut *SHARED.lock().unwrap());
        }
        let sums = self.sums.iter().map(|sum| i64::try_from(*sum));
        let mut sums =
            sums.collect::<Result<Vec<_>, _>>().map_err(|_| BackendError::new(Fault::Plan, "too large"))?;
        if let (OFF_BY_ONE, Some(sum)) = (FLAW, sums.last_mut()) {
            *sum += 1;
        }
        Ok(sealed(Kind::Sums, &sums))
    }

    fn fork(&self) -> Result<Self, BackendError> {
        let sums = if FLAW == FORKS_WITH_SUMS { self.sums.clone() } else { vec![0; self.sums.len()] };
        Ok(Self { plan: self.plan.clone(), sums, blocks: 0 })
    }

    fn absorb(&mut self, other: Self) -> Result<(), BackendError> {
        if FLAW != FORGETS_FORKS {
            self.sums.iter_mut().zip(other.sums).for_each(|(sum, added)| *sum += added);
            self.blocks += other.blocks;
        }
        Ok(())
    }

    fn save(&self) -> Result<Vec<u8>, BackendError> {
        let half = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes);
        let halves = self
            .sums
            .iter()
            .flat_map(|sum| sum.to_le_bytes().as_chunks().0.iter().map(half).collect::<Vec<_>>());
        let head = [self.fingerprint(), self.blocks.cast_signed()];
        Ok(sealed(Kind::State, &head.into_iter().chain(halves).collect::<Vec<_>>()))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError> {
        let numbers = numbers(state, Kind::State, false, Fault::Input)?;
        let [plan, blocks, halves @ ..] = numbers.as_slice() else {
            return Err(BackendError::new(Fault::Input, "cut short"));
        };
        let of_this_plan = *plan == self.fingerprint() && halves.len() == 2 * self.sums.len();
        if (!of_this_plan && FLAW != TAKES_ANY_STATE) || (self.blocks > 0 && FLAW != RESTORES_TWICE) {
            return Err(BackendError::new(Fault::Input, "a state of another session"));
        }
        let (halves, _) = halves.as_chunks();
        let sum = |[low, high]: &[i64; 2]| i128::from(low.cast_unsigned()) | i128::from(*high) << 64;
        let sums: Vec<i128> = halves.iter().map(sum).collect();
        if sums.iter().any(|sum| sum.unsigned_abs() > 1 << 100) {
            return Err(BackendError::new(Fault::Input, "sums of no table"));
        }
        (self.blocks, self.sums) = (blocks.cast_unsigned(), sums);
        Ok(())
    }
}

impl<const FLAW: u8> ToySession<FLAW> {
    fn fingerprint(&self) -> i64 {
        let plan = frame::seal(Kind::Plan, KeyId::default(), self.plan.to_string().as_bytes());
        i64::from_le_bytes(*frame::checksum(&plan).unwrap().first_chunk().unwrap())
    }
}

impl<const FLAW: u8> Custody for Toy<FLAW> {
    type Key = i64;

    fn keygen(parameters: &Parameters, _: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let rows = [i64::from(parameters.rows_per_block())];
        Ok(KeyPair {
            secret: sealed(Kind::SecretKey, &rows).into(),
            evaluation: sealed(Kind::EvaluationKey, &rows),
        })
    }

    fn load(secret: &[u8]) -> Result<i64, BackendError> {
        key_rows(secret, Kind::SecretKey)
    }

    fn encrypt(rows: &i64, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        if i64::try_from(values.len()).unwrap() > *rows {
            return Err(BackendError::new(Fault::Input, "too many rows"));
        }
        Ok(sealed(Kind::Ciphertext, values))
    }

    fn decrypt(_: &i64, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        numbers(result, Kind::Sums, false, Fault::Input)
    }

    fn measure(_: &i64, _: &[u8], _: &Plan, _: &[Vec<&[u8]>]) -> Result<Measurement, BackendError> {
        Ok(Measurement::default())
    }
}
