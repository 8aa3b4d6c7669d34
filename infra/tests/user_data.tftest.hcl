# User data that EC2 would not take is refused when it is planned; what is in it is known once there is an appliance.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "an_instance_is_made" {
}

run "so_many_settings_do_not_fit_it" {
  command = plan

  variables {
    settings = { SKYLARK_LONG = format("%016000d", 0) }
  }

  expect_failures = [aws_instance.machine]
}

run "a_fleet_is_made" {
  variables {
    capacity = "fleet"
  }
}

run "nor_a_fleet" {
  command = plan

  variables {
    capacity = "fleet"
    settings = { SKYLARK_LONG = format("%016000d", 0) }
  }

  expect_failures = [aws_launch_template.machine]
}
