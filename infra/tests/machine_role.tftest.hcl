# What the machine may do. The ARNs are known when it is planned.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "the_machine_may_do_what_its_appliance_needs" {
  command = plan

  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.machine.policy).Statement : statement.Action])) == toset([
      "cloudwatch:PutMetricData",
      "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer",
      "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject",
      "ssm:GetParameter", "ssm:PutParameter",
    ])
    error_message = "The machine may do something that it does not need, or may not do what it needs."
  }

  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.machine.policy).Statement : statement.Resource if statement.Resource != ["*"]])) == toset([
      "arn:aws:dynamodb:eu-central-1:123456789012:table/skylark-speech",
      "arn:aws:ecr:eu-central-1:123456789012:repository/skylark-speech",
      "arn:aws:s3:::skylark-speech-123456789012",
      "arn:aws:s3:::skylark-speech-123456789012/accepted/*",
      "arn:aws:s3:::skylark-speech-123456789012/audio/*",
      "arn:aws:s3:::skylark-speech-123456789012/results/*",
      "arn:aws:ssm:eu-central-1:123456789012:parameter/skylark/speech/api_keys",
      "arn:aws:ssm:eu-central-1:123456789012:parameter/skylark/speech/holds/machine",
      "arn:aws:ssm:eu-central-1:123456789012:parameter/skylark/speech/release",
    ])
    error_message = "The machine reaches what is its own appliance's, and nothing else."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.machine.policy).Statement : statement.Sid => statement.Condition if statement.Resource == ["*"] && can(statement.Condition)
    } == { PublishMetrics = { StringEquals = { "cloudwatch:namespace" = "Skylark" } } }
    error_message = "Metrics are published in one namespace."
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.machine.policy).Statement : statement.Sid if statement.Resource == ["*"]
    ]) == toset(["PublishMetrics", "LogInToECR"])
    error_message = "Only what has no resources is allowed on all."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.machine.policy).Statement : statement.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"] if statement.Sid == "OwnItems"
    ] == [["boot", "waiting", "ended"]]
    error_message = "The starts and the ledger are the functions'."
  }

  assert {
    condition = length([
      for action in flatten([for statement in jsondecode(aws_iam_role_policy.session.policy).Statement : statement.Action]) : action
      if strcontains(action, "*") || startswith(action, "ssm:GetParameter") || startswith(action, "ssm:SendCommand")
    ]) == 0
    error_message = "A session reads no parameter."
  }

  assert {
    condition     = jsondecode(aws_iam_role.machine.assume_role_policy).Statement[0].Principal == { Service = "ec2.amazonaws.com" }
    error_message = "Only EC2 takes the role."
  }
}
