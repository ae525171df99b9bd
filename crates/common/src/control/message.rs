//! Requests and replies as values.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; comes back with the reply.
    #[serde(default)]
    pub id: u64,
    /// What is to be done.
    pub method: String,
    /// Its arguments.
    #[serde(default)]
    pub params: Value,
}

/// What a server answers: a result or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The id of the request.
    pub id: u64,
    /// Present where it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Present where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ReplyError>,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyError {
    /// For people.
    pub message: String,
}

impl Reply {
    /// The reply to request `id`.
    pub fn new(id: u64, outcome: Result<Value, String>) -> Self {
        match outcome {
            Ok(result) => Self { id, result: Some(result), error: None },
            Err(message) => Self { id, result: None, error: Some(ReplyError { message }) },
        }
    }

    /// The outcome it carries.
    pub fn into_outcome(self) -> Result<Value, String> {
        match (self.result, self.error) {
            (_, Some(error)) => Err(error.message),
            (result, None) => Ok(result.unwrap_or(Value::Null)),
        }
    }
}

/// A value as one line. Our own types always have a JSON form; null stands in where one has not.
pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec());
    line.push(b'\n');
    line
}
