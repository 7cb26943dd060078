//! What lies over the view, and its last line.

use ratatui::Frame;

use super::{App, Deed, Over};
use crate::recording::visible;
use crate::tui::keys::{KEYS, foot};
use crate::tui::panels::foot::{Progress, Prompt};
use crate::tui::panels::{
    Areas, ConfirmView, FootView, HelpView, Tone, confirm, foot as foot_panel, help, layout, question,
};

impl App {
    pub(super) fn draw_over(&mut self, frame: &mut Frame, areas: &Areas) {
        self.draw_foot(frame, areas);
        let whole = frame.area();
        match &mut self.over {
            Over::Nothing | Over::Prompt { .. } | Over::Choosing => {}
            Over::Help { scroll } => {
                let view = HelpView::of(KEYS, *scroll);
                let (width, height) = help::size(&view, whole.width);
                let area = layout::in_the_middle(whole, width, height);
                // Scrolling stops where the last lines are in sight.
                let most = usize::from(height.saturating_sub(area.height));
                *scroll = (*scroll).min(most);
                help::draw(frame, area, &HelpView { scroll: *scroll, ..view }, &self.theme);
            }
            Over::Confirm(deed) => {
                let (title, says, grave) = match deed {
                    Deed::Freeze => (
                        format!("freeze {}?", visible(self.options.name.as_bytes())),
                        "Every process of the session stops until it is let go on. The agent's own time limits run on.",
                        false,
                    ),
                    Deed::End => (
                        format!("end {}?", visible(self.options.name.as_bytes())),
                        "The agent and everything it has started are ended. The recording stays.",
                        true,
                    ),
                };
                let view = ConfirmView { title: &title, says, no: ("esc", "no"), yes: ("y", "yes"), grave };
                let (width, height) = confirm::size(&view, whole.width);
                confirm::draw(frame, layout::in_the_middle(whole, width, height), &view, &self.theme);
            }
            Over::Question(_) => {
                if let Some((_, view)) = self.question() {
                    let area = layout::over_the_screen(areas, |columns| question::size(&view, columns));
                    question::draw(frame, area, &view, &self.theme);
                }
            }
        }
    }

    fn draw_foot(&self, frame: &mut Frame, areas: &Areas) {
        let area = areas.foot;
        if let Some(words) = self.prompt_words() {
            let prompt = Prompt {
                label: words.label,
                text: &words.text,
                cursor: words.cursor,
                hint: &words.hint,
                wrong: &words.wrong,
            };
            return foot_panel::draw(frame, area, &FootView::Prompt(prompt), &self.theme);
        }
        if let Some((text, tone, _)) = &self.notice {
            return foot_panel::draw(frame, area, &FootView::Notice { text, tone: *tone }, &self.theme);
        }
        if let Some(search) = &self.search {
            let (done, hits) = search.progress();
            let typed = visible(search.typed().as_bytes());
            if let Some(done) = done {
                let (what, says) = (format!("searching for {typed}"), hits_in_words(hits, search.is_cut()));
                let progress = Progress { what: &what, done, says: &says, stop: "esc" };
                return foot_panel::draw(frame, area, &FootView::Progress(progress), &self.theme);
            }
            let text =
                format!("{typed}: {}   n next   N before   esc ends the search", hits_in_words(hits, search.is_cut()));
            return foot_panel::draw(frame, area, &FootView::Notice { text: &text, tone: Tone::Dim }, &self.theme);
        }
        if let Some(waiting) = self.live.as_ref().map(|live| live.waiting().len()).filter(|waiting| *waiting > 0) {
            let questions = if waiting == 1 { "question waits" } else { "questions wait" };
            let text = format!("{waiting} {questions}: a answers");
            return foot_panel::draw(frame, area, &FootView::Notice { text: &text, tone: Tone::Ask }, &self.theme);
        }
        let keys = foot(KEYS, usize::from(area.width).saturating_sub(1));
        foot_panel::draw(frame, area, &FootView::Keys(&keys), &self.theme);
    }
}

fn hits_in_words(hits: usize, cut: bool) -> String {
    match hits {
        _ if cut => format!("more than {hits} hits"),
        1 => "1 hit".to_owned(),
        hits => format!("{hits} hits"),
    }
}
