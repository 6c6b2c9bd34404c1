# The replica of the journal's bucket, in another region than the hub. Apply it first, with the provider of that region, and
# give its ARN to the module `hub`.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

variable "bucket_name" {
  description = "The bucket of the replica."
  type        = string
}

variable "lock_days" {
  description = "How long each version is locked in governance mode, in days; 0 for no default retention."
  type        = number
  default     = 0
}

resource "aws_s3_bucket" "replica" {
  bucket              = var.bucket_name
  object_lock_enabled = true
}

resource "aws_s3_bucket_versioning" "replica" {
  bucket = aws_s3_bucket.replica.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "replica" {
  count  = var.lock_days > 0 ? 1 : 0
  bucket = aws_s3_bucket.replica.id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.lock_days
    }
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  bucket                  = aws_s3_bucket.replica.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

output "replica_arn" {
  description = "For the module hub."
  value       = aws_s3_bucket.replica.arn
}
