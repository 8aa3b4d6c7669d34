# What the machine may do in AWS: what it needs of its own appliance, and nothing of another's. The ARNs are made of
# names, so that a plan shows what is allowed.

locals {
  arns = {
    bucket     = "arn:${local.partition}:s3:::${local.bucket_name}"
    table      = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${local.full_name}"
    repository = "arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${local.full_name}"
    parameters = "arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${local.parameters}"
  }

  machine_statements = [
    {
      Sid       = "PublishMetrics"
      Effect    = "Allow"
      Action    = ["cloudwatch:PutMetricData"]
      Resource  = ["*"] # it has no resources, only a namespace
      Condition = { StringEquals = { "cloudwatch:namespace" = "Skylark" } }
    },
    {
      Sid      = "ReadRelease"
      Effect   = "Allow"
      Action   = ["ssm:GetParameter"]
      Resource = ["${local.arns.parameters}/release", "${local.arns.parameters}/api_keys"]
    },
    {
      Sid      = "HoldItself"
      Effect   = "Allow"
      Action   = ["ssm:PutParameter"]
      Resource = ["${local.arns.parameters}/holds/machine"]
    },
    {
      Sid      = "AcceptedWork"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = ["${local.arns.bucket}/accepted/*"]
    },
    {
      Sid      = "ClonedVoices"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = ["${local.arns.bucket}/voices/*", "${local.arns.bucket}/removed-voices/*"]
    },
    {
      Sid      = "Results"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = ["${local.arns.bucket}/results/*", "${local.arns.bucket}/audio/*"]
    },
    {
      Sid       = "TellMissingFromForbidden"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [local.arns.bucket]
      Condition = { StringLike = { "s3:prefix" = ["accepted/*", "results/*", "audio/*", "voices/*", "removed-voices/*"] } }
    },
    {
      Sid      = "OwnItems"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      Resource = [local.arns.table]
      # The starts and the ledger are the functions'.
      Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["boot", "waiting", "ended"] } }
    },
    {
      Sid      = "LogInToECR"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = ["*"] # it has no resources
    },
    {
      Sid      = "PullImages"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = [local.arns.repository]
    },
  ]

  # AWS's policy AmazonSSMManagedInstanceCore without ssm:GetParameter and ssm:GetParameters, with which the machine
  # could read every secret of the account. None of these has resources but the documents.
  session_statements = [
    {
      Sid    = "SessionManager"
      Effect = "Allow"
      Action = [
        "ec2messages:AcknowledgeMessage",
        "ec2messages:DeleteMessage",
        "ec2messages:FailMessage",
        "ec2messages:GetEndpoint",
        "ec2messages:GetMessages",
        "ec2messages:SendReply",
        "ssm:DescribeAssociation",
        "ssm:DescribeDocument",
        "ssm:GetDeployablePatchSnapshotForInstance",
        "ssm:GetDocument",
        "ssm:GetManifest",
        "ssm:ListAssociations",
        "ssm:ListInstanceAssociations",
        "ssm:PutComplianceItems",
        "ssm:PutConfigurePackageResult",
        "ssm:PutInventory",
        "ssm:UpdateAssociationStatus",
        "ssm:UpdateInstanceAssociationStatus",
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_role" "machine" {
  name = "${local.full_name}-machine"
  tags = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  name   = "appliance"
  role   = aws_iam_role.machine.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.machine_statements })
}

resource "aws_iam_role_policy" "session" {
  name   = "session"
  role   = aws_iam_role.machine.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.session_statements })
}

resource "aws_iam_instance_profile" "machine" {
  name = "${local.full_name}-machine"
  role = aws_iam_role.machine.name
  tags = local.tags
}
