//! Whether a delivery is PayPal's: the signature over its raw bytes, by a certificate that only PayPal's own host can
//! have given us. Nothing is asked of anybody but the certificate itself, and that only at an address that was checked
//! letter by letter before.
//!
//! The signature covers a CRC-32 of the body, which is a checksum and no hash: another body with the same sum can be
//! made. So a delivery proves that PayPal rang, and nothing that stands in it is ever believed.

use super::told::Told;
use super::{Operation, PayPal};
use crate::gateway::wire::{Purpose, Request};
use crate::gateway::{CallError, Secret};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, ring::RSA_PKCS1_2048_8192_SHA256};

/// A delivery as it came in.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// Why a delivery was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// It is not PayPal's, not meant for us, or too old. The word is for our log and never for the sender.
    #[error("not PayPal's word to us: {0}")]
    Forged(&'static str),
    /// It could not be judged now; PayPal sends it again for three days.
    #[error("cannot be judged now: {0}")]
    NotNow(String),
}

/// PayPal repeats a delivery for three days; what is older is a replay.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(72);
/// Every simulated event is signed for this id, and anybody can have one made.
const SIMULATED: &str = "WEBHOOK_ID";
/// Where certificates lie, below one of the hosts.
const CERTIFICATES: &str = "/v1/notifications/certs/";
const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;
/// PayPal signs with one certificate at a time.
const CERTIFICATES_KEPT: usize = 8;
/// So many certificates are asked for in a minute: a forger cannot make us knock at PayPal's door without end.
const FETCHES_MAX: usize = 10;
/// So many deliveries wait for a certificate at a time; the rest come again.
const WAITING_MAX: usize = 4;

/// What is needed to judge deliveries: whom they must be meant for, and the certificates seen so far.
pub(super) struct Ear {
    webhook_id: Secret,
    certificates: Mutex<Certificates>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Certificates {
    /// URL and DER, the oldest first.
    kept: VecDeque<(String, CertificateDer<'static>)>,
    /// When the last ones were asked for.
    asked: VecDeque<Timestamp>,
}

/// The headers of a delivery, each there exactly once and in its shape.
struct Sealed<'a> {
    transmission: &'a str,
    time: &'a str,
    signature: Vec<u8>,
    cert_url: &'a str,
}

impl PayPal {
    /// Listens to deliveries that are meant for this webhook id. Without it none can be judged.
    pub fn hearing(mut self, webhook_id: Secret) -> Self {
        self.ear = Some(Ear { webhook_id, certificates: Mutex::default(), waiting: AtomicUsize::new(0) });
        self
    }

    /// Judges a delivery and reads what it is about. May ask PayPal's host for one certificate, nobody else for
    /// anything.
    pub fn hear(&self, now: Timestamp, delivery: &Delivery<'_>) -> Result<Told, NotHeard> {
        let not_now = |words: &str| NotHeard::NotNow(words.to_owned());
        // What is not even signed is turned away whether or not we could judge it.
        let sealed = Sealed::of(delivery)?;
        let ear = self.ear.as_ref().ok_or_else(|| not_now("PAYPAL_WEBHOOK_ID is not set"))?;
        let webhook_id = ear.webhook_id.expose();
        if webhook_id.is_empty() || webhook_id == SIMULATED {
            return Err(not_now("PAYPAL_WEBHOOK_ID is not the id of a webhook"));
        }
        let sent_at: Timestamp = sealed.time.parse().map_err(|_| NotHeard::Forged("the time cannot be read"))?;
        if now.duration_since(sent_at) > AGE_MAX {
            return Err(NotHeard::Forged("it is more than three days old"));
        }
        let is_paypals = certificate_bases(&self.base_url).is_some();
        if !self.is_certificate_url(sealed.cert_url) {
            return Err(NotHeard::Forged("the certificate lies elsewhere"));
        }
        let certificate = self.certificate(ear, now, sealed.cert_url)?;
        verified(&sealed, delivery.body, webhook_id, &certificate, now, is_paypals)?;
        Told::read(delivery.body).ok_or(NotHeard::Forged("the body is no event"))
    }

    /// One of PayPal's own two hosts of the configured environment, or the one host that was configured; then a fixed
    /// path and a plain name. Compared as text, so that nothing in it can lead anywhere else.
    fn is_certificate_url(&self, url: &str) -> bool {
        let own = [self.base_url.as_str()];
        let paypals = certificate_bases(&self.base_url);
        let bases = paypals.as_ref().map_or(own.as_slice(), |two| two.as_slice());
        let name = bases.iter().find_map(|base| url.strip_prefix(base)?.strip_prefix(CERTIFICATES));
        name.is_some_and(|name| {
            (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
    }

    fn certificate(&self, ear: &Ear, now: Timestamp, url: &str) -> Result<CertificateDer<'static>, NotHeard> {
        let place = Place::take(&ear.waiting);
        if place.others >= WAITING_MAX {
            return Err(NotHeard::NotNow("others wait for a certificate".to_owned()));
        }
        let mut certificates = ear.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = certificates.kept.iter().find(|(kept, _)| kept == url) {
            return Ok(known.clone());
        }
        let minute_ago = now - SignedDuration::from_secs(60);
        certificates.asked.retain(|at| *at > minute_ago && *at <= now);
        if certificates.asked.len() >= FETCHES_MAX {
            return Err(NotHeard::NotNow("too many certificates were asked for in the last minute".to_owned()));
        }
        certificates.asked.push_back(now);
        let fetched = self.fetch_certificate(url)?;
        certificates.kept.push_back((url.to_owned(), fetched.clone()));
        while certificates.kept.len() > CERTIFICATES_KEPT {
            certificates.kept.pop_front();
        }
        Ok(fetched)
    }

    /// Without a token. A redirect is no answer: it would lead away from the host that was checked.
    fn fetch_certificate(&self, url: &str) -> Result<CertificateDer<'static>, NotHeard> {
        let request =
            Request { method: "GET", url: url.to_owned(), headers: vec![], body: vec![], purpose: Purpose::LookUp };
        let not_now = |words: String| NotHeard::NotNow(words);
        let answer = self.ask(Operation::Certificate, &request).map_err(|e: CallError| not_now(e.to_string()))?;
        match answer.status {
            200 if answer.body.len() <= CERTIFICATE_BYTES_MAX => {}
            404 => return Err(NotHeard::Forged("PayPal has no such certificate")),
            status => return Err(not_now(format!("the certificate was answered with {status}"))),
        }
        CertificateDer::from_pem_slice(&answer.body).map_err(|_| not_now("the certificate cannot be read".to_owned()))
    }
}

/// A place among those who wait for a certificate; given back on drop.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    others: usize,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        Self { waiting, others: waiting.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Both hosts of the environment, if the configured one is PayPal's: certificates are named under either.
fn certificate_bases(base_url: &str) -> Option<[&'static str; 2]> {
    match base_url {
        "https://api-m.paypal.com" | "https://api.paypal.com" => {
            Some(["https://api.paypal.com", "https://api-m.paypal.com"])
        }
        "https://api-m.sandbox.paypal.com" | "https://api.sandbox.paypal.com" => {
            Some(["https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"])
        }
        _ => None,
    }
}

impl<'a> Sealed<'a> {
    fn of(delivery: &Delivery<'a>) -> Result<Self, NotHeard> {
        let once = |name: &str| {
            let mut values = delivery.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
            let value = values.next().filter(|v| !v.is_empty() && v.len() <= 1024 && !v.contains('|'));
            value.filter(|_| values.next().is_none()).ok_or(NotHeard::Forged("a header is missing or out of shape"))
        };
        if once("paypal-auth-algo")? != "SHA256withRSA" {
            return Err(NotHeard::Forged("signed by another algorithm"));
        }
        let signature = BASE64.decode(once("paypal-transmission-sig")?.as_bytes());
        Ok(Self {
            transmission: once("paypal-transmission-id")?,
            time: once("paypal-transmission-time")?,
            signature: signature.map_err(|_| NotHeard::Forged("the signature is not base64"))?,
            cert_url: once("paypal-cert-url")?,
        })
    }
}

/// The signature and who made it. All of it is public, so nothing here has to be compared in constant time.
fn verified(
    sealed: &Sealed<'_>,
    body: &[u8],
    webhook_id: &str,
    certificate: &CertificateDer<'_>,
    now: Timestamp,
    is_paypals: bool,
) -> Result<(), NotHeard> {
    let certificate =
        EndEntityCert::try_from(certificate).map_err(|_| NotHeard::Forged("the certificate cannot be read"))?;
    if !is_in_force(&certificate, now) {
        return Err(NotHeard::Forged("the certificate is not in force"));
    }
    if is_paypals && !certificate.valid_dns_names().any(|name| name.ends_with(".paypal.com")) {
        return Err(NotHeard::Forged("the certificate is not PayPal's"));
    }
    let Sealed { transmission, time, signature, .. } = sealed;
    let signed = format!("{transmission}|{time}|{webhook_id}|{}", crc32fast::hash(body));
    let checked = certificate.verify_signature(RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), signature);
    checked.map_err(|_| NotHeard::Forged("the signature does not fit"))
}

/// Within its dates, and a server's own certificate. Who issued it cannot be checked: PayPal gives the one certificate
/// without those above it, so what vouches for it is the connection to PayPal's own host. With nobody to trust, an
/// unknown issuer is the only complaint that a good one leaves.
fn is_in_force(certificate: &EndEntityCert<'_>, now: Timestamp) -> bool {
    let Ok(since_1970) = u64::try_from(now.as_second()) else { return false };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(since_1970));
    let algorithms = [RSA_PKCS1_2048_8192_SHA256];
    let judged = certificate.verify_for_usage(&algorithms, &[], &[], time, KeyUsage::server_auth(), None, None);
    matches!(judged, Err(webpki::Error::UnknownIssuer))
}

#[cfg(test)]
mod tests;
