# The machine, as one instance and as a fleet.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "an_instance_is_stopped_and_started_and_keeps_its_volume" {
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
}

run "a_spot_instance_can_be_stopped" {
  command = plan

  variables {
    spot = true
  }

  assert {
    condition     = one(one(aws_instance.machine[0].instance_market_options).spot_options).spot_instance_type == "persistent" && one(one(aws_instance.machine[0].instance_market_options).spot_options).instance_interruption_behavior == "stop"
    error_message = "The spot request is persistent."
  }
}

run "a_fleet_of_none_or_one_takes_what_there_is" {
  variables {
    capacity       = "fleet"
    spot           = true
    instance_types = ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"]
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
    condition     = output.group_name == "skylark-speech" && output.instance_id == null
    error_message = "The group is told, and no instance."
  }
}

run "on_demand_is_on_demand" {
  command = plan

  variables {
    capacity = "fleet"
  }

  assert {
    condition     = one(one(aws_autoscaling_group.machine[0].mixed_instances_policy).instances_distribution).on_demand_percentage_above_base_capacity == 100
    error_message = "The machine is on demand."
  }
}

run "each_gpu_has_settings_that_fit_it" {
  command = plan

  variables {
    instance_types = ["g4dn.xlarge", "g5.xlarge", "g6.xlarge", "g6e.xlarge", "p5.4xlarge"]
    settings       = { SKYLARK_ENGINE__MAX_MODELS = "3" }
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
}

run "a_type_that_is_not_known_is_refused" {
  command = plan

  variables {
    instance_types = ["t3.micro"]
  }

  expect_failures = [var.instance_types]
}

run "a_secret_does_not_belong_into_settings" {
  command = plan

  variables {
    settings = { TTS_API_KEY = "a long secret" }
  }

  expect_failures = [var.settings]
}

run "no_key_is_in_user_data" {
  variables {
    api_keys = { maria = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
  }

  assert {
    condition     = !strcontains(aws_instance.machine[0].user_data, "9f86d081884c7d65") && !strcontains(aws_instance.machine[0].user_data, "maria")
    error_message = "Keys, and their hashes, are fetched by the machine itself."
  }

  assert {
    condition     = length(aws_instance.machine[0].user_data) < 16384
    error_message = "User data has 16 KB at the most."
  }

  assert {
    condition     = nonsensitive(aws_ssm_parameter.api_keys[0].value) == "maria:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" && aws_ssm_parameter.api_keys[0].type == "SecureString"
    error_message = "They are a SecureString, as SKYLARK_API_KEYS has them."
  }

  assert {
    condition     = length(aws_ssm_parameter.api_keys_of_people) == 0
    error_message = "One parameter has them."
  }
}
