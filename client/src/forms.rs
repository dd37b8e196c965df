//! `--forms`: in which forms the columns of a dataset are held, from its schema, as bits, or as a file says.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hq_dsl::{Code, Dataset};
use hq_engine::compile::{CompiledQueries, Refusal};
use hq_engine::encoding::Form;
use hq_engine::forms::Forms;
use hq_engine::planner::Target;
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};

use crate::error::{ClientError, Result, damaged};
use crate::joint::Joint;
use crate::keys::read_bounded;
use crate::output;

/// Largest file of forms that is read, in bytes.
const MAX_FORMS_BYTES: u64 = 4 << 20;

/// Cut points that are shown.
const SHOWN_CUTS: usize = 6;

/// Where forms come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormsSource {
    /// The schema.
    Default,
    /// The schema, in the fewest parts.
    Bits,
    /// A file, as `hq plan-data` writes it.
    File(PathBuf),
}

impl FromStr for FormsSource {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text {
            "default" => Self::Default,
            "bits" => Self::Bits,
            path => Self::File(PathBuf::from(path)),
        })
    }
}

impl FormsSource {
    /// The forms of a dataset, for a backend.
    pub(crate) fn of(&self, dataset: &Dataset, backend: &Capabilities) -> Result<Forms> {
        match self {
            Self::Default => Ok(Forms::for_backend(dataset, backend)),
            Self::Bits => Ok(Forms::bits(dataset)),
            Self::File(path) => read(path, dataset),
        }
    }
}

/// Reads forms and checks that they are of a dataset's columns.
pub(crate) fn read(path: &Path, dataset: &Dataset) -> Result<Forms> {
    let bytes = read_bounded(path, MAX_FORMS_BYTES)?;
    let forms: Forms = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(path, format!("holds no forms of columns: {error}")))?;
    forms.check(dataset).map_err(|reason| damaged(path, reason))?;
    Ok(forms)
}

/// The text of a file of forms.
pub(crate) fn text(forms: &Forms) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(forms)
        .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
    text.push(b'\n');
    Ok(text)
}

/// Plans queries for keys to be made, in the room that the forms allow; where that is too little for their depth, in
/// more, which is told.
pub(crate) fn plan(
    joint: &Joint<'_>,
    evaluator: &EvaluatorPlugin,
    forms: &Forms,
    security_bits: u32,
) -> Result<CompiledQueries> {
    let compiled = joint.drawn(attempt(joint, evaluator, forms, security_bits))?;
    if let Some(Parameters::Rns(rns)) = &compiled.planned.plan.parameters {
        note_room(&joint.names(), forms, rns);
    }
    Ok(compiled)
}

/// As [`plan`]; nothing is drawn and nothing told.
pub(crate) fn attempt(
    joint: &Joint<'_>,
    evaluator: &EvaluatorPlugin,
    forms: &Forms,
    security_bits: u32,
) -> std::result::Result<CompiledQueries, Box<Refusal>> {
    let encodings = forms.encodings();
    match joint.plan(evaluator, &encodings, &forms.target(security_bits)) {
        Err(refusal) if refusal.diagnostic.code == Code::TooDeep => {
            let target = Target::Cheapest { security_bits, max_log2_q: None };
            joint.plan(evaluator, &encodings, &target)
        }
        planned => planned,
    }
}

/// Tells it where a row takes more bytes than the forms allow.
pub(crate) fn note_room(what: &str, forms: &Forms, rns: &RnsParameters) {
    if forms.fits(rns) {
        return;
    }
    output::note(&format!(
        "`{what}` needs longer ciphertexts: {} bytes for each row of `{}`, where {} are meant; `hq plan-data` finds \
         forms for a workload",
        hq_dsl::with_commas(forms.bytes_per_row(rns).into()),
        forms.dataset,
        hq_dsl::with_commas(forms.max_bytes_per_row.into()),
    ));
}

/// A form for the eye.
pub(crate) fn shown(form: &Form) -> String {
    let digits = |bases: &[u32]| bases.iter().map(u32::to_string).collect::<Vec<_>>().join("x");
    match form {
        Form::Bits => "bits".to_owned(),
        Form::Levels => "a flag each".to_owned(),
        Form::OneHot { bases } => format!("one-hot {}", digits(bases)),
        Form::Thermometer { bases } => format!("thermometer {}", digits(bases)),
        Form::Cuts { at } if at.len() > SHOWN_CUTS => format!("cuts at {} values", at.len()),
        Form::Cuts { at } => {
            format!("cuts at {}", at.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
        }
        Form::Word => "word".to_owned(),
        Form::Square => "square".to_owned(),
        Form::Limbs { bits } => format!("limbs of {bits} bits"),
    }
}
