//! Panics: a bug of this program ends the part in which it happened, and nothing else.
//!
//! `main` installs the [`hook`]. `run` calls [`catch`] and [`catch_future`] at the borders of a source and of a stage; `main`
//! calls [`catch`] around the whole program. [`side_by_side`] passes the panic of a thread on to the one that waits for it.
//! Imports no other module than `escape`.

use crate::escape::printable;
use futures_util::FutureExt;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::thread::{self, ScopedJoinHandle};

/// Maximum length of the text of a panic, in characters.
const MAX_TEXT: usize = 300;

thread_local! {
    /// The last panic of this thread, with its location. Only the hook knows the location.
    static LAST: RefCell<Option<InternalError>> = const { RefCell::new(None) };
}

/// A panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InternalError {
    text: String,
    place: Option<String>,
}

impl fmt::Display for InternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "internal error: {}", self.text)?;
        if let Some(place) = &self.place {
            write!(f, " at {place}")?;
        }
        f.write_str("; please report this as a bug of bt-rollcall")
    }
}

/// Replaces the panic hook of the standard library, which prints several lines: a panic is one line of the log.
pub fn hook() {
    panic::set_hook(Box::new(|info| {
        let error = InternalError::of(info);
        tracing::error!("{error}");
        LAST.set(Some(error));
    }));
}

impl InternalError {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let place = info.location().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column()));
        Self { text: text(info.payload()), place }
    }

    fn caught(payload: &(dyn Any + Send)) -> Self {
        let of_a_thread = || payload.downcast_ref::<Self>().cloned();
        LAST.take().or_else(of_a_thread).unwrap_or_else(|| Self { text: text(payload), place: None })
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    printable(text.unwrap_or("a panic without a text"), MAX_TEXT)
}

/// Does some work. Errors: it panicked.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, InternalError> {
    // What the work changed before the panic is either dropped by the caller or meant to be read in any state.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| InternalError::caught(&*payload))
}

/// Awaits a future. Errors: it panicked.
pub async fn catch_future<T>(work: impl Future<Output = T>) -> Result<T, InternalError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| InternalError::caught(&*payload))
}

/// Does the work on this thread and on further ones: as many as there are cores, at most `limit`. Returns all results.
///
/// If the work panics on any of them, this panics once all have ended. If no thread can be started, this one does it
/// alone.
pub fn side_by_side<T: Send>(limit: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, || catch(&work)).ok();
        let threads: Vec<_> = (1..limit.min(cores)).filter_map(start).collect();
        let own = work();
        let of_thread = |thread: ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => panic::resume_unwind(Box::new(error)),
            Err(payload) => panic::resume_unwind(payload),
        };
        std::iter::once(own).chain(threads.into_iter().map(of_thread)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_panic_becomes_an_error_that_asks_for_a_report() {
        let error = catch(|| -> u8 { panic!("row\n{}", 7) }).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("internal error: row") && !text.contains('\n'), "{text}");
        assert!(text.ends_with("please report this as a bug of bt-rollcall"), "{text}");
        assert_eq!(catch(|| 5), Ok(5));
    }

    #[test]
    fn a_panic_of_one_of_several_threads_is_an_error_with_its_place() {
        hook();
        let turn = AtomicUsize::new(0);
        let all_but_one = || assert_ne!(turn.fetch_add(1, Ordering::Relaxed), 1, "the second");
        let error = catch(|| side_by_side(2, all_but_one)).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("the second") && error.place.is_some(), "{error}");
        assert_eq!(side_by_side(1, || 5), [5]);
    }
}
