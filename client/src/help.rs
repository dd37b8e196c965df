//! What `--help` says below the options.

pub(crate) const AFTER_HELP: &str = "\
One's own table, all in one process, each number compared with a run in the clear:
  hq run query.hq --table clinic=clinic.csv --verify

Between a custodian, who holds the keys, and a service, which computes:
  hq keygen --for clinic.hq --query query.hq -o keys
  hq encrypt clinic.hq --table clinic.csv --keys keys -o data
  hq compute query.hq --data data --eval-keys keys/evaluation.keys -o result.hqr
  hq open result.hqr --keys keys

At a service that others reach (`hq-server`):
  hq login https://hq.example.org
  hq publish data --keys keys --researcher ada --custodian eve
  hq submit query.hq --dataset clinic --purpose \"audit of care\"
  hq custodian --keys keys

Results go to standard output, all else to standard error. Exit status: 0 success, 1 error, 2 wrong usage.
Environment: HQ_PLUGIN_DIR, folders with plugins, or HQ_PLUGIN_REGISTRY, the folder that `hq plugin` keeps;
HQ_PASSPHRASE, of the secret key;
HQ_CALIBRATION, the file of `hq calibrate`; HQ_FUNCTION_CACHE, a folder for values of functions;
HQ_LOGIN, that of `hq login`; NO_COLOR.";

pub(crate) const AFTER_PLUGIN: &str = "\
A registry is a folder. Where HQ_PLUGIN_REGISTRY names one, plugins are loaded from it and from nowhere else, and only
as the very files that were accepted. Keys of authors are those that minisign writes, in DIR/keys/NAME.pub.

  minisign -Sm libhq_plugin_risk.so                         # the author signs
  hq plugin register libhq_plugin_risk.so --registry DIR    # an administrator accepts
  hq plugin revoke risk --reason \"wrong table\" --registry DIR
  hq plugin list --service https://hq.example.org           # the registry of a service, for its administrators
  hq audit verify DIR/audit.log";

pub(crate) const AFTER_RUN: &str = "\
Nothing leaves this process, so `run` is for trying a query out and for measuring it. NAME is that of the
dataset in the program. Columns are found by the table's header, which may have more of them.

  hq run query.hq --table clinic=clinic.csv --query control --param age_min=40 --format json

Queries over one dataset, of one file or of several, are computed in one run of one plan: what they share is computed
once, the table is encrypted once, and times and sizes are those of all. Results are as if each were run by itself: the
release rules look at one query at a time. Queries over other datasets have runs of their own; so have queries for which
one plan would cost more than several, which is told. A parameter is for every file that declares it.

  hq run flags.hq blood.hq --table clinic=clinic.csv";

pub(crate) const AFTER_COMPUTE: &str = "\
An interrupted computation leaves a checkpoint beside the result, and the same command continues from it. So does
one that was stopped by Ctrl-C, after the blocks at work.

  hq compute query.hq --data data --eval-keys evaluation.keys -o query.result --threads 8

Several queries, of one file or of several, are computed together and have one result: what they share is computed
once. Keys made for all of them by one `hq keygen --query` have room for that.

  hq compute flags.hq blood.hq --data data --eval-keys evaluation.keys -o both.result";

pub(crate) const AFTER_EXPLAIN: &str = "\
Of noise three numbers are told, in bits: its standard deviation as predicted by simulation, what a trial run
with --measure shows, and the bound that the plan is certified by. A trial run takes seconds and memory as
`hq run` does on one block; secret parameters need --param NAME=VALUE. Queries over one dataset have one plan where
that pays, and what they share is told. Where there are several plans, each has files of its own, named after its first query:
FILE-QUERY.svg. Last come the other encrypted backends that are built, with what they would cost.

  hq explain query.hq --measure --graph plan.svg --noise noise.svg
  hq explain flags.hq blood.hq";

pub(crate) const AFTER_CALIBRATE: &str = "\
It takes some ten seconds on a quiet machine. The costs go to calibration-NAME.json in the folder hq of
$XDG_CONFIG_HOME, or of ~/.config, or to the file that HQ_CALIBRATION names, and `hq explain` tells CPU seconds
by them. Plans do not depend on them: they are the same on every machine.";

pub(crate) const AFTER_FMT: &str = "\
There is one layout, without options: lines of at most 100 characters, two spaces a step, `=` and types
below each other. Tokens and comments stay as they are. Names of changed files go to standard output. A file
that does not parse is left alone.";

pub(crate) const AFTER_LSP: &str = "\
Editors start this by themselves; docs/editors.md says how they are told to. Diagnostics are those of `hq check`
without a plan; queries are not planned and nothing runs.";

pub(crate) const AFTER_KEYGEN: &str = "\
The keys serve the named programs, each by itself and, if there is room, all in one `hq compute`, and whatever needs no
more than they do; without any program, a typical query.
The passphrase is asked for, or taken from --passphrase-file or HQ_PASSPHRASE.";

pub(crate) const AFTER_ENCRYPT: &str = "\
Columns are encrypted in the forms that the keys were made for. --add gives them more, for queries to come: the files that
are there stay as they are, `forms.json` of the keys is widened, and whoever computes needs the new files and the manifest.
It takes the very table that was encrypted, with the same --outside; the keys know it again.

With --controls N, the dataset holds N copies of the table among N tables of synthetic rows, in an order that `controls` of the
keys alone knows. Whoever computes does it 2 N times; `hq open` and `hq custodian` refuse a result of which a control is wrong.

  hq encrypt clinic.hq --table clinic.csv --keys keys -o data
  hq plan-data clinic.hq --workload new.hq
  hq encrypt clinic.hq --table clinic.csv --keys keys -o data --add --forms clinic.forms.json";

pub(crate) const AFTER_PLAN_DATA: &str = "\
The file is for `--forms` of `hq keygen`, which keeps it with the keys for `hq encrypt`, of `hq encrypt --add`, and of
`run`, `check` and `explain`. Every column keeps a form that answers any question; forms that the named queries gain from stand
beside it.

  hq plan-data clinic.hq --workload control.hq
  hq keygen --for clinic.hq --query control.hq --forms clinic.forms.json -o keys";

pub(crate) const AFTER_TEST: &str = "\
Every `example` of the files is run on each backend and compared with what it expects: whole numbers exactly,
others to 1e-9. Exit status 1 where one differs.

  hq test score.hq
  hq test stats survival --backend clear
  hq test --stdlib";

pub(crate) const AFTER_DOC: &str = "\
Without arguments, the modules of the standard library are listed.

  hq doc stats
  hq doc stats.ols
  hq doc score.hq --format markdown";

pub(crate) const AFTER_LOGIN: &str = "\
An address and a code are shown; whoever is logged in at the issuer confirms the code there. The token goes to login.json in
the folder hq of $XDG_CONFIG_HOME, or of ~/.config, or to the file that HQ_LOGIN names; only you can read it. A service that
was started with --dev believes every name, so --as NAME is enough there. The certificates of --ca are kept with the token, and
hold for all commands until the next login.";

pub(crate) const AFTER_PUBLISH: &str = "\
The secret key stays where it is: evaluation keys, ciphertexts, schema and manifest are sent, the last signed with
publisher.key of the keys, which is made the first time. An upload that was interrupted is resumed by the same command. The
keys may then be copied to wherever `hq custodian` runs. To erase a person, encrypt the table without them and publish it with
--withdraw-older.

  hq publish data --keys keys --researcher ada --custodian eve";

pub(crate) const AFTER_ROLES: &str = "\
Roles are owner, researcher, custodian and auditor. What is taken is taken at once, for jobs that wait as well.

  hq roles clinic --give researcher=ada --take researcher=bob";

pub(crate) const AFTER_ERASE: &str = "\
The service destroys the dataset's key and removes what was sealed with it, or removes the objects of one version; jobs that
are not released are cancelled. The receipt is signed by the service. To erase a person, publish the table without them with
--withdraw-older.

  hq erase clinic --yes -o receipt.json";

pub(crate) const AFTER_SUBMIT: &str = "\
The program is checked here, against the schema of the service, as `hq check` does it. The result is shown once the custodian
has released it; `hq result JOB` shows it later. It is encrypted to identity.age in the folder of configurations, which is made
the first time.

Secret parameters are encrypted here under the evaluation keys that the owner gave; the service has the ciphertexts alone, and
only until the job is computed. The same value is another ciphertext each time, so an idempotency key that is used again needs
the file of `hq seal`.

  hq submit query.hq --dataset clinic --purpose \"audit of care\"
  hq submit query.hq --dataset clinic --purpose \"audit of care\" --secret cutoff=65 --eval-keys evaluation.keys";

pub(crate) const AFTER_CUSTODIAN: &str = "\
A result is opened if the owner signed the version of the dataset that it is of, and if it is of the plan that the job
names. It is released if the release rules allow it, and if with what was released before it gives nothing away that they
hide: history.jsonl of the keys remembers. The table is encrypted to the researcher; a recipient that changed is refused
unless --accept-recipients is given. A secret parameter may hold anything, so that it picks single rows: programs with some are
released to those whom --secrets-of names, and to no others.";

pub(crate) const AFTER_AUDIT: &str = "\
Heads say how long the log was and what it held. Keep those of an earlier export elsewhere: they show whether the log was cut
or written anew since.

  hq audit export -o log
  hq audit verify log --heads earlier.heads";
