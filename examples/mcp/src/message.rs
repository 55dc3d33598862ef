//! One JSON-RPC message, read once: what is checked here is what the server executes.
//!
//! Parsers differ in what they make of duplicate members (RFC 8259 §4) and of batches. Both are rejected, and the server is
//! given the message as it was read, not the bytes that the client sent.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use http_body_util::Full;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use actix_web::web::Bytes;

/// A message without duplicate members at any depth.
pub struct Message {
    json: Value,
    parsed: ClientJsonRpcMessage,
}

impl Message {
    /// Reads a body.
    ///
    /// # Errors
    /// It is not JSON, not one message, or a tool call that names no tool.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let Unique(json) = serde_json::from_slice(body).map_err(|_| MessageError::Json)?;
        if !json.is_object() {
            return Err(MessageError::NotOneMessage);
        }
        let parsed = ClientJsonRpcMessage::deserialize(&json);
        let parsed = parsed.map_err(|_| MessageError::Unrecognized)?;
        let message = Self { json, parsed };
        if message.json["method"] == TOOL_CALL && message.called_tool().is_none() {
            return Err(MessageError::ToolCall);
        }
        Ok(message)
    }

    /// The tool that the message calls, if it calls one.
    pub fn called_tool(&self) -> Option<&str> {
        match &self.parsed {
            ClientJsonRpcMessage::Request(request) => match &request.request {
                ClientRequest::CallToolRequest(call) => Some(&call.params.name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The message for rmcp, written anew.
    pub fn into_body(self) -> Full<Bytes> {
        Full::new(self.json.to_string().into())
    }
}

const TOOL_CALL: &str = "tools/call";

/// Why a body is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    Json,
    NotOneMessage,
    Unrecognized,
    ToolCall,
    TooLarge,
}

impl MessageError {
    /// The JSON-RPC error code.
    fn code(self) -> i32 {
        match self {
            Self::Json => -32700,
            Self::NotOneMessage | Self::Unrecognized | Self::TooLarge => -32600,
            Self::ToolCall => -32602,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "the body must be JSON in which no object has a member twice",
            Self::NotOneMessage => {
                "the body must be one JSON-RPC message; batches are not supported"
            }
            Self::Unrecognized => "the body is no JSON-RPC message of a client",
            Self::ToolCall => "a call of a tool must be a request that names the tool",
            Self::TooLarge => "the body is larger than 1 MiB",
        })
    }
}

impl std::error::Error for MessageError {}

impl ResponseError for MessageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({
            "jsonrpc": "2.0",
            "id": null,
            "error": { "code": self.code(), "message": self.to_string() },
        }))
    }
}

/// A JSON value without duplicate members at any depth.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            values.push(item);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name}}}}}"#)
    }

    #[test]
    fn the_tool_of_a_call_is_found_however_it_is_written() {
        for (body, tool) in [
            (call(r#""add_note""#), Some("add_note")),
            (call(r#""\u0061dd_note""#), Some("add_note")),
            (
                call(r#""add_note""#).replace("method", r"\u006dethod"),
                Some("add_note"),
            ),
            (
                call(r#""add_note""#).replace("tools/call", r"tools\/c\u0061ll"),
                Some("add_note"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(),
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"other","params":{"name":"add_note"}}"#
                    .to_owned(),
                None,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
                None,
            ),
        ] {
            let message = Message::parse(body.as_bytes()).unwrap();
            assert_eq!(message.called_tool(), tool, "{body}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_rejected() {
        use MessageError::{Json, NotOneMessage, ToolCall, Unrecognized};

        let good = call(r#""a""#);
        for (body, error) in [
            (format!("[{good}]"), NotOneMessage),
            (format!("[{good},{good}]"), NotOneMessage),
            ("[]".to_owned(), NotOneMessage),
            (r#""tools/call""#.to_owned(), NotOneMessage),
            (format!("{good}{good}"), Json),
            (format!("{good} x"), Json),
            (format!("\u{feff}{good}"), Json),
            (
                good.replace(r#""id":1"#, r#""id":1,"method":"tools/list""#),
                Json,
            ),
            (
                good.replace(r#""id":1"#, r#""id":1,"\u006dethod":"tools/list""#),
                Json,
            ),
            (good.replace(r#""name""#, r#""name":"b","name""#), Json),
            (
                good.replace(r#""name""#, r#""arguments":{"x":[{"y":1,"y":2}]},"name""#),
                Json,
            ),
            (good.replace(r#""id":1,"#, ""), ToolCall),
            (good.replace(r#""name""#, r#""NAME""#), ToolCall),
            (good.replace(r#"{"name":"a"}"#, r#"["a"]"#), Unrecognized),
            (good.replace(r#"{"name":"a"}"#, "null"), ToolCall),
            (call("1"), ToolCall),
            (call("null"), ToolCall),
            (good.replace("2.0", "1.0"), Unrecognized),
            (good.replace("method", "Method"), Unrecognized),
            ("{}".to_owned(), Unrecognized),
            (String::new(), Json),
            ("\u{0}".to_owned(), Json),
            ("[".repeat(100_000), Json),
            (format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(100_000)), Json),
        ] {
            let found = Message::parse(body.as_bytes()).map(drop);
            assert_eq!(found, Err(error), "{body:.200}");
        }
        assert_eq!(
            Message::parse(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}").map(drop),
            Err(Json)
        );
    }
}
