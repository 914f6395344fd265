//! Where the bucket is and who may use it.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, ResponseChecksumValidation};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one try of an operation may take until the answer begins; the SDK tries three times.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Where the bucket is and who may use it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bucket, which has to be there.
    pub bucket: String,
    /// What all keys begin with, `fleet/` for example.
    pub prefix: String,
    /// The bucket's region; servers other than AWS mostly accept any.
    pub region: String,
    /// The URL of a server other than AWS: `http://localhost:9000`.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path of a URL, not in the host's name. Servers of one's own mostly want that.
    pub path_style: bool,
    /// Who we are; from the environment variables that AWS names where absent.
    pub credentials: Option<Credentials>,
}

impl Config {
    /// A bucket at AWS in `us-east-1`, without a prefix, with the environment's credentials.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            path_style: false,
            credentials: None,
        }
    }

    pub(super) fn client(&self) -> Result<Client, NoCredentials> {
        let Credentials { key_id, secret, session_token } =
            self.credentials.clone().or_else(Credentials::from_environment).ok_or(NoCredentials)?;
        let credentials = aws_sdk_s3::config::Credentials::new(key_id, secret, session_token, None, "flotilla");
        let https = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        let mut config = aws_sdk_s3::Config::builder()
            // Named, so that an update of the SDK changes nothing by itself.
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(https.build_https())
            .credentials_provider(credentials)
            .region(Region::new(self.region.clone()))
            .force_path_style(self.path_style)
            .retry_config(RetryConfig::standard())
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build(),
            )
            // Our own hash covers objects that came in parts, too; both would be twice the work.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        config.set_endpoint_url(self.endpoint.clone());
        Ok(Client::from_conf(config.build()))
    }
}

/// An access key. Shows its secrets to nobody.
#[derive(Clone)]
pub struct Credentials {
    /// Which key: `AWS_ACCESS_KEY_ID`.
    pub key_id: String,
    /// Its secret: `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
    /// What temporary keys need besides: `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl Credentials {
    /// What the variables say, unless one of the first two is missing or empty.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self {
            key_id: variable("AWS_ACCESS_KEY_ID")?,
            secret: variable("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Nobody said who we are.
#[derive(Debug, thiserror::Error)]
#[error("no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or configure a key")]
pub struct NoCredentials;
