//! The order of sending and decoding: a response that is decoded holds up no request.

use super::*;
use chrono::DateTime;

/// Start of each request to `/x`, and when its response was decoded, in the order of decoding.
#[derive(Default)]
struct Times(Mutex<Vec<(DateTime<Utc>, DateTime<Utc>)>>);

impl Observer for Times {
    fn notify(&self, event: &RunEvent<'_>) {
        if let RunEvent::Request(record) = event
            && record.path == "/x"
        {
            self.0.lock().unwrap().push((record.start.parse().unwrap(), Utc::now()));
        }
    }
}

#[test]
fn the_next_request_is_sent_before_a_response_is_decoded() {
    let (url, _) = server(|seen, _| if seen.is_token() { token(3600) } else { fine() });
    let times = Arc::new(Times::default());
    let mut settings = ClientSettings::for_tests(&url, "s3cret");
    (settings.requests_per_second, settings.concurrency) = (1e6, 1);
    let client = Client::new(&settings, Arc::<Times>::clone(&times)).unwrap();
    run(async {
        let (first, second) = tokio::join!(client.get::<Answered>("/x"), client.get::<Answered>("/x"));
        assert!(first.is_ok() && second.is_ok());
    });
    let times = times.0.lock().unwrap();
    let ((_, first_decoded), (second_sent, _)) = (times[0], times[1]);
    assert!(second_sent < first_decoded, "{times:?}");
}
