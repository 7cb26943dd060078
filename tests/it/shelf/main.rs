//! What is done with recordings that lie there: pruned, searched, and looked at when they are hostile.

mod desk;
mod forge;
mod hostile;
mod prune;
mod search;
