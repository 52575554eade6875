//! Dates as vendors write them. Pure.
