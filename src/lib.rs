//! govsh runs an unmodified command-line agent under Landlock and seccomp, decides and records every mediated call.
//!
//! # Processes
//!
//! ```text
//! user's terminal ── front ──────────── terminal relay, supervisor, recorder
//!                      └─ monitor ───── leads the session on its own terminal; ends every descendant when the front dies
//!                           └─ agent ── no_new_privs, limits, Landlock, BPF with a listener, then execve
//!                      └─ monitor ───── one more for each connection to an MCP server
//!                           └─ server ─ the same under its own policy, its standard streams pipes to the front
//! ```
//!
//! # What goes where
//!
//! ```text
//! argv ─cli→ cmd ─text→ policy ─Policy→ sandbox ─Plan→ session::launch → [monitor: install → execve agent]
//! agent syscall ─notify→ supervisor ─Request→ policy ─Decision→ effect, and Event ─→ bus ─→ recording
//! agent socket  ─redirected→ egress ─Reach, HttpCall, GitCall→ policy ─Decision→ tunnel, request, and Event ─→ bus
//! agent MCP     ─socket→ session::servers ─line→ mcp::relay ─Call→ policy::mcp ─McpDecision→ step, and Event ─→ bus
//! agent bytes   ─pty or pipe→ session::pump ───────────────────────────────Event ────┘      │
//!                                                                                           ▼
//! recording ─Reader, Archive→ cmd::{ls, show, search, verify, prune}, tui (replay, and live by following it)
//!
//! a rule that asks ─→ supervisor::questions ◀─answer─ session::overlay (the user's own terminal)
//!                     the call is parked    ◀─answer─ session::control (watch, answer: a socket)
//! ```
//!
//! # Threads of the front
//!
//! | thread | does | must never |
//! |---|---|---|
//! | pump | terminal and pipes ↔ agent, stamps time, bounds what is pending | wait on disk, allocate for each read |
//! | receiver | takes notifications and answers them; one that must wait (FIFO, peer, person) gives the lead away first | hold a lock while it waits |
//! | warden | does what lies outside the broker's domain, judged again | act on what is denied |
//! | egress (2) | accepts what was redirected, answers names, dials, ends TLS where a rule wants to look | sit on the way of a system call, hold a connection up for another |
//! | mcp (2) | carries messages between the agent and MCP servers past the relay | pass on what the relay has not read |
//! | recorder | takes events in order, draws them for keyframes, encodes, compresses, chains, writes | drop an event without saying so |
//! | screen | draws the agent's terminal for the panel over it | slow the pump |
//! | control, visitor | the socket of those who watch: status, answers, markers, freezing | make pump, receiver or recorder wait |
//! | answer | writes down an answer that is to hold for ever | touch the broker's domain |
//!
//! # Who is trusted
//!
//! The agent is the adversary: it runs as the same user, may read what it can and race what it can. Whatever comes from
//! it (memory, paths, names, terminal bytes) is copied once and judged as a copy. Receiver, workers and monitor stand in
//! a Landlock domain of their own that holds the union of what the policy mentions, so their mistakes stay within it;
//! the agent's domain is nested in that one. Egress stands outside of it and reads what strangers send: every parser there
//! is bounded, and a secret leaves only by verified TLS to the host it is bound to. An MCP server is trusted with its own
//! policy and its own secrets, and with nothing of the agent's; what it says is read, and its tools are held to what they
//! were when they were first seen. Who answers questions is trusted, and nobody in the session's tree is taken for them.
//! What stands in a recording is not: a reader bounds it, and draws it as cells or makes its controls visible.
//! The kernel is trusted.
//!
//! # Who may use whom
//!
//! Imports point down: `main cli cmd` → `tui` → `session` → `supervisor egress mcp` → `sandbox recording` → `bus` → `event` →
//! `policy sys screen`, which use nothing of ours. `unsafe` is in `sys` alone. A test holds both.

#![deny(unsafe_code)]

pub mod bus;
pub mod cli;
pub mod cmd;
pub mod egress;
pub mod event;
pub mod mcp;
pub mod policy;
pub mod recording;
pub mod sandbox;
pub mod screen;
pub mod session;
pub mod supervisor;
#[allow(unsafe_code, reason = "the one place for it")]
pub mod sys;
pub mod tui;
