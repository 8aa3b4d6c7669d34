# What the functions may do in AWS. What only looks and has no resources may look at all; what changes something may
# change what is this appliance's, by its ARN or its tag.

locals {
  owned = { StringEquals = { "aws:ResourceTag/Appliance" = var.name } }

  function_resources = {
    instances = "arn:${local.partition}:ec2:${local.region}:${local.account_id}:instance/*"
    groups    = "arn:${local.partition}:autoscaling:${local.region}:${local.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.full_name}"
    rules     = "arn:${local.partition}:elasticloadbalancing:${local.region}:${local.account_id}:listener-rule/app/${local.full_name}/*"
    start     = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.function_names.start}"
  }

  may = {
    # What looks has no resources.
    look = {
      Action = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "cloudwatch:GetMetricData",
        "ec2:DescribeInstances",
        "ec2:DescribeSpotInstanceRequests",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTargetHealth",
      ]
      Resource = ["*"]
    }
    look_at_refusals = { Action = ["autoscaling:DescribeScalingActivities"], Resource = ["*"] }
    look_at_prices   = { Action = ["ec2:DescribeSpotPriceHistory", "pricing:GetProducts"], Resource = ["*"] }
    stop_instance    = { Action = ["ec2:StopInstances"], Resource = [local.function_resources.instances], Condition = local.owned }
    start_instance   = { Action = ["ec2:StartInstances", "ec2:ModifyInstanceAttribute"], Resource = [local.function_resources.instances], Condition = local.owned }
    set_capacity     = { Action = ["autoscaling:SetDesiredCapacity"], Resource = [local.function_resources.groups] }
    lead             = { Action = ["elasticloadbalancing:ModifyRule"], Resource = [local.function_resources.rules] }
    read_settings    = { Action = ["ssm:GetParameter"], Resource = ["${local.arns.parameters}/release", "${local.arns.parameters}/api_keys"] }
    read_keys        = { Action = ["ssm:GetParameter"], Resource = ["${local.arns.parameters}/api_keys"] }
    read_release     = { Action = ["ssm:GetParameter"], Resource = ["${local.arns.parameters}/release"] }
    read_holds       = { Action = ["ssm:GetParametersByPath"], Resource = ["${local.arns.parameters}/holds"] }
    hold             = { Action = ["ssm:PutParameter", "ssm:DeleteParameters"], Resource = ["${local.arns.parameters}/holds/*"] }
    items            = { Action = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], Resource = [local.arns.table] }
    accept           = { Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = ["${local.arns.bucket}/accepted/*"] }
    results          = { Action = ["s3:GetObject"], Resource = ["${local.arns.bucket}/results/*"] }
    tell             = { Action = ["sns:Publish"], Resource = [local.topic_arn] }
    fail             = { Action = ["sqs:SendMessage"], Resource = [local.failed_arn] }
    ask_start        = { Action = ["lambda:InvokeFunction"], Resource = [local.function_resources.start] }
    publish          = { Action = ["cloudwatch:PutMetricData"], Resource = ["*"], Condition = { StringEquals = { "cloudwatch:namespace" = "Skylark" } } } # it has no resources
  }

  function_statements = {
    auto_stop = ["look", "stop_instance", "set_capacity", "lead", "read_release", "read_holds", "items", "tell", "fail"]
    start     = ["look", "look_at_refusals", "look_at_prices", "stop_instance", "start_instance", "set_capacity", "lead", "read_settings", "read_holds", "hold", "items", "tell", "fail", "publish"]
    reception = ["read_keys", "items", "accept", "results", "ask_start"]
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions
  name     = local.function_names[each.key]
  tags     = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = "appliance"
  role     = aws_iam_role.function[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for name in local.function_statements[each.key] : merge({ Sid = replace(title(replace(name, "_", " ")), " ", ""), Effect = "Allow" }, local.may[name])],
      [{
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${local.function_names[each.key]}:*"]
      }],
    )
  })
}

# EventBridge Scheduler calls by a role of its own.

resource "aws_iam_role" "schedules" {
  count = length(var.work_hours) > 0 ? 1 : 0
  name  = "${local.full_name}-schedules"
  tags  = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "schedules" {
  count = length(var.work_hours) > 0 ? 1 : 0
  name  = "appliance"
  role  = aws_iam_role.schedules[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge({ Sid = "AskStart", Effect = "Allow" }, local.may.ask_start),
      merge({ Sid = "Fail", Effect = "Allow" }, local.may.fail),
    ]
  })
}
