//! Rules on files in real sessions: rights one by one, what is hidden, repositories, lock files, and what people do all day.

mod git;
mod lab;
mod rights;
mod shapes;
