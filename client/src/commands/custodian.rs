//! `hq custodian`: opens what a service computed, where the secret key is. Each result is checked against the owner's signed
//! manifest and the plan that was asked for; what the rules and the history allow is released, encrypted to the researcher.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use age::x25519::Recipient;
use hq_engine::clock;
use hq_engine::dataset::hex_digest;

use crate::backend::Backend;
use crate::cli::{CustodianArgs, Release};
use crate::error::{ClientError, Result};
use crate::interrupt::Interrupt;
use crate::joint::Joint;
use crate::keys::{KeyFolder, Unlocked};
use crate::output;
use crate::plot;
use crate::publisher;
use crate::received::Received;
use crate::recipient::recipient;
use crate::release::{self, History, Past, selections};
use crate::released::{Binding, ReleasedTable};
use crate::report::{self, Run};
use crate::service::Service;
use crate::wire::{JobBody, JobsBody, ManifestBody, ReasonBody};

use super::open::MAX_RESULT_BYTES;
use super::submit::segment;

/// What a researcher is told of a result that is not what it should be; the custodian reads why.
const NOT_SOUND: &str = "The result is not what it should be. The custodian knows why.";

/// What a researcher is told whose secret parameters are not taken.
const NO_SECRETS: &str = "The program has secret parameters, which the custodian does not take from you: make them public, or ask the \
                          custodian (`hq custodian --secrets-of`).";

/// Opens results as they come.
pub(crate) fn custodian(args: &CustodianArgs) -> Result<()> {
    let keys = KeyFolder::open(&args.keys)?;
    let backend = Backend::load_for(&keys.description.backend, [&keys.dataset])?;
    let key = keys.unlock(&backend, &args.passphrase)?;
    let service = Service::of_login()?;
    let history = History::read(&args.keys)?;
    let mut custodian = Custodian { args, keys, backend, key, service, history };
    let interrupt = Interrupt::listen();
    loop {
        match custodian.round() {
            // A service that is away for a while, or fails, is asked again.
            Err(
                error @ (ClientError::Unreachable { .. }
                | ClientError::Certificate { .. }
                | ClientError::Refused { .. }),
            ) if !args.once => {
                output::error(&error);
            }
            other => other?,
        }
        if args.once {
            return Ok(());
        }
        for _ in 0..args.every {
            if interrupt.is_asked() {
                return Ok(());
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
}

struct Custodian<'a> {
    args: &'a CustodianArgs,
    keys: KeyFolder,
    backend: Backend,
    key: Unlocked,
    service: Service,
    history: History,
}

/// What becomes of a result.
enum Decision {
    /// It goes out.
    Release(Box<Past>, ReleasedTable),
    /// It does not, for a reason that the researcher may read.
    Refuse(String),
}

impl Custodian<'_> {
    /// All results that wait, the oldest first.
    fn round(&mut self) -> Result<()> {
        self.service.renew()?;
        let waiting: JobsBody = self.service.get("/v1/jobs?state=computed")?;
        let dataset = self.keys.description.dataset.clone();
        let mut failed = Ok(());
        for job in waiting.jobs.iter().rev().filter(|job| job.dataset == dataset) {
            // One that cannot be decided does not keep the others waiting.
            if let Err(error) = self.decide(job) {
                output::warn(&format!("job {} waits on", output::plain(&job.id)));
                if let Err(earlier) = std::mem::replace(&mut failed, Err(error)) {
                    output::error(&earlier);
                }
            }
        }
        failed
    }

    fn decide(&mut self, job: &JobBody) -> Result<()> {
        let id = segment(&job.id)?;
        let queries = output::plain(&job.queries.join(", "));
        let (subject, purpose) = (output::plain(&job.subject), output::plain(&job.purpose));
        let manifest: ManifestBody =
            self.service.get(&format!("/v1/datasets/{}/manifest?version={}", job.dataset, job.version))?;
        let bytes = self.service.bytes(&format!("/v1/jobs/{id}/result"), MAX_RESULT_BYTES)?;
        let Some(recipient) = recipient(&job.recipient) else {
            return self.refuse(id, "The recipient is none of age.");
        };
        let known = self.history.recipient_of(&job.subject).filter(|known| *known != job.recipient);
        if known.is_some() && !self.args.accept_recipients {
            output::warn(&format!(
                "job {id}: {subject} has another recipient than before. Ask them whether it is theirs, and start \
                 with --accept-recipients if so"
            ));
            return self
                .refuse(id, "Your recipient is another than before: tell the custodian, and submit again.");
        }
        match self.open(job, &manifest, &bytes) {
            Ok(Decision::Refuse(reason)) => {
                output::out(&format!("{id} refused: {queries} for {subject} ({purpose}): {reason}\n"));
                self.refuse(id, &reason)
            }
            Ok(Decision::Release(past, table)) => {
                // Before it leaves: what may have been seen is known.
                self.history.remember(*past)?;
                self.release(id, &recipient, &table)?;
                output::out(&format!("{id} released: {queries} for {subject} ({purpose})\n"));
                Ok(())
            }
            Err(error) => {
                output::error(&error);
                output::warn(&format!("job {id} is not released: what the service gave for it is not sound"));
                self.refuse(id, NOT_SOUND)
            }
        }
    }

    fn refuse(&self, id: &str, reason: &str) -> Result<()> {
        let _: JobBody = self.service.post(&format!("/v1/jobs/{id}/refuse"), &ReasonBody { reason })?;
        Ok(())
    }

    fn release(&self, id: &str, recipient: &Recipient, table: &ReleasedTable) -> Result<()> {
        let sealed = table
            .seal(recipient)
            .map_err(|reason| ClientError::ReleasedTable { job: id.to_owned(), reason })?;
        self.service.put(&format!("/v1/jobs/{id}/release"), &[], &sealed)
    }

    /// Checks and opens a result.
    fn open(&self, job: &JobBody, manifest: &ManifestBody, bytes: &[u8]) -> Result<Decision> {
        let alarm = |reason: &str| Err(ClientError::Alarm { reason: format!("job {}: {reason}", job.id) });
        publisher::check(&self.args.keys, &manifest.manifest, &manifest.signature)?;
        let digest = hex_digest(manifest.manifest.as_bytes());
        let received = Received::read(bytes, &PathBuf::from(format!("job {}", job.id)), &self.keys)?;
        if received.header.manifest_blake3 != digest {
            return alarm("the result is of another version of the dataset than the job");
        }
        if received.header.plan_blake3 != job.plan {
            return alarm("the result is of another plan than the job");
        }
        let built = received.header.backend_blake3.as_deref().unwrap_or_default();
        if built != job.backend && !job.backend.is_empty() {
            return alarm("the result was computed by another build of the backend than the job names");
        }
        if received.header.programs.iter().any(|program| program.functions != job.functions) {
            return alarm("the result calls functions of other plugins than the job names");
        }
        let joint = received.joint()?;
        let names: Vec<&str> = joint.queries().iter().map(|query| query.name.as_str()).collect();
        if names != job.queries.iter().map(String::as_str).collect::<Vec<_>>() {
            return alarm("the result is of other queries than the job");
        }
        // Nobody here sees what is in them: it could pick rows.
        let secret = joint.queries().iter().any(|query| !query.secrets.is_empty());
        if secret && !self.args.secrets_of.contains(&job.subject) {
            return Ok(Decision::Refuse(NO_SECRETS.to_owned()));
        }
        let compiled = received.plan(&self.backend)?;
        let execution = received.open(&compiled, &self.backend, (&self.key, &self.keys))?;
        let past = Past {
            job: job.id.clone(),
            subject: job.subject.clone(),
            recipient: job.recipient.clone(),
            day: clock::now_s() / clock::DAY_S,
            manifest: digest.clone(),
            plan: job.plan.clone(),
            selections: known_after(&joint, &execution.aggregates),
        };
        if let Some(reason) = self.history.refuses(&past, self.keys.dataset.release) {
            return Ok(Decision::Refuse(reason));
        }
        let run = Run {
            backend: &self.backend.name,
            encrypted: self.backend.is_encrypted(),
            planned: &compiled.planned,
            execution,
            verified: false,
        };
        let reports = report::in_order(report::of(&joint, &run, Release::On));
        let binding = Binding { job: &job.id, plan: &job.plan, manifest: &digest };
        let table =
            ReleasedTable::new(&binding, report::hidden(&reports), plot::picture(&reports)?, |format| {
                report::text(&reports, format)
            })?;
        Ok(Decision::Release(Box::new(past), table))
    }
}

/// The counts that whoever reads the results knows.
fn known_after(joint: &Joint<'_>, aggregates: &[Option<i128>]) -> Vec<release::Selection> {
    let known = |(member, numbers): (crate::joint::Member<'_>, &[Option<i128>])| {
        let query = member.query;
        selections(query, numbers, &release::apply(query, numbers))
    };
    joint.numbers(aggregates).flat_map(known).collect()
}
