//! The things to do, in SQLite.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::todos::{Stored, Todo};

pub use rusqlite::Error;

pub struct Database(Mutex<Connection>);

impl Database {
    pub fn open(file: &str) -> Result<Self, Error> {
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS todos (
                id INTEGER PRIMARY KEY,
                owner TEXT NOT NULL,
                text TEXT NOT NULL,
                done INTEGER NOT NULL
            );
            CREATE INDEX IF NOT EXISTS todos_of_owner ON todos (owner, id);",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    pub fn count(&self) -> Result<i64, Error> {
        let count = "SELECT count(*) FROM todos";
        self.connection().query_row(count, [], |row| row.get(0))
    }

    /// At most `size` of `owner`, in the order of their IDs, which are greater than `after`.
    pub fn list(&self, owner: &str, after: i64, size: u32) -> Result<Vec<Stored>, Error> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT id, text, done FROM todos WHERE owner = ? AND id > ? ORDER BY id LIMIT ?",
        )?;
        let rows = query.query_map(params![owner, after, size], stored)?;
        rows.collect()
    }

    pub fn add(&self, owner: &str, todo: Todo) -> Result<Stored, Error> {
        let connection = self.connection();
        connection.execute(
            "INSERT INTO todos (owner, text, done) VALUES (?, ?, ?)",
            params![owner, todo.text, todo.done],
        )?;
        let id = connection.last_insert_rowid();
        Ok(Stored { id, todo })
    }

    pub fn read(&self, owner: &str, id: i64) -> Result<Option<Stored>, Error> {
        let query = "SELECT id, text, done FROM todos WHERE owner = ? AND id = ?";
        let connection = self.connection();
        connection
            .query_row(query, params![owner, id], stored)
            .optional()
    }

    /// Returns whether there is such a thing.
    pub fn change(&self, owner: &str, id: i64, todo: &Todo) -> Result<bool, Error> {
        let changed = self.connection().execute(
            "UPDATE todos SET text = ?, done = ? WHERE owner = ? AND id = ?",
            params![todo.text, todo.done, owner, id],
        )?;
        Ok(changed > 0)
    }

    /// Returns whether there was such a thing.
    pub fn remove(&self, owner: &str, id: i64) -> Result<bool, Error> {
        let remove = "DELETE FROM todos WHERE owner = ? AND id = ?";
        let removed = self.connection().execute(remove, params![owner, id])?;
        Ok(removed > 0)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A query that panicked has left no transaction open.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored {
        id: row.get(0)?,
        todo: Todo {
            text: row.get(1)?,
            done: row.get(2)?,
        },
    })
}
