# What is refused, with the variable that it is about.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "each_of_these_is_refused" {
  command = plan

  variables {
    name              = "speech-prod" # too long for a target group's name
    domain_name       = "speech"
    dns_zone          = null # and no certificate
    client_cidrs      = []
    tls_policy        = "ELBSecurityPolicy-2016-08" # knows TLS 1.0
    longest_request_s = 4000                        # no load balancer waits for so long
    egress            = "existing"                  # in a VPC that is made
    capacity          = "cluster"
    instance_types    = ["t3.micro"] # has no GPU
    ami_id            = "ubuntu"
    settings          = { TTS_API_KEY = "a long secret" } # would be in user data
    api_keys          = { maria = "a long secret" }       # is no hash
    kept_images       = 1                                 # there would be none to go back to
    work_hours        = { early = { schedule = "at six" } }
  }

  expect_failures = [
    var.name, var.domain_name, var.certificate, var.client_cidrs, var.tls_policy, var.longest_request_s, var.egress,
    var.capacity, var.instance_types, var.ami_id, var.settings, var.api_keys, var.kept_images, var.work_hours,
  ]
}

run "what_is_not_ascii_is_refused" {
  command = plan

  variables {
    settings = { SKYLARK_TTS__GREETING = "Guten Tag, Jürgen" } # user data is bytes, and 16384 of them
  }

  expect_failures = [var.settings]
}

run "ids_of_the_appliances_own_parts_are_refused" {
  command = plan

  variables {
    api_keys = { release = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" } # scripts/release would lose its hold
  }

  expect_failures = [var.api_keys]
}

run "endpoints_in_an_existing_vpc_need_its_route_tables" {
  command = plan

  variables {
    egress = "endpoints"
    vpc = {
      id                  = "vpc-1"
      balancer_subnet_ids = ["subnet-1", "subnet-2"]
      machine_subnet_ids  = ["subnet-3"]
    }
  }

  expect_failures = [var.egress]
}

run "a_region_without_the_type_is_told_in_words" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = [] }
  }

  expect_failures = [data.aws_ec2_instance_type_offerings.zones]
}
