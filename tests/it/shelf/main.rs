//! What is done with recordings that lie there: pruned, searched, and looked at when they are hostile.

mod desk;
mod prune;
mod search;
