# Who reaches whom, and which way the machine has to AWS.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "only_the_load_balancer_reaches_a_machine_with_a_public_ip" {
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
}

run "clients_reach_80_and_443_of_the_load_balancer" {
  command = plan

  variables {
    client_cidrs = ["203.0.113.0/24"]
  }

  assert {
    condition = toset([for rule in values(aws_vpc_security_group_ingress_rule.clients) : "${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"]) == toset([
      "203.0.113.0/24 80-80", "203.0.113.0/24 443-443",
    ])
    error_message = "Clients reach the two ports from where they may."
  }
}

run "a_region_without_the_type_is_told_in_words" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = { locations = [] }
  }

  expect_failures = [data.aws_ec2_instance_type_offerings.zones]
}

run "with_endpoints_the_machine_has_no_way_to_the_internet" {
  variables {
    egress = "endpoints"
  }

  assert {
    condition     = aws_instance.machine[0].associate_public_ip_address == false && !aws_subnet.public["eu-central-1b"].map_public_ip_on_launch && length(aws_vpc_security_group_egress_rule.machine) == 0
    error_message = "The machine has neither an address nor a rule to the internet."
  }

  assert {
    condition     = length(aws_route_table.private[0].route) == 0
    error_message = "The machine's route table leads nowhere."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ec2messages", "ecr.api", "ecr.dkr", "monitoring", "ssm", "ssmmessages"])
    error_message = "What the machine calls has endpoints."
  }

  assert {
    condition     = alltrue([for endpoint in values(aws_vpc_endpoint.interface) : length(endpoint.subnet_ids) == 1])
    error_message = "Each endpoint is paid for in one zone."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.machine_to_endpoints[0].referenced_security_group_id == aws_security_group.endpoints[0].id
    error_message = "The machine reaches the endpoints."
  }
}

run "an_existing_vpc_is_left_as_it_is" {
  variables {
    egress = "existing"
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
}

run "egress_of_its_own_vpc_is_not_existing" {
  command = plan

  variables {
    egress = "existing"
  }

  expect_failures = [var.egress]
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
