//! The frames of the hub, both ways.
