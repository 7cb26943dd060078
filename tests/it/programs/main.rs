//! Rules on programs and limits as the kernel and govsh hold them: every test runs a command in a session of its own and
//! looks at what it could do and at what was recorded.

mod bench;
mod digests;
mod limits;
mod rules;
