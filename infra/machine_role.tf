# What the machine may do in AWS: what it needs of its own appliance, and nothing of another's.

data "aws_iam_policy_document" "machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "machine" {
  name               = "${local.full_name}-machine"
  assume_role_policy = data.aws_iam_policy_document.machine_trust.json
  tags               = local.tags
}

resource "aws_iam_instance_profile" "machine" {
  name = "${local.full_name}-machine"
  role = aws_iam_role.machine.name
  tags = local.tags
}
