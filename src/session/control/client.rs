//! The client side of the control socket: which sessions run, and talking to one of them.
