//! stub
use super::Shared;
use axum::extract::State;
use axum::response::Response;
pub(super) async fn serve(State(_a): State<Shared>) -> Response {
    Response::default()
}
