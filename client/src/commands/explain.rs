//! `hq explain`: how a query runs on a backend.

use crate::backend::load_evaluator;
use crate::cli::ExplainArgs;
use crate::error::Result;
use crate::forms;
use crate::output;
use crate::program::Program;

/// Plans every query of a program, or the one named, and shows it.
pub(crate) fn explain(args: &ExplainArgs) -> Result<()> {
    let program = Program::of(&args.file, &args.program)?;
    let evaluator = load_evaluator(&args.backend)?;
    for query in &program.queries {
        let forms = args.forms.of(&query.dataset)?;
        let compiled = forms::plan(&program, query, &evaluator, &forms, args.security)?;
        program.draw_notes(&compiled);
        output::out(&hq_engine::explain::explain(query, &compiled, evaluator.capabilities(), args.passes));
    }
    Ok(())
}
