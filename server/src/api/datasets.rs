//! Datasets: created, granted.

use actix_web::{HttpResponse, web};
use hq_engine::signed::from_hex;

use super::bodies::{DatasetBody, DatasetsBody, GrantsBody, NewDatasetBody};
use crate::app::{Shared, blocking, event};
use crate::datasets::{Dataset, Grant};
use crate::envelope::EnvelopeKey;
use crate::guard::CallerData;
use crate::problem::{Code, Problem, Result};
use crate::roles::Role;
use crate::store::Tx;

/// Longest name of a subject.
const MAX_SUBJECT_BYTES: usize = 255;

fn body(tx: &Tx<'_>, dataset: Dataset, roles: Vec<Role>) -> Result<DatasetBody> {
    let version = match tx.published(&dataset.name) {
        Ok(version) => Some(version.number),
        Err(problem) if problem.code == Code::NotFound => None,
        Err(problem) => return Err(problem),
    };
    Ok(DatasetBody { name: dataset.name, created: dataset.created, erased: dataset.erased, roles, version })
}

pub(super) async fn list(app: Shared, caller: CallerData) -> Result<web::Json<DatasetsBody>> {
    let caller = caller.into_inner();
    let datasets = blocking(&app, move |app| {
        app.store.with(|tx| {
            let found = tx.datasets_of(&caller)?;
            found.into_iter().map(|(dataset, roles)| body(tx, dataset, roles)).collect::<Result<_>>()
        })
    });
    Ok(web::Json(DatasetsBody { datasets: datasets.await? }))
}

pub(super) async fn create(
    app: Shared,
    caller: CallerData,
    new: web::Json<NewDatasetBody>,
) -> Result<HttpResponse> {
    let (caller, NewDatasetBody { name, publisher }) = (caller.into_inner(), new.into_inner());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        let detail = "The name of a dataset is of `a` to `z`, digits and `_`, begins with a letter, and is at most 64 long.";
        return Err(Problem::invalid(detail));
    }
    if from_hex::<32>(&publisher).is_none() {
        return Err(Problem::invalid("`publisher` is an Ed25519 public key: 64 hexadecimal digits."));
    }
    let created = blocking(&app, move |app| {
        let key =
            EnvelopeKey::new().and_then(|key| key.wrap(&app.master, &name)).map_err(Problem::internal)?;
        app.store.with(|tx| {
            tx.create_dataset(&name, &publisher, &key, &caller)?;
            let mut event = event(&caller, "dataset.created");
            event.dataset = Some(name.clone());
            tx.audit(event)?;
            body(tx, tx.dataset(&name)?, tx.roles(&name, &caller)?)
        })
    });
    Ok(HttpResponse::Created().json(created.await?))
}

pub(super) async fn show(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
) -> Result<web::Json<DatasetBody>> {
    let caller = caller.into_inner();
    let read = move |app: &crate::app::App| {
        app.store.with(|tx| body(tx, tx.dataset(&name)?, tx.roles(&name, &caller)?))
    };
    blocking(&app, read).await.map(web::Json)
}

pub(super) async fn grants(app: Shared, name: web::Path<String>) -> Result<web::Json<GrantsBody>> {
    let grants = blocking(&app, move |app| app.store.with(|tx| tx.grants(&name))).await?;
    Ok(web::Json(GrantsBody { grants }))
}

pub(super) async fn grant(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    grant: web::Json<Grant>,
) -> Result<web::Json<GrantsBody>> {
    change(app, caller, name, grant, true).await
}

pub(super) async fn revoke(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    grant: web::Json<Grant>,
) -> Result<web::Json<GrantsBody>> {
    change(app, caller, name, grant, false).await
}

async fn change(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    grant: web::Json<Grant>,
    give: bool,
) -> Result<web::Json<GrantsBody>> {
    let (caller, grant) = (caller.into_inner(), grant.into_inner());
    if grant.subject.is_empty() || grant.subject.len() > MAX_SUBJECT_BYTES {
        return Err(Problem::invalid(format!("`subject` has from 1 to {MAX_SUBJECT_BYTES} bytes.")));
    }
    let grants = blocking(&app, move |app| {
        app.store.with(|tx| {
            tx.living(&name)?;
            let action = if give {
                tx.grant(&name, &caller.issuer, &grant)?;
                "role.granted"
            } else {
                tx.revoke(&name, &caller.issuer, &grant)?;
                "role.revoked"
            };
            let mut event = event(&caller, action);
            event.dataset = Some(name.clone());
            event.detail = Some(format!("{} {}", grant.role, grant.subject));
            tx.audit(event)?;
            tx.grants(&name)
        })
    });
    Ok(web::Json(GrantsBody { grants: grants.await? }))
}
