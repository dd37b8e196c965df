//! clear
