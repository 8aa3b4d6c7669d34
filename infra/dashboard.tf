# What people look at: one page in CloudWatch.

locals {
  dashboard_url = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards/dashboard/${local.full_name}"

  own      = { for name in ["CostToday", "CostMonth", "SavedMonth", "RunningSeconds", "Queued", "Running", "Loading", "Training", "Uploads", "Waiting", "GpuUse", "GpuMemoryUsed", "Requests", "Errors", "SecondsPerSegment", "Heartbeat", "SpotInterruption"] : name => ["Skylark", name, "Appliance", var.name] }
  latency  = ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", local.balancer]
  failures = ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", local.balancer]

  # Each is [width, height, type, properties], in rows from the left; a row is 24 wide.
  widgets = [
    [6, 4, "metric", { title = "Cost today, $", view = "singleValue", stat = "Maximum", period = 300, metrics = [local.own.CostToday] }],
    [6, 4, "metric", { title = "Cost this month, $", view = "singleValue", stat = "Maximum", period = 300, metrics = [local.own.CostMonth] }],
    [6, 4, "metric", { title = "Saved this month by stopping, $", view = "singleValue", stat = "Maximum", period = 300, metrics = [local.own.SavedMonth] }],
    [6, 4, "metric", { title = "Runs for, s", view = "singleValue", stat = "Maximum", period = 60, metrics = [local.own.RunningSeconds] }],
    [12, 6, "metric", {
      title   = "Work in hand, by kind", view = "timeSeries", stacked = true, stat = "Maximum", period = 60
      metrics = [local.own.Queued, local.own.Running, local.own.Loading, local.own.Training, local.own.Uploads, local.own.Waiting]
    }],
    [12, 6, "metric", {
      title   = "GPU, %", view = "timeSeries", stacked = false, stat = "Maximum", period = 60
      metrics = [local.own.GpuUse, local.own.GpuMemoryUsed]
      yAxis   = { left = { min = 0, max = 100 } }, annotations = { horizontal = [{ label = "alarm", value = 90 }] }
    }],
    [12, 6, "metric", {
      title   = "Requests and errors, each minute", view = "timeSeries", stacked = false, stat = "Sum", period = 60
      metrics = [local.own.Requests, local.own.Errors, local.failures]
    }],
    [12, 6, "metric", {
      title = "How long an answer and a segment take, s", view = "timeSeries", stacked = false, period = 60
      metrics = [
        concat(local.latency, [{ stat = "p50", label = "answer, half" }]),
        concat(local.latency, [{ stat = "p99", label = "answer, 99 of 100" }]),
        concat(local.own.SecondsPerSegment, [{ stat = "Average", label = "segment, mean" }]),
        concat(local.own.SecondsPerSegment, [{ stat = "Maximum", label = "segment, longest" }]),
      ]
    }],
    [12, 6, "metric", {
      title   = "When it ran", view = "timeSeries", stacked = false, stat = "Maximum", period = 300
      metrics = [local.own.Heartbeat, local.own.SpotInterruption]
    }],
    [12, 6, "alarm", { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }],
    [24, 8, "log", {
      title = "Why it started and stopped", view = "table"
      query = join(" | ", concat(
        [for key in ["auto_stop", "start"] : "SOURCE '${aws_cloudwatch_log_group.function[key].name}'"],
        # auto_stop says what it did in a word, the start function in a list of sentences
        ["filter (ispresent(did) and did != 'nothing') or ispresent(did.0)", "fields @timestamp, coalesce(did, did.0) as step, why, by, instance", "sort @timestamp desc", "limit 50"],
      ))
    }],
  ]

  # From left to right, and down by the height of the row.
  ends = [for index, widget in local.widgets : sum([for before in slice(local.widgets, 0, index + 1) : before[0]])]
  rows = [for index, end in local.ends : floor((end - 1) / 24)]
  tops = [for row in local.rows : sum(concat([0], [
    for above in distinct([for each in local.rows : each if each < row]) : max([for index, each in local.rows : local.widgets[index][1] if each == above]...)
  ]))]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.full_name
  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets : {
        x          = local.ends[index] - widget[0] - 24 * local.rows[index]
        y          = local.tops[index]
        width      = widget[0]
        height     = widget[1]
        type       = widget[2]
        properties = merge({ region = local.region }, widget[3])
      }
    ]
  })
}
