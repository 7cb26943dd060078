//! Colours by role, in as many as the terminal has.
//!
//! Invariant: warm colours belong to denials, questions and alerts alone; with NO_COLOR nothing is told by colour, and what was
//! recorded is drawn with its attributes only.
//! Leaves to others: which cell has which role (the panels).

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// NO_COLOR, or a terminal that has none.
    None,
    Sixteen,
    Indexed,
    True,
}

impl Depth {
    /// From `NO_COLOR` (<https://no-color.org>), `COLORTERM` and `TERM`, as `variable` tells them.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name| variable(name).unwrap_or_default();
        let (term, colorterm) = (value("TERM"), value("COLORTERM"));
        let direct = ["direct", "kitty", "alacritty", "foot", "wezterm", "ghostty", "contour", "rio"];
        if !value("NO_COLOR").is_empty() || matches!(term.as_str(), "" | "dumb" | "vt100" | "vt220") {
            Depth::None
        } else if matches!(colorterm.as_str(), "truecolor" | "24bit") || direct.iter().any(|word| term.contains(word)) {
            Depth::True
        } else if term.contains("256") {
            Depth::Indexed
        } else {
            Depth::Sixteen
        }
    }

    /// A colour as this terminal can show it; nearest where it cannot.
    pub fn shown(self, colour: Color) -> Color {
        match (self, colour) {
            (Depth::None, _) => Color::Reset,
            (Depth::Sixteen, Color::Rgb(..)) => sixteen(indexed(colour)),
            (Depth::Sixteen, Color::Indexed(_)) => sixteen(colour),
            (Depth::Indexed, Color::Rgb(..)) => indexed(colour),
            _ => colour,
        }
    }
}

/// One style for each role. Roles without a background are laid over whatever is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    pub depth: Depth,
    pub plain: Style,
    pub dim: Style,
    pub strong: Style,
    /// Titles, keys in the foot line, the ball of the timeline.
    pub accent: Style,
    pub deny: Style,
    pub ask: Style,
    pub allow: Style,
    pub exec: Style,
    pub file: Style,
    pub net: Style,
    /// Lines around panels.
    pub border: Style,
    /// Lines around the panel that has the keys.
    pub focus: Style,
    /// The row, text or hit that is chosen.
    pub chosen: Style,
    /// Places that a search has found.
    pub found: Style,
}

impl Theme {
    /// For this process's terminal.
    pub fn detect() -> Self {
        Self::new(Depth::of(|name| std::env::var(name).ok()))
    }

    pub fn new(depth: Depth) -> Self {
        let colour = |rgb: (u8, u8, u8), sixteen: Color| {
            let colour = if depth == Depth::Sixteen { sixteen } else { Color::Rgb(rgb.0, rgb.1, rgb.2) };
            match depth.shown(colour) {
                Color::Reset => Style::new(),
                colour => Style::new().fg(colour),
            }
        };
        let bare = depth == Depth::None;
        let or = |style: Style, modifier| if bare { Style::new().add_modifier(modifier) } else { style };
        let deny = colour((229, 84, 75), Color::Red);
        let ask = colour((224, 162, 40), Color::Yellow);
        let accent = colour((86, 156, 214), Color::Cyan);
        let ground = |rgb: (u8, u8, u8)| match depth {
            Depth::None | Depth::Sixteen => Style::new().add_modifier(Modifier::REVERSED),
            _ => {
                Style::new().bg(depth.shown(Color::Rgb(rgb.0, rgb.1, rgb.2))).fg(depth.shown(Color::Rgb(236, 239, 244)))
            }
        };
        Self {
            depth,
            plain: Style::new(),
            dim: or(colour((128, 134, 144), Color::DarkGray), Modifier::DIM),
            strong: Style::new().add_modifier(Modifier::BOLD),
            accent: or(accent, Modifier::BOLD),
            deny: or(deny, Modifier::BOLD).add_modifier(Modifier::BOLD),
            ask: or(ask, Modifier::UNDERLINED).add_modifier(Modifier::BOLD),
            allow: colour((104, 168, 104), Color::Green),
            exec: colour((158, 139, 216), Color::Magenta),
            file: colour((96, 154, 186), Color::Blue),
            net: colour((78, 170, 158), Color::Cyan),
            border: or(colour((92, 98, 108), Color::DarkGray), Modifier::DIM),
            focus: or(accent, Modifier::BOLD),
            chosen: ground((52, 84, 120)),
            found: ground((74, 92, 46)),
        }
    }
}

/// The 256-colour index nearest to an RGB colour: cube 6×6×6 from 16, greys from 232.
fn indexed(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else { return colour };
    let step = |value: u8| match value {
        0..48 => 0,
        48..115 => 1,
        _ => (value - 35) / 40,
    };
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let (sr, sg, sb) = (step(r), step(g), step(b));
    let grey = (((u16::from(r) + u16::from(g) + u16::from(b)) / 3).saturating_sub(3) / 10).min(23) as u8;
    let grey_level = 8 + 10 * grey;
    let cube_far = distance((r, g, b), (level(sr), level(sg), level(sb)));
    let grey_far = distance((r, g, b), (grey_level, grey_level, grey_level));
    Color::Indexed(if grey_far < cube_far { 232 + grey } else { 16 + 36 * sr + 6 * sg + sb })
}

/// The colours of xterm's first sixteen.
const FIRST: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

fn sixteen(colour: Color) -> Color {
    let Color::Indexed(index) = colour else { return colour };
    if index < 16 {
        return colour;
    }
    let rgb = match index {
        232.. => (8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232)),
        _ => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            (level((index - 16) / 36), level((index - 16) / 6 % 6), level((index - 16) % 6))
        }
    };
    let nearest = (0..16u8).zip(FIRST).min_by_key(|(_, first)| distance(rgb, *first));
    Color::Indexed(nearest.map_or(7, |(index, _)| index))
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(a.0, b.0) * 2 + square(a.1, b.1) * 4 + square(a.2, b.2) * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(variables: &[(&str, &str)]) -> Depth {
        Depth::of(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_terminal_says_how_many_colours_it_has() {
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-kitty")]), Depth::True);
        assert_eq!(depth(&[("TERM", "tmux-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "xterm"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(depth(&[("TERM", "xterm"), ("NO_COLOR", "")]), Depth::Sixteen);
        assert_eq!([depth(&[("TERM", "dumb")]), depth(&[])], [Depth::None, Depth::None]);
    }

    #[test]
    fn colours_come_down_to_the_nearest() {
        assert_eq!(Depth::Indexed.shown(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(Depth::Indexed.shown(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(Depth::Indexed.shown(Color::Rgb(255, 255, 255)), Color::Indexed(231));
        assert_eq!(Depth::Sixteen.shown(Color::Rgb(250, 10, 10)), Color::Indexed(9));
        assert_eq!(Depth::Sixteen.shown(Color::Indexed(234)), Color::Indexed(0));
        assert_eq!(Depth::Sixteen.shown(Color::Indexed(3)), Color::Indexed(3));
        assert_eq!(Depth::None.shown(Color::Rgb(1, 2, 3)), Color::Reset);
        assert_eq!(Depth::True.shown(Color::Rgb(1, 2, 3)), Color::Rgb(1, 2, 3));
    }

    #[test]
    fn without_colours_no_role_has_one() {
        let theme = Theme::new(Depth::None);
        for style in [theme.deny, theme.ask, theme.allow, theme.exec, theme.file, theme.net, theme.dim, theme.chosen] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert_ne!(theme.deny, theme.ask);
    }
}
