//! A small service: serde, tokio and axum, each with its macros.
use axum::{extract::Path, routing::get, Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Build {
    project: String,
    calls: u32,
}

#[axum::debug_handler]
async fn build(Path(project): Path<String>) -> Json<Build> {
    Json(Build { calls: project.len() as u32, project })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    let app = Router::new().route("/builds/{project}", get(build));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    axum::serve(listener, app).await
}

#[tokio::test]
async fn answers_with_the_project() {
    let Json(answer) = build(Path("abc".into())).await;
    assert_eq!(answer, Build { project: "abc".into(), calls: 3 });
}
