# A Prefect worker on ECS (Fargate), of type process: executions run in the worker's own task, with the orchestrator's role.
# The Prefect server runs elsewhere; the CloudFormation template can run one too.

variable "prefect_api_url" {
  description = "The API of the Prefect server, or of Prefect Cloud."
  type        = string
}

variable "prefect_api_key_secret_arn" {
  description = "The secret (Secrets Manager) with the key of Prefect Cloud; empty for a server without keys."
  type        = string
  default     = ""
}

variable "worker_image" {
  description = "An image built from deployments/docker/Dockerfile."
  type        = string
}

variable "work_pool" {
  description = "The work pool that the worker polls."
  type        = string
  default     = "drs"
}

variable "journal" {
  description = "The S3Bucket block of the journal's bucket, which you save once (docs/workers.md)."
  type        = string
  default     = "s3-bucket/drs-journal"
}

variable "vpc_id" {
  description = "Where the tasks run."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets with a way to AWS, to the Prefect API and to the registry of the image."
  type        = list(string)
}

resource "aws_ecs_cluster" "workers" {
  name = "prefect-drs"
}

resource "aws_cloudwatch_log_group" "workers" {
  name              = "/prefect-drs/tasks"
  retention_in_days = 90
}

resource "aws_iam_role" "execution" {
  name               = "prefect-drs-execution"
  description        = "Starts tasks of prefect-drs."
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  count = var.prefect_api_key_secret_arn != "" ? 1 : 0
  name  = "secrets"
  role  = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = var.prefect_api_key_secret_arn
    }]
  })
}

resource "aws_security_group" "workers" {
  name        = "prefect-drs-workers"
  description = "Workers of prefect-drs. Nothing reaches them."
  vpc_id      = var.vpc_id

  egress {
    description = "AWS, the Prefect API, the registry"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "prefect-drs-worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = local.role_arn

  container_definitions = jsonencode([{
    name      = "worker"
    image     = var.worker_image
    essential = true
    # A stopped worker gives its executions two minutes to store where they are; another one carries them on.
    stopTimeout = 120
    environment = [
      { name = "PREFECT_API_URL", value = var.prefect_api_url },
      { name = "DRS_WORK_POOL", value = var.work_pool },
      { name = "DRS_POOL_TYPE", value = "process" },
      { name = "PREFECT_DRS_JOURNAL", value = var.journal },
      { name = "PREFECT_DRS_ROLE_NAME", value = var.target_role_name },
      { name = "PREFECT_DRS_NOTIFY_TOPICS", value = aws_sns_topic.milestones.arn },
    ]
    secrets = var.prefect_api_key_secret_arn != "" ? [{ name = "PREFECT_API_KEY", valueFrom = var.prefect_api_key_secret_arn }] : []
    healthCheck = {
      command     = ["CMD", "drs-worker-health"]
      startPeriod = 120
      interval    = 30
      retries     = 3
      timeout     = 10
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.workers.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "worker"
      }
    }
  }])
}

resource "aws_ecs_service" "worker" {
  name            = "prefect-drs-worker"
  cluster         = aws_ecs_cluster.workers.id
  task_definition = aws_ecs_task_definition.worker.arn
  launch_type     = "FARGATE"
  desired_count   = 2

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.workers.id]
  }
}
