//! Workflows as registered, kept parsed: a name and version never change their meaning.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::Workflow;
use sqlx::SqliteConnection;

use super::values::Columns;
use crate::Error;
use crate::values::{corrupt, json, parsed};

/// Parsed workflows by name and version.
#[derive(Debug, Default)]
pub(super) struct Workflows {
    known: Mutex<HashMap<(String, u32), Arc<Workflow>>>,
}

impl Workflows {
    /// Stores a workflow, or finds that the same is stored.
    pub(super) async fn register(&self, connection: &mut SqliteConnection, workflow: &Workflow) -> Result<(), Error> {
        let definition = json("workflow", workflow)?;
        sqlx::query("INSERT INTO workflows (name, version, definition) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(&workflow.name)
            .bind(workflow.version)
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

    /// The highest registered version.
    pub(super) async fn latest(&self, connection: &mut SqliteConnection, name: &str) -> Result<Arc<Workflow>, Error> {
        let version: Option<u32> = sqlx::query_scalar("SELECT max(version) FROM workflows WHERE name = ?")
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
        let version = version.ok_or_else(|| Error::UnknownWorkflow(name.to_owned()))?;
        self.version(connection, name, version).await
    }

    /// The highest registered version of each, by name.
    pub(super) async fn all(&self, connection: &mut SqliteConnection) -> Result<Vec<Arc<Workflow>>, Error> {
        let rows = sqlx::query("SELECT name, max(version) FROM workflows GROUP BY name ORDER BY name")
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

    /// That version of a workflow that a run or a registration refers to.
    pub(super) async fn version(
        &self,
        connection: &mut SqliteConnection,
        name: &str,
        version: u32,
    ) -> Result<Arc<Workflow>, Error> {
        let key = (name.to_owned(), version);
        if let Some(workflow) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(workflow));
        }
        let row = sqlx::query("SELECT definition FROM workflows WHERE name = ? AND version = ?")
            .bind(name)
            .bind(version)
            .fetch_optional(connection)
            .await?
            .ok_or_else(|| corrupt("run", format!("its workflow {name:?} version {version} is missing")))?;
        let workflow: Arc<Workflow> = Arc::new(Columns::of(&row).json("workflow")?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&workflow));
        Ok(workflow)
    }
}
