//! Why a command failed: each with the file or name concerned, the cause and what to do.

use std::io;
use std::path::{Path, PathBuf};

use hq_engine::open::OpenError;
use hq_engine::registry::RegistryError;
use hq_engine::run::{RunError, SourceError};
use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::host::LoadError;

use crate::header::Malformed;
use crate::table::Offences;

/// A failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Diagnostics were drawn already.
    #[error("{}: {errors} error{}", file.display(), if *errors == 1 { "" } else { "s" })]
    Program { file: PathBuf, errors: usize },
    /// Files are not laid out; they were named already.
    #[error("{files} file{} not laid out; `hq fmt` does it", if *files == 1 { " is" } else { "s are" })]
    Unformatted { files: usize },
    /// The editor closed the connection, or said `exit`, without `shutdown` before.
    #[error("the editor left without `shutdown`")]
    EditorLeft,
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file's content is not what it should be.
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// A secret key stands where an evaluation key belongs.
    #[error(
        "{} holds a SECRET KEY. It was not used. Whoever computes must never have it: \
         give them `evaluation.keys`, and make new keys if this file has left your hands",
        path.display()
    )]
    SecretKey { path: PathBuf },
    /// There is something already where a result belongs.
    #[error("{} exists already. Remove it, or give another name", path.display())]
    Exists { path: PathBuf },
    /// The schema file holds no dataset.
    #[error("{} declares no dataset. Write `dataset NAME {{ … }}`", path.display())]
    NoDataset { path: PathBuf },
    /// The program holds no query.
    #[error("{} holds no query. Write `query NAME from … report …`", path.display())]
    NoQuery { path: PathBuf },
    /// The program holds no query of this name.
    #[error("{files} has no query `{name}`; it has {known}")]
    UnknownQuery { files: String, name: String, known: String },
    /// Several queries where one is needed.
    #[error("{} holds several queries; choose one with `--query`: {known}", path.display())]
    SeveralQueries { path: PathBuf, known: String },
    /// The program holds no example.
    #[error("{} holds no example. Write `example NAME data {{ … }} expect …`", path.display())]
    NoExample { path: PathBuf },
    /// Examples gave something else than they expect; they were shown.
    #[error("{failed} of {all} example{} failed", if *all == 1 { "" } else { "s" })]
    Examples { failed: usize, all: usize },
    /// No module or function of this name, and no file.
    #[error("there is no module, function or file `{name}`. {help}")]
    UnknownModule { name: String, help: String },
    /// No table was given for a dataset.
    #[error("query `{query}` reads `{dataset}`; give its table with `--table {dataset}=FILE.csv`")]
    NoTable { query: String, dataset: String },
    /// A table was given for a dataset that no query reads.
    #[error("no query reads a dataset `{name}`, for which `--table` gives a table; {known}")]
    UnusedTable { name: String, known: String },
    /// A file is no table with the wanted columns.
    #[error("{}: {source}", path.display())]
    Table { path: PathBuf, source: Malformed },
    /// Cells outside their domains (HQ070).
    #[error("{0}")]
    Cells(Offences),
    /// The table is larger than the schema says.
    #[error(
        "{} has {rows} rows, `{dataset}` says `rows <= {limit}`: sums are proved to fit for that many. \
         Raise it in the schema and make new keys", path.display()
    )]
    TooManyRows { path: PathBuf, rows: u64, dataset: String, limit: u64 },
    /// No file of the plugin.
    #[error(
        "backend `{name}` is not found: no plugin of that name in {dirs}. Build it with \
         `cargo build -p hq-plugin-{name}`, or name its folder in HQ_PLUGIN_DIR"
    )]
    NoPlugin { name: String, dirs: String },
    /// No backend has a plan for all queries.
    #[error(
        "no encrypted backend plans every query of the program: {reasons}. Name one with --backend to see why"
    )]
    NoBackend { reasons: String },
    /// The plugin cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The registry of plugins does not accept it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No registry of plugins.
    #[error("no registry of plugins is set: name its folder with `--registry DIR`, or in HQ_PLUGIN_REGISTRY")]
    NoRegistry,
    /// A plugin of a service's registry that cannot be used.
    #[error("{name}: {reason}")]
    PluginOfService { name: String, reason: String },
    /// Another service than that of the login.
    #[error("you are logged in to {known}, not to {address}. Log in with `hq login {address}`")]
    OtherService { address: String, known: String },
    /// Plugins of a registry that cannot be used; they were named already.
    #[error("{failed} of {all} plugin{} cannot be used", if *all == 1 { "" } else { "s" })]
    Plugins { failed: usize, all: usize },
    /// The backend refused something.
    #[error("{place}: {source}")]
    Backend { place: String, source: BackendError },
    /// The run ended without a result.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A computation was stopped, and kept.
    #[error(
        "stopped after {done} of {blocks} blocks; {} holds what was done. The same command continues it",
        path.display()
    )]
    Stopped { path: PathBuf, done: u64, blocks: u64 },
    /// Something else than an interrupted run of this computation.
    #[error("{}: {reason}. Delete it to start anew, or give another name with `--checkpoint`", path.display())]
    Checkpoint { path: PathBuf, reason: String },
    /// A dataset gains forms from another table than the one in it.
    #[error(
        "{} is not the table in {}: {difference}. Nothing was added. Give the table that was encrypted, with \
         `--outside` as it was then, or encrypt this one into a folder of its own", path.display(), data.display()
    )]
    OtherTable { path: PathBuf, data: PathBuf, difference: String },
    /// A table was encrypted where nothing of it was kept.
    #[error(
        "{}: there is no such file, so these keys do not know the table in {}: they are a copy from before it was \
         encrypted, or an older `hq` encrypted it. Bring that file back, or encrypt the table again", path.display(),
        data.display()
    )]
    UnknownTable { path: PathBuf, data: PathBuf },
    /// A dataset holds all forms that were asked for.
    #[error("{} holds all of that already: there is nothing to add", data.display())]
    NothingToAdd { data: PathBuf },
    /// Two processes add to one dataset.
    #[error("another `hq encrypt --add` is at work on {}. Wait until it is done", data.display())]
    AddedElsewhere { data: PathBuf },
    /// The encrypted dataset cannot be read.
    #[error(transparent)]
    Dataset(#[from] SourceError),
    /// Opened numbers are none of the plan.
    #[error("{place}: {source}")]
    Open { place: String, source: OpenError },
    /// Keys, data and results do not belong together.
    #[error("{}: {reason}", path.display())]
    Mismatch { path: PathBuf, reason: String },
    /// No parameters serve all queries.
    #[error(
        "no parameters at {security} bits serve all of: {queries}. The hardest is `{hardest}`: {reason} \
         Make separate keys for it, or simplify it"
    )]
    NoCommonParameters { security: u32, queries: String, hardest: String, reason: String },
    /// The default workload does not compile for this schema.
    #[error("no default workload fits `{dataset}`: {reason}. Name queries with `--query FILE`")]
    NoWorkload { dataset: String, reason: String },
    /// No passphrase.
    #[error("no passphrase for the secret key: {reason}. Give `--passphrase-file FILE` or set HQ_PASSPHRASE")]
    NoPassphrase { reason: String },
    /// A secret parameter without a value.
    #[error("query `{query}` needs the secret parameter `{name}`; give it with `--param {name}=VALUE`")]
    NoSecret { query: String, name: String },
    /// A query without secret parameters.
    #[error("query `{query}` has no secret parameter: there is nothing to seal")]
    NothingSecret { query: String },
    /// A secret parameter in the clear where the service computes.
    #[error(
        "`{name}` is a secret parameter, and whoever computes must not see it: encrypt it with `hq seal` and \
         give the file with `--sealed`"
    )]
    SecretInClear { name: String },
    /// A value that was to be encrypted and is of no secret parameter.
    #[error(
        "`{name}` is no secret parameter of the program; whoever computes may see it: give it with `--param`"
    )]
    NotSecret { name: String },
    /// Queries that cannot have one result.
    #[error(
        "{queries} declare the same secret parameter with other domains, so they have no common plan. Compute them \
         one by one"
    )]
    NotTogether { queries: String },
    /// Queries without a common plan for keys that exist.
    #[error(
        "{queries} have no common plan for these keys, though each has one. Compute them one by one, or make keys for \
         all of them: `hq keygen --query` with their files"
    )]
    NoCommonPlan { queries: String },
    /// Several queries with secret parameters, of which a file holds those of one.
    #[error(
        "{queries} have secret parameters, and a file of `hq seal` holds those of one query. Compute them one by one"
    )]
    SeveralSealed { queries: String },
    /// Secret parameters were not given.
    #[error("query `{query}` has secret parameters; encrypt them with `hq seal` and give `--sealed FILE`")]
    NotSealed { query: String },
    /// The encrypted and the clear run differ.
    #[error(
        "NOT EQUAL: {differ} of {all} numbers differ between `{backend}` and the clear run; the first is \
         {name}: {encrypted} instead of {clear}. Nothing is shown. Please report this"
    )]
    NotEqual { backend: String, differ: usize, all: usize, name: String, encrypted: String, clear: String },
    /// Small counts are to stay encrypted, and nothing here decides on them.
    #[error(
        "counts of backend `{backend}` are decided on by backend `tfhe`, which is not here: put its plugin beside that of \
         `{backend}`"
    )]
    NoGates { backend: String },
    /// A result without what its gates let out.
    #[error("{place} does not hold what its gates let out: it was cut or altered")]
    NothingPassed { place: String },
    /// Evaluation keys without those of the gates.
    #[error(
        "{} holds no keys that decide on counts, which {} asks for (`min_cell … encrypted`): it was cut, or made by \
         another version of hq. Take the file that `hq keygen` made",
        path.display(), data.display()
    )]
    NoGateKeys { path: PathBuf, data: PathBuf },
    /// A picture was asked for and nothing can be drawn.
    #[error(
        "{} is not drawn: no result of {queries} is of a kind that can be. Drawn are survival curves (a record of \
         lists `time` and `survival`, as of `survival.kaplan_meier`), histograms (lists `from` and `count`, as of \
         `stats.histogram`), and, where the query has `by`, numbers and records with `lower` and `upper`, as bars",
        path.display()
    )]
    NothingToDraw { path: PathBuf, queries: String },
    /// A picture of a plan without ciphertexts.
    #[error("backend `{backend}` encrypts nothing: its plans have no levels and no noise to draw")]
    NoPlanToDraw { backend: String },
    /// A backend without a table of costs.
    #[error("backend `{backend}` is not priced by kernels: there is nothing to calibrate")]
    NothingToCalibrate { backend: String },
    /// No place for a calibration.
    #[error(
        "there is no folder of configurations: name the file with `-o FILE`, or set HQ_CALIBRATION or HOME"
    )]
    NoConfiguration,
    /// Tokens would travel where others read them.
    #[error(
        "{address} is not https:// and not this machine: tokens would travel in the clear. Give the service's address \
         with https://"
    )]
    Address { address: String },
    /// No answer.
    #[error("{address} cannot be reached: {reason}. Is the address right, and does the service run?")]
    Unreachable { address: String, reason: String },
    /// A certificate of an authority that is not taken.
    #[error(
        "the certificate of {address} is not taken: {reason}. Where it is of an authority of your own, log in with \
         `hq login --ca FILE`"
    )]
    Certificate { address: String, reason: String },
    /// An answer that is none.
    #[error("the answer of {address} {reason}")]
    Answer { address: String, reason: String },
    /// The service does not do what it was asked for.
    #[error("{code}: {detail}")]
    Refused { code: String, detail: String },
    /// Nobody is logged in.
    #[error("not logged in: `hq login URL` does that, with the address of the service")]
    NotLoggedIn,
    /// A login ended.
    #[error("the login ended before it was confirmed, or has run out: log in again with `hq login`")]
    LoginEnded,
    /// The issuer said no.
    #[error("{issuer} does not log you in: {reason}")]
    LoginRefused { issuer: String, reason: String },
    /// An issuer without the device flow.
    #[error(
        "{issuer} offers no login for devices (RFC 8628). Whoever runs the service can allow it for its client"
    )]
    NoDeviceFlow { issuer: String },
    /// `--as` at a service that has an issuer of its own.
    #[error("{service} believes no name: leave `--as` out, and confirm the code where its issuer says")]
    NoTrial { service: String },
    /// No place for a login.
    #[error("there is no folder of configurations: set HQ_LOGIN, XDG_CONFIG_HOME or HOME")]
    NoLoginFile,
    /// A name that no dataset and no job has.
    #[error("`{name}` is no name of a dataset or a job: those are of letters, digits, `_` and `-`")]
    NotOfService { name: String },
    /// Nothing was released.
    #[error("job {job} is {state}: there is no table{}", detail.as_ref().map_or(String::new(), |detail| format!(". {detail}")))]
    NoResult { job: String, state: String, detail: Option<String> },
    /// A released table that is none.
    #[error("the table of job {job} cannot be read or made: {reason}")]
    ReleasedTable { job: String, reason: String },
    /// Keys with which nothing was published.
    #[error(
        "{}: there is no such file, so it is not known whose signature a manifest must have: copy it from the folder \
         of keys that `hq publish` was given", path.display()
    )]
    NoPublisher { path: PathBuf },
    /// Nothing brings it back.
    #[error("{what} would be erased for good: say --yes if it is meant")]
    NotConfirmed { what: String },
    /// Control tables of a query with secret parameters.
    #[error(
        "`{name}` is a secret parameter, so what is right for the control tables is not known: make it public, or \
         encrypt the table without --controls"
    )]
    UncheckedSecret { name: String },
    /// The service is not what it says.
    #[error(
        "THE SERVICE GAVE SOMETHING ELSE THAN IT SAYS: {reason}. Nothing was released. Tell whoever runs it"
    )]
    Alarm { reason: String },
    /// No random numbers.
    #[error("the operating system gives no random numbers: {reason}")]
    Random { reason: String },
    /// The encoder of results failed.
    #[error("the result cannot be written as {format}: {reason}")]
    Format { format: &'static str, reason: String },
}

/// [`Result`](std::result::Result) of a command.
pub(crate) type Result<T> = std::result::Result<T, ClientError>;

/// A failed read or write.
pub(crate) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> ClientError {
    let path = path.to_owned();
    move |source| ClientError::File { path, source }
}

/// Content that is not what it should be.
pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> ClientError {
    ClientError::Damaged { path: path.to_owned(), reason: reason.into() }
}

/// Things that do not belong together.
pub(crate) fn mismatch(path: &Path, reason: impl Into<String>) -> ClientError {
    ClientError::Mismatch { path: path.to_owned(), reason: reason.into() }
}

/// What a backend refused, and on what it was working.
pub(crate) fn refused(place: impl Into<String>) -> impl FnOnce(BackendError) -> ClientError {
    let place = place.into();
    move |source| ClientError::Backend { place, source }
}
