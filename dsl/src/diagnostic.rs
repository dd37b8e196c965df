//! What is wrong with a program: a stable code, places, one sentence of fact, one of remedy.

use std::fmt;

use crate::source::Span;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// Stable codes; printed `HQ010`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its number.
            #[must_use]
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }
        }
    };
}
codes! {
    /// `=` where `==` is meant.
    AssignmentInCondition = 1,
    /// `65 <= age < 75`.
    ChainedComparison = 2,
    /// A clause stands in the wrong place.
    ClauseOrder = 3,
    /// A word of SQL.
    SqlWord = 4,
    /// A bracket is not closed, or closes nothing.
    Unclosed = 5,
    /// Any other mistake of form.
    Syntax = 6,
    /// A reserved word as a name.
    ReservedWord = 7,
    /// Nested, or long, beyond reason.
    TooComplex = 8,
    /// A column or another name that is not known.
    UnknownName = 10,
    /// A level that the domain does not have.
    UnknownLevel = 11,
    /// A constant outside the domain: the condition never holds.
    OutsideDomain = 12,
    /// A constant with more decimals than the column.
    TooManyDecimals = 13,
    /// Quantities of different units.
    DifferentUnits = 14,
    /// A function that is not known.
    UnknownFunction = 15,
    /// A module or dataset that is not found.
    UnknownModule = 16,
    /// A field that the record does not have.
    UnknownField = 17,
    /// A domain that holds no value or is not well formed.
    BadDomain = 18,
    /// A missing value is not handled.
    MissingNotHandled = 20,
    /// `x == missing`.
    EqualsMissing = 21,
    /// A value of another kind is needed.
    TypeMismatch = 22,
    /// Too few or too many arguments.
    ArgumentCount = 23,
    /// A name given twice.
    DuplicateName = 24,
    /// A constant is needed.
    NotConstant = 25,
    /// Lists of different lengths, or an index past the end.
    ListLength = 26,
    /// A function that calls itself.
    Recursion = 27,
    /// A clause that is missing or stands twice.
    ClauseCount = 28,
    /// A division per row.
    RowDivision = 30,
    /// A root or logarithm per row.
    RowFunction = 31,
    /// A row value in the report.
    RowInReport = 32,
    /// An aggregate where only row values may stand.
    AggregateInRow = 33,
    /// A row value that leaves 64 bits.
    RowOverflow = 34,
    /// `by` on a large domain.
    LargeGroups = 40,
    /// More numbers than the release rules allow.
    TooManyCells = 41,
    /// More products in sequence than the keys allow.
    TooDeep = 50,
    /// A sum that needs limbs.
    WideSum = 51,
    /// A condition that is always true.
    ConstantCondition = 52,
    /// A parameter outside its domain.
    ParamOutside = 60,
    /// The dataset's schema has changed.
    SchemaChanged = 61,
    /// A parameter without a value, or a value without a parameter.
    ParamUnknown = 62,
    /// A cell outside its column's domain.
    DataOutside = 70,
    /// Results hidden by the release rules.
    HiddenCells = 80,
    /// A rule of release that cannot be seen to while numbers are encrypted.
    EncryptedRule = 81,
    /// A column that may identify a person.
    Identifying = 82,
    /// Part of the language that has no meaning yet.
    Unsupported = 90,
    /// A plugin with functions that is not there, or cannot be used.
    NoPlugin = 91,
    /// A function that its plugin does not have.
    NoPluginFunction = 92,
    /// Domains that the plugin's function does not take or give.
    OtherDomain = 93,
    /// A function of a plugin that failed for some arguments.
    FunctionFailed = 94,
    /// A value of a plugin's function outside the domain declared.
    FunctionOutside = 95,
    /// A function of a plugin that gives different values for the same arguments.
    FunctionUnstable = 96,
    /// A function of a plugin with too many values.
    FunctionTooLarge = 97,
    /// A function of a plugin that takes too long.
    FunctionTimeout = 98,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HQ{:03}", self.number())
    }
}

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is compiled.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Good to know.
    Note,
}

/// A message about a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How serious it is.
    pub severity: Severity,
    /// One sentence of fact.
    pub message: String,
    /// Places with a few words each; the first is the main one. Words may be empty.
    pub labels: Vec<(Span, String)>,
    /// One sentence of remedy; may be empty.
    pub help: String,
    /// Further facts.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A message about one place.
    #[must_use]
    pub fn new(
        code: Code,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            labels: vec![(span, String::new())],
            help: help.into(),
            notes: Vec::new(),
        }
    }

    /// An error about one place.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, span, message, help)
    }

    /// A warning about one place.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, span, message, help)
    }

    /// Adds a place.
    #[must_use]
    pub fn with_label(mut self, span: Span, words: impl Into<String>) -> Self {
        self.labels.push((span, words.into()));
        self
    }

    /// Adds a further fact.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The main place.
    #[must_use]
    pub fn span(&self) -> Span {
        self.labels.first().map(|&(span, _)| span).unwrap_or_default()
    }

    /// Whether it stops compilation.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.help.is_empty() {
            write!(f, " {}", self.help)?;
        }
        Ok(())
    }
}
