//! `hq explain`: how a query runs on a backend.

use hq_engine::forms::Forms;

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
        let forms = Forms::of(&query.dataset);
        let compiled = program.plan(query, &evaluator, &forms.encodings(), &forms.target(args.security))?;
        program.draw_notes(&compiled);
        output::out(&hq_engine::explain::explain(query, &compiled, evaluator.capabilities(), args.passes));
    }
    Ok(())
}
