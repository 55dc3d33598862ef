//! Why a stream ends, and how its client is informed: by a close frame, or by a last event.

use std::fmt;

use actix_web::web::Bytes;

use crate::metrics::EndedStream;
use crate::verifier::Ended;

/// Why the access to a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The token has expired, or reached its maximum age.
    Expired,
    /// The token was revoked.
    Revoked,
    /// The issuer has withdrawn the key of the token, or is no longer trusted.
    KeyWithdrawn,
    /// The server is shutting down; the client may connect again.
    Shutdown,
}

impl StreamEnd {
    /// The code of the close frame (RFC 6455 §7.4.1).
    const fn close_code(self) -> u16 {
        match self {
            Self::Expired | Self::Revoked | Self::KeyWithdrawn => POLICY_VIOLATION,
            Self::Shutdown => GOING_AWAY,
        }
    }

    pub(super) const fn counted(self) -> EndedStream {
        match self {
            Self::Expired => EndedStream::Expired,
            Self::Revoked => EndedStream::Revoked,
            Self::KeyWithdrawn => EndedStream::KeyWithdrawn,
            Self::Shutdown => EndedStream::Shutdown,
        }
    }

    /// The frame that closes a WebSocket: not masked, and shorter than 126 bytes (RFC 6455 §5.5.1).
    pub(super) fn close_frame(self) -> Bytes {
        let reason = self.to_string();
        let length = reason.len().saturating_add(size_of::<u16>());
        let head = [0x88, u8::try_from(length).unwrap_or_default()];
        let code = self.close_code().to_be_bytes();
        [head.as_slice(), &code, reason.as_bytes()].concat().into()
    }

    /// The last event of a stream of server-sent events. There is none at a shutdown, after which `EventSource` connects
    /// again.
    pub(super) fn event(self) -> Option<&'static str> {
        match self {
            Self::Expired => Some("event: expired\ndata: {\"reason\":\"expired\"}\n\n"),
            Self::Revoked => Some("event: expired\ndata: {\"reason\":\"revoked\"}\n\n"),
            Self::KeyWithdrawn => Some("event: expired\ndata: {\"reason\":\"key_withdrawn\"}\n\n"),
            Self::Shutdown => None,
        }
    }
}

impl From<Ended> for StreamEnd {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Expired => Self::Expired,
            Ended::Revoked => Self::Revoked,
            Ended::KeyWithdrawn => Self::KeyWithdrawn,
        }
    }
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "access token expired",
            Self::Revoked => "access revoked",
            Self::KeyWithdrawn => "access token no longer trusted",
            Self::Shutdown => "the server is shutting down",
        })
    }
}

const GOING_AWAY: u16 = 1001;

const POLICY_VIOLATION: u16 = 1008;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_has_a_code_and_a_constant_reason() {
        for (end, code, reason) in [
            (StreamEnd::Expired, 1008, "access token expired"),
            (StreamEnd::Revoked, 1008, "access revoked"),
            (
                StreamEnd::KeyWithdrawn,
                1008,
                "access token no longer trusted",
            ),
            (StreamEnd::Shutdown, 1001, "the server is shutting down"),
        ] {
            let frame = end.close_frame();
            assert_eq!(
                frame[0], 0x88,
                "the only frame of its message, and a close frame"
            );
            assert_eq!(usize::from(frame[1]), frame.len() - 2);
            assert!(frame[1] < 126);
            assert_eq!(u16::from_be_bytes([frame[2], frame[3]]), code);
            assert_eq!(&frame[4..], reason.as_bytes());
        }
    }
}
