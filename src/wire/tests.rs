//! The client against canned answers.
