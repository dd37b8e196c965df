//! Programs that researchers send: compiled against the schema of a published dataset, and planned for its keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use hq_dsl::{Compiled, ExternFunction, FunctionFault, Loader, Query};
use hq_engine::compile::CompiledQueries;
use hq_engine::computation;
use hq_engine::dataset::Manifest;
use hq_engine::functions::{Digests, Functions, Supply, Values, subject};
use hq_engine::result_file::ProgramRecord;
use hq_engine::run::SealedParameters;
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::host::EvaluatorPlugin;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostics::DiagnosticBody;
use crate::problem::{Code, Problem, Result};

/// A program as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramBody {
    /// Its name in messages.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Texts of the modules that it uses, by name. The schema is the service's own, whatever stands here.
    #[serde(default)]
    pub modules: BTreeMap<String, String>,
    /// Values of public parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The query to take, where there are several.
    #[serde(default)]
    pub query: Option<String>,
}

/// Where the values of functions come from.
#[derive(Clone, Copy, Debug)]
pub enum Calls<'a> {
    /// Plugins are called.
    Plugins(&'a Supply),
    /// These very plugins are called.
    Pinned(&'a Supply, &'a Digests),
    /// Plugins of these digests were called before, and gave this, by [`subject`].
    Known(&'a Digests, &'a BTreeMap<String, Vec<i64>>),
}

/// [`Calls`] at work.
enum Calling<'a> {
    Plugins(Functions<'a>),
    Known(&'a Digests, &'a BTreeMap<String, Vec<i64>>),
}

impl<'a> Calling<'a> {
    fn of(calls: Calls<'a>) -> Self {
        match calls {
            Calls::Plugins(supply) => Self::Plugins(Functions::of(supply)),
            Calls::Pinned(supply, digests) => Self::Plugins(Functions::pinned(supply, digests.clone())),
            Calls::Known(digests, values) => Self::Known(digests, values),
        }
    }

    fn values(&self, function: &ExternFunction) -> std::result::Result<Arc<[i64]>, FunctionFault> {
        match self {
            Self::Plugins(functions) => functions.tabulate(function),
            Self::Known(digests, values) => {
                let digest = digests.get(&function.plugin).map_or("", String::as_str);
                let known = values.get(subject(digest, function).to_hex().as_str());
                let missing = "its values did not come with the job.";
                known
                    .map(|values| values.clone().into())
                    .ok_or_else(|| FunctionFault::Unusable(missing.to_owned()))
            }
        }
    }

    fn into_used(self) -> (Digests, Values) {
        match self {
            Self::Plugins(functions) => functions.into_used(),
            Self::Known(digests, _) => (digests.clone(), Values::new()),
        }
    }
}

/// Texts that were sent, the schema before all others; what is asked for is remembered.
struct Given<'a> {
    schema: (&'a str, &'a str),
    modules: &'a BTreeMap<String, String>,
    used: RefCell<BTreeMap<String, (String, String)>>,
    functions: Calling<'a>,
}

impl Loader for Given<'_> {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let (dataset, schema) = self.schema;
        let text = if module == dataset { schema } else { self.modules.get(module)? };
        let found = (format!("{module}.hq"), text.to_owned());
        self.used.borrow_mut().insert(module.to_owned(), found.clone());
        Some(found)
    }

    fn tabulate(&self, function: &ExternFunction) -> std::result::Result<Arc<[i64]>, FunctionFault> {
        self.functions.values(function)
    }
}

/// A program without errors.
pub struct Checked {
    /// The compiler's own.
    pub compiled: Compiled,
    /// As a result holds it.
    pub record: ProgramRecord,
    /// Warnings and notes.
    pub diagnostics: Vec<DiagnosticBody>,
    /// Values of the functions of plugins that it calls, where plugins were called.
    pub values: Values,
}

impl Checked {
    /// Compiles a program over the schema of a dataset.
    ///
    /// # Errors
    /// What is wrong with it, as diagnostics.
    pub fn of(program: &ProgramBody, dataset: &str, schema: &str, calls: Calls<'_>) -> Result<Self> {
        let params: Vec<(String, String)> = program.params.clone().into_iter().collect();
        let given = Given {
            schema: (dataset, schema),
            modules: &program.modules,
            used: RefCell::default(),
            functions: Calling::of(calls),
        };
        let mut compiled = hq_dsl::compile(&program.name, &program.text, &params, &given);
        let diagnostics: Vec<DiagnosticBody> =
            compiled.diagnostics.iter().map(|found| DiagnosticBody::of(found, &compiled.sources)).collect();
        if compiled.has_errors() {
            let detail = format!("`{}` has errors.", program.name);
            return Err(Problem { diagnostics, ..Problem::new(Code::Program, detail) });
        }
        if let Some(name) = &program.query {
            compiled.queries.retain(|query| query.name == *name);
        }
        if compiled.queries.is_empty() {
            let detail = "The program has no such query. Write `query NAME from … report …`.";
            return Err(Problem::new(Code::Program, detail));
        }
        if let Some(query) = compiled.queries.iter().find(|query| query.dataset.name != dataset) {
            let detail = format!("Query `{}` reads `{}`, not `{dataset}`.", query.name, query.dataset.name);
            return Err(Problem::new(Code::Program, detail));
        }
        let secrets = compiled.queries.iter().flat_map(|query| &query.secrets);
        if let Some(secret) =
            secrets.map(|secret| &secret.name).find(|name| program.params.contains_key(*name))
        {
            let detail = format!(
                "`{secret}` is a secret parameter, and its value came in the clear. Nothing of it was stored. Give it with \
                 `hq submit --secret`, which encrypts it."
            );
            return Err(Problem::new(Code::Unsupported, detail));
        }
        let (functions, values) = given.functions.into_used();
        let record = ProgramRecord {
            name: program.name.clone(),
            text: program.text.clone(),
            modules: given.used.into_inner(),
            functions,
            params,
            queries: compiled.queries.iter().map(|query| query.name.clone()).collect(),
        };
        Ok(Self { compiled, record, diagnostics, values })
    }

    /// A program that was checked before.
    ///
    /// # Errors
    /// It does not compile any more.
    pub fn again(record: &ProgramRecord, dataset: &str, schema: &str, calls: Calls<'_>) -> Result<Self> {
        let modules = record.modules.iter().map(|(name, (_, text))| (name.clone(), text.clone())).collect();
        let body = ProgramBody {
            name: record.name.clone(),
            text: record.text.clone(),
            modules,
            params: record.params.iter().cloned().collect(),
            query: None,
        };
        let mut checked = Self::of(&body, dataset, schema, calls)?;
        checked.compiled.queries.retain(|query| record.queries.contains(&query.name));
        Ok(checked)
    }

    /// Its queries.
    #[must_use]
    pub fn queries(&self) -> Vec<&Query> {
        self.compiled.queries.iter().collect()
    }

    /// Its secret parameters, out of what was sent with it: ciphertexts under the key of the dataset, for just this query.
    ///
    /// # Errors
    /// There are none where there should be some, or the other way round; ciphertexts of another query, or under another key.
    pub fn parameters(
        &self,
        sent: Option<&[u8]>,
        backend: &Capabilities,
        key: KeyId,
    ) -> Result<SealedParameters> {
        let wrong = |detail: String| Err(Problem::new(Code::Parameters, detail));
        let secret: Vec<&Query> =
            self.compiled.queries.iter().filter(|query| !query.secrets.is_empty()).collect();
        match (sent, secret.as_slice()) {
            (None, []) => Ok(SealedParameters::new()),
            (None, [query, ..]) => wrong(format!(
                "Query `{}` has secret parameters: `hq submit --secret NAME=VALUE` encrypts them.",
                query.name
            )),
            (Some(_), []) => wrong("The program has no secret parameters, but some were sent.".to_owned()),
            (Some(bytes), [query]) => hq_engine::sealed::read(bytes, query, backend, key)
                .or_else(|error| wrong(format!("The secret parameters cannot be taken: {error}."))),
            (Some(_), several) => {
                wrong(format!("{} queries have secret parameters. Submit them one by one.", several.len()))
            }
        }
    }

    /// Plans all its queries for the keys of a dataset.
    ///
    /// # Errors
    /// What is wrong with one of them, as diagnostics.
    pub fn plan(&self, evaluator: &EvaluatorPlugin, manifest: &Manifest) -> Result<CompiledQueries> {
        let planned = computation::plan(&self.queries(), evaluator, manifest).map_err(|refusal| Problem {
            diagnostics: vec![DiagnosticBody::of(&refusal.diagnostic, &self.compiled.sources)],
            ..Problem::new(Code::Program, "The program has no plan for the keys of this dataset.")
        })?;
        computation::check_fit(&planned.planned.plan, manifest)
            .map_err(|misfit| Problem::new(Code::Dataset, format!("The dataset does not fit: {misfit}.")))?;
        Ok(planned)
    }
}
