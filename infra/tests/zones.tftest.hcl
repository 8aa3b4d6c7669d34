# An appliance stays where it is, whatever AWS says of its zones later.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "it_is_made_in_the_first_zone_that_has_the_type" {
  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = ["eu-central-1-ham-1a", "eu-central-1b", "eu-central-1c"] }
  }

  assert {
    condition     = local.zones == tolist(["eu-central-1b", "eu-central-1c"])
    error_message = "A zone that has to be opted in to is none."
  }

  assert {
    condition     = { for zone, subnet in aws_subnet.public : zone => subnet.cidr_block } == { eu-central-1b = "10.73.16.0/20", eu-central-1c = "10.73.32.0/20" }
    error_message = "A zone's network is its own, by its place among all of the region."
  }

  assert {
    condition     = aws_ebs_volume.state[0].availability_zone == "eu-central-1b"
    error_message = "The volume is in the machine's zone."
  }
}

run "another_zone_that_has_the_type_now_moves_nothing" {
  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }

  assert {
    condition     = aws_ebs_volume.state[0].availability_zone == "eu-central-1b"
    error_message = "The volume stays."
  }

  assert {
    condition     = aws_instance.machine[0].subnet_id == aws_subnet.public["eu-central-1b"].id
    error_message = "The machine stays."
  }

  assert {
    condition     = aws_subnet.public["eu-central-1b"].cidr_block == "10.73.16.0/20" && aws_subnet.public["eu-central-1a"].cidr_block == "10.73.0.0/20"
    error_message = "The networks stay."
  }
}

run "a_zone_of_another_region_is_refused" {
  command = plan

  variables {
    availability_zones = ["eu-central-1b", "eu-west-1a"]
  }

  expect_failures = [data.aws_availability_zones.of_region]
}
