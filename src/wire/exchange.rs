//! One exchange: a request, its response, and what the client learns from the headers.
//!
//! Everything that the client sends passes here except sign-ins, which survive their caller (`login`). Nothing here retries.

use super::response::HttpResponse;
use super::settings::ResponseLimits;
use super::{Client, PendingRequest, WireErrorKind, connect, flood, retry};
use crate::digest::sha256_hex;
use chrono::{DateTime, Utc};
use reqwest::header::DATE;
use reqwest::{RequestBuilder, Response};
use tokio::time::Instant;

impl Client {
    /// Sends one request and collects the response, within its limits.
    pub(super) async fn exchange(
        &self,
        request: RequestBuilder,
        pending: &mut PendingRequest<'_>,
        limits: ResponseLimits,
    ) -> Result<HttpResponse, WireErrorKind> {
        let collected = self.collect(request, pending, limits.bytes);
        tokio::time::timeout(limits.time, collected)
            .await
            .unwrap_or_else(|_| Err(WireErrorKind::Broken(format!("it took longer than {} s", limits.time.as_secs()))))
    }

    async fn collect(
        &self,
        request: RequestBuilder,
        pending: &mut PendingRequest<'_>,
        max_bytes: usize,
    ) -> Result<HttpResponse, WireErrorKind> {
        self.requests.set(self.requests.get() + 1);
        let (sent, sent_at) = (Instant::now(), Utc::now());
        let response = flood::head(request, &self.explainer).await?;
        pending.record.status = Some(response.status().as_u16());
        // Headers are evaluated before the body: they are valid even if the body turns out to be truncated.
        self.compare_clocks(&response, sent, sent_at);
        self.note_certificate(&response);
        self.pace.note_limits(response.headers());
        self.budget.note_limits(response.headers());
        let response = HttpResponse::receive(response, max_bytes, &self.explainer).await?;
        pending.note_received();
        pending.record.bytes = response.body.len() as u64;
        match connect::demand_of_certificate(&self.explainer, response.status.as_u16(), &response.body) {
            Some(fault) => Err(WireErrorKind::Tls(fault)),
            None => Ok(response),
        }
    }

    /// Estimates the clock skew. `Date` is the time at which the response was made (RFC 9110 §6.6.1); our best estimate
    /// of that moment is the middle of the exchange.
    fn compare_clocks(&self, response: &Response, sent: Instant, sent_at: DateTime<Utc>) {
        let took = sent.elapsed();
        let Some(theirs) = response.headers().get(DATE).and_then(|d| retry::http_date(d.to_str().ok()?)) else {
            return;
        };
        // The uncertainty is half of the exchange's duration, so the fastest exchange gives the best estimate.
        if self.skew.get().is_none_or(|(best, _)| took < best) {
            let ours = sent_at + took / 2;
            self.skew.set(Some((took, (theirs - ours).num_seconds())));
        }
    }

    fn note_certificate(&self, response: &Response) {
        if self.certificate.borrow().is_some() {
            return;
        }
        let info = response.extensions().get::<reqwest::tls::TlsInfo>();
        if let Some(der) = info.and_then(|info| info.peer_certificate()) {
            *self.certificate.borrow_mut() = Some(sha256_hex(der));
        }
    }
}
