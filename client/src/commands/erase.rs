//! `hq erase`: a dataset at a service, or a version of it. The service's receipt is checked.

use hq_engine::signed::{self, ERASURE};

use crate::checkpoint::write_whole;
use crate::cli::EraseArgs;
use crate::error::{ClientError, Result};
use crate::output;
use crate::service::Service;
use crate::wire::ReceiptBody;

use super::submit::segment;

/// Erases, and shows the receipt.
pub(crate) fn erase(args: &EraseArgs) -> Result<()> {
    let dataset = segment(&args.dataset)?;
    let what = args.version.map_or_else(|| dataset.to_owned(), |version| format!("{dataset} {version}"));
    if !args.yes {
        return Err(ClientError::NotConfirmed { what });
    }
    let service = Service::of_login()?;
    let version = args.version.map_or_else(String::new, |version| format!("/versions/{version}"));
    let receipt: ReceiptBody = service.delete(&format!("/v1/datasets/{dataset}{version}"))?;
    check(&receipt, &what)?;
    if let Some(path) = &args.output {
        let text = serde_json::to_vec_pretty(&receipt)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        write_whole(path, &text)?;
    }
    let ReceiptBody { erased, objects, key, .. } = &receipt;
    let line = format!("{what} was erased at {erased}: {objects} objects; signed by {key}");
    output::out(&(output::plain(&line) + "\n"));
    Ok(())
}

/// Whether a receipt is signed, and of what was erased.
fn check(receipt: &ReceiptBody, what: &str) -> Result<()> {
    let ReceiptBody { erased, objects, key, signature, .. } = receipt;
    let message = format!("{what} {erased} {objects}");
    signed::verify(key, ERASURE, message.as_bytes(), signature)
        .map_err(|error| ClientError::Alarm { reason: format!("the receipt: {error}") })
}
