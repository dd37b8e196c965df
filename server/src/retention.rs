//! Results and released tables are kept for so many days, where that is set; what a job was stays in the log.

use std::time::Duration;

use hq_engine::audit::Event;

use crate::app::{App, Shared, blocking};
use crate::objects::{release_name, result_name};
use crate::problem::Result;
use hq_engine::clock;

/// How often old jobs are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Removes what is too old until the service ends.
pub(crate) async fn serve(app: Shared) {
    let Some(days) = app.config.retention_days else { return };
    loop {
        if let Err(problem) = sweep(&app, days).await {
            tracing::error!(%problem, "what is too old cannot be removed");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn sweep(app: &Shared, days: u64) -> Result<()> {
    for (job, dataset) in blocking(app, move |app| expire(app, days)).await? {
        for name in [result_name(&dataset, &job), release_name(&dataset, &job)] {
            app.objects.remove(&name).await?;
        }
    }
    Ok(())
}

/// From now on nothing of these jobs is read; what is left of them when the service ends here goes when it begins.
fn expire(app: &App, days: u64) -> Result<Vec<(String, String)>> {
    let before = clock::text(clock::now_s().saturating_sub(days.saturating_mul(clock::DAY_S)));
    app.store.with(|tx| {
        let sql = "SELECT id, dataset FROM jobs WHERE state IN ('computed', 'released', 'refused') \
                   AND coalesce(ended, created) < ?1";
        let old: Vec<(String, String)> = {
            let mut statement = tx.sql.prepare_cached(sql)?;
            let rows = statement.query_map([&before], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<std::result::Result<_, _>>()?
        };
        for (job, dataset) in &old {
            let why = format!("It was kept for {days} days.");
            tx.move_job(
                job,
                &["computed", "released", "refused"],
                "expired",
                Some(("expired", why.as_str())),
            )?;
            tx.audit(Event {
                action: "job.expired".to_owned(),
                outcome: "done".to_owned(),
                dataset: Some(dataset.clone()),
                job: Some(job.clone()),
                ..Event::default()
            })?;
        }
        Ok(old)
    })
}
