# The role that prefect-drs assumes in a target account. Apply it once in each target account.
#
# The policy is prefect_drs/aws/permissions.py as JSON; docs/permissions.md says what each statement is for and which ones
# you may leave out.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

variable "orchestrator_role_arn" {
  description = "The role that the flows run with, in the account of the orchestrator."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.orchestrator_role_arn))
    error_message = "Give the ARN of a role."
  }
}

variable "external_id" {
  description = "The ExternalId that the caller must give; the TargetAccount block of this account holds the same."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[\\w+=,.@:/-]{2,1224}$", var.external_id))
    error_message = "2 to 1224 letters, digits and +=,.@:/-_"
  }
}

variable "role_name" {
  description = "The role's name: that of the TargetAccount block, or of PREFECT_DRS_ROLE_NAME."
  type        = string
  default     = "DRSOrchestrationRole"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.orchestrator_role_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

resource "aws_iam_role" "orchestration" {
  name                 = var.role_name
  description          = "Assumed by prefect-drs to recover servers with AWS Elastic Disaster Recovery."
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "orchestration" {
  name   = "prefect-drs"
  role   = aws_iam_role.orchestration.id
  policy = file("${path.module}/../../policies/target-account.json")
}

output "role_arn" {
  description = "For the TargetAccount block."
  value       = aws_iam_role.orchestration.arn
}
