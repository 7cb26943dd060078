//! Tasks: calls whose results are fetched later, by whichever side began them.
//!
//! Invariant: a task is known by the answer to a request that was let through; bounded, the oldest is forgotten.

use std::collections::VecDeque;

use crate::policy::mcp::Value;

/// Tasks of each side that are remembered.
const MOST: usize = 4096;

#[derive(Debug, Default)]
pub struct Tasks {
    /// With the name of what they run.
    of_server: VecDeque<(String, String)>,
    of_client: VecDeque<String>,
}

/// The task that a result speaks of: `taskId` of 2026-07-28, `task.taskId` of 2025-11-25.
pub fn task(result: &Value) -> Option<&str> {
    result.field("taskId").or_else(|| result.pointer("/task/taskId")).and_then(Value::text)
}

impl Tasks {
    /// The server runs `name` as a task.
    pub fn begun(&mut self, result: &Value, name: &str) {
        let Some(task) = task(result).filter(|task| self.name_of(task).is_none()) else { return };
        if self.of_server.len() >= MOST {
            self.of_server.pop_front();
        }
        self.of_server.push_back((task.to_owned(), name.to_owned()));
    }

    /// The client does, for the server.
    pub fn begun_by_client(&mut self, result: &Value) {
        let Some(task) = task(result).filter(|task| !self.is_of_client(task)) else { return };
        if self.of_client.len() >= MOST {
            self.of_client.pop_front();
        }
        self.of_client.push_back(task.to_owned());
    }

    /// What the server's task runs; None: it was not begun here.
    pub fn name_of(&self, task: &str) -> Option<&str> {
        self.of_server.iter().find(|(known, _)| known == task).map(|(_, name)| name.as_str())
    }

    pub fn is_of_client(&self, task: &str) -> bool {
        self.of_client.iter().any(|known| known == task)
    }
}
