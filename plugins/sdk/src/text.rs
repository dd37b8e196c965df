//! The text form of a plan: print and parse are inverses. It serves golden tests, `hq explain`, the plan
//! hash and the boundary to plugins. Whatever is read here is untrusted.
//!
//! ```text
//! hq-plan 1
//! rows 65536
//! parameters {"scheme":"rns",...}
//! release @1 relinearize @2 flood 74
//! input age.bit6 0..1
//! %0 = input age.bit6 @5
//! %1 = linear 1 -1*%0
//! %2 = mul %0 %1
//! sum %2 0..1
//! aggregate 1*s0
//! ```

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use crate::cells;
use crate::plan::{
    Aggregate, Builder, Family, Input, InputId, Level, Linear, NodeId, Op, Origin, Plan, Release, Sum, SumId,
};
use crate::range::{Range, RangeSet};
use crate::table::{Entry, MAX_ENTRIES, Table};

/// First line of every plan.
pub const HEADER: &str = "hq-plan 1";

/// Largest plan text that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// Why a text is not a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plan, line {line}: {reason}")]
pub struct TextError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_header(self, f)?;
        for (node, op) in self.iter() {
            writeln!(f, "{node} = {}{}", self.show(op), Proved(self.proved(node)))?;
        }
        write_outputs(self, f)
    }
}

/// Prints a plan with a comment behind each node, for dumps: derived facts are not part of the plan.
#[must_use]
pub fn annotated(plan: &Plan, note: impl Fn(NodeId) -> String) -> String {
    let mut out = Annotated { plan, note }.to_string();
    out.shrink_to_fit();
    out
}

struct Annotated<'a, F> {
    plan: &'a Plan,
    note: F,
}

impl<F: Fn(NodeId) -> String> fmt::Display for Annotated<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_header(self.plan, f)?;
        for (node, op) in self.plan.iter() {
            let line = format!("{node} = {}{}", self.plan.show(op), Proved(self.plan.proved(node)));
            let note = (self.note)(node);
            if note.is_empty() { writeln!(f, "{line}")? } else { writeln!(f, "{line:<44} # {note}")? }
        }
        write_outputs(self.plan, f)
    }
}

struct Proved(Option<Range>);

impl fmt::Display for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |range| write!(f, " in {range}"))
    }
}

fn write_header(plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{HEADER}")?;
    writeln!(f, "rows {}", plan.rows)?;
    if let Some(parameters) = &plan.parameters {
        let json = serde_json::to_string(parameters).map_err(|_| fmt::Error)?;
        writeln!(f, "parameters {json}")?;
    }
    if let Some(release) = plan.release {
        let Release { level, relinearize, flood_bits } = release;
        writeln!(f, "release {level} relinearize {relinearize} flood {flood_bits}")?;
    }
    if let Some(gates) = &plan.gates {
        cells::write_gate(gates, f)?;
    }
    for input in &plan.inputs {
        write!(f, "input {} {}", input.name, input.range)?;
        match &input.family {
            Some(Family::OneOf(name)) => write!(f, " one_of {name}")?,
            Some(Family::Nested(name, rank)) => write!(f, " nested {name} {rank}")?,
            None => {}
        }
        match input.origin {
            Origin::Table => f.write_str("\n")?,
            Origin::Parameter => f.write_str(" parameter\n")?,
        }
    }
    Ok(())
}

fn write_outputs(plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for sum in &plan.sums {
        writeln!(f, "sum {} {}", sum.node, sum.range)?;
    }
    for aggregate in &plan.aggregates {
        write!(f, "aggregate")?;
        for (coefficient, sum) in &aggregate.terms {
            write!(f, " {coefficient}*{sum}")?;
        }
        writeln!(f)?;
    }
    plan.gates.as_ref().map_or(Ok(()), |gates| cells::write_cells(gates, f))
}

impl Plan {
    /// The text of one operation.
    #[must_use]
    pub fn show(&self, op: &Op) -> String {
        match op {
            Op::Input { input, level } => {
                let name = self.inputs.get(input.index()).map_or("?", |input| input.name.as_str());
                match level {
                    Some(level) => format!("input {name} {level}"),
                    None => format!("input {name}"),
                }
            }
            Op::Member { arg, set } => format!("member {arg} {set}"),
            Op::Less { left, right } => format!("less {left} {right}"),
            Op::Equal { left, right } => format!("equal {left} {right}"),
            Op::Linear(linear) => {
                let mut text = format!("linear {}", linear.constant());
                for (coefficient, node) in linear.terms() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, " {coefficient}*{node}");
                }
                text
            }
            Op::Mul { left, right } => format!("mul {left} {right}"),
            Op::Relinearize { arg } => format!("relinearize {arg}"),
            Op::ModSwitch { arg } => format!("mod_switch {arg}"),
            Op::Drop { arg, to } => format!("drop {arg} {to}"),
            Op::Lookup { arg, table } => {
                let mut text = format!("lookup {arg} ");
                let name = |input: InputId| {
                    self.inputs.get(input.index()).map_or_else(|| "?".to_owned(), |input| input.name.clone())
                };
                // Writing to a String cannot fail.
                let _ = table.write(&mut text, name);
                text
            }
        }
    }

    /// Reads the text form. The plan is well-formed as text; see `verify` for what else must hold.
    ///
    /// # Errors
    /// The first line that is not part of a plan.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TextError { line: 1, reason: format!("longer than {MAX_TEXT_BYTES} bytes") });
        }
        let mut reader = Reader::default();
        let mut lines = text.lines().zip(1_usize..);
        match lines.next() {
            Some((HEADER, _)) => {}
            _ => return Err(TextError { line: 1, reason: format!("does not begin with `{HEADER}`") }),
        }
        for (full, line) in lines {
            let content = full.split('#').next().unwrap_or_default().trim();
            if !content.is_empty() {
                reader.line(content).map_err(|reason| TextError { line, reason })?;
            }
        }
        let aggregates = reader.aggregates;
        let mut plan = reader.builder.finish();
        plan.sums = reader.sums;
        plan.aggregates = aggregates;
        Ok(plan)
    }
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    inputs: HashMap<String, InputId>,
    sums: Vec<Sum>,
    aggregates: Vec<Aggregate>,
}

type Line<T> = Result<T, String>;

impl Reader {
    fn line(&mut self, content: &str) -> Line<()> {
        let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
        match word {
            "rows" => self.builder.plan_mut().rows = number(rest)?,
            "parameters" => {
                let parameters = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                self.builder.plan_mut().parameters = Some(parameters);
            }
            "release" => {
                let expected = "expected `release @L relinearize @L flood BITS`";
                let (levels, flood) = rest.split_once(" flood ").ok_or(expected)?;
                let (level, relinearize) = levels.split_once(" relinearize ").ok_or(expected)?;
                self.builder.plan_mut().release = Some(Release {
                    level: level_of(level)?,
                    relinearize: level_of(relinearize)?,
                    flood_bits: number(flood)?,
                });
            }
            "gate" => self.builder.plan_mut().gates = Some(cells::read_gate(rest)?),
            "cell" => {
                let cell = cells::read_cell(rest)?;
                let gates = self.builder.plan_mut().gates.as_mut().ok_or("a cell without a gate")?;
                gates.cells.push(cell);
            }
            "input" => {
                let (rest, origin) = match rest.strip_suffix(" parameter") {
                    Some(rest) => (rest, Origin::Parameter),
                    None => (rest, Origin::Table),
                };
                let (rest, family) = family_of(rest)?;
                let (name, range) = rest.split_once(' ').ok_or("expected `input NAME LO..HI`")?;
                if self.inputs.contains_key(name) {
                    return Err(format!("input `{name}` is declared twice"));
                }
                let id = self.builder.declare(Input {
                    name: name.to_owned(),
                    range: range_of(range)?,
                    family,
                    origin,
                });
                self.inputs.insert(name.to_owned(), id);
            }
            "sum" => {
                let (node, range) = rest.split_once(' ').ok_or("expected `sum %N LO..HI`")?;
                self.sums.push(Sum { node: self.node(node)?, range: range_of(range)? });
            }
            "aggregate" => {
                let terms = rest.split_whitespace().map(|term| self.sum_term(term)).collect::<Line<_>>()?;
                self.aggregates.push(Aggregate { terms });
            }
            _ => self.node_line(content)?,
        }
        Ok(())
    }

    fn node_line(&mut self, content: &str) -> Line<()> {
        let (id, op) = content.split_once(" = ").ok_or_else(|| format!("unknown line `{content}`"))?;
        let expected = self.builder.plan().nodes().len();
        if id != format!("%{expected}") {
            return Err(format!("expected node %{expected}, found `{id}`"));
        }
        let (op, proved) = match op.split_once(" in ") {
            Some((op, range)) => (op, Some(range_of(range)?)),
            None => (op, None),
        };
        let op = self.op(op)?;
        let node = self.builder.push_distinct(op);
        if let Some(range) = proved {
            self.builder.prove(node, range);
        }
        Ok(())
    }

    fn op(&self, text: &str) -> Line<Op> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match word {
            "input" => {
                let (name, level) = match rest.split_once(' ') {
                    Some((name, level)) => (name, Some(level_of(level)?)),
                    None => (rest, None),
                };
                let input = *self.inputs.get(name).ok_or_else(|| format!("no input `{name}`"))?;
                Op::Input { input, level }
            }
            "member" => {
                let (arg, set) = rest.split_once(' ').ok_or("expected `member %N {LO..HI,...}`")?;
                Op::Member { arg: self.node(arg)?, set: set_of(set)? }
            }
            "less" => self.two(rest).map(|(left, right)| Op::Less { left, right })?,
            "equal" => self.two(rest).map(|(left, right)| Op::Equal { left, right })?,
            "mul" => self.two(rest).map(|(left, right)| Op::Mul { left, right })?,
            "linear" => {
                let mut words = rest.split_whitespace();
                let constant = number(words.next().unwrap_or_default())?;
                let terms = words.map(|term| self.term(term)).collect::<Line<Vec<_>>>()?;
                let count = terms.len();
                let linear = Linear::new(constant, terms).ok_or("a coefficient leaves 64 bits")?;
                if linear.terms().len() != count {
                    return Err("linear terms repeat a node or have coefficient 0".to_owned());
                }
                Op::Linear(linear)
            }
            "relinearize" => Op::Relinearize { arg: self.node(rest)? },
            "mod_switch" => Op::ModSwitch { arg: self.node(rest)? },
            "drop" => {
                let (arg, to) = rest.split_once(' ').ok_or("expected `drop %N @L`")?;
                Op::Drop { arg: self.node(arg)?, to: level_of(to)? }
            }
            "lookup" => {
                let (arg, table) = rest.split_once(' ').ok_or("expected `lookup %N FIRST [A,B,...]`")?;
                Op::Lookup { arg: self.node(arg)?, table: self.table(table)? }
            }
            _ => return Err(format!("unknown operation `{word}`")),
        })
    }

    fn table(&self, text: &str) -> Line<Table> {
        let wrong = || format!("`{text}` is not a table `FIRST [A,B,...]` of at most {MAX_ENTRIES} entries");
        let (first, entries) = text.split_once(" [").ok_or_else(wrong)?;
        let entries = entries.strip_suffix(']').ok_or_else(wrong)?;
        let entry = |text: &str| match text.parse() {
            Ok(value) => Ok(Entry::Value(value)),
            Err(_) => match self.inputs.get(text) {
                Some(&input) => Ok(Entry::Input(input)),
                None => Err(format!("`{text}` is neither a number nor an input")),
            },
        };
        let entries = entries.split(',').take(MAX_ENTRIES + 1).map(entry).collect::<Line<Vec<_>>>()?;
        Table::new(number(first)?, entries).ok_or_else(wrong)
    }

    fn node(&self, text: &str) -> Line<NodeId> {
        let index: usize = number(text.strip_prefix('%').ok_or_else(|| format!("`{text}` is not a node"))?)?;
        if index >= self.builder.plan().nodes().len() {
            return Err(format!("{text} is not defined above"));
        }
        NodeId::from_index(index).ok_or_else(|| format!("`{text}` is not a node"))
    }

    fn two(&self, text: &str) -> Line<(NodeId, NodeId)> {
        let (left, right) = text.split_once(' ').ok_or("expected two nodes")?;
        Ok((self.node(left)?, self.node(right)?))
    }

    fn term(&self, text: &str) -> Line<(i64, NodeId)> {
        let (coefficient, node) =
            text.split_once('*').ok_or_else(|| format!("`{text}` is not a term `C*%N`"))?;
        Ok((number(coefficient)?, self.node(node)?))
    }

    fn sum_term(&self, text: &str) -> Line<(i64, SumId)> {
        let wrong = || format!("`{text}` is not a term `C*sN`");
        let (coefficient, sum) = text.split_once('*').ok_or_else(wrong)?;
        let index: usize = number(sum.strip_prefix('s').ok_or_else(wrong)?)?;
        if index >= self.sums.len() {
            return Err(format!("{sum} is not defined above"));
        }
        Ok((number(coefficient)?, SumId::from_index(index).ok_or_else(wrong)?))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Line<T> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a number here"))
}

fn level_of(text: &str) -> Line<Level> {
    number(text.strip_prefix('@').ok_or_else(|| format!("`{text}` is not a level `@L`"))?).map(Level)
}

/// The family at the end of an input's line, and what stands before it.
fn family_of(line: &str) -> Line<(&str, Option<Family>)> {
    if let Some((rest, name)) = line.split_once(" one_of ") {
        return Ok((rest, Some(Family::OneOf(name.to_owned()))));
    }
    let Some((rest, nested)) = line.split_once(" nested ") else { return Ok((line, None)) };
    let (name, rank) = nested.split_once(' ').ok_or("expected `nested NAME RANK`")?;
    let rank = rank.parse().map_err(|_| format!("`{rank}` is no rank"))?;
    Ok((rest, Some(Family::Nested(name.to_owned(), rank))))
}

fn range_of(text: &str) -> Line<Range> {
    let wrong = || format!("`{text}` is not a range `LO..HI`");
    let (lo, hi) = text.split_once("..").ok_or_else(wrong)?;
    Range::new(number(lo)?, number(hi)?).ok_or_else(wrong)
}

fn set_of(text: &str) -> Line<RangeSet> {
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(|| format!("`{text}` is not a set"))?;
    if inner.is_empty() {
        return Ok(RangeSet::default());
    }
    Ok(RangeSet::from_ranges(inner.split(',').map(range_of).collect::<Line<Vec<_>>>()?))
}
