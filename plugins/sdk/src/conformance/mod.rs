//! The suite that every backend runs in its tests, linked ([`run`]) and through its shared library
//! ([`run_loaded`]). It takes nothing from a backend but its capabilities; both ways go through the C ABI,
//! which also catches panics: one is always a failure.
//!
//! | part | what must hold |
//! |---|---|
//! | `description` | capabilities are consistent; `resolve` answers what was asked, or refuses |
//! | `exact` | every operation equals the reference interpreter, over several and partial blocks |
//! | `forks` | shared-out blocks and restored states give the sums of one session; no other state is taken |
//! | `hostile` | damaged, foreign or wrong input is refused by the right fault, and harms nothing |
//! | `noise` | measured noise stays below the caller's bounds |
//!
//! Libraries of functions have a suite of their own ([`run_functions`], [`run_functions_loaded`]).

mod cases;
mod description;
mod exact;
mod forks;
mod functions;
mod hostile;
mod noise;

use std::fmt;
use std::path::Path;

use crate::abi::PANICKED;
use crate::backend::{BackendError, Custody, Evaluator, Fault, KeyPair, Session};
use crate::host::{CustodyPlugin, EvaluatorPlugin, PluginKey, PluginSession};
use crate::interpret::interpret;
use crate::parameters::{Parameters, RnsRequest};
use crate::plan::{Input, InputId, Origin, Plan};
use crate::tfhe::TfheParameters;

pub use functions::{run_functions, run_functions_loaded};

/// Upper bounds, in bits, of the noise of each node of a plan: `log2 |v|` as in
/// [`Measurement::node_max_bits`](crate::backend::Measurement::node_max_bits).
pub type NoiseBounds<'a> = &'a dyn Fn(&Plan) -> Vec<f64>;

/// What a caller may set; the default serves any backend.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// Parameters to ask a leveled backend for; without them, small ones of security 0, which a backend
    /// gives only in tests. Five primes or more.
    pub request: Option<RnsRequest>,
    /// Parameters of a scheme of bootstraps; without them, the first that it describes, with small blocks.
    pub tfhe: Option<TfheParameters>,
    /// A noise model to hold the backend to.
    pub noise_bounds: Option<NoiseBounds<'a>>,
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The check, and the plan or mutation that it was made with.
    pub check: String,
    /// What was seen.
    pub reason: String,
}

/// Everything that does not hold of a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failures(pub Vec<Failure>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks of the conformance suite failed", self.0.len())?;
        self.0.iter().try_for_each(|Failure { check, reason }| write!(f, "\n  {check}: {reason}"))
    }
}

/// Runs the suite on a backend of this program.
///
/// # Errors
/// All that does not hold.
pub fn run<B: Evaluator + Custody>(options: &Options<'_>) -> Result<(), Failures> {
    let custody = CustodyPlugin::linked::<B>("linked");
    let evaluator = EvaluatorPlugin::linked::<B>().map_err(|error| fatal("capabilities", &error))?;
    suite(evaluator, custody, options)
}

/// Runs the suite on a plugin's file.
///
/// # Errors
/// All that does not hold.
pub fn run_loaded(path: &Path, options: &Options<'_>) -> Result<(), Failures> {
    let evaluator = EvaluatorPlugin::load(path).map_err(|error| fatal("load", &error))?;
    let custody = CustodyPlugin::load(path).map_err(|error| fatal("load", &error))?;
    suite(evaluator, custody, options)
}

fn fatal(check: &str, error: &dyn fmt::Display) -> Failures {
    Failures(vec![Failure { check: check.to_owned(), reason: error.to_string() }])
}

fn suite(evaluator: EvaluatorPlugin, custody: CustodyPlugin, options: &Options<'_>) -> Result<(), Failures> {
    let mut report = Report::default();
    let parameters = description::check(&evaluator, options, &mut report);
    if let Some(parameters) = parameters
        && let Some(subject) = Subject::new(evaluator, custody, parameters, &mut report)
    {
        exact::check(&subject, &mut report);
        forks::check(&subject, &mut report);
        hostile::check(&subject, &mut report);
        if let Some(bounds) = options.noise_bounds {
            noise::check(&subject, bounds, &mut report);
        }
    }
    if report.failures.is_empty() { Ok(()) } else { Err(Failures(report.failures)) }
}

/// Collects what does not hold.
#[derive(Default)]
struct Report {
    failures: Vec<Failure>,
}

impl Report {
    fn require(&mut self, holds: bool, check: impl fmt::Display, reason: impl fmt::Display) {
        if !holds {
            self.failures.push(Failure { check: check.to_string(), reason: reason.to_string() });
        }
    }

    /// The value; an error is a failure.
    fn value<T>(&mut self, check: impl fmt::Display, outcome: Result<T, BackendError>) -> Option<T> {
        outcome.map_err(|error| self.require(false, check, format!("{:?}: {error}", error.fault))).ok()
    }

    /// It must be refused, by one of `faults`.
    fn refused<T>(&mut self, check: impl fmt::Display, outcome: Result<T, BackendError>, faults: &[Fault]) {
        match outcome {
            Ok(_) => self.require(false, check, "it is accepted"),
            Err(error) => {
                let right = faults.contains(&error.fault) && !error.message.is_empty();
                self.require(right, check, format!("refused as {:?}, not {faults:?}: {error}", error.fault));
            }
        }
    }

    /// It may succeed or be refused, but not fail of itself.
    fn survived<T>(&mut self, check: impl fmt::Display, outcome: Result<T, BackendError>) {
        if let Err(error) = outcome {
            let panicked = error.fault == Fault::Internal || error.message.contains(PANICKED);
            self.require(!panicked, check, format!("{:?}: {error}", error.fault));
        }
    }
}

/// A backend with one key pair.
struct Subject {
    evaluator: EvaluatorPlugin,
    custody: CustodyPlugin,
    parameters: Parameters,
    pair: KeyPair,
    key: PluginKey,
}

/// A table, block by block: `blocks[b][i]` holds the values of input i, of a parameter its one value.
type Table = Vec<Vec<Vec<i64>>>;

impl Subject {
    fn new(
        evaluator: EvaluatorPlugin,
        custody: CustodyPlugin,
        parameters: Parameters,
        report: &mut Report,
    ) -> Option<Self> {
        let pair = report.value("keygen", custody.keygen(&parameters, None))?;
        let key = report.value("load of a fresh key", custody.load_key(&pair.secret))?;
        Some(Self { evaluator, custody, parameters, pair, key })
    }

    fn rows_per_block(&self) -> usize {
        usize::try_from(self.parameters.rows_per_block()).unwrap_or(usize::MAX)
    }

    fn open(&self, plan: &Plan) -> Result<PluginSession, BackendError> {
        self.evaluator.open(plan, &self.pair.evaluation)
    }

    /// The frames of each block's inputs.
    fn encrypt(&self, plan: &Plan, table: &Table) -> Result<Vec<Vec<Vec<u8>>>, BackendError> {
        let input = |(values, index): (&Vec<i64>, usize)| {
            let id = InputId::from_index(index);
            let origin = id.map_or(Origin::Table, |id| plan.origin(id));
            match (origin, values.as_slice()) {
                (Origin::Parameter, &[value]) => {
                    self.evaluator.encrypt_parameter(&self.pair.evaluation, value)
                }
                _ if id.is_some_and(|id| plan.is_entry(id)) => self.key.encrypt_entries(values),
                _ => self.key.encrypt(values),
            }
        };
        let block = |block: &Vec<Vec<i64>>| block.iter().zip(0..).map(input).collect();
        table.iter().map(block).collect()
    }

    /// Runs a plan from encryption to decryption.
    fn evaluate(&self, plan: &Plan, table: &Table) -> Result<Vec<i64>, BackendError> {
        let mut session = self.open(plan)?;
        for block in &self.encrypt(plan, table)? {
            session.block(&frames(block))?;
        }
        self.key.decrypt(&session.finish()?)
    }

    /// What [`Self::evaluate`] must give. Where inputs are parts, the rows that a block lacks are there,
    /// as zeros; and a residue stands for a sum.
    fn expected(&self, plan: &Plan, table: &Table) -> Vec<i128> {
        let padded = self.evaluator.capabilities().inputs == crate::capabilities::InputForm::Parts;
        let mut columns: Vec<Vec<i64>> = vec![Vec::new(); plan.inputs.len()];
        for block in table {
            let of_table = |(values, input): (&Vec<i64>, &Input)| {
                (input.origin == Origin::Table).then_some(values.len())
            };
            let present = block.iter().zip(&plan.inputs).find_map(of_table).unwrap_or(0);
            let rows = if padded { self.rows_per_block() } else { present };
            for ((column, values), input) in columns.iter_mut().zip(block).zip(&plan.inputs) {
                let end = column.len() + rows;
                match (input.origin, values.as_slice()) {
                    (Origin::Parameter, &[value]) => column.resize(end, value),
                    _ => {
                        column.extend(values);
                        column.resize(end, 0);
                    }
                }
            }
        }
        let sums = interpret(plan, &columns);
        match &self.parameters {
            Parameters::Clear { .. } => sums,
            Parameters::Rns(rns) => {
                sums.into_iter().map(|sum| sum.rem_euclid(rns.plaintext_modulus.into())).collect()
            }
            Parameters::Tfhe(tfhe) => {
                sums.into_iter().map(|sum| sum.rem_euclid(tfhe.sum_modulus().into())).collect()
            }
        }
    }
}

fn frames(block: &[Vec<u8>]) -> Vec<&[u8]> {
    block.iter().map(Vec::as_slice).collect()
}
