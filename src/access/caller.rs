//! Who calls: the verified token, and what only this request proves.

use std::sync::Arc;

use crate::verify::Verified;

/// The caller of one request.
///
/// It dereferences to the [`Verified`] token. Only this crate makes one, of a token that it has verified.
#[derive(Clone, Debug)]
pub struct Caller {
    verified: Arc<Verified>,
}

impl Caller {
    pub(super) fn new(verified: Arc<Verified>) -> Self {
        Self { verified }
    }
}

impl std::ops::Deref for Caller {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}
