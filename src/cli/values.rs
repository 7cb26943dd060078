//! Words of the command line into values: times, sizes, speeds.
//!
//! Invariant: what comes out is in range.

use std::time::Duration;

pub(super) fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.01..=1_000_000.0).contains(&n) => Ok(n),
        _ => Err("a number from 0.01 to 1000000 is wanted".into()),
    }
}

/// `12`, `1.5`, `3:12`, `1:02:03`: up to a year.
pub(super) fn clock(text: &str) -> Result<Duration, String> {
    let wrong = || "seconds, m:ss or h:mm:ss are wanted".to_string();
    let mut seconds = 0.0;
    for (place, part) in text.split(':').enumerate() {
        let n: f64 = part.parse().map_err(|_| wrong())?;
        let limit = if place == 0 { 31_536_000.0 } else { 60.0 };
        if place > 2 || !(0.0..=limit).contains(&n) {
            return Err(wrong());
        }
        seconds = seconds * 60.0 + n;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// `90m`, `12h`, `30d`, `8w`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let seconds = match text.chars().next_back() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u64>().ok());
    match number.and_then(|number| number.checked_mul(seconds)).filter(|_| seconds > 0) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("a whole number with m, h, d or w is wanted, such as 30d".into()),
    }
}

/// `1000000`, `500M`, `2G`, `2GiB`: in steps of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let bits = match unit {
        "" | "B" => Some(0),
        "K" | "KiB" => Some(10),
        "M" | "MiB" => Some(20),
        "G" | "GiB" => Some(30),
        "T" | "TiB" => Some(40),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(bits).and_then(|(number, bits)| number.checked_mul(1 << bits));
    bytes.ok_or_else(|| "bytes, or a whole number with K, M, G or T are wanted, such as 500M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_speeds_are_checked() {
        assert_eq!(clock("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(clock("3:12"), Ok(Duration::from_secs(192)));
        assert_eq!(clock("1:02:03"), Ok(Duration::from_secs(3723)));
        for wrong in ["", "-1", "nan", "inf", "1:99", "1:2:3:4", "1e300", "x"] {
            assert!(clock(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-1", "nan", "inf", "fast"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_and_sizes_are_checked() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!([size("2G"), size("10"), size("1KiB")], [Ok(2 << 30), Ok(10), Ok(1024)]);
        for wrong in ["", "d", "30", "-1d", "1.5h", "30ä", "99999999999999999999d", "9999999999999999999w"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "G", "-1", "1.5G", "2GB", "2ä", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
