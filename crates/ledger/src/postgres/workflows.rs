//! Workflows as registered, kept parsed: a name and version never change their meaning.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::Workflow;
use sqlx::PgConnection;

use super::values::Columns;
use crate::values::{corrupt, json, parsed};
use crate::{Error, NewRun};

/// Parsed workflows by name and version.
#[derive(Debug, Default)]
pub(super) struct Workflows {
    known: Mutex<HashMap<(String, u32), Arc<Workflow>>>,
}

impl Workflows {
    /// Stores a workflow, or finds that the same is stored.
    pub(super) async fn register(&self, connection: &mut PgConnection, workflow: &Workflow) -> Result<(), Error> {
        let definition = json("workflow", workflow)?;
        sqlx::query("INSERT INTO workflows (name, version, definition) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(&workflow.name)
            .bind(i64::from(workflow.version))
            .bind(&definition)
            .execute(&mut *connection)
            .await?;
        let stored = self.version(connection, &workflow.name, workflow.version).await?;
        // Compared as it reads back: storing rounds durations to milliseconds.
        if *stored == parsed::<Workflow>("workflow", &definition)? {
            Ok(())
        } else {
            Err(Error::WorkflowChanged { name: workflow.name.clone(), version: workflow.version })
        }
    }

    /// The highest registered version of each workflow that the runs name.
    pub(super) async fn latest(
        &self,
        connection: &mut PgConnection,
        runs: &[NewRun],
    ) -> Result<HashMap<String, Arc<Workflow>>, Error> {
        let names: BTreeSet<&str> = runs.iter().map(|new| new.workflow.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let latest = self.named(connection, &names).await?;
        match names.into_iter().find(|name| !latest.contains_key(*name)) {
            Some(unknown) => Err(Error::UnknownWorkflow(unknown.to_owned())),
            None => Ok(latest),
        }
    }

    /// The highest registered version of each, by name.
    pub(super) async fn all(&self, connection: &mut PgConnection) -> Result<Vec<Arc<Workflow>>, Error> {
        let rows = sqlx::query("SELECT name, max(version) FROM workflows GROUP BY name ORDER BY name COLLATE \"C\"")
            .fetch_all(&mut *connection)
            .await?;
        let mut workflows = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of(row);
            let name: String = columns.get()?;
            workflows.push(self.version(connection, &name, columns.number("workflow version")?).await?);
        }
        Ok(workflows)
    }

    /// The highest registered version of those among these that are registered.
    pub(super) async fn named(
        &self,
        connection: &mut PgConnection,
        names: &[&str],
    ) -> Result<HashMap<String, Arc<Workflow>>, Error> {
        let rows = sqlx::query("SELECT name, max(version) FROM workflows WHERE name = ANY($1) GROUP BY name")
            .bind(names)
            .fetch_all(&mut *connection)
            .await?;
        let mut latest = HashMap::with_capacity(names.len());
        for row in &rows {
            let mut columns = Columns::of(row);
            let name: String = columns.get()?;
            let version = columns.number("workflow version")?;
            let workflow = self.version(connection, &name, version).await?;
            latest.insert(name, workflow);
        }
        Ok(latest)
    }

    /// The tasks of these queues, by workflow and version, as far as this process knows workflows.
    pub(super) fn tasks_of(&self, queues: &[String]) -> Vec<(String, u32, String)> {
        if queues.is_empty() {
            return Vec::new();
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = known.iter().flat_map(|((name, version), workflow)| {
            let tasks = workflow.tasks.iter().filter(|task| queues.contains(&task.queue));
            tasks.map(|task| (name.clone(), *version, task.name.clone()))
        });
        tasks.collect()
    }

    /// That version of a workflow that a run or a registration refers to.
    pub(super) async fn version(
        &self,
        connection: &mut PgConnection,
        name: &str,
        version: u32,
    ) -> Result<Arc<Workflow>, Error> {
        let key = (name.to_owned(), version);
        if let Some(workflow) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(workflow));
        }
        let row = sqlx::query("SELECT definition FROM workflows WHERE name = $1 AND version = $2")
            .bind(name)
            .bind(i64::from(version))
            .fetch_optional(connection)
            .await?
            .ok_or_else(|| corrupt("run", format!("its workflow {name:?} version {version} is missing")))?;
        let workflow: Arc<Workflow> = Arc::new(Columns::of(&row).json("workflow")?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&workflow));
        Ok(workflow)
    }
}
