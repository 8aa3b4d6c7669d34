# What people are told of. For each alarm it is decided what no data means: a machine that is stopped publishes
# nothing, and is no alarm.

locals {
  quiet      = "notBreaching"
  balancer   = aws_lb.this.arn_suffix
  of_machine = { Appliance = var.name }

  # The metrics that alarms are made of: of the machine (servers/monitor), of lambda/start, and AWS's own.
  alarm_metrics = merge(
    {
      memory    = { namespace = "Skylark", name = "GpuMemoryUsed", stat = "Maximum", dimensions = local.of_machine }
      errors    = { namespace = "Skylark", name = "Errors", stat = "Sum", dimensions = local.of_machine }
      requests  = { namespace = "Skylark", name = "Requests", stat = "Sum", dimensions = local.of_machine }
      heartbeat = { namespace = "Skylark", name = "Heartbeat", stat = "Maximum", dimensions = local.of_machine }
      active    = { namespace = "Skylark", name = "ActiveRequests", stat = "Maximum", dimensions = local.of_machine }
      spot      = { namespace = "Skylark", name = "SpotInterruption", stat = "Maximum", dimensions = local.of_machine }
      running   = { namespace = "Skylark", name = "RunningSeconds", stat = "Maximum", dimensions = local.of_machine }
      month     = { namespace = "Skylark", name = "CostMonth", stat = "Maximum", dimensions = local.of_machine }
      failed    = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = { QueueName = aws_sqs_queue.failed.name } }
      checks = {
        namespace  = "AWS/EC2"
        name       = "StatusCheckFailed"
        stat       = "Maximum"
        dimensions = local.is_fleet ? { AutoScalingGroupName = local.full_name } : { InstanceId = aws_instance.machine[0].id }
      }
    },
    {
      for key in ["tts-blue", "tts-green", "whisperx-blue", "whisperx-green"] : "healthy_${replace(key, "-", "_")}" => {
        namespace  = "AWS/ApplicationELB"
        name       = "HealthyHostCount"
        stat       = "Maximum"
        dimensions = { LoadBalancer = local.balancer, TargetGroup = aws_lb_target_group.machine[key].arn_suffix }
      }
    },
    merge([
      for key, name in local.function_names : {
        for metric in ["Errors", "Throttles", "Invocations"] : "${lower(metric)}_${key}" => {
          namespace  = "AWS/Lambda"
          name       = metric
          stat       = "Sum"
          dimensions = { FunctionName = name }
        }
      }
    ]...),
  )

  # minutes: so long a period is; of: so many periods are looked at, and in all of them (or in `in`) it has to be so.
  # What is filled needs `in`: the newest minute is compared before its data are there.
  alarms = merge(
    {
      gpu-memory = {
        why     = "The GPU's memory has been over 90 % full for ten minutes: the next model or long text may not fit. See engine.vram_mb and max_models."
        metrics = ["memory"], over = 90, minutes = 1, of = 10
        missing = local.quiet # a stopped machine, or one without NVIDIA's driver, which servers/monitor logs
      }
      error-rate = {
        why        = "More than 5 % of the requests were answered with 500 or above, for ten minutes. See the machine's log: journalctl --unit 'skylark@*'"
        metrics    = ["errors", "requests"], over = 5, minutes = 5, of = 2
        expression = "IF(requests >= 10, 100 * errors / requests, 0)" # of a few, one is too large a part
        missing    = local.quiet                                      # nobody asks
      }
      unreachable = {
        why     = "EC2 says that the machine, or what it runs on, does not answer. Stop and start it: skylark stop-gpu --force, skylark start-gpu"
        metrics = ["checks"], over = 0
        minutes = local.is_fleet ? 5 : 1, of = local.is_fleet ? 2 : 5 # of a group EC2 tells it each five minutes only
        missing = local.quiet                                         # a stopped machine is not checked
      }
      no-healthy-target = {
        why        = "The machine runs and publishes, and the load balancer has found no server of it ready for 20 minutes: nobody is served. See GET /ready."
        metrics    = ["heartbeat", "healthy_tts_blue", "healthy_tts_green", "healthy_whisperx_blue", "healthy_whisperx_green"]
        over       = 0, minutes = 1, of = 20, in = 16 # longer than a start takes
        expression = "IF(FILL(heartbeat, 0) > 0 AND (FILL(healthy_tts_blue, 0) + FILL(healthy_tts_green, 0) < 1 OR FILL(healthy_whisperx_blue, 0) + FILL(healthy_whisperx_green, 0) < 1), 1, 0)"
        missing    = local.quiet # all are filled; nothing of them at all is no machine
      }
      blind-publisher = {
        why        = "The machine publishes, but not what it does: a server or the engine does not answer it. It is not stopped meanwhile, whatever it costs."
        metrics    = ["heartbeat", "active"], over = 0, minutes = 1, of = 15, in = 12
        expression = "IF(FILL(heartbeat, 0) > 0 AND FILL(active, -1) < 0, 1, 0)"
        missing    = local.quiet # one that publishes nothing at all is auto_stop's to tell, which knows whether it runs
      }
      runs-long = {
        why     = "The machine has run for longer than longest_run_s. Who holds it, and what for: skylark gpu status"
        metrics = ["running"], over = var.longest_run_s, minutes = 5, of = 1
        missing = local.quiet # lambda/start publishes it while the machine runs
      }
      failed-calls = {
        why     = "A call of a function was given up, and lies in the queue ${local.full_name}-failed. Read it there, and purge the queue."
        metrics = ["failed"], over = 0, minutes = 5, of = 1
        missing = local.quiet # SQS falls silent about a queue that nobody uses
      }
    },
    var.spot ? {
      spot-interruption = {
        why     = "EC2 takes the spot instance away. It drains; what waits is taken in by the next one, and is not lost."
        metrics = ["spot"], over = 0, minutes = 1, of = 1
        missing = local.quiet # nothing runs
      }
    } : {},
    var.monthly_budget > 0 ? {
      over-budget = {
        why     = "The machine has cost more this month than monthly_budget, by the ledger: skylark gpu ledger"
        metrics = ["month"], over = var.monthly_budget, minutes = 60, of = 1
        missing = local.quiet # lambda/start, which publishes it, has an alarm of its own
      }
    } : {},
    {
      for key, name in local.function_names : "${replace(key, "_", "-")}-fails" => {
        why     = "The function ${name} has failed again and again. Its log says what is to be done: /aws/lambda/${name}"
        metrics = ["errors_${key}"], over = 0, minutes = 5, of = 3, in = 2
        missing = local.quiet # it was not called
      }
    },
    {
      for key, name in local.function_names : "${replace(key, "_", "-")}-throttled" => {
        why     = "The function ${name} was not run, for too many run at once: see Lambda's quota of concurrent executions."
        metrics = ["throttles_${key}"], over = 0, minutes = 5, of = 3, in = 2
        missing = local.quiet # it was not called
      }
    },
    {
      for key in ["auto_stop", "start"] : "${replace(key, "_", "-")}-silent" => {
        why     = "The function ${local.function_names[key]} has not run for 15 minutes, and is to run each minute: look at the rule ${local.full_name}-minute. ${key == "auto_stop" ? "Nothing stops the machine." : "Nothing goes on with a start."}"
        metrics = ["invocations_${key}"], under = 1, minutes = 5, of = 3
        missing = "breaching" # no invocation, no data: that is the very case
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${local.full_name}-${each.key}"
  alarm_description   = each.value.why
  comparison_operator = can(each.value.under) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.under, each.value.over)
  evaluation_periods  = each.value.of
  datapoints_to_alarm = try(each.value.in, each.value.of)
  treat_missing_data  = each.value.missing
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
  tags                = local.tags

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id          = metric_query.value
      return_data = !can(each.value.expression)

      metric {
        namespace   = local.alarm_metrics[metric_query.value].namespace
        metric_name = local.alarm_metrics[metric_query.value].name
        dimensions  = local.alarm_metrics[metric_query.value].dimensions
        stat        = local.alarm_metrics[metric_query.value].stat
        period      = each.value.minutes * 60
      }
    }
  }

  dynamic "metric_query" {
    for_each = can(each.value.expression) ? [each.value.expression] : []

    content {
      id          = "told"
      label       = each.key
      expression  = metric_query.value
      return_data = true
    }
  }

  depends_on = [aws_sns_topic_policy.people]
}

# What AWS itself counts, a day late and with the volumes and all else; it needs the tag Appliance to be activated for
# cost allocation, once in each account.
resource "aws_budgets_budget" "this" {
  count        = var.monthly_budget > 0 ? 1 : 0
  name         = local.full_name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget)
  limit_unit   = "USD"
  tags         = local.tags

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Appliance$%s", var.name)] # in a string, a dollar before a brace is an escape
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [local.topic_arn]
    }
  }

  depends_on = [aws_sns_topic_policy.people]
}
