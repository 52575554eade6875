//! The event loop of one thread that reads sources.

use std::future::Future;
use std::io;

/// Runs a future to its end. Errors: the operating system refuses the event loop.
///
/// Name resolution blocks a thread that cannot be interrupted. The end of the loop does not wait for it, because a name
/// server that never answers would hold the end of the process.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    // One thread is enough, because the time is spent waiting for the network.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn work_that_blocks_does_not_hold_the_end_of_the_loop() {
        let (release, held) = mpsc::channel::<()>();
        // Would wait for ever: the sender is dropped only after the loop has ended.
        let result = block_on(async {
            let blocked = tokio::task::spawn_blocking(move || held.recv().is_err());
            tokio::time::timeout(Duration::from_millis(1), blocked).await.is_err()
        });
        assert!(result.unwrap());
        drop(release);
    }
}
