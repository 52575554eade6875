//! One answer of a server: how it is collected, and what it means as a body of a type or as a failure. Knows no retry.

use super::{Body, WireErrorKind, body, refusal, shape};
use crate::tls::Explainer;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

/// One attempt's answer, before it is decoded.
pub(super) struct HttpResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Without its content codings.
    pub(super) body: Vec<u8>,
}

/// What an answer with a good status holds.
pub(super) enum ResponseContent<T> {
    /// A value, and the characters that had to be replaced in it.
    Read(T, u64),
    /// Nothing: 204 (RFC 9110 §15.3.5).
    Nothing,
}

impl HttpResponse {
    /// Collects an answer up to the limit, which also holds for what it is unpacked to.
    pub(super) async fn receive(
        response: Response,
        limit: usize,
        explainer: &Explainer,
    ) -> Result<Self, WireErrorKind> {
        let (status, headers) = (response.status(), response.headers().clone());
        let packed = collect(response, limit, explainer).await?;
        let body = match body::decompressed(&headers, packed, limit) {
            Ok(body) => body,
            Err(why) if status.is_success() => return Err(why),
            // The status says more than a body that cannot be read.
            Err(_) => Vec::new(),
        };
        Ok(Self { status, headers, body })
    }

    /// Reads the answer to a GET. `own` gives the secrets that must not be shown if they are echoed; it is asked only then.
    pub(super) fn decode<T: Body>(&self, own: &dyn Fn() -> Vec<String>) -> Result<ResponseContent<T>, WireErrorKind> {
        match self.status.as_u16() {
            200 => match body::json(&self.body) {
                Ok((value, replaced)) => Ok(ResponseContent::Read(value, replaced)),
                Err(error) => Err(WireErrorKind::Shape(shape::in_words::<T>(&self.body, &error, &own()))),
            },
            204 => Ok(ResponseContent::Nothing),
            401 => Err(refusal::unauthorized(&self.headers)),
            403 => Err(refusal::forbidden(self, &own())),
            404 => Err(WireErrorKind::NotFound),
            300..=399 => Err(WireErrorKind::Shape(refusal::redirected(self, "an answer", &own()))),
            status => Err(WireErrorKind::Status(status)),
        }
    }
}

/// Collects a body up to the limit.
async fn collect(mut response: Response, limit: usize, explainer: &Explainer) -> Result<Vec<u8>, WireErrorKind> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    let mut body = Vec::with_capacity(announced.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(|e| WireErrorKind::of_transport(&e, explainer))? {
        if body.len() + chunk.len() > limit {
            return Err(WireErrorKind::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
