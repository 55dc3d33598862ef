//! The tools: notes, each its owner's. The first argument of each declares who may call it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// The notes by issuer and subject: subjects are unique at their issuer alone.
#[derive(Default)]
pub struct Notes(Mutex<HashMap<(String, String), Vec<String>>>);

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
        .tool("whoami", "Tells who the user is.", whoami)
}

async fn list_notes(caller: Scoped<ReadNotes>, notes: Arc<Notes>, _: NoArguments) -> Output {
    notes.of(&caller, |notes| Ok(notes.join("\n")))
}

/// All scopes of the operation: a client that gets a token with the scopes of this challenge alone can still list notes.
async fn add_note(
    caller: Scoped<(ReadNotes, WriteNotes)>,
    notes: Arc<Notes>,
    note: NewNote,
) -> Output {
    notes.of(&caller, |notes| {
        if notes.len() < MAX_NOTES {
            notes.push(note.text);
            Ok("added".to_owned())
        } else {
            Err(format!("there are {MAX_NOTES} notes already"))
        }
    })
}

async fn whoami(caller: AuthenticatedUser, _: Arc<Notes>, _: NoArguments) -> Output {
    Ok(caller.subject().unwrap_or("a client").to_owned())
}

impl Notes {
    /// Uses the notes of a caller.
    fn of(&self, caller: &Verified, act: impl FnOnce(&mut Vec<String>) -> Output) -> Output {
        let subject = caller.subject().ok_or("the token has no subject")?;
        let owner = (caller.issuer().to_owned(), subject.to_owned());
        // A call that panicked has left the list whole.
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(notes.entry(owner).or_default())
    }
}
