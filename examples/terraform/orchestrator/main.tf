# The orchestrator's account: the role that the flows and the function run with, and the Lambda function of the operations.
#
# `make lambda` builds the zip. It is over 50 MB, so that it is uploaded by way of S3.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

variable "target_account_ids" {
  description = "The accounts whose role may be assumed."
  type        = list(string)

  validation {
    condition     = length(var.target_account_ids) > 0 && alltrue([for id in var.target_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "Give at least one account id of 12 digits."
  }
}

variable "target_role_name" {
  description = "The role's name in the target accounts."
  type        = string
  default     = "DRSOrchestrationRole"
}

variable "worker_principal" {
  description = "The AWS service that runs the Prefect worker, such as ecs-tasks.amazonaws.com or ec2.amazonaws.com."
  type        = string
  default     = "ecs-tasks.amazonaws.com"
}

variable "bucket_name" {
  description = "The bucket of the journal (PREFECT_DRS_JOURNAL names a block of it) and of the function's code."
  type        = string
}

variable "function_zip" {
  description = "The zip that `make lambda` built."
  type        = string
  default     = "dist/prefect-drs-lambda.zip"
}

variable "python_version" {
  description = "The Python version that the zip was built with."
  type        = string
  default     = "3.12"
}

variable "environment" {
  description = "PREFECT_API_URL, PREFECT_DRS_JOURNAL and PREFECT_DRS_DEPLOYMENT. A variable of a function is readable in the console: on Prefect Cloud, let a secrets extension give PREFECT_API_KEY."
  type        = map(string)
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com", var.worker_principal]
    }
  }
}

data "aws_iam_policy_document" "caller" {
  statement {
    sid       = "AssumeTargetRoles"
    actions   = ["sts:AssumeRole"]
    resources = [for id in var.target_account_ids : "arn:${data.aws_partition.current.partition}:iam::${id}:role/${var.target_role_name}"]
  }

  statement {
    sid       = "ListJournals"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.orchestrator.arn]
  }

  statement {
    sid       = "KeepJournals"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.orchestrator.arn}/journal/*"]
  }

  statement {
    sid       = "TellResults"
    actions   = ["events:PutEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:events:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:event-bus/default"]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.operations.arn}:*"]
  }
}

resource "aws_s3_bucket" "orchestrator" {
  bucket = var.bucket_name
}

resource "aws_s3_bucket_public_access_block" "orchestrator" {
  bucket                  = aws_s3_bucket.orchestrator.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "orchestrator" {
  bucket = aws_s3_bucket.orchestrator.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_object" "code" {
  bucket      = aws_s3_bucket.orchestrator.id
  key         = "lambda/prefect-drs.zip"
  source      = var.function_zip
  source_hash = filesha256(var.function_zip)
}

resource "aws_iam_role" "orchestrator" {
  name               = "prefect-drs"
  description        = "Carries executions of prefect-drs and answers its operations."
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "orchestrator" {
  name   = "prefect-drs"
  role   = aws_iam_role.orchestrator.id
  policy = data.aws_iam_policy_document.caller.json
}

resource "aws_cloudwatch_log_group" "operations" {
  name              = "/aws/lambda/prefect-drs"
  retention_in_days = 90
}

resource "aws_lambda_function" "operations" {
  function_name     = "prefect-drs"
  description       = "The operations of prefect-drs."
  role              = aws_iam_role.orchestrator.arn
  runtime           = "python${var.python_version}"
  handler           = "prefect_drs.lambda_handler.handler"
  architectures     = ["x86_64"]
  memory_size       = 1024
  timeout           = 900
  s3_bucket         = aws_s3_object.code.bucket
  s3_key            = aws_s3_object.code.key
  s3_object_version = aws_s3_object.code.version_id

  environment {
    variables = var.environment
  }

  depends_on = [aws_cloudwatch_log_group.operations, aws_iam_role_policy.orchestrator]
}

output "role_arn" {
  description = "For the trust policy of the target accounts."
  value       = aws_iam_role.orchestrator.arn
}

output "function_arn" {
  description = "For the EventBridge rules and the state machine."
  value       = aws_lambda_function.operations.arn
}
