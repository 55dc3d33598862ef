//! The tools: notes, each its owner's. The first argument of each declares who may call it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_resource_server::{AnyOf, AuthenticatedUser, Scoped, Verified, scope};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::tools::{Output, Tools};

scope!(pub ReadNotes = "notes:read");
scope!(pub WriteNotes = "notes:write");

/// Who may use the server at all: the scopes of its metadata and of its first challenge. Each tool requires its own.
pub type NotesUser = Scoped<AnyOf<(ReadNotes, WriteNotes)>>;

/// At most this many are kept for each owner.
const MAX_NOTES: usize = 100;

/// In bytes.
const MAX_NOTE_LENGTH: usize = 1024;

/// At most this many owners have notes.
const MAX_OWNERS: usize = 1000;

/// The notes of each owner.
#[derive(Default)]
pub struct Notes(Mutex<HashMap<Owner, Vec<String>>>);

/// Issuer and subject.
type Owner = (String, String);

#[derive(Deserialize, JsonSchema)]
struct NoArguments {}

#[derive(Deserialize, JsonSchema)]
struct NewNote {
    /// The text of the note.
    text: String,
}

pub fn tools() -> Tools<Arc<Notes>> {
    Tools::new(Arc::<Notes>::default())
        .tool("list_notes", "Lists the notes of the user.", list_notes)
        .tool("add_note", "Adds a note for the user.", add_note)
        .tool("whoami", "Returns the subject of the user.", whoami)
}

async fn list_notes(caller: Scoped<ReadNotes>, notes: Arc<Notes>, _: NoArguments) -> Output {
    notes.list(owner(&caller)?)
}

/// All scopes of the operation: a client that gets a token with the scopes of this challenge alone can still list notes.
async fn add_note(
    caller: Scoped<(ReadNotes, WriteNotes)>,
    notes: Arc<Notes>,
    note: NewNote,
) -> Output {
    notes.add(owner(&caller)?, note.text)
}

async fn whoami(caller: AuthenticatedUser, _: Arc<Notes>, _: NoArguments) -> Output {
    Ok(caller.subject().unwrap_or("a client").to_owned())
}

/// Subjects are unique at their issuer alone.
fn owner(caller: &Verified) -> Result<Owner, String> {
    let subject = caller.subject().ok_or("the token has no subject")?;
    Ok((caller.issuer().to_owned(), subject.to_owned()))
}

impl Notes {
    fn list(&self, owner: Owner) -> Output {
        let notes = self.lock();
        let notes = notes.get(&owner);
        Ok(notes.map_or_else(String::new, |notes| notes.join("\n")))
    }

    fn add(&self, owner: Owner, text: String) -> Output {
        if text.len() > MAX_NOTE_LENGTH {
            return Err(format!("a note has at most {MAX_NOTE_LENGTH} bytes"));
        }
        let mut notes = self.lock();
        if notes.len() >= MAX_OWNERS && !notes.contains_key(&owner) {
            return Err("there is no space for the notes of another user".to_owned());
        }
        let notes = notes.entry(owner).or_default();
        if notes.len() >= MAX_NOTES {
            return Err(format!("there are {MAX_NOTES} notes already"));
        }
        notes.push(text);
        Ok("added".to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Vec<String>>> {
        // A call that panicked has left the lists whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
