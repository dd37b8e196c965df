//! `hq roles`: who is what for a dataset at a service.

use crate::cli::RolesArgs;
use crate::error::Result;
use crate::output;
use crate::service::Service;
use crate::wire::{GrantBody, GrantsBody};

use super::submit::segment;

/// Gives and takes roles, and lists those that there are then.
pub(crate) fn roles(args: &RolesArgs) -> Result<()> {
    let service = Service::of_login()?;
    let place = format!("/v1/datasets/{}/grants", segment(&args.dataset)?);
    // Given first: a dataset keeps an owner.
    let changes = [(&args.give, place.clone()), (&args.take, format!("{place}/revoke"))];
    for (grants, place) in changes {
        for (role, subject) in grants {
            let _: GrantsBody = service.post(&place, &GrantBody { subject, role })?;
        }
    }
    let now: GrantsBody = service.get(&place)?;
    for granted in &now.grants {
        output::out(&(output::plain(&format!("{:10} {}", granted.role, granted.subject)) + "\n"));
    }
    Ok(())
}
