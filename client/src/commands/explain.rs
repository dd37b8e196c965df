//! `hq explain`: how a query runs on a backend.

use hq_engine::forms::default_encodings;
use hq_engine::planner::Target;

use crate::backend::load_evaluator;
use crate::cli::ExplainArgs;
use crate::error::Result;
use crate::output;
use crate::program::Program;

/// Plans every query of a program, or the one named, and shows it.
pub(crate) fn explain(args: &ExplainArgs) -> Result<()> {
    let program = Program::of(&args.file, &args.program)?;
    let evaluator = load_evaluator(&args.backend)?;
    for query in &program.queries {
        let encodings = default_encodings(&query.dataset);
        let target = Target::Cheapest { security_bits: args.security };
        let compiled = program.plan(query, &evaluator, &encodings, &target)?;
        program.draw_notes(&compiled);
        output::out(&hq_engine::explain::explain(query, &compiled, evaluator.capabilities(), args.passes));
    }
    Ok(())
}
