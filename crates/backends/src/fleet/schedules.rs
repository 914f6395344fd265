//! Schedules, as clients and the clock see them.

use jiff::Timestamp;
use ledger::{Firing, Schedule, Submitted};
use protocol::TenantId;

use super::{Error, Fleet};

impl Fleet {
    /// Records a schedule, or replaces what was recorded under its name.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        Ok(self.ledger.put_schedule(schedule).await?)
    }

    /// A schedule, if that tenant has it.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn schedule(&self, tenant: &TenantId, name: &str) -> Result<Option<Schedule>, Error> {
        Ok(self.ledger.schedule(tenant, name).await?)
    }

    /// A tenant's schedules, by name.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn schedules(&self, tenant: &TenantId) -> Result<Vec<Schedule>, Error> {
        Ok(self.ledger.schedules(tenant).await?)
    }

    /// Removes a schedule; says whether there was one.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn remove_schedule(&self, tenant: &TenantId, name: &str) -> Result<bool, Error> {
        Ok(self.ledger.remove_schedule(tenant, name).await?)
    }

    /// Schedules whose time has come.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn due_schedules(&self, limit: usize, now: Timestamp) -> Result<Vec<Schedule>, Error> {
        Ok(self.ledger.due_schedules(limit, now).await?)
    }

    /// Starts the runs of a schedule whose time has come, unless somebody else did. The next turn of the clock releases
    /// them.
    ///
    /// # Errors
    /// When a run is refused, or the ledger is away; then the schedule is as it was.
    pub async fn fire(&self, mut firing: Firing, now: Timestamp) -> Result<Option<Vec<Submitted>>, Error> {
        self.address(&mut firing.runs).await;
        let shadows = self.assign(&mut firing.runs).await?;
        let first = shadows.len();
        // In front, because the last run is the one that the schedule shows.
        firing.runs.splice(0..0, shadows);
        let submitted = self.ledger.fire(firing, now).await?;
        Ok(submitted.map(|mut submitted| submitted.split_off(first.min(submitted.len()))))
    }
}
