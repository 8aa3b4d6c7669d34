# An appliance with one instance, in a VPC of its own: what it is where nothing is said.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Target groups that can be told from each other.

override_resource {
  target = aws_lb_target_group.function["reception"]
  values = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/skylark-speech-reception/1" }
}

override_resource {
  target = aws_lb_target_group.function["machine"]
  values = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/skylark-speech-machine/1" }
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "what_there_is_where_nothing_is_said" {
  assert {
    condition = alltrue([
      for rule in values(aws_vpc_security_group_ingress_rule.machine_from_balancer) :
      rule.security_group_id == aws_security_group.machine.id
      && rule.referenced_security_group_id == aws_security_group.balancer.id
      && rule.cidr_ipv4 == null && rule.cidr_ipv6 == null
    ])
    error_message = "The machine's only ingress is the load balancer's security group."
  }

  assert {
    condition = {
      for colour, rule in aws_vpc_security_group_ingress_rule.machine_from_balancer : colour => [rule.from_port, rule.to_port]
    } == { blue = [5000, 5002], green = [5100, 5102] }
    error_message = "The load balancer reaches the three ports of each place, and no other."
  }

  assert {
    condition     = length(aws_security_group.machine.ingress) == 0 && length(aws_security_group.balancer.ingress) == 0
    error_message = "No group has a rule inside of itself."
  }

  assert {
    condition     = local.zones == tolist(["eu-central-1b", "eu-central-1c"])
    error_message = "An instance has two zones, first those that have the type."
  }

  assert {
    condition     = aws_instance.machine[0].subnet_id == aws_subnet.public["eu-central-1b"].id && aws_ebs_volume.state[0].availability_zone == "eu-central-1b"
    error_message = "The machine and its volume are in a zone that has the type."
  }

  assert {
    condition     = aws_subnet.public["eu-central-1b"].map_public_ip_on_launch && length(aws_vpc_endpoint.interface) == 0
    error_message = "The machine has an address of its own, and no endpoint is paid for."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.gateway)) == toset(["dynamodb", "s3"])
    error_message = "S3 and DynamoDB are reached by gateways, which cost nothing."
  }

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.port == 443
    error_message = "Clients are answered by HTTPS."
  }

  assert {
    condition     = aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "The policy knows TLS 1.3 and 1.2 only."
  }

  assert {
    condition     = aws_lb_listener.https.certificate_arn == aws_acm_certificate.this[0].arn && aws_acm_certificate.this[0].domain_name == "speech.example.com"
    error_message = "The certificate is the name's."
  }

  assert {
    condition     = aws_acm_certificate.this[0].validation_method == "DNS"
    error_message = "The certificate is proved in the zone."
  }

  assert {
    condition     = aws_lb_listener.redirect.port == 80 && one(one(aws_lb_listener.redirect.default_action).redirect).protocol == "HTTPS"
    error_message = "Port 80 answers with a redirect."
  }

  assert {
    condition     = aws_lb.this.idle_timeout > var.longest_request_s && aws_lb.this.idle_timeout <= 4000
    error_message = "A request may take as long as the appliance lets it."
  }

  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && !aws_lb.this.internal
    error_message = "Headers that are none are dropped, and clients come from outside."
  }

  assert {
    condition     = aws_route53_record.name[0].name == "speech.example.com" && one(aws_route53_record.name[0].alias).name == aws_lb.this.dns_name
    error_message = "The name is an alias of the load balancer."
  }

  assert {
    condition     = output.url == "https://speech.example.com"
    error_message = "Clients are told the name."
  }

  assert {
    condition = { for key, group in aws_lb_target_group.machine : group.name => group.port } == {
      skylark-speech-tts-blue       = 5000
      skylark-speech-whisperx-blue  = 5001
      skylark-speech-jobs-blue      = 5002
      skylark-speech-tts-green      = 5100
      skylark-speech-whisperx-green = 5101
      skylark-speech-jobs-green     = 5102
    }
    error_message = "The ports are those of the places."
  }

  assert {
    condition = { for key, group in aws_lb_target_group.machine : key => one(group.health_check).path } == {
      tts-blue  = "/ready", whisperx-blue = "/ready", jobs-blue = "/health"
      tts-green = "/ready", whisperx-green = "/ready", jobs-green = "/health"
    }
    error_message = "A door is healthy once it is ready."
  }

  assert {
    condition     = alltrue([for key, group in aws_lb_target_group.machine : one(group.health_check).matcher == "200"])
    error_message = "Only 200 is healthy."
  }

  assert {
    condition     = { for name, rule in aws_lb_listener_rule.function : name => rule.priority } == { machine = 10, reception = 20 }
    error_message = "The functions' rules come first."
  }

  assert {
    condition = alltrue([
      for name, rule in aws_lb_listener_rule.function : one(rule.action).target_group_arn == aws_lb_target_group.function[name].arn
    ])
    error_message = "Each leads to its own function."
  }

  assert {
    condition = alltrue([
      for rule in values(aws_lb_listener_rule.switchable) : one(rule.action).target_group_arn == aws_lb_target_group.function["reception"].arn
    ])
    error_message = "Until a machine is there, the reception answers."
  }

  assert {
    condition = { for service, rule in aws_lb_listener_rule.switchable : service => one(one([
      for condition in rule.condition : condition.path_pattern if length(condition.path_pattern) > 0
      ])).values } == {
      tts      = toset(["/tts/*", "/v1/*", "/generate_batch", "/cpu/*"])
      whisperx = toset(["/whisperx/*", "/transcribe*", "/align*"])
      jobs     = toset(["/jobs*", "/queue", "/models*"])
    }
    error_message = "Each path leads to the service that has it."
  }

  assert {
    condition     = max([for rule in values(aws_lb_listener_rule.place) : rule.priority]...) < min([for rule in values(aws_lb_listener_rule.switchable) : rule.priority]...)
    error_message = "The header goes before the paths."
  }

  assert {
    condition = alltrue([
      for rule in concat(values(aws_lb_listener_rule.place), values(aws_lb_listener_rule.switchable), values(aws_lb_listener_rule.function)) :
      sum([for condition in rule.condition : length(flatten(condition.path_pattern[*].values)) + length(flatten(condition.http_header[*].values))]) <= 5
    ])
    error_message = "A rule has five values at the most."
  }

  assert {
    condition     = length(jsondecode(output.routes)) == 3
    error_message = "The functions are told of three rules."
  }

  assert {
    condition     = aws_instance.machine[0].instance_initiated_shutdown_behavior == "stop" && length(aws_autoscaling_group.machine) == 0
    error_message = "There is one instance, and a shutdown stops it."
  }

  assert {
    condition     = one(aws_instance.machine[0].metadata_options).http_tokens == "required" && one(aws_instance.machine[0].metadata_options).http_put_response_hop_limit == 2
    error_message = "IMDSv2 only, and as far as the container."
  }

  assert {
    condition     = one(aws_instance.machine[0].root_block_device).encrypted && aws_ebs_volume.state[0].encrypted
    error_message = "Both volumes are encrypted."
  }

  assert {
    condition     = aws_volume_attachment.state[0].volume_id == aws_ebs_volume.state[0].id && aws_volume_attachment.state[0].instance_id == aws_instance.machine[0].id
    error_message = "The volume with the state is attached to it."
  }

  assert {
    condition     = strcontains(aws_instance.machine[0].user_data, "STATE_VOLUME=${aws_ebs_volume.state[0].id}\n") && strcontains(aws_instance.machine[0].user_data, "SKYLARK_CLOUD__VOLUME_GOES=false\n")
    error_message = "It mounts its volume, and keeps the queue there."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["unreachable"].evaluation_periods == 5 && one(flatten([for query in aws_cloudwatch_metric_alarm.this["unreachable"].metric_query : query.metric[*].period])) == 60
    error_message = "An instance's checks come each minute."
  }

  assert {
    condition     = length(aws_instance.machine[0].instance_market_options) == 0
    error_message = "It is on demand."
  }

  assert {
    condition     = aws_instance.machine[0].vpc_security_group_ids == toset([aws_security_group.machine.id]) && aws_instance.machine[0].iam_instance_profile == aws_iam_instance_profile.machine.name
    error_message = "It has the machine's group and profile."
  }

  assert {
    condition     = length(aws_lb_target_group_attachment.machine) == 6
    error_message = "It is a target of both places of all services."
  }

  assert {
    condition     = aws_instance.machine[0].ami == "ami-0123456789abcdef0" && data.aws_ssm_parameter.ami[0].name == "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
    error_message = "The image is AWS's with NVIDIA's driver."
  }

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
    } == { "accepted/" = 90, "results/" = 7, "audio/" = 30 }
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
      ["tagged", 3], ["untagged", 1], ["any", 5],
    ]
    error_message = "Of images the latest five are kept, and those that served."
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.rulePriority if can(rule.selection.tagPrefixList)] == [1] && jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[0].selection.tagPrefixList == ["served-"]
    error_message = "What serves is the first rule's, and no other expires it."
  }

  assert {
    condition     = jsondecode(nonsensitive(aws_ssm_parameter.release.value)) == { live = "blue", blue = "", green = "" }
    error_message = "At first no place has an image."
  }

  assert {
    condition     = aws_ssm_parameter.api_keys_of_people[0].type == "SecureString" && aws_ssm_parameter.api_keys_of_people[0].tier == "Intelligent-Tiering" && nonsensitive(aws_ssm_parameter.api_keys_of_people[0].value) == "unset" && length(aws_ssm_parameter.api_keys) == 0
    error_message = "People set the API keys."
  }

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
      "arn:aws:s3:::skylark-speech-123456789012/removed-voices/*",
      "arn:aws:s3:::skylark-speech-123456789012/results/*",
      "arn:aws:s3:::skylark-speech-123456789012/voices/*",
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

run "what_people_set_is_so" {
  command = plan

  variables {
    spot           = true
    instance_types = ["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "g6e.xlarge", "p5.4xlarge"]
    settings       = { SKYLARK_ENGINE__MAX_MODELS = "3" }
    accepted_days  = 3
    audio_days     = 1
    kept_images    = 2
    client_cidrs   = ["203.0.113.0/24"]
  }

  assert {
    condition     = one(one(aws_instance.machine[0].instance_market_options).spot_options).spot_instance_type == "persistent" && one(one(aws_instance.machine[0].instance_market_options).spot_options).instance_interruption_behavior == "stop"
    error_message = "The spot request is persistent."
  }

  assert {
    condition     = local.user_data_bytes < 16384
    error_message = "All families and a setting fit into user data."
  }

  assert {
    condition     = { for family, settings in local.settings : family => settings.SKYLARK_ENGINE__DTYPE } == { g4dn = "float16", g5 = "bfloat16", g6 = "bfloat16", g6e = "bfloat16", p5 = "bfloat16" }
    error_message = "The T4 has no bfloat16."
  }

  assert {
    condition     = local.settings.g4dn.SKYLARK_ENGINE__VRAM_MB < local.settings.g5.SKYLARK_ENGINE__VRAM_MB && local.settings.g6.SKYLARK_ENGINE__VRAM_MB < local.settings.p5.SKYLARK_ENGINE__VRAM_MB
    error_message = "Models have as much memory as the GPU has."
  }

  assert {
    condition     = alltrue([for settings in values(local.settings) : settings.SKYLARK_ENGINE__MAX_MODELS == "3"])
    error_message = "What a person sets goes before."
  }

  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.filter).prefix => one(rule.expiration).days if length(rule.expiration) > 0
    } == { "accepted/" = 90, "results/" = 3, "audio/" = 1 }
    error_message = "The bucket's rules are as they were set."
  }

  assert {
    condition = toset([for rule in values(aws_vpc_security_group_ingress_rule.clients) : "${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"]) == toset([
      "203.0.113.0/24 80-80", "203.0.113.0/24 443-443",
    ])
    error_message = "Clients reach the two ports from where they may."
  }
}
