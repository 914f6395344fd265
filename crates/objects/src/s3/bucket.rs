//! The bucket itself: whether it is there, and making it where one's own server is empty.

use std::io;

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use super::S3;

/// The region whose buckets must not name it.
const FIRST_REGION: &str = "us-east-1";

impl S3 {
    /// Whether the server answers and the bucket can be used, for a readiness probe.
    pub async fn is_available(&self) -> bool {
        self.client.head_bucket().bucket(&self.bucket).send().await.is_ok()
    }

    /// Makes the bucket unless it is there.
    ///
    /// # Errors
    /// What the server says against it.
    pub async fn make_bucket(&self) -> io::Result<()> {
        if self.is_available().await {
            return Ok(());
        }
        let mut request = self.client.create_bucket().bucket(&self.bucket);
        if self.region != FIRST_REGION {
            let region = BucketLocationConstraint::from(self.region.as_str());
            let location = CreateBucketConfiguration::builder().location_constraint(region).build();
            request = request.create_bucket_configuration(location);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            // Somebody else was faster.
            Err(_) if self.is_available().await => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}
