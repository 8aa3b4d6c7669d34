# What is kept, and for how long.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "what_is_kept_is_private_and_ends" {
  assert {
    condition     = aws_s3_bucket.this.bucket == "skylark-speech-123456789012"
    error_message = "The bucket has the account in its name."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "Nothing of the bucket is public."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "The bucket is encrypted."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.this.policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.this.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The bucket is reached by TLS only."
  }

  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.filter).prefix => one(rule.expiration).days if length(rule.expiration) > 0
    } == { "accepted/" = 7, "results/" = 7, "audio/" = 30 }
    error_message = "What is in the bucket expires."
  }

  assert {
    condition     = aws_dynamodb_table.this.hash_key == "kind" && aws_dynamodb_table.this.range_key == "id" && aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST"
    error_message = "The table's keys are kind and id, and it costs nothing while nothing happens."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.ttl).attribute_name == "expires_at" && one(aws_dynamodb_table.this.point_in_time_recovery).enabled
    error_message = "Items expire, and the table can be brought back."
  }

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && one(aws_ecr_repository.this.image_scanning_configuration).scan_on_push
    error_message = "A tag is pushed once, and looked through."
  }

  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : [rule.selection.tagStatus, rule.selection.countNumber]] == [
      ["untagged", 1], ["any", 5],
    ]
    error_message = "Of images the latest five are kept."
  }

  assert {
    condition     = jsondecode(nonsensitive(aws_ssm_parameter.release.value)) == { live = "blue", blue = "", green = "" }
    error_message = "At first no place has an image."
  }

  assert {
    condition     = aws_ssm_parameter.api_keys_of_people[0].type == "SecureString" && nonsensitive(aws_ssm_parameter.api_keys_of_people[0].value) == "unset" && length(aws_ssm_parameter.api_keys) == 0
    error_message = "People set the API keys."
  }
}

run "days_are_peoples_to_choose" {
  command = plan

  variables {
    accepted_days = 3
    audio_days    = 1
    kept_images   = 2
  }

  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.filter).prefix => one(rule.expiration).days if length(rule.expiration) > 0
    } == { "accepted/" = 3, "results/" = 3, "audio/" = 1 }
    error_message = "The bucket's rules are as they were set."
  }
}

run "one_image_is_too_few_to_go_back_to" {
  command = plan

  variables {
    kept_images = 1
  }

  expect_failures = [var.kept_images]
}

run "a_key_itself_is_not_its_hash" {
  command = plan

  variables {
    api_keys = { maria = "a long secret" }
  }

  expect_failures = [var.api_keys]
}
