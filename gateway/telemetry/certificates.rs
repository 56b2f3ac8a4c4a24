//! The certificates that the gateway presents: when each ends to be valid, and whether new ones could be taken from their files.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::config::{RefusedFile, Renewal, Settings};
use crate::words::words;

use super::registry::metric_table;

words! {
    /// What became of a new certificate.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum RenewalResult {
        /// Handshakes use it.
        Taken = "taken",
        /// It can't be used; handshakes use the one before.
        Refused = "refused",
    }
}

metric_table! {
    /// Counts renewals, and shows until when certificates are valid.
    pub struct CertificateMetrics {
        expiry: IntGaugeVec = "batchgate_certificate_expiry_timestamp_seconds"["certificate"]
            "When a certificate that the gateway presents expires, in seconds since the epoch; the label is its file.";
        renewals: IntCounterVec = "batchgate_certificate_renewals_total"["result"]
            "Files of certificates and authorities that changed: in use, or refused because they can't be used.";
    }
    also(_registry) {}
}

impl CertificateMetrics {
    /// Shows the certificates of a configuration, in place of those before.
    pub(super) fn show(&self, settings: &Settings) {
        for result in RenewalResult::ALL {
            self.renewals.with_label_values(&[result.as_str()]);
        }
        self.expiry.reset();
        for pair in settings.certificates() {
            let file = pair.certificate.display().to_string();
            let ends = i64::try_from(pair.validity.ends.as_secs()).unwrap_or(i64::MAX);
            self.expiry.with_label_values(&[&file]).set(ends);
        }
    }

    /// Counts and logs what became of files that have changed.
    pub fn record(&self, renewal: &Renewal) {
        for file in &renewal.taken {
            self.renewals.with_label_values(&[RenewalResult::Taken.as_str()]).inc();
            tracing::info!(kind = "certificate", file = %file.display(), "a new certificate is in use");
        }
        for RefusedFile { file, reason } in &renewal.refused {
            self.renewals.with_label_values(&[RenewalResult::Refused.as_str()]).inc();
            let file = file.display();
            tracing::error!(
                kind = "certificate",
                %file,
                reason,
                "a new certificate can't be used; the one before stays in use"
            );
        }
    }
}
