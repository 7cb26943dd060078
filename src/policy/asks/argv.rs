//! Patterns for command lines: `git push **`, one token for one argument.
//!
//! Invariant: an argument that a token is written for literally matches byte for byte, whatever is in it; matching costs at
//! most tokens × arguments. Leaves to others: which program runs (`supervisor`), what a match means (`compiled`).
//!
//! ```text
//! git push origin agent/**      words as they are; `*` in a word stands for anything but '/', `**` also for '/'
//! git * -- **                   `*` alone is one argument, `**` alone any number, also none
//! sh -c "a b\n\xff"             between quotes nothing is a wildcard; \n \r \t \\ \" \xHH
//! ```
//! The first word is compared with the last component of argv[0] and of the program that really runs; with a '/' in it, with
//! that program's whole path.

use crate::policy::pattern::Fault;
use crate::policy::programs::is_option;

/// Longest pattern text, in bytes.
pub const LONGEST: usize = 4096;
/// Tokens of one pattern.
const MOST: usize = 256;

/// A command line, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgvPattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `**`: any number of arguments.
    Any,
    /// One argument: literal pieces with wildcards between them, at least one piece.
    Word(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    /// `*`: anything without a '/'.
    Star,
    /// `**`: anything.
    Deep,
}

impl ArgvPattern {
    /// Reads a pattern. A program's name alone means it without any argument.
    pub fn parse(text: &str) -> Result<ArgvPattern, Fault> {
        if text.len() > LONGEST {
            return fault("no command line this long is judged", "at most 4096 bytes");
        }
        let mut tokens = Vec::new();
        let mut rest = text.trim_start_matches(BLANK);
        while !rest.is_empty() {
            let (token, behind) = token(rest)?;
            tokens.push(token);
            rest = behind.trim_start_matches(BLANK);
        }
        match tokens.first() {
            None => return fault("empty command line", "a program's name and its arguments, such as \"git push **\""),
            Some(Token::Any) => {
                return fault("'**' in the place of the program", "one program: '*' stands for any name");
            }
            Some(Token::Word(_)) if tokens.len() > MOST => return fault("too many words", "at most 256"),
            Some(Token::Word(_)) => {}
        }
        Ok(ArgvPattern { tokens })
    }

    /// As [`ArgvPattern::parse`], but a program's name alone means it with any arguments.
    pub fn parse_rule(text: &str) -> Result<ArgvPattern, Fault> {
        let mut pattern = ArgvPattern::parse(text)?;
        if pattern.tokens.len() == 1 {
            pattern.tokens.push(Token::Any);
        }
        Ok(pattern)
    }

    /// The pattern as an answer would have it, from the text that a rule was read from.
    pub fn text_of(&self, rule: &str) -> String {
        let words = rule.split_whitespace().count();
        if words == 1 && self.tokens.len() > 1 { format!("{} **", rule.trim()) } else { rule.to_owned() }
    }

    /// Whether `argv` of the program at `path` matches.
    pub fn matches(&self, path: &[u8], argv: &[Vec<u8>]) -> bool {
        self.fits_program(path, argv) && self.arguments(argv, argv.len())
    }

    /// Whether it matches whatever stands in the place of the last argument.
    pub fn matches_any_last(&self, path: &[u8], argv: &[Vec<u8>]) -> bool {
        argv.len() > 1 && self.fits_program(path, argv) && self.arguments(argv, argv.len() - 1)
    }

    /// The program's name, where it is a literal one.
    pub fn name(&self) -> Option<&[u8]> {
        match self.tokens.first() {
            Some(Token::Word(word)) => match word.as_slice() {
                [Piece::Literal(name)] if !name.contains(&b'/') => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The program stands there with its whole path.
    pub fn wants_path(&self) -> bool {
        let Some(Token::Word(word)) = self.tokens.first() else { return false };
        word.iter().any(|piece| matches!(piece, Piece::Literal(text) if text.contains(&b'/')))
    }

    /// For rules that permit: this program with exactly such arguments. `name` is its path if [`ArgvPattern::wants_path`].
    pub fn names(&self, name: &[u8], arguments: &[Vec<u8>]) -> bool {
        self.is_called(name) && self.walk(arguments, arguments.len() + 1, false)
    }

    /// For rules that refuse or ask: as [`ArgvPattern::names`], and options may stand between any two words and behind the
    /// last, each with a word that it takes or without: `git push` means `git -C dir push -q`.
    pub fn means(&self, name: &[u8], arguments: &[Vec<u8>]) -> bool {
        self.is_called(name) && self.walk(arguments, arguments.len() + 1, true)
    }

    fn is_called(&self, name: &[u8]) -> bool {
        let Some(Token::Word(word)) = self.tokens.first() else { return false };
        fits(word, name)
    }

    fn fits_program(&self, path: &[u8], argv: &[Vec<u8>]) -> bool {
        if self.wants_path() {
            return self.is_called(path);
        }
        let called = argv.first().map(Vec::as_slice).unwrap_or_default();
        self.is_called(last(path)) || self.is_called(last(called))
    }

    /// The arguments behind the first; from `known` on an argument may be anything.
    fn arguments(&self, argv: &[Vec<u8>], known: usize) -> bool {
        self.walk(argv.get(1..).unwrap_or_default(), known, false)
    }

    fn walk(&self, arguments: &[Vec<u8>], known: usize, skips: bool) -> bool {
        // reached[j]: the tokens so far match the first j arguments
        let mut reached = vec![false; arguments.len() + 1];
        if let Some(first) = reached.first_mut() {
            *first = true;
        }
        for token in self.tokens.iter().skip(1) {
            if skips {
                skip_options(&mut reached, arguments);
            }
            match token {
                Token::Any => {
                    let from = reached.iter().position(|at| *at).unwrap_or(reached.len());
                    reached.iter_mut().skip(from).for_each(|at| *at = true);
                }
                Token::Word(word) => {
                    let mut next = vec![false; reached.len()];
                    let steps = reached.iter().zip(arguments).zip(next.iter_mut().skip(1)).enumerate();
                    for (index, ((from, argument), to)) in steps {
                        let open = index + 1 >= known;
                        *to = *from && if open { anything(word) } else { fits(word, argument) };
                    }
                    reached = next;
                }
            }
        }
        if skips {
            skip_options(&mut reached, arguments);
        }
        reached.last() == Some(&true)
    }

    /// The pattern for exactly this command line. None when it is too long to be written down.
    pub fn exact(argv: &[Vec<u8>]) -> Option<String> {
        let name = argv.first().map(|first| last(first)).filter(|name| !name.is_empty())?;
        let words = std::iter::once(name).chain(argv.iter().skip(1).map(Vec::as_slice));
        let text = words.map(written).collect::<Vec<_>>().join(" ");
        (text.len() <= LONGEST && argv.len() <= MOST).then_some(text)
    }

    /// As [`ArgvPattern::exact`], with anything in the place of the last argument, or of its last component.
    pub fn but_for_the_last(argv: &[Vec<u8>]) -> Option<String> {
        let (end, before) = argv.split_last().filter(|(_, before)| !before.is_empty())?;
        let before = ArgvPattern::exact(before)?;
        let open = match end.iter().rposition(|byte| *byte == b'/') {
            Some(slash) if plain(end.get(..=slash)?) => {
                format!("{}**", std::str::from_utf8(end.get(..=slash)?).ok()?)
            }
            _ => "*".to_owned(),
        };
        let text = format!("{before} {open}");
        // `*` must cover what was asked.
        let covers = ArgvPattern::parse(&text).is_ok_and(|pattern| pattern.arguments(argv, argv.len()));
        covers.then_some(text)
    }
}

const BLANK: [char; 2] = [' ', '\t'];

fn fault<T>(reason: &str, hint: &str) -> Result<T, Fault> {
    Err(Fault { reason: reason.to_owned(), hint: Some(hint.to_owned()) })
}

/// The first token of `text`, and what stands behind it.
fn token(text: &str) -> Result<(Token, &str), Fault> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (bytes, rest) = unquoted(quoted)?;
        if !rest.is_empty() && !rest.starts_with(BLANK) {
            return fault("a word goes on behind its quotes", "put the whole word into quotes");
        }
        return Ok((Token::Word(vec![Piece::Literal(bytes)]), rest));
    }
    let end = text.find(BLANK).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if let Some(wrong) = word.chars().find(|c| matches!(c, '"' | '\'' | '\\') || c.is_control()) {
        let reason = format!("{wrong:?} in a word without quotes");
        return fault(&reason, "put the whole word into double quotes: \\n \\t \\\\ \\\" \\xHH, and no wildcards");
    }
    if word == "**" {
        return Ok((Token::Any, rest));
    }
    let mut pieces = Vec::new();
    for (index, part) in word.split('*').enumerate() {
        if index > 0 {
            match pieces.last_mut() {
                Some(star @ Piece::Star) => *star = Piece::Deep,
                Some(Piece::Deep) => {}
                _ => pieces.push(Piece::Star),
            }
        }
        if !part.is_empty() {
            pieces.push(Piece::Literal(part.as_bytes().to_vec()));
        }
    }
    // A lone `*` is one argument, whatever is in it.
    if pieces == [Piece::Star] {
        pieces = vec![Piece::Deep];
    }
    Ok((Token::Word(pieces), rest))
}

/// The bytes up to the closing quote, and what stands behind it.
fn unquoted(text: &str) -> Result<(Vec<u8>, &str), Fault> {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((bytes, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, 'n')) => bytes.push(b'\n'),
                Some((_, 'r')) => bytes.push(b'\r'),
                Some((_, 't')) => bytes.push(b'\t'),
                Some((_, 'x')) => {
                    let digits: String = chars.by_ref().take(2).map(|(_, digit)| digit).collect();
                    match u8::from_str_radix(&digits, 16) {
                        Ok(byte) if digits.len() == 2 => bytes.push(byte),
                        _ => return fault("'\\x' without two digits", "such as \\x1b"),
                    }
                }
                Some((_, plain @ ('\\' | '"'))) => bytes.push(plain as u8),
                _ => return fault("an unknown escape between quotes", "\\n \\r \\t \\\\ \\\" \\xHH"),
            },
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    fault("a quote that is not closed", "close it with '\"'")
}

/// Whether the word stands for itself without quotes.
fn plain(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'*'))
}

/// The word as a pattern for itself.
fn written(word: &[u8]) -> String {
    if plain(word) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = "\"".to_owned();
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if c.is_control() || crate::policy::error::hides(c) => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
                }
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text.push('"');
    text
}

/// Goes on behind options, with the word behind each of them or without.
fn skip_options(reached: &mut [bool], arguments: &[Vec<u8>]) {
    let mut behind_option = false;
    for (at, word) in arguments.iter().enumerate() {
        let here = reached.get(at) == Some(&true);
        let option = is_option(word);
        // Only an option that was skipped itself takes the word behind it along.
        if (here && option || behind_option)
            && let Some(next) = reached.get_mut(at + 1)
        {
            *next = true;
        }
        behind_option = here && option;
    }
}

/// Whether the word matches every argument.
fn anything(word: &[Piece]) -> bool {
    matches!(word, [Piece::Deep])
}

/// Whether the whole of `text` matches.
fn fits(word: &[Piece], text: &[u8]) -> bool {
    // reached[j]: the pieces so far match the first j bytes
    if let [Piece::Literal(literal)] = word {
        return literal == text;
    }
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for piece in word {
        let mut next = vec![false; reached.len()];
        match piece {
            Piece::Literal(literal) => {
                for (at, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
                    let end = at + literal.len();
                    if text.get(at..end) == Some(literal)
                        && let Some(to) = next.get_mut(end)
                    {
                        *to = true;
                    }
                }
            }
            wild => {
                let mut open = false;
                for (at, to) in next.iter_mut().enumerate() {
                    let crossed = at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'/');
                    open = reached.get(at) == Some(&true) || open && (*wild == Piece::Deep || !crossed);
                    *to = open;
                }
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// The last component.
fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec()).collect()
    }

    fn hits(pattern: &str, path: &str, line: &str) -> bool {
        ArgvPattern::parse(pattern).expect(pattern).matches(path.as_bytes(), &argv(line))
    }

    #[test]
    fn tokens_stand_for_arguments() {
        let git = |pattern: &str, line: &str| hits(pattern, "/usr/bin/git", line);
        assert!(git("git push **", "git push") && git("git push **", "git push origin main"));
        assert!(!git("git push **", "git pull") && !git("git push **", "git -C x push"));
        assert!(git("git ** push **", "git -C x push y") && git("git ** push **", "git push"));
        assert!(git("git push *", "git push a/b") && !git("git push *", "git push a b"));
        assert!(git("git push origin agent/*", "git push origin agent/x"));
        assert!(!git("git push origin agent/*", "git push origin agent/x/y"));
        assert!(git("git push origin agent/**", "git push origin agent/x/y"));
        assert!(git("git", "git") && !git("git", "git status"));
        assert!(git("* push --force*", "git push --force-with-lease"));
    }

    #[test]
    fn a_program_is_known_by_either_name_or_its_path() {
        assert!(hits("git push", "/opt/libexec/git-real", "/usr/bin/git push"));
        assert!(hits("git push", "/usr/bin/git", "other push"));
        assert!(!hits("git push", "/usr/bin/gti", "other push"));
        assert!(hits("/usr/bin/git push", "/usr/bin/git", "x push"));
        assert!(!hits("/usr/bin/git push", "/opt/git", "/usr/bin/git push"));
        assert!(hits("/opt/** push", "/opt/a/git", "git push"));
    }

    #[test]
    fn a_rule_with_a_name_alone_means_any_arguments() {
        let rule = ArgvPattern::parse_rule("docker").expect("a rule");
        assert!(rule.matches(b"/usr/bin/docker", &argv("docker run x")) && rule.matches(b"/usr/bin/docker", &[]));
    }

    #[test]
    fn whatever_is_in_an_argument_can_be_written_down() {
        let mut line = argv("sh -c");
        line.push(b"a b\n\"\\\xff*\x1b\xe2\x80\xae\xc3\xa4".to_vec());
        line.push(Vec::new());
        let text = ArgvPattern::exact(&line).expect("short");
        assert_eq!(text, r#"sh -c "a b\n\"\\\xff*\x1b\xe2\x80\xaeä" """#);
        let pattern = ArgvPattern::parse(&text).expect("written by us");
        assert!(pattern.matches(b"/bin/sh", &line));
        line.pop();
        assert!(!pattern.matches(b"/bin/sh", &line));
    }

    #[test]
    fn the_last_argument_is_opened_at_its_last_component() {
        let open = |line: &str| ArgvPattern::but_for_the_last(&argv(line));
        assert_eq!(open("git push origin agent/fix"), Some("git push origin agent/**".to_owned()));
        assert_eq!(open("git push origin"), Some("git push *".to_owned()));
        assert_eq!(open("git"), None);
        let rule = ArgvPattern::parse("git push **").expect("a rule");
        assert!(rule.matches_any_last(b"/usr/bin/git", &argv("git push origin")));
        assert!(!rule.matches_any_last(b"/usr/bin/git", &argv("git push")), "the last word is the rule's own");
        let one = ArgvPattern::parse("rm -rf *").expect("a rule");
        assert!(one.matches_any_last(b"/bin/rm", &argv("rm -rf x")));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", " ", "**", "** x", "a\\b", "a 'b'", "\"a", "\"a\"b", "\"\\q\"", "\"\\x1\"", "a\u{1b}"] {
            assert!(ArgvPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
