# The machine: one instance that is stopped and started, or a group of none or one.

locals {
  is_fleet = var.capacity == "fleet"
  ami_id   = var.ami_id == null ? data.aws_ssm_parameter.ami[0].insecure_value : var.ami_id
}

data "aws_ssm_parameter" "ami" {
  count = var.ami_id == null ? 1 : 0
  name  = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
}

# One instance

data "aws_subnet" "machine" {
  count = local.is_fleet || local.own_vpc ? 0 : 1
  id    = var.vpc.machine_subnet_ids[0]
}

resource "aws_ebs_volume" "state" {
  count             = local.is_fleet ? 0 : 1
  availability_zone = local.own_vpc ? local.machine_zones[0] : data.aws_subnet.machine[0].availability_zone
  type              = "gp3"
  size              = var.data_volume_gb
  encrypted         = true
  tags              = merge(local.tags, { Name = "${local.full_name}-state" })

  # AWS may say tomorrow that another zone has the type: the volume, and what is on it, stays where it is.
  lifecycle {
    ignore_changes = [availability_zone]
  }
}

resource "aws_volume_attachment" "state" {
  count                          = local.is_fleet ? 0 : 1
  volume_id                      = aws_ebs_volume.state[0].id
  instance_id                    = aws_instance.machine[0].id
  device_name                    = "/dev/sdf"
  stop_instance_before_detaching = true
}

resource "aws_instance" "machine" {
  count                                = local.is_fleet ? 0 : 1
  ami                                  = local.ami_id
  instance_type                        = var.instance_types[0]
  subnet_id                            = local.machine_subnet_ids[0]
  vpc_security_group_ids               = [aws_security_group.machine.id]
  associate_public_ip_address          = var.egress == "public_ip" ? null : false # null is as its subnet has it
  iam_instance_profile                 = aws_iam_instance_profile.machine.name
  instance_initiated_shutdown_behavior = "stop"
  disable_api_termination              = var.deletion_protection && !var.spot # EC2 protects no spot instance
  user_data                            = local.user_data
  tags                                 = merge(local.tags, { Name = local.full_name })

  dynamic "instance_market_options" {
    for_each = var.spot ? ["spot"] : []

    content {
      market_type = "spot"

      # A one-time request could not be stopped and started.
      spot_options {
        spot_instance_type             = "persistent"
        instance_interruption_behavior = "stop"
      }
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2 # the container is one hop further
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gb
    encrypted   = true
    tags        = merge(local.tags, { Name = local.full_name })
  }

  # A newer AMI or another zone would replace the machine, and its type is the start function's to change.
  lifecycle {
    ignore_changes = [ami, instance_type, subnet_id]

    precondition {
      condition     = local.user_data_bytes < 16384
      error_message = local.too_much_user_data
    }
  }
}

resource "aws_lb_target_group_attachment" "machine" {
  for_each         = local.is_fleet ? {} : local.targets
  target_group_arn = aws_lb_target_group.machine[each.key].arn
  target_id        = aws_instance.machine[0].id
}

# A fleet

resource "aws_launch_template" "machine" {
  count                                = local.is_fleet ? 1 : 0
  name                                 = local.full_name
  image_id                             = local.ami_id
  instance_type                        = var.instance_types[0]
  instance_initiated_shutdown_behavior = "terminate"
  user_data                            = base64encode(local.user_data)
  update_default_version               = true
  tags                                 = local.tags

  iam_instance_profile {
    name = aws_iam_instance_profile.machine.name
  }

  network_interfaces {
    associate_public_ip_address = var.egress == "public_ip"
    security_groups             = [aws_security_group.machine.id]
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.root_volume_gb
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = local.full_name })
    }
  }

  lifecycle {
    precondition {
      condition     = local.user_data_bytes < 16384
      error_message = local.too_much_user_data
    }
  }
}

resource "aws_autoscaling_group" "machine" {
  count                     = local.is_fleet ? 1 : 0
  name                      = local.full_name
  min_size                  = 0
  max_size                  = 1
  desired_capacity          = 0
  vpc_zone_identifier       = local.machine_subnet_ids
  target_group_arns         = [for group in aws_lb_target_group.machine : group.arn]
  health_check_type         = "EC2" # by the load balancer's it would be replaced while it loads
  capacity_rebalance        = false # a second machine beside the first one would have its work
  protect_from_scale_in     = false
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.machine[0].id
        version            = "$Latest"
      }

      dynamic "override" {
        for_each = var.instance_types

        content {
          instance_type = override.value
        }
      }
    }

    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = var.spot ? 0 : 100
      on_demand_allocation_strategy            = "prioritized"
      spot_allocation_strategy                 = "capacity-optimized-prioritized"
    }
  }

  # The functions start and stop it by this number.
  lifecycle {
    ignore_changes = [desired_capacity]
  }
}
