//! A mail as it goes over the wire (pure).

use std::time::{Duration, SystemTime};

use common::alerts::job::Parcel;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

/// The whole text of a mail. Its id is made of what does not change when it is sent once more, so that whoever gets it
/// twice can tell.
pub(crate) fn text(parcel: &Parcel, from: &Address, helo: &str, all: &[String]) -> Result<Vec<u8>, String> {
    let fault = |error: &dyn std::fmt::Display| format!("the mail cannot be composed: {error}");
    let at =
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(parcel.at)).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut builder = Message::builder()
        .from(Mailbox::new(Some("Holdfast".to_owned()), from.clone()))
        .subject(parcel.subject.clone())
        .date(at)
        .message_id(Some(format!("<{}.holdfast@{}>", parcel.id, helo)));
    for to in all {
        builder = builder.to(Mailbox::new(None, to.parse().map_err(|error| fault(&error))?));
    }
    let part = SinglePart::plain(parcel.body.clone());
    let mut message = builder.singlepart(part).map_err(|error| fault(&error))?;
    // RFC 3834, 5: nobody's out-of-office note shall answer.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(message.formatted())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(subject: &str, body: &str) -> Parcel {
        Parcel {
            id: "1763749200000-1".to_owned(),
            to: vec!["ops@example.org".to_owned()],
            at: 1_763_749_200,
            subject: subject.to_owned(),
            body: body.to_owned(),
        }
    }

    fn composed(subject: &str, body: &str) -> String {
        let from = "holdfast@lb-1.example.org".parse().unwrap();
        let to = ["ops@example.org".to_owned(), "boss@example.org".to_owned()];
        String::from_utf8(text(&parcel(subject, body), &from, "lb-1.example.org", &to).unwrap()).unwrap()
    }

    #[test]
    fn filters_find_the_subject_as_it_is_and_answering_machines_keep_quiet() {
        let text = composed("[lb-1] VRRP Instance VI_1 - Entering MASTER state", "line\n");
        assert!(
            text.contains("\r\nSubject: [lb-1] VRRP Instance VI_1 - Entering MASTER state\r\n"),
            "{text}"
        );
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert!(text.contains("Message-ID: <1763749200000-1.holdfast@lb-1.example.org>\r\n"), "{text}");
        assert!(text.contains("Date: Fri, 21 Nov 2025 18:20:00 +0000\r\n"), "{text}");
        assert!(text.contains("ops@example.org"), "{text}");
        assert!(text.contains("boss@example.org"), "{text}");
    }

    #[test]
    fn nothing_in_an_event_makes_a_header_or_breaks_a_line() {
        let long = "x".repeat(3000);
        let text = composed("[lb-1] a\r\nBcc: thief@example.org", &format!("{long}\n.\nümlaut\n"));
        assert!(!text.contains("\r\nBcc:"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
        assert!(text.is_ascii(), "{text}");
    }
}
