//! Figures, times and paths as people read them.

/// `12m 03s`, `3.4s`, `85ms`, `2h 05m`: how long something took, from nanoseconds.
pub fn lasted(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0 => format!("{}ms", nanos / 1_000_000),
        1..10 => format!("{seconds}.{}s", nanos / 100_000_000 % 10),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `03:12` or `1:03:12`: a place in the session, from nanoseconds since its start.
pub fn clock(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0..3_600 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

/// `812 B`, `4.1 kB`, `12 MB`: a number of bytes.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let (mut rest, mut units) = (bytes, UNITS.iter());
    let mut unit = units.next();
    while rest >= 1_000_000 {
        rest /= 1_000;
        unit = units.next();
    }
    let unit = unit.copied().unwrap_or_default();
    match rest {
        0..10_000 => format!("{}.{} {unit}", rest / 1_000, rest / 100 % 10),
        _ => format!("{} {unit}", rest / 1_000),
    }
}

/// `text` in at most `most` characters, cut in the middle: the end of a path or command is where the danger is.
pub fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let head = most.saturating_sub(1) / 3;
    let tail = most.saturating_sub(1) - head;
    let mut out: String = text.chars().take(head).collect();
    out.push('…');
    out.extend(text.chars().skip(length - tail));
    out
}

/// `path` made visible, with `~` for the home directory `home` (empty for none).
pub fn home_short(path: &[u8], home: &[u8]) -> String {
    match path.strip_prefix(home) {
        Some(rest) if home.len() > 1 && (rest.is_empty() || rest.starts_with(b"/")) => {
            format!("~{}", super::super::visible(rest))
        }
        _ => super::super::visible(path),
    }
}

/// `1 program`, `2 programs`.
pub(super) fn some(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times() {
        let second = 1_000_000_000;
        assert_eq!(
            [lasted(second / 4), lasted(59 * second), lasted(723 * second), lasted(7_530 * second)],
            ["250ms", "59s", "12m 03s", "2h 05m"]
        );
        assert_eq!([clock(192 * second), clock(3_792 * second)], ["03:12", "1:03:12"]);
    }

    #[test]
    fn sizes_stay_short() {
        let sizes = [0, 999, 4_120, 12_300_000, 1_000_000_000, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "4.1 kB", "12 MB", "1.0 GB", "18 EB"]);
    }

    #[test]
    fn long_text_keeps_its_end() {
        assert_eq!(cut("/a/very/long/path/to/id_rsa", 12), "/a/…o/id_rsa");
        assert_eq!(cut("short", 12), "short");
    }

    #[test]
    fn home_is_a_tilde_only_as_a_whole() {
        assert_eq!(home_short(b"/home/u/.ssh", b"/home/u"), "~/.ssh");
        assert_eq!(home_short(b"/home/under", b"/home/u"), "/home/under");
        assert_eq!(home_short(b"/x", b""), "/x");
    }
}
