# An appliance with a fleet, whose machine has no way to the internet.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "a_fleet_of_none_or_one_takes_what_there_is" {
  variables {
    capacity       = "fleet"
    spot           = true
    instance_types = ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"]
    egress         = "endpoints"
  }

  assert {
    condition     = aws_autoscaling_group.machine[0].min_size == 0 && aws_autoscaling_group.machine[0].max_size == 1 && aws_autoscaling_group.machine[0].desired_capacity == 0
    error_message = "There is one machine at the most, and none at first."
  }

  assert {
    condition     = one(aws_autoscaling_group.machine[0].mixed_instances_policy).launch_template[0].override[*].instance_type == tolist(["g6.xlarge", "g5.xlarge", "g4dn.xlarge"])
    error_message = "All types are taken, in their order."
  }

  assert {
    condition     = one(one(aws_autoscaling_group.machine[0].mixed_instances_policy).instances_distribution).on_demand_percentage_above_base_capacity == 0
    error_message = "The machine is spot."
  }

  assert {
    condition     = aws_autoscaling_group.machine[0].capacity_rebalance == false && aws_autoscaling_group.machine[0].protect_from_scale_in == false
    error_message = "No second machine is started beside the first, and none is protected from being stopped."
  }

  assert {
    condition     = length(aws_autoscaling_group.machine[0].vpc_zone_identifier) == 2
    error_message = "It is in all zones that have a type."
  }

  assert {
    condition     = length(aws_instance.machine) + length(aws_ebs_volume.state) == 0
    error_message = "There is no instance beside the group."
  }

  assert {
    condition     = one(aws_launch_template.machine[0].metadata_options).http_tokens == "required" && one(aws_launch_template.machine[0].metadata_options).http_put_response_hop_limit == 2
    error_message = "IMDSv2 only, and as far as the container."
  }

  assert {
    condition     = one(one(aws_launch_template.machine[0].block_device_mappings).ebs).encrypted == "true"
    error_message = "The volume is encrypted."
  }

  assert {
    condition     = strcontains(base64decode(aws_launch_template.machine[0].user_data), "SKYLARK_CLOUD__VOLUME_GOES=true\n") && strcontains(base64decode(aws_launch_template.machine[0].user_data), "STATE_VOLUME=\n")
    error_message = "Its queue goes with it, and is copied out before."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["unreachable"].evaluation_periods == 2 && one(flatten([for query in aws_cloudwatch_metric_alarm.this["unreachable"].metric_query : query.metric[*].period])) == 300
    error_message = "A group's checks come each five minutes."
  }

  assert {
    condition     = output.group_name == "skylark-speech" && output.instance_id == null
    error_message = "The group is told, and no instance."
  }

  assert {
    condition     = one(aws_launch_template.machine[0].network_interfaces).associate_public_ip_address == "false" && !aws_subnet.public["eu-central-1b"].map_public_ip_on_launch && length(aws_vpc_security_group_egress_rule.machine) == 0
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
