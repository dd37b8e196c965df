//! The HTTP server around the routes.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App as HttpApp, HttpServer, web};

use crate::api;
use crate::app::{App, Shared, StartError};
use crate::config::Config;
use crate::dev::{self, DevIssuer};
use crate::guard::guard;
use crate::plugins;
use crate::problem::{Code, Problem};
use crate::queue;
use crate::retention;
use crate::sweep::sweep;
use crate::tls::Certificates;

/// A service that listens.
pub struct Service {
    /// Where.
    pub address: SocketAddr,
    /// What all requests share.
    pub app: Shared,
    /// Runs until it is stopped.
    pub server: Server,
}

/// Begins to listen, and to compute, once what was left over from before is removed. With `dev`, the configuration's issuer is the service itself.
///
/// # Errors
/// See [`StartError`].
pub async fn start(mut config: Config, dev: bool) -> Result<Service, StartError> {
    let io = |source| StartError::Io { place: config.listen.to_string(), source };
    let listener = TcpListener::bind(config.listen).map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let mut issuer = None;
    if dev {
        config.identity.issuer = format!("http://{address}/dev");
        config.dev = true;
        std::fs::create_dir_all(&config.data)
            .map_err(|source| StartError::Io { place: config.data.display().to_string(), source })?;
        let key = config.data.join("dev.key");
        issuer = Some(web::Data::new(DevIssuer::new(config.identity.clone(), &key)?));
        tracing::warn!(%address, "DEV: THIS SERVICE BELIEVES EVERY NAME. It is for trials on this machine, and for nothing else");
    }
    let certificates = config.tls.as_ref().map(Certificates::read).transpose()?;
    let app: Shared = web::Data::new(App::open(config)?);
    let removed = sweep(&app).await.map_err(StartError::Sweep)?;
    if removed > 0 {
        tracing::info!(removed, "left over from before");
    }
    let (shared, chunk_bytes) = (app.clone(), app.config.limits.chunk_bytes);
    let request_bytes = app.config.limits.request_bytes;
    let parameter_bytes = usize::try_from(app.config.limits.parameter_bytes).unwrap_or(usize::MAX);
    let chunk_bytes = usize::try_from(chunk_bytes).unwrap_or(usize::MAX).max(request_bytes);
    let server = HttpServer::new(move || {
        let mut http = HttpApp::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(chunk_bytes))
            .app_data(web::JsonConfig::default().limit(request_bytes).error_handler(|error, _| {
                let large = matches!(
                    error,
                    actix_web::error::JsonPayloadError::Overflow { .. }
                        | actix_web::error::JsonPayloadError::OverflowKnownLength { .. }
                );
                let code = if large { Code::TooLarge } else { Code::Invalid };
                Problem::new(code, error.to_string()).into()
            }))
            .app_data(
                web::QueryConfig::default()
                    .error_handler(|error, _| Problem::invalid(error.to_string()).into()),
            )
            .app_data(
                web::PathConfig::default()
                    .error_handler(|error, _| Problem::invalid(error.to_string()).into()),
            )
            .wrap(from_fn(guard))
            .wrap(
                DefaultHeaders::new()
                    .add(("X-Content-Type-Options", "nosniff"))
                    .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")),
            )
            .configure(|routes| api::configure(routes, parameter_bytes));
        if let Some(issuer) = &issuer {
            http = http.app_data(issuer.clone()).configure(dev::configure);
        }
        http
    })
    .shutdown_timeout(10);
    let server = match &certificates {
        Some(certificates) => server.listen_rustls_0_23(listener, certificates.server()?),
        None => server.listen(listener),
    };
    let server = server.map_err(|source| StartError::Io { place: address.to_string(), source })?.run();
    actix_web::rt::spawn(queue::serve(app.clone()));
    actix_web::rt::spawn(retention::serve(app.clone()));
    actix_web::rt::spawn(plugins::serve(app.clone()));
    if let Some(certificates) = certificates {
        actix_web::rt::spawn(certificates.watch());
    }
    tracing::info!(%address, "listening");
    Ok(Service { address, app, server })
}
