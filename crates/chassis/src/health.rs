//! Readiness as `grpc.health.v1` tells it: of the server (``) and of each of its services.

use tokio_util::sync::CancellationToken;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use crate::Readiness;

/// Health of a server: SERVING exactly while it is ready.
pub(crate) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
    readiness: Readiness,
}

impl Health {
    pub(crate) fn new(services: &[&'static str], readiness: Readiness) -> Self {
        let names = services.iter().copied().chain([""]).collect();
        Self { reporter: HealthReporter::new(), names, readiness }
    }

    /// The service that answers.
    pub(crate) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Tells how it is now.
    pub(crate) async fn tell(&self) -> bool {
        let ready = self.readiness.is_ready();
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
        ready
    }

    /// Tells each change until `stop`; then ends the streams that watch, which would never end by themselves.
    pub(crate) async fn follow(mut self, stop: CancellationToken) {
        let told = async {
            loop {
                let ready = self.tell().await;
                self.readiness.until(!ready).await;
            }
        };
        stop.run_until_cancelled(told).await;
        self.tell().await;
        for name in &self.names {
            self.reporter.clear_service_status(name).await;
        }
    }
}
