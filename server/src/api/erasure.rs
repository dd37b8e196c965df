//! What an owner takes back: a dataset, whose key is destroyed, or a version of it, whose objects are removed. A person is erased
//! by publishing the table without them and taking the versions before back.

use actix_web::web;
use hq_engine::signed::ERASURE;

use super::bodies::ReceiptBody;
use crate::app::{App, Shared, blocking, event};
use crate::guard::CallerData;
use crate::objects::parameters_name;
use crate::problem::Result;
use hq_engine::clock;

/// The key goes first: whatever happens then, what is stored is noise.
pub(super) async fn erase(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
) -> Result<web::Json<ReceiptBody>> {
    let (caller, name) = (caller.into_inner(), name.into_inner());
    let (when, dataset) = (clock::now(), name.clone());
    let erased = when.clone();
    let jobs = blocking(&app, move |app| {
        let jobs = app.store.with(|tx| {
            tx.living(&dataset)?;
            let jobs = tx.at_work(&dataset, None)?;
            tx.erase_dataset(&dataset, &erased)?;
            let mut event = event(&caller, "dataset.erased");
            event.dataset = Some(dataset.clone());
            tx.audit(event)?;
            Ok(jobs)
        })?;
        app.store.checkpoint()?;
        Ok(jobs)
    });
    removed(&app, jobs.await?, name.clone(), when, (format!("datasets/{name}"), None)).await
}

/// From now on no query reads the version, and no result of it is opened.
pub(super) async fn withdraw(
    app: Shared,
    caller: CallerData,
    path: web::Path<(String, u64)>,
) -> Result<web::Json<ReceiptBody>> {
    let (caller, (name, number)) = (caller.into_inner(), path.into_inner());
    let (when, dataset) = (clock::now(), name.clone());
    let withdrawn = when.clone();
    let jobs = blocking(&app, move |app| {
        app.store.with(|tx| {
            tx.living(&dataset)?;
            let version = tx.version(&dataset, number)?;
            let jobs = tx.at_work(&dataset, Some(number))?;
            tx.withdraw_version(&dataset, number, &withdrawn)?;
            let mut event = event(&caller, "version.withdrawn");
            (event.dataset, event.manifest) = (Some(dataset.clone()), Some(version.digest));
            tx.audit(event)?;
            Ok(jobs)
        })
    });
    let place = (format!("datasets/{name}/{number}"), Some(number));
    removed(&app, jobs.await?, name, when, place).await
}

/// Ends workers, removes objects, and signs that.
async fn removed(
    app: &Shared,
    jobs: Vec<String>,
    dataset: String,
    erased: String,
    (place, version): (String, Option<u64>),
) -> Result<web::Json<ReceiptBody>> {
    for job in jobs {
        app.end_worker(&job);
        app.objects.remove(&parameters_name(&dataset, &job)).await?;
    }
    let objects = app.objects.remove_under(&place).await?;
    let receipt = blocking(app, move |app: &App| {
        app.store.with(|tx| {
            let what = version.map_or_else(|| dataset.clone(), |version| format!("{dataset} {version}"));
            let (key, signature) = tx.sign(ERASURE, &format!("{what} {erased} {objects}"));
            Ok(ReceiptBody { dataset, version, erased, objects, key, signature })
        })
    });
    receipt.await.map(web::Json)
}
