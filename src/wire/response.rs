//! One response: how it is collected within its size limit, and how it is decoded into a body or a failure.
//!
//! Nothing here retries; [`WireErrorKind::disposition`] decides about that.

use super::measure::{BodySize, measure};
use super::volume::Volume;
use super::{Body, WireErrorKind, body, flood, refusal, shape};
use crate::tls::Explainer;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

/// Response of one attempt before it is decoded.
pub(super) struct HttpResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Body after decompression.
    pub(super) body: Vec<u8>,
}

/// Content of a response with a good status.
pub(super) enum ResponseContent<T> {
    /// Value, the number of characters that were replaced in it, and its size.
    Decoded(T, u64, BodySize),
    /// No content: status 204 (RFC 9110 §15.3.5).
    Empty,
}

impl HttpResponse {
    /// Collects a response. `limit` applies to the compressed and to the decompressed body, in bytes.
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
            // The status of a failure is more useful than the error of an unreadable body.
            Err(_) => Vec::new(),
        };
        Ok(Self { status, headers, body })
    }

    /// Decodes the response to a GET that asked for `asked` rows, within the limits of the source.
    ///
    /// `secrets` returns our own secrets, which a server may echo. It is called only for an error message.
    pub(super) fn decode<T: Body>(
        &self,
        volume: &Volume,
        asked: Option<u64>,
        secrets: &dyn Fn() -> Vec<String>,
    ) -> Result<ResponseContent<T>, WireErrorKind> {
        match self.status.as_u16() {
            200 => self.decode_body(volume, asked, secrets),
            204 => Ok(ResponseContent::Empty),
            401 => Err(refusal::unauthorized(&self.headers)),
            403 => Err(refusal::forbidden(self, &secrets())),
            404 => Err(WireErrorKind::NotFound),
            300..=399 => Err(WireErrorKind::Shape(refusal::redirected(self, "a JSON response", &secrets()))),
            status => Err(WireErrorKind::Status(status)),
        }
    }

    fn decode_body<T: Body>(
        &self,
        volume: &Volume,
        asked: Option<u64>,
        secrets: &dyn Fn() -> Vec<String>,
    ) -> Result<ResponseContent<T>, WireErrorKind> {
        let text = body::text(&self.body);
        let size = if may_be_json(&text.text) {
            measure(&text.text, volume.body_limits(asked)).map_err(|excess| volume.refusal(excess, asked))?
        } else {
            BodySize::default()
        };
        match body::json_of::<T>(text) {
            Ok((value, replaced)) => {
                // The longest list of an answer need not be the one that is read.
                let size = BodySize { rows: value.rows().unwrap_or(0), ..size };
                Ok(ResponseContent::Decoded(value, replaced, size))
            }
            Err(error) => Err(WireErrorKind::Shape(shape::describe::<T>(&self.body, &error, &secrets()))),
        }
    }
}

/// Checks whether a text begins like a list or an object. Anything else is a short value, or is described as it is.
fn may_be_json(text: &str) -> bool {
    text.trim_start().starts_with(['[', '{'])
}

/// Collects a body of at most `limit` bytes.
async fn collect(mut response: Response, limit: usize, explainer: &Explainer) -> Result<Vec<u8>, WireErrorKind> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    // The announced length is only a claim, so no more than 1 MiB is reserved in advance.
    let mut body = Vec::with_capacity(announced.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(|e| WireErrorKind::of_transport(&e, explainer))? {
        flood::note_progress();
        if body.len() + chunk.len() > limit {
            return Err(WireErrorKind::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    flood::note_progress();
    Ok(body)
}
