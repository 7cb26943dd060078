//! Who is there to answer.

use super::Questions;

/// Somebody who can answer, as long as it lives.
#[must_use]
pub struct Attendance(Questions);

impl Attendance {
    pub(super) fn new(questions: Questions) -> Self {
        questions.0.lock().attending += 1;
        Self(questions)
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.attending = state.attending.saturating_sub(1);
    }
}
