//! Queries of one command that are planned and run together: those over one dataset. One plan computes what they share
//! once, under one pair of keys, in one pass over the data.

use std::ops::Range;
use std::path::Path;

use hq_dsl::{Dataset, Query};
use hq_engine::compile::{CompiledQueries, Refusal, compile_queries};
use hq_engine::joint::{may_join, shares};
use hq_engine::passes::Encodings;
use hq_engine::planner::Target;
use hq_engine::run::SealedParameters;
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::parameters::RnsRequest;

use crate::error::{ClientError, Result};
use crate::execution::aggregate_name;
use crate::output;
use crate::program::Program;
use crate::sealed;

/// A query and the program that it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// The program.
    pub(crate) program: &'a Program,
    /// The query.
    pub(crate) query: &'a Query,
    /// Its place among all queries of the command.
    pub(crate) place: usize,
}

/// Queries with one plan; at least one.
#[derive(Clone, Debug)]
pub(crate) struct Joint<'a> {
    first: Member<'a>,
    more: Vec<Member<'a>>,
}

impl<'a> Joint<'a> {
    /// A query by itself.
    pub(crate) fn single(program: &'a Program, query: &'a Query) -> Self {
        Self { first: Member { program, query, place: 0 }, more: Vec::new() }
    }

    /// All queries of programs, each with the first that it may be together with.
    pub(crate) fn all(programs: &'a [Program]) -> Vec<Self> {
        let queries =
            programs.iter().flat_map(|program| program.queries.iter().map(move |query| (program, query)));
        let mut joints: Vec<Self> = Vec::new();
        for (place, (program, query)) in queries.enumerate() {
            let member = Member { program, query, place };
            let fits = |joint: &&mut Self| joint.members().all(|other| may_join(other.query, query));
            match joints.iter_mut().find(fits) {
                Some(joint) => joint.more.push(member),
                None => joints.push(Self { first: member, more: Vec::new() }),
            }
        }
        joints
    }

    /// Each of its queries by itself.
    pub(crate) fn apart(&self) -> impl Iterator<Item = Self> {
        self.members().map(|&member| Self { first: member, more: Vec::new() })
    }

    /// These queries and others.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut joint = self.clone();
        joint.more.extend(other.members());
        joint
    }

    /// The queries in their order.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member<'a>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The queries without their programs.
    pub(crate) fn queries(&self) -> Vec<&'a Query> {
        self.members().map(|member| member.query).collect()
    }

    /// Whether there are several queries.
    pub(crate) fn is_several(&self) -> bool {
        !self.more.is_empty()
    }

    /// The dataset that they read.
    pub(crate) fn dataset(&self) -> &'a Dataset {
        &self.first.query.dataset
    }

    /// The first query.
    pub(crate) fn first(&self) -> &'a Query {
        self.first.query
    }

    /// The file of the first query, to stand in messages for all.
    pub(crate) fn file(&self) -> &'a Path {
        &self.first.program.file
    }

    /// The names of the queries.
    pub(crate) fn names(&self) -> String {
        self.members().map(|member| member.query.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The names of the queries, as messages have them.
    pub(crate) fn quoted_names(&self) -> String {
        self.members().map(|member| format!("`{}`", member.query.name)).collect::<Vec<_>>().join(", ")
    }

    /// Plans the queries.
    ///
    /// # Errors
    /// What is wrong with one of them, see [`Self::drawn`].
    pub(crate) fn plan(
        &self,
        evaluator: &EvaluatorPlugin,
        encodings: &Encodings,
        target: &Target,
    ) -> std::result::Result<CompiledQueries, Box<Refusal>> {
        let resolve = |request: &RnsRequest| evaluator.resolve(request);
        compile_queries(&self.queries(), encodings, evaluator.capabilities(), &resolve, target)
    }

    /// The plan; what is wrong with a query is drawn.
    pub(crate) fn drawn<T>(&self, planned: std::result::Result<T, Box<Refusal>>) -> Result<T> {
        planned.map_err(|refusal| self.refused(*refusal))
    }

    /// Draws what is wrong with a query.
    pub(crate) fn refused(&self, refusal: Refusal) -> ClientError {
        let program = self.members().nth(refusal.query).unwrap_or(&self.first).program;
        output::diagnostics(&[refusal.diagnostic], &program.sources);
        ClientError::Program { file: program.file.clone(), errors: 1 }
    }

    /// Draws what is worth knowing of a plan.
    pub(crate) fn draw_notes(&self, compiled: &CompiledQueries) {
        for (query, note) in &compiled.notes {
            let program = self.members().nth(*query).unwrap_or(&self.first).program;
            output::diagnostics(std::slice::from_ref(note), &program.sources);
        }
    }

    /// The secret parameters of all queries, with the values that the command line gives.
    pub(crate) fn seal(
        &self,
        evaluator: &EvaluatorPlugin,
        evaluation_key: &[u8],
    ) -> Result<SealedParameters> {
        let mut sealed = SealedParameters::new();
        for member in self.members() {
            sealed.extend(sealed::seal(member.program, member.query, evaluator, evaluation_key)?);
        }
        Ok(sealed)
    }

    /// Each query with what is its own of the aggregates of the plan.
    pub(crate) fn numbers<'n>(
        &self,
        aggregates: &'n [Option<i128>],
    ) -> impl Iterator<Item = (Member<'a>, &'n [Option<i128>])> {
        let own = |share: Range<usize>| aggregates.get(share).unwrap_or_default();
        let numbers: Vec<&[Option<i128>]> = shares(&self.queries()).into_iter().map(own).collect();
        self.members().copied().collect::<Vec<_>>().into_iter().zip(numbers)
    }

    /// The name of a number of the plan, for messages.
    pub(crate) fn aggregate_name(&self, index: usize) -> String {
        let shares = shares(&self.queries());
        let found = self.members().zip(shares).find(|(_, share)| share.contains(&index));
        found.map_or_else(String::new, |(member, share)| aggregate_name(member.query, index - share.start))
    }
}
