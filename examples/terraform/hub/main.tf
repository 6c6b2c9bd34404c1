# The hub of prefect-drs: the orchestrator's role, the journal's bucket, topics and EventBridge rules. Apply it in another
# region than the one that is recovered from. `workers.tf` beside it runs a Prefect worker on ECS.
#
# In external role mode (orchestrator_role_arn) no role is made for the flows: give that role the actions of
# data.aws_iam_policy_document.orchestrator.

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
  description = "External role mode: the role that the flows run with, made elsewhere; empty makes one."
  type        = string
  default     = ""

  validation {
    condition     = var.orchestrator_role_arn == "" || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.orchestrator_role_arn))
    error_message = "Give the ARN of a role."
  }
}

variable "target_account_ids" {
  description = "The accounts whose role may be assumed."
  type        = list(string)
}

variable "target_role_name" {
  description = "The role's name in the target accounts."
  type        = string
  default     = "DRSOrchestrationRole"
}

variable "bucket_name" {
  description = "The journal's bucket."
  type        = string
}

variable "lock_days" {
  description = "How long each version of a journal is locked in governance mode, in days; 0 for no default retention."
  type        = number
  default     = 0
}

variable "replica_arn" {
  description = "The replica's bucket in another region (module journal-replica); empty for none."
  type        = string
  default     = ""
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  role_arn = var.orchestrator_role_arn != "" ? var.orchestrator_role_arn : aws_iam_role.orchestrator[0].arn
}

# ---- the role that the flows run with --------------------------------------------------------------------------------

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "orchestrator" {
  statement {
    sid       = "AssumeTargetRoles"
    actions   = ["sts:AssumeRole"]
    resources = [for id in var.target_account_ids : "arn:${data.aws_partition.current.partition}:iam::${id}:role/${var.target_role_name}"]
  }

  statement {
    sid       = "ListJournals"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [aws_s3_bucket.journal.arn]
  }

  statement {
    sid       = "KeepJournals"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    resources = ["${aws_s3_bucket.journal.arn}/*"]
  }

  statement {
    sid       = "TellPeople"
    actions   = ["sns:GetSubscriptionAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish", "sns:SetSubscriptionAttributes", "sns:Subscribe"]
    resources = [aws_sns_topic.milestones.arn, "${aws_sns_topic.milestones.arn}:*"]
  }

  statement {
    sid       = "TellPrograms"
    actions   = ["events:DescribeEventBus", "events:PutEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:events:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:event-bus/default"]
  }
}

resource "aws_iam_role" "orchestrator" {
  count              = var.orchestrator_role_arn == "" ? 1 : 0
  name               = "prefect-drs-orchestrator"
  description        = "Carries executions of prefect-drs."
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "orchestrator" {
  count  = var.orchestrator_role_arn == "" ? 1 : 0
  name   = "prefect-drs"
  role   = aws_iam_role.orchestrator[0].id
  policy = data.aws_iam_policy_document.orchestrator.json
}

# ---- the journal -----------------------------------------------------------------------------------------------------

resource "aws_s3_bucket" "journal" {
  bucket              = var.bucket_name
  object_lock_enabled = true
}

resource "aws_s3_bucket_versioning" "journal" {
  bucket = aws_s3_bucket.journal.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "journal" {
  count  = var.lock_days > 0 ? 1 : 0
  bucket = aws_s3_bucket.journal.id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.lock_days
    }
  }
}

resource "aws_s3_bucket_public_access_block" "journal" {
  bucket                  = aws_s3_bucket.journal.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "only_by_tls" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.journal.arn, "${aws_s3_bucket.journal.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "journal" {
  bucket = aws_s3_bucket.journal.id
  policy = data.aws_iam_policy_document.only_by_tls.json
}

data "aws_iam_policy_document" "s3" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "replication" {
  statement {
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [aws_s3_bucket.journal.arn]
  }

  statement {
    actions   = ["s3:GetObjectLegalHold", "s3:GetObjectRetention", "s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"]
    resources = ["${aws_s3_bucket.journal.arn}/*"]
  }

  statement {
    actions   = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = ["${var.replica_arn}/*"]
  }
}

resource "aws_iam_role" "replication" {
  count              = var.replica_arn != "" ? 1 : 0
  name               = "prefect-drs-replication"
  description        = "Replicates journals of prefect-drs."
  assume_role_policy = data.aws_iam_policy_document.s3.json
}

resource "aws_iam_role_policy" "replication" {
  count  = var.replica_arn != "" ? 1 : 0
  name   = "replicate"
  role   = aws_iam_role.replication[0].id
  policy = data.aws_iam_policy_document.replication.json
}

resource "aws_s3_bucket_replication_configuration" "journal" {
  count  = var.replica_arn != "" ? 1 : 0
  bucket = aws_s3_bucket.journal.id
  role   = aws_iam_role.replication[0].arn

  rule {
    id       = "everything"
    priority = 1
    status   = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    destination {
      bucket = var.replica_arn
    }
  }

  depends_on = [aws_s3_bucket_versioning.journal]
}

# ---- notifications ---------------------------------------------------------------------------------------------------

resource "aws_sns_topic" "milestones" {
  name         = "prefect-drs-milestones"
  display_name = "Recoveries"
}

resource "aws_sns_topic" "alerts" {
  name         = "prefect-drs-alerts"
  display_name = "Recovery alerts"
}

data "aws_iam_policy_document" "alerts" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alerts.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.stalled_server.arn, aws_cloudwatch_event_rule.stopped_task.arn]
    }
  }
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = data.aws_iam_policy_document.alerts.json
}

resource "aws_cloudwatch_event_rule" "stalled_server" {
  name        = "prefect-drs-stalled-server"
  description = "Tells people that the replication of a source server has stalled."

  event_pattern = jsonencode({
    source      = ["aws.drs"]
    detail-type = ["DRS Source Server Data Replication Stalled Change"]
    detail      = { state = ["STALLED"] }
  })
}

resource "aws_cloudwatch_event_target" "stalled_server" {
  rule = aws_cloudwatch_event_rule.stalled_server.name
  arn  = aws_sns_topic.alerts.arn

  input_transformer {
    input_paths = {
      server = "$.resources[0]"
      time   = "$.time"
    }
    input_template = "\"Replication of <server> has stalled since <time>: it would be recovered from an older point in time.\""
  }
}

resource "aws_cloudwatch_event_rule" "stopped_task" {
  name        = "prefect-drs-stopped-task"
  description = "Tells people that a task of the worker has stopped."

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [aws_ecs_cluster.workers.arn]
      lastStatus = ["STOPPED"]
    }
  })
}

resource "aws_cloudwatch_event_target" "stopped_task" {
  rule = aws_cloudwatch_event_rule.stopped_task.name
  arn  = aws_sns_topic.alerts.arn

  input_transformer {
    input_paths = {
      task   = "$.detail.taskArn"
      reason = "$.detail.stoppedReason"
    }
    input_template = "\"Task <task> of prefect-drs has stopped: <reason>. prefect-drs doctor says whether a worker is alive.\""
  }
}

output "orchestrator_role_arn" {
  description = "For the modules of the target accounts."
  value       = local.role_arn
}

output "journal_bucket_name" {
  description = "For the S3Bucket block of the journal."
  value       = aws_s3_bucket.journal.id
}

output "milestones_topic_arn" {
  description = "For subscriptions of people."
  value       = aws_sns_topic.milestones.arn
}

output "alerts_topic_arn" {
  description = "Stalled replication, stopped tasks."
  value       = aws_sns_topic.alerts.arn
}
