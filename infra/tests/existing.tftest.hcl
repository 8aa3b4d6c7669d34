# An appliance in a VPC that there is, with a certificate and API keys that were given.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
}

run "an_existing_vpc_is_left_as_it_is" {
  variables {
    certificate = { arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
    egress      = "existing"
    api_keys    = { maria = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
    vpc = {
      id                  = "vpc-1"
      balancer_subnet_ids = ["subnet-1", "subnet-2"]
      machine_subnet_ids  = ["subnet-3"]
    }
  }

  assert {
    condition     = length(aws_vpc.own) + length(aws_subnet.public) + length(aws_route_table.public) + length(aws_vpc_endpoint.gateway) == 0
    error_message = "Nothing of a network is made."
  }

  assert {
    condition     = aws_instance.machine[0].subnet_id == "subnet-3" && aws_lb.this.subnets == toset(["subnet-1", "subnet-2"])
    error_message = "The subnets are those that were given."
  }

  assert {
    condition     = aws_lb_listener.https.certificate_arn == "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    error_message = "The certificate is the one that was given."
  }

  assert {
    condition     = length(aws_acm_certificate.this) + length(aws_route53_record.name) == 0
    error_message = "Nothing is made in a zone."
  }

  assert {
    condition     = !strcontains(aws_instance.machine[0].user_data, "9f86d081884c7d65") && !strcontains(aws_instance.machine[0].user_data, "maria")
    error_message = "Keys, and their hashes, are fetched by the machine itself."
  }

  assert {
    condition     = local.user_data_bytes >= length(aws_instance.machine[0].user_data) && local.user_data_bytes < 16384
    error_message = "User data has 16 KB at the most."
  }

  assert {
    condition     = nonsensitive(aws_ssm_parameter.api_keys[0].value) == "maria:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" && aws_ssm_parameter.api_keys[0].type == "SecureString" && aws_ssm_parameter.api_keys[0].tier == "Intelligent-Tiering"
    error_message = "They are a SecureString, as SKYLARK_API_KEYS has them."
  }

  assert {
    condition     = length(aws_ssm_parameter.api_keys_of_people) == 0
    error_message = "One parameter has them."
  }
}
