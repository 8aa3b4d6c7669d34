# What all of it stands on: where this is, and whom it tells.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_sns_topic" "people" {
  name              = "${local.full_name}-people"
  kms_master_key_id = aws_kms_key.people.arn
  tags              = local.tags
}

resource "aws_sns_topic_subscription" "people" {
  for_each  = toset(var.alarm_emails)
  topic_arn = aws_sns_topic.people.arn
  protocol  = "email"
  endpoint  = each.value
}
