# The functions beside the machine: what stops it, what starts it, and what takes requests while it is off.

locals {
  functions_archive = coalesce(var.functions_archive, "${path.module}/build/functions.zip")
  log_days          = 30

  # Seconds that each may take. The load balancer's patience with a function is its own timeout.
  functions = {
    auto_stop = { timeout_s = 30, memory_mb = 256, description = "Stops the idle machine" }
    start     = { timeout_s = 60, memory_mb = 256, description = "Starts the machine, and says how far it is" }
    reception = { timeout_s = 29, memory_mb = 512, description = "Takes requests while the machine is off" }
  }
  function_names = { for key in keys(local.functions) : key => "${local.full_name}-${replace(key, "_", "-")}" }

  # Made of names, as machine_role.tf has them, so that a plan shows what leads where. The names come from the
  # resources, and with them the order in which all is made.
  function_arns = {
    for key, function in aws_lambda_function.this :
    key => "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${function.function_name}"
  }
  failed_arn = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.full_name}-failed"
  topic_arn  = "arn:${local.partition}:sns:${local.region}:${local.account_id}:${local.full_name}-people"

  # A spot instance cannot become another type.
  wanted_types = var.spot && !local.is_fleet ? [var.instance_types[0]] : var.instance_types

  environment = merge(
    {
      APPLIANCE              = var.name
      HOLD_PARAMETER         = local.holds_path
      TOPIC_ARN              = local.topic_arn
      TABLE_NAME             = aws_dynamodb_table.this.name
      BUCKET                 = aws_s3_bucket.this.bucket
      KEYS_PARAMETER         = local.api_keys_parameter
      RELEASE_PARAMETER      = aws_ssm_parameter.release.name
      ROUTES                 = jsonencode(local.routes)
      RECEPTION_TARGET_GROUP = aws_lb_target_group.function["reception"].arn
      START_FUNCTION         = local.function_names.start
      REPOSITORY_URL         = aws_ecr_repository.this.repository_url
      GPU_FITS_TWO           = tostring(local.fits_two)
      SERVICE_URL            = "https://${var.domain_name}"
      DASHBOARD_URL          = local.dashboard_url
      INSTANCE_TYPES         = join(",", local.wanted_types)
      SPOT                   = tostring(var.spot)
      MONTHLY_BUDGET         = tostring(var.monthly_budget)
      IDLE_S                 = tostring(var.idle_s)
      GRACE_S                = tostring(var.grace_s)
      FRESH_S                = tostring(var.fresh_s)
      BLIND_S                = tostring(var.blind_s)
      LONGEST_RUN_S          = tostring(var.longest_run_s)
      DRY_RUN                = tostring(var.dry_run)
    },
    local.is_fleet ? { ASG_NAME = aws_autoscaling_group.machine[0].name } : { INSTANCE_ID = aws_instance.machine[0].id },
  )
}

# No concurrency is reserved for any: a young account has ten in all, none of which can be. Two runs at once do no harm.
resource "aws_lambda_function" "this" {
  for_each         = local.functions
  function_name    = local.function_names[each.key]
  description      = each.value.description
  role             = aws_iam_role.function[each.key].arn
  filename         = local.functions_archive
  source_code_hash = fileexists(local.functions_archive) ? filebase64sha256(local.functions_archive) : null
  handler          = "${each.key}.handler.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  timeout          = each.value.timeout_s
  memory_size      = each.value.memory_mb
  tags             = local.tags

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  lifecycle {
    precondition {
      condition     = fileexists(local.functions_archive)
      error_message = "There is no archive of the functions' code at ${local.functions_archive}: run infra/archive first."
    }
  }

  depends_on = [aws_iam_role_policy.function]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${local.function_names[each.key]}"
  retention_in_days = local.log_days
  tags              = local.tags
}

# Where what could not be delivered, or failed again and again, is kept for a person to see

resource "aws_sqs_queue" "failed" {
  name                      = "${local.full_name}-failed"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

# The functions and the schedules put into it by their own roles.
resource "aws_sqs_queue_policy" "failed" {
  queue_url = aws_sqs_queue.failed.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RulesOfEventBridge"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = local.failed_arn
      Condition = { ArnLike = { "aws:SourceArn" = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${local.full_name}-*" } }
    }]
  })
}

# What calls them: the minute, and what EC2 tells

locals {
  # A machine's own events where it is known which it is; a group's newest one is not.
  changes = merge(
    {
      machine = {
        source        = ["aws.ec2"]
        "detail-type" = ["EC2 Instance State-change Notification", "EC2 Spot Instance Interruption Warning"]
        detail        = local.is_fleet ? null : { "instance-id" = [aws_instance.machine[0].id] }
      }
    },
    local.is_fleet ? {
      group = {
        source        = ["aws.autoscaling"]
        "detail-type" = ["EC2 Instance Launch Successful", "EC2 Instance Launch Unsuccessful"]
        detail        = { AutoScalingGroupName = [local.full_name] }
      }
    } : {},
  )

  # The next minute makes good what an attempt did not: a tick that is late is of no use.
  calls = merge(
    {
      tick = { rule = aws_cloudwatch_event_rule.minute.name, function = "start", input = { do = "tick" } }
      stop = { rule = aws_cloudwatch_event_rule.minute.name, function = "auto_stop", input = {} }
    },
    { for key, rule in aws_cloudwatch_event_rule.change : key => { rule = rule.name, function = "start", input = { do = "tick" } } },
  )
}

resource "aws_cloudwatch_event_rule" "minute" {
  name                = "${local.full_name}-minute"
  description         = "Looks at the machine"
  schedule_expression = "rate(1 minute)"
  tags                = local.tags
}

resource "aws_cloudwatch_event_rule" "change" {
  for_each      = local.changes
  name          = "${local.full_name}-${each.key}"
  description   = "Tells of a change of the ${each.key}"
  event_pattern = jsonencode({ for name, value in each.value : name => value if value != null })
  tags          = local.tags
}

resource "aws_cloudwatch_event_target" "function" {
  for_each  = local.calls
  rule      = each.value.rule
  target_id = each.key
  arn       = local.function_arns[each.value.function]
  input     = jsonencode(each.value.input)

  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 2
  }

  dead_letter_config {
    arn = local.failed_arn
  }

  depends_on = [aws_sqs_queue_policy.failed]
}

resource "aws_lambda_permission" "rule" {
  for_each      = local.calls
  statement_id  = "rule-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.value.function].function_name
  principal     = "events.amazonaws.com"
  source_arn    = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${each.value.rule}"
}

# A call that fails is tried again, and given up then: the next minute's does what is left. The reception is called by
# the load balancer only, which has its answer.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each                     = toset(["auto_stop", "start"])
  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 600

  destination_config {
    on_failure {
      destination = local.failed_arn
    }
  }

  depends_on = [aws_sqs_queue.failed, aws_iam_role_policy.function]
}

# Work hours

resource "aws_scheduler_schedule" "work_hours" {
  for_each                     = var.work_hours
  name                         = "${local.full_name}-${each.key}"
  description                  = "Starts the machine for ${each.key}"
  schedule_expression          = each.value.schedule
  schedule_expression_timezone = each.value.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = local.function_arns.start
    role_arn = aws_iam_role.schedules[0].arn
    input    = jsonencode({ do = "start", by = "schedule", why = "work hours: ${each.key}", hold_s = each.value.hold_s })

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }

    dead_letter_config {
      arn = local.failed_arn
    }
  }

  depends_on = [aws_iam_role_policy.schedules]
}

# The paths of the load balancer that are theirs

resource "aws_lb_target_group_attachment" "function" {
  for_each         = { machine = "start", reception = "reception" }
  target_group_arn = aws_lb_target_group.function[each.key].arn
  target_id        = local.function_arns[each.value]
  depends_on       = [aws_lambda_permission.balancer]
}

resource "aws_lambda_permission" "balancer" {
  for_each      = { machine = "start", reception = "reception" }
  statement_id  = "balancer-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.value].function_name
  principal     = "elasticloadbalancing.amazonaws.com"
  source_arn    = aws_lb_target_group.function[each.key].arn
}
