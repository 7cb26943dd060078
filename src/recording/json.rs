//! JSON written by hand into a reused buffer: the recorder writes a line for every open of a build.
//!
//! Invariant: what is written is always valid JSON in valid UTF-8 without a line break, whatever the bytes were.
//! Leaves to others: which members an object has (`encode`, `lines`).

use super::base64;

/// One JSON object under way. Members come out in the order of the calls.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// The name of the next member. Names are ours, so they need no escape.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Members that are JSON already.
    pub(super) fn members(&mut self, json: &[u8]) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(json);
    }

    pub(super) fn number(&mut self, name: &str, number: impl itoa::Integer) {
        let out = self.name(name);
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    pub(super) fn some_number(&mut self, name: &str, number: Option<impl itoa::Integer>) {
        if let Some(number) = number {
            self.number(name, number);
        }
    }

    /// Nanoseconds as seconds.
    pub(super) fn seconds(&mut self, name: &str, nanos: u64) {
        seconds(self.name(name), nanos);
    }

    /// Nanoseconds as microseconds.
    pub(super) fn micros(&mut self, name: &str, nanos: u64) {
        decimal(self.name(name), nanos, 1_000, 3);
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.name(name).extend_from_slice(word);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        string(self.name(name), text);
    }

    pub(super) fn base64(&mut self, name: &str, bytes: &[u8]) {
        base64_string(self.name(name), bytes);
    }

    /// Text where it is text; otherwise lossy, and the exact bytes in base64 in the member `exact`.
    pub(super) fn bytes(&mut self, name: &str, exact: &str, bytes: &[u8]) {
        if is_plain(bytes) {
            let out = self.name(name);
            out.push(b'"');
            out.extend_from_slice(bytes);
            out.push(b'"');
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(name, text),
            Err(_) => {
                self.text(name, &String::from_utf8_lossy(bytes));
                self.base64(exact, bytes);
            }
        }
    }

    /// An array of them, and one of base64 strings when any is not text.
    pub(super) fn byte_list(&mut self, name: &str, exact: &str, list: &[Vec<u8>]) {
        self.list(name, list, |out, item| match std::str::from_utf8(item) {
            Ok(text) => string(out, text),
            Err(_) => string(out, &String::from_utf8_lossy(item)),
        });
        if list.iter().any(|item| std::str::from_utf8(item).is_err()) {
            self.list(exact, list, |out, item| base64_string(out, item));
        }
    }

    /// An array of such arrays, likewise.
    pub(super) fn byte_lists(&mut self, name: &str, exact: &str, lists: &[Vec<Vec<u8>>]) {
        self.list(name, lists, |out, list| array(out, list, |out, item| string(out, &String::from_utf8_lossy(item))));
        if lists.iter().flatten().any(|item| std::str::from_utf8(item).is_err()) {
            self.list(exact, lists, |out, list| array(out, list, |out, item| base64_string(out, item)));
        }
    }

    pub(super) fn text_list(&mut self, name: &str, list: &[String]) {
        self.list(name, list, |out, item| string(out, item));
    }

    pub(super) fn list<T>(&mut self, name: &str, list: &[T], one: impl FnMut(&mut Vec<u8>, &T)) {
        array(self.name(name), list, one);
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        let mut inner = Object::begin(self.name(name));
        fill(&mut inner);
        inner.end();
    }
}

pub(super) fn array<T>(out: &mut Vec<u8>, list: &[T], mut one: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(out, item);
    }
    out.push(b']');
}

/// Nanoseconds as seconds with six digits, nine where they are needed.
pub(super) fn seconds(out: &mut Vec<u8>, nanos: u64) {
    if nanos.is_multiple_of(1_000) {
        decimal(out, nanos / 1_000, 1_000_000, 6);
    } else {
        decimal(out, nanos, 1_000_000_000, 9);
    }
}

/// `units / one` as a decimal fraction of `digits` digits, where `one` is 10 to the power of `digits`.
fn decimal(out: &mut Vec<u8>, units: u64, one: u64, digits: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(units / one).as_bytes());
    out.push(b'.');
    let (mut rest, from) = (units % one, out.len());
    out.resize(from + digits, b'0');
    for digit in out.iter_mut().skip(from).rev() {
        // The remainder of a division by ten fits a byte.
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// For each byte: 0 when it stands for itself in a JSON string, the letter of its short escape, or `u`.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    // First byte of U+0080 to U+00BF in UTF-8: of these the controls up to U+009F drive some terminals.
    table[0xc2] = CONTROLS;
    table
};
const CONTROLS: u8 = b'c';

/// Whether `bytes` are printable ASCII without quotes and backslashes, as nearly all paths are: eight at a time.
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    let plain = words.iter().all(|word| {
        let word = u64::from_ne_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        (word & HIGH) | control | zero_in(word ^ (ONES * 0x22)) | zero_in(word ^ (ONES * 0x5c)) == 0
    });
    plain && rest.iter().all(|byte| byte.is_ascii() && ESCAPES[usize::from(*byte)] == 0)
}

/// A JSON string with its quotes.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == 0 {
            continue;
        }
        if escape == CONTROLS {
            if let Some(second @ 0x80..0xa0) = bytes.get(at + 1) {
                out.extend_from_slice(&bytes[from..at]);
                from = at + 2;
                out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    HEX[usize::from(second >> 4)],
                    HEX[usize::from(second & 15)],
                ]);
            }
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

fn base64_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64::encode(out, bytes);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        fill(&mut object);
        object.end();
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn every_control_character_survives() {
        let text: String = (0..=0x2100).filter_map(char::from_u32).collect();
        let json = made(|object| object.text("a", &text));
        assert!(!json.contains('\n'));
        let back: serde_json::Value = serde_json::from_str(&json).expect("valid");
        assert_eq!(back["a"], text);
    }

    #[test]
    fn plain_bytes_are_those_that_need_no_escape() {
        for place in 0..17 {
            for byte in 0..=255u8 {
                let mut bytes = [b'a'; 17];
                bytes[place] = byte;
                let plain = byte.is_ascii() && ESCAPES[usize::from(byte)] == 0;
                assert_eq!(is_plain(&bytes), plain, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn times_keep_their_digits() {
        let json = made(|object| {
            object.seconds("a", 1_000_000_001);
            object.seconds("b", 90_000_005_000);
            object.micros("c", 6_001);
        });
        assert_eq!(json, r#"{"a":1.000000001,"b":90.000005,"c":6.001}"#);
    }

    #[test]
    fn bytes_that_are_no_text_come_twice() {
        let json = made(|object| object.bytes("path", "path_bytes", b"/a\xff"));
        assert_eq!(json, "{\"path\":\"/a\u{fffd}\",\"path_bytes\":\"L2H/\"}");
    }
}
