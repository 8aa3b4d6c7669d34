# Who may tell people something through the topic. A key of its own encrypts it: with AWS's key for SNS no alarm could
# be told, for CloudWatch may not use it.

resource "aws_kms_key" "people" {
  description             = "The topic ${local.full_name}-people"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  tags                    = local.tags
  depends_on              = [aws_iam_role.function]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheAccountKeepsIt"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*" # without it nobody could change the key again
        Resource  = "*"     # in a key's policy it is that key
      },
      {
        Sid       = "AlarmsAndTheBudget"
        Effect    = "Allow"
        Principal = { Service = local.tellers }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
      {
        Sid       = "TheFunctions"
        Effect    = "Allow"
        Principal = { AWS = [for key in local.telling_functions : "arn:${local.partition}:iam::${local.account_id}:role/${local.function_names[key]}"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:ViaService" = "sns.${local.region}.amazonaws.com" } }
      },
    ]
  })
}

locals {
  tellers           = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
  telling_functions = [for key, names in local.function_statements : key if contains(names, "tell")]
}

resource "aws_sns_topic_policy" "people" {
  arn = aws_sns_topic.people.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsAndTheBudget"
      Effect    = "Allow"
      Principal = { Service = local.tellers }
      Action    = "sns:Publish"
      Resource  = local.topic_arn
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}
