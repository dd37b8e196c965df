//! The query as the planner has it, on the backend's own plugin.

use std::error::Error;

use cpu_time::ProcessTime;
use hq_dsl::{Loader, compile};
use hq_engine::compile::compile_query;
use hq_engine::forms::Forms;
use hq_engine::open;
use hq_engine::planner::Target;
use hq_plugin_sdk::backend::{Custody, Evaluator, Session};
use hq_plugin_sdk::parameters::RnsRequest;
use hq_plugin_sdk::plan::{InputId, Plan};
use hq_plugin_tfhe::{SecretKey, Tfhe};

use crate::Round;
use crate::rows::Row;

const QUERY: &str = include_str!("../../../tests/queries/cohort.hq");
const SCHEMA: &str = include_str!("../../../tests/schemas/cohort.hq");

/// The schema, for a table of so many rows.
struct Schema(u64);

impl Loader for Schema {
    fn load(&self, module: &str) -> Option<(String, String)> {
        Some((format!("{module}.hq"), SCHEMA.replace("rows <= 65_536", &format!("rows <= {}", self.0))))
    }
}

/// A plan with keys for it.
pub(crate) struct Side {
    plan: Plan,
    bootstraps: usize,
    key: SecretKey,
    evaluation: Vec<u8>,
}

impl Side {
    /// Plans the query for a table of at most so many rows, and makes keys.
    pub(crate) fn new(rows: u64) -> Result<Self, Box<dyn Error>> {
        let program = compile("cohort.hq", QUERY, &[], &Schema(rows));
        let query = program.queries.first().ok_or("the query does not compile")?;
        let backend = Tfhe::capabilities();
        let forms = Forms::for_backend(&query.dataset, &backend).encodings();
        let resolve = |request: &RnsRequest| Tfhe::resolve(request);
        let target = Target::Cheapest { security_bits: 128, max_log2_q: None };
        let planned = compile_query(query, &forms, &backend, &resolve, &target)
            .map_err(|error| error.to_string())?
            .planned;
        let (digits, shares) = planned.bootstraps.ok_or("a plan without bootstraps")?.bootstraps;
        let plan = planned.plan;
        let parameters = plan.parameters.as_ref().ok_or("a plan without parameters")?;
        let pair = Tfhe::keygen(parameters, None)?;
        let key = Tfhe::load(&pair.secret)?;
        Ok(Self { plan, bootstraps: digits + shares, key, evaluation: pair.evaluation })
    }

    /// Encrypts and computes.
    pub(crate) fn run(&self, rows: &[Row]) -> Result<Round, Box<dyn Error>> {
        let mut frames = Vec::new();
        for (index, input) in self.plan.inputs.iter().enumerate() {
            let values = rows.iter().map(|row| part(&input.name, row)).collect::<Result<Vec<_>, _>>()?;
            let entry = InputId::from_index(index).is_some_and(|input| self.plan.is_entry(input));
            let frame = if entry { Tfhe::encrypt_entries } else { Tfhe::encrypt };
            frames.push(frame(&self.key, &values)?);
        }
        let mut session = Tfhe::open(&self.plan, &self.evaluation)?;
        let start = ProcessTime::now();
        session.block(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let cpu_s = start.elapsed().as_secs_f64();
        let start = ProcessTime::now();
        let sums = session.finish()?;
        let release_s = start.elapsed().as_secs_f64();
        let opened = open::aggregates(&self.plan, &Tfhe::decrypt(&self.key, &sums)?)?;
        let number = |index: usize| opened.get(index).and_then(|&number| u64::try_from(number).ok());
        let (count, sum) = number(0).zip(number(1)).ok_or("two numbers are missing")?;
        let bootstraps = (self.bootstraps * rows.len()) as f64;
        Ok(Round { cpu_s, release_s, bootstraps, count, sum })
    }
}

/// A part of a patient's column, as the dataset holds it.
fn part(name: &str, row: &Row) -> Result<i64, Box<dyn Error>> {
    let (column, part) = name.split_once('.').ok_or(name)?;
    let value = match column {
        "rows" => return Ok(1),
        "age" => i64::from(row.age),
        "dx_diabetes" => i64::from(row.diabetes),
        // Digits are counted from the least value of the domain.
        "hba1c_x10" => i64::from(row.hba1c) - 35,
        "sbp" if part == "word" => i64::from(row.sbp),
        other => return Err(other.to_owned().into()),
    };
    match part {
        "word" => Ok(value),
        "limb0" => Ok(value % 16),
        "limb1" => Ok(value / 16),
        other => Err(other.to_owned().into()),
    }
}
