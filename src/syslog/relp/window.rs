//! The window of frames that are sent and not yet acknowledged. Pure.

use super::answer::MAX_NUMBER;
use crate::syslog::session::RelpError;
use std::collections::VecDeque;

/// Largest number of frames that wait for their acknowledgement. It is the default of librelp.
const SIZE: usize = 128;

/// Numbers frames and counts acknowledgements.
#[derive(Debug)]
pub(super) struct Window {
    /// Frames from the oldest one without an acknowledgement, with whether they are acknowledged.
    waiting: VecDeque<(u32, bool)>,
    last_number: u32,
    acknowledged: u64,
}

impl Window {
    /// Starts after a frame with this transaction number.
    pub(super) fn after(number: u32) -> Self {
        Self { waiting: VecDeque::with_capacity(SIZE), last_number: number, acknowledged: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= SIZE
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns how many frames, from the first one, are acknowledged without a gap.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns the number for a frame that is outside the window, such as `close`.
    pub(super) fn next_number(&mut self) -> u32 {
        self.last_number = if self.last_number >= MAX_NUMBER { 1 } else { self.last_number + 1 };
        self.last_number
    }

    /// Adds a frame and returns its number.
    pub(super) fn add(&mut self) -> u32 {
        let number = self.next_number();
        self.waiting.push_back((number, false));
        number
    }

    /// Returns the position of a frame that waits for its acknowledgement, counted from 1 over all frames.
    ///
    /// Errors: no frame of this number waits.
    pub(super) fn position(&self, number: u32) -> Result<u64, RelpError> {
        let at = self.waiting.iter().position(|waiting| *waiting == (number, false));
        at.map(|at| self.acknowledged + at as u64 + 1).ok_or(RelpError::UnknownNumber(number))
    }

    /// Notes an acknowledgement. Acknowledgements may arrive in any order. Errors: no frame of this number waits.
    pub(super) fn acknowledge(&mut self, number: u32) -> Result<(), RelpError> {
        let place = self.waiting.iter_mut().find(|waiting| **waiting == (number, false));
        place.ok_or(RelpError::UnknownNumber(number))?.1 = true;
        while self.waiting.front().is_some_and(|(_, is_acknowledged)| *is_acknowledged) {
            self.waiting.pop_front();
            self.acknowledged += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_frames_without_a_gap_before_them_count() {
        let mut window = Window::after(1);
        assert_eq!([window.add(), window.add(), window.add()], [2, 3, 4]);
        window.acknowledge(3).unwrap();
        assert_eq!((window.acknowledged(), window.position(4).unwrap()), (0, 3));
        window.acknowledge(2).unwrap();
        assert_eq!((window.acknowledged(), window.position(4).unwrap()), (2, 3));
        for unknown in [0, 1, 2, 3, 5] {
            let error = window.acknowledge(unknown).unwrap_err();
            assert!(matches!(error, RelpError::UnknownNumber(number) if number == unknown));
        }
        window.acknowledge(4).unwrap();
        assert!(window.is_empty() && window.acknowledged() == 3);
    }

    #[test]
    fn numbers_start_again_at_1_and_the_window_is_bounded() {
        let mut window = Window::after(MAX_NUMBER - 1);
        assert_eq!([window.add(), window.add()], [MAX_NUMBER, 1]);
        while !window.is_full() {
            window.add();
        }
        assert_eq!(window.waiting.len(), 128);
    }
}
