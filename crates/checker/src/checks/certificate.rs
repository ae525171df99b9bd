//! When a certificate expires: the one field of it that rustls does not tell (RFC 5280, 4.1).

/// The end of a certificate's time, in seconds since 1970. None where these bytes are no certificate.
pub fn expires(der: &[u8]) -> Option<i64> {
    let mut certificate = inside(&mut { der }, SEQUENCE)?;
    let mut fields = inside(&mut certificate, SEQUENCE)?;
    let (tag, _) = element(&mut fields)?;
    // The version may be left out.
    if tag == VERSION {
        element(&mut fields)?;
    }
    let _algorithm = element(&mut fields)?;
    let _issuer = element(&mut fields)?;
    let mut validity = inside(&mut fields, SEQUENCE)?;
    let _from = element(&mut validity)?;
    let (tag, text) = element(&mut validity)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    match tag {
        // Two digits of the year: 1950 to 2049 (4.1.2.5.1).
        UTC_TIME => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            moment(if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => moment(text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => None,
    }
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

fn inside<'a>(bytes: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    element(bytes).filter(|(tag, _)| *tag == wanted).map(|(_, inside)| inside)
}

/// Takes one element: its tag and what is in it.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let ([tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((*tag, inside))
}

/// `MMDDHHMMSS` of a year.
fn moment(year: i64, text: &str) -> Option<i64> {
    if text.len() != 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |at: usize| text.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (number(0)?, number(2)?);
    let days = days(year, month, day);
    Some(((days * 24 + number(4)?) * 60 + number(6)?) * 60 + number(8)?)
}

/// Days since 1970 in the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate(until: (i32, u8, u8)) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["server.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(1999, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        // As `date -u +%s` says. From 2050 on it is written with four digits of the year.
        for (until, seconds) in [
            ((2000, 2, 29), 951_782_400),
            ((2027, 3, 1), 1_803_859_200),
            ((2049, 12, 31), 2_524_521_600),
            ((2050, 1, 1), 2_524_608_000),
            ((2400, 2, 29), 13_574_563_200),
        ] {
            assert_eq!(expires(&certificate(until)), Some(seconds), "{until:?}");
        }
    }

    #[test]
    fn what_is_cut_short_has_no_end() {
        let whole = certificate((2030, 1, 1));
        for end in 0..120 {
            assert_eq!(expires(&whole[..end]), None);
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _any = expires(&bytes);
        }
    }
}
