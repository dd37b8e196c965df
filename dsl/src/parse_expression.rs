//! From text to syntax tree: expressions. Mistakes that the grammar lets pass are reported here.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "pest names every token; those without meaning are passed over"
)]

use pest::iterators::Pair;

use crate::ast::{ArithmeticOp, CompareOp, Expr, ExprKind, Ident};
use crate::diagnostic::{Code, Diagnostic};
use crate::number::parse_date;
use crate::parse::{Builder, IntoInnerFirst, Rule, unquote};
use crate::source::Span;

impl Builder<'_> {
    /// Any expression; the recursion is as deep as brackets are nested, which was limited before.
    pub(crate) fn expression(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        self.any(pair).unwrap_or(Expr { kind: ExprKind::Poison, span })
    }

    fn any(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        match pair.as_rule() {
            Rule::expr => self.logic(pair, ExprKind::Or),
            Rule::conjunction => self.logic(pair, ExprKind::And),
            Rule::negation => self.prefixed(pair, |arg| ExprKind::Not(Box::new(arg))),
            Rule::comparison => self.comparison(pair),
            Rule::range => self.range(pair),
            Rule::sum | Rule::product => self.arithmetic(pair),
            Rule::signed | Rule::exponent | Rule::fallback => {
                self.prefixed(pair, |arg| ExprKind::Negate(Box::new(arg)))
            }
            Rule::power => self.power(pair),
            Rule::coalesce => {
                let mut parts = pair.into_inner();
                let first = self.any(parts.next()?)?;
                let rest: Vec<Expr> = parts.filter_map(|part| self.any(part)).collect();
                let Some(last) = rest.last() else { return Some(first) };
                let span = first.span.to(last.span);
                Some(Expr { kind: ExprKind::Coalesce { first: Box::new(first), rest }, span })
            }
            Rule::postfix => self.postfix(pair),
            Rule::group => {
                let span = self.span(&pair);
                let inner = self.any(pair.into_inner_first()?)?;
                Some(Expr { kind: inner.kind, span })
            }
            Rule::primary => self.any(pair.into_inner_first()?),
            _ => self.atom(pair),
        }
    }

    fn logic(&mut self, pair: Pair<'_, Rule>, join: fn(Vec<Expr>) -> ExprKind) -> Option<Expr> {
        let operands = pair.into_inner().filter(|part| !matches!(part.as_rule(), Rule::kw_and | Rule::kw_or));
        let mut parts: Vec<Expr> = operands.filter_map(|part| self.any(part)).collect();
        if parts.len() == 1 {
            return parts.pop();
        }
        let span = parts.first()?.span.to(parts.last()?.span);
        Some(Expr { kind: join(parts), span })
    }

    /// A value after any number of `not` or `-`; more than one cancel in pairs.
    fn prefixed(&mut self, pair: Pair<'_, Rule>, wrap: fn(Expr) -> ExprKind) -> Option<Expr> {
        let (mut count, mut first, mut value) = (0_usize, None, None);
        for part in pair.into_inner() {
            if matches!(part.as_rule(), Rule::kw_not | Rule::minus) {
                count += 1;
                first.get_or_insert(self.span(&part));
            } else {
                value = self.any(part);
            }
        }
        let mut value = value?;
        let span = first.unwrap_or(value.span).to(value.span);
        // Two of them keep the kind check of one without nesting without bound.
        let times = if count == 0 { 0 } else { 2 - count % 2 };
        for _ in 0..times {
            value = Expr { kind: wrap(value), span };
        }
        Some(value)
    }

    fn comparison(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let mut parts = pair.into_inner();
        let mut left = self.any(parts.next()?)?;
        let mut seen = false;
        for tail in parts {
            let mut pieces = tail.into_inner();
            let op = pieces.next()?;
            let op_span = self.span(&op);
            let right = self.any(pieces.next()?)?;
            let span = left.span.to(right.span);
            if seen {
                self.chained(&left, &right, span);
                return Some(Expr { kind: ExprKind::Poison, span });
            }
            seen = true;
            let kind = if op.as_rule() == Rule::membership {
                let negated = op.into_inner().any(|word| word.as_rule() == Rule::kw_not);
                ExprKind::In { value: Box::new(left), set: Box::new(right), negated }
            } else {
                let op = self.compare_op(op.as_str(), op_span, &left, &right);
                match op {
                    Some(op) => ExprKind::Compare { left: Box::new(left), op, right: Box::new(right) },
                    None => ExprKind::Poison,
                }
            };
            left = Expr { kind, span };
        }
        Some(left)
    }

    fn compare_op(&mut self, symbol: &str, span: Span, left: &Expr, right: &Expr) -> Option<CompareOp> {
        Some(match symbol {
            "==" => CompareOp::Equal,
            "!=" | "≠" => CompareOp::NotEqual,
            "<" => CompareOp::Less,
            "<=" | "≤" => CompareOp::LessEqual,
            ">" => CompareOp::Greater,
            ">=" | "≥" => CompareOp::GreaterEqual,
            "<>" => {
                self.diagnostics.push(Diagnostic::error(
                    Code::SqlWord,
                    span,
                    "`<>` is SQL.",
                    "In hq the comparison is written `!=`.",
                ));
                return None;
            }
            _ => {
                // `a = b +`, and a new result on the next line: the value is missing, not an `==`.
                let last = match &left.kind {
                    ExprKind::Arithmetic { rest, .. } => rest.last().map_or(left, |(_, operand)| operand),
                    _ => left,
                };
                let before = self.text.get(..last.span.start_index()).unwrap_or("");
                let gap = before.trim_end();
                let starts_line = before.get(gap.len()..).is_some_and(|gap| gap.contains('\n'));
                let line_start = self
                    .text
                    .get(..span.start_index())
                    .map_or(0, |text| text.rfind('\n').map_or(0, |at| at + 1));
                let nameless =
                    self.text.get(line_start..span.start_index()).is_some_and(|gap| gap.trim().is_empty());
                let d = if nameless {
                    let message = "A name is missing before `=`.";
                    let help = "Results and derived values are written `name = value`.";
                    Diagnostic::error(Code::Syntax, span, message, help)
                } else if starts_line && matches!(last.kind, ExprKind::Name(_)) {
                    let line = before.trim_end().rsplit('\n').next().unwrap_or("").trim();
                    Diagnostic::error(
                        Code::Syntax,
                        last.span,
                        format!("A value is missing between `{line}` and `{} =`.", self.slice(last.span)),
                        "Complete the expression on the line before.",
                    )
                } else {
                    let (left, right) = (self.slice(left.span), self.slice(right.span));
                    Diagnostic::error(
                        Code::AssignmentInCondition,
                        span,
                        "`=` names a result.",
                        format!("To compare write `{left} == {right}`."),
                    )
                };
                self.diagnostics.push(d);
                return None;
            }
        })
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start_index()..span.end_index()).unwrap_or("")
    }

    fn chained(&mut self, left: &Expr, right: &Expr, span: Span) {
        let remedy = match &left.kind {
            ExprKind::Compare { left: lo, op, right: middle } if whole(lo) && whole(right) => {
                let range = |lo: &Expr, lo_strict: bool, hi: &Expr, hi_strict: bool| {
                    Some((bound(lo)? + i128::from(lo_strict), bound(hi)? - i128::from(hi_strict)))
                };
                let text =
                    self.text.get(left.span.end_index()..right.span.start_index()).unwrap_or("").trim();
                let range = match (op, text) {
                    (CompareOp::Less, "<") => range(lo, true, right, true),
                    (CompareOp::LessEqual, "<") => range(lo, false, right, true),
                    (CompareOp::Less, "<=") => range(lo, true, right, false),
                    (CompareOp::LessEqual, "<=") => range(lo, false, right, false),
                    (CompareOp::Greater, ">") => range(right, true, lo, true),
                    (CompareOp::GreaterEqual, ">") => range(right, true, lo, false),
                    (CompareOp::Greater, ">=") => range(right, false, lo, true),
                    (CompareOp::GreaterEqual, ">=") => range(right, false, lo, false),
                    _ => None,
                };
                range.map(|(lo, hi)| format!("Write `{} in {lo}..{hi}`.", self.slice(middle.span)))
            }
            ExprKind::Compare { right: middle, op, .. } => {
                let op_text = op.symbol();
                let middle = self.slice(middle.span);
                let rest = self.text.get(left.span.end_index()..right.span.end_index()).unwrap_or("").trim();
                let first = self.slice(left.span).split(op_text).next().unwrap_or("").trim();
                Some(format!("Write `{first} {op_text} {middle} and {middle} {rest}`."))
            }
            _ => None,
        };
        self.diagnostics.push(Diagnostic::error(
            Code::ChainedComparison,
            span,
            "Comparisons cannot be chained.",
            remedy.unwrap_or_else(|| "Join two comparisons with `and`, or write `x in lo..hi`.".to_owned()),
        ));
    }

    fn range(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let operands = pair.into_inner().filter(|part| part.as_rule() != Rule::kw_step);
        let mut parts: Vec<Expr> = operands.filter_map(|part| self.any(part)).collect();
        if parts.len() == 1 {
            return parts.pop();
        }
        let span = parts.first()?.span.to(parts.last()?.span);
        let mut parts = parts.into_iter();
        let (lo, hi) = (Box::new(parts.next()?), Box::new(parts.next()?));
        Some(Expr { kind: ExprKind::Range { lo, hi, step: parts.next().map(Box::new) }, span })
    }

    fn arithmetic(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let mut parts = pair.into_inner();
        let first = self.any(parts.next()?)?;
        let mut rest = Vec::new();
        while let (Some(op), Some(operand)) = (parts.next(), parts.next()) {
            let op = match op.as_str().trim_end() {
                "+" => ArithmeticOp::Add,
                "-" => ArithmeticOp::Sub,
                "*" => ArithmeticOp::Mul,
                "/" => ArithmeticOp::Div,
                _ => ArithmeticOp::Rem,
            };
            rest.push((op, self.any(operand)?));
        }
        let Some((_, last)) = rest.last() else { return Some(first) };
        let span = first.span.to(last.span);
        Some(Expr { kind: ExprKind::Arithmetic { first: Box::new(first), rest }, span })
    }

    /// `a ^ b ^ c` is `a ^ (b ^ c)`, as in mathematics.
    fn power(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let mut parts: Vec<Expr> = pair.into_inner().filter_map(|part| self.any(part)).collect();
        let mut value = parts.pop()?;
        if parts.len() > 8 {
            self.diagnostics.push(Diagnostic::error(
                Code::TooComplex,
                value.span,
                "More than 8 powers stand in a row.",
                "Split the expression.",
            ));
            return None;
        }
        while let Some(base) = parts.pop() {
            let span = base.span.to(value.span);
            value = Expr { kind: ExprKind::Power(Box::new(base), Box::new(value)), span };
        }
        Some(value)
    }

    fn postfix(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let mut parts = pair.into_inner();
        let mut value = self.any(parts.next()?)?;
        for (count, part) in parts.enumerate() {
            let span = value.span.to(self.span(&part));
            if count >= 32 {
                self.diagnostics.push(Diagnostic::error(
                    Code::TooComplex,
                    span,
                    "More than 32 indices or fields stand in a row.",
                    "Split the expression.",
                ));
                return None;
            }
            let rule = part.as_rule();
            let inner = part.into_inner_first()?;
            let kind = if rule == Rule::index {
                let index = self.any(inner.into_inner_first()?)?;
                ExprKind::Index(Box::new(value), Box::new(index))
            } else {
                ExprKind::Field(Box::new(value), self.ident(&inner))
            };
            value = Expr { kind, span };
        }
        Some(value)
    }

    fn atom(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::date => match parse_date(pair.as_str()) {
                Some(days) => ExprKind::Date(days),
                None => {
                    let message = format!("There is no day {}.", pair.as_str());
                    let help = "Dates are written year-month-day, as in 2012-02-29.";
                    self.diagnostics.push(Diagnostic::error(Code::BadDomain, span, message, help));
                    ExprKind::Poison
                }
            },
            Rule::number => ExprKind::Number(self.number(&pair)),
            Rule::text => ExprKind::Text(unquote(pair.as_str()).to_owned()),
            Rule::kw_true => ExprKind::Bool(true),
            Rule::kw_false => ExprKind::Bool(false),
            Rule::kw_missing => ExprKind::Missing,
            Rule::path => ExprKind::Name(self.path(&pair)),
            Rule::call => self.call(pair)?,
            Rule::list => self.list(pair),
            Rule::set => ExprKind::Set(self.items(pair)),
            Rule::record => ExprKind::Record(
                pair.into_inner()
                    .filter_map(|entry| {
                        let mut parts = entry.into_inner();
                        let name = self.ident(&parts.next()?);
                        Some((name, self.expression(parts.next()?)))
                    })
                    .collect(),
            ),
            Rule::case_expr => self.case(pair),
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    fn path(&self, pair: &Pair<'_, Rule>) -> Vec<Ident> {
        let mut start = pair.as_span().start();
        let mut words = Vec::new();
        for word in pair.as_str().trim_end().split('.') {
            let span = Span::new(self.file, start, start + word.len());
            words.push(Ident { text: word.to_owned(), span });
            start += word.len() + 1;
        }
        words
    }

    fn items(&mut self, pair: Pair<'_, Rule>) -> Vec<Expr> {
        pair.into_inner().map(|part| self.expression(part)).collect()
    }

    fn list(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let mut items = Vec::new();
        for part in pair.into_inner() {
            if part.as_rule() == Rule::over {
                let (mut variable, mut over) = (None, None);
                for piece in part.into_inner() {
                    match piece.as_rule() {
                        Rule::name => variable = Some(self.ident(&piece)),
                        Rule::expr => over = Some(self.expression(piece)),
                        _ => {}
                    }
                }
                return match (items.pop(), variable, over) {
                    (Some(body), Some(variable), Some(over)) => {
                        ExprKind::Comprehension { body: Box::new(body), variable, over: Box::new(over) }
                    }
                    _ => ExprKind::Poison,
                };
            }
            items.push(self.expression(part));
        }
        ExprKind::List(items)
    }

    fn call(&mut self, pair: Pair<'_, Rule>) -> Option<ExprKind> {
        let mut parts = pair.into_inner();
        let name = self.path(&parts.next()?);
        let (mut arguments, mut star) = (Vec::new(), None);
        for part in parts.next()?.into_inner() {
            if part.as_rule() == Rule::star {
                star = Some(self.span(&part));
            } else {
                arguments.push(self.expression(part));
            }
        }
        if let Some(span) = star {
            let function = name.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(".");
            let (message, help) = if function == "count" {
                ("`count(*)` is SQL.".to_owned(), "In hq write `count()`.".to_owned())
            } else {
                (format!("`{function}(*)` is SQL."), "Name what is to be added up.".to_owned())
            };
            self.diagnostics.push(Diagnostic::error(Code::SqlWord, span, message, help));
        }
        Some(ExprKind::Call { name, arguments, star })
    }

    fn case(&mut self, pair: Pair<'_, Rule>) -> ExprKind {
        let (mut arms, mut otherwise) = (Vec::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::case_arm => {
                    let mut parts = part.into_inner();
                    if let (Some(condition), Some(value)) = (parts.next(), parts.next()) {
                        arms.push((self.expression(condition), self.expression(value)));
                    }
                }
                Rule::expr => otherwise = Some(Box::new(self.expression(part))),
                _ => {}
            }
        }
        ExprKind::Case { arms, otherwise }
    }
}

fn bound(expr: &Expr) -> Option<i128> {
    match &expr.kind {
        ExprKind::Number(number) => number.to_integer(),
        _ => None,
    }
}

fn whole(expr: &Expr) -> bool {
    bound(expr).is_some()
}
