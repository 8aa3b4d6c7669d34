# The functions, what calls them, and the alarms, as variables have them.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "without_work_hours_and_a_budget_nobody_starts_it_and_nothing_is_told_of_money" {
  assert {
    condition     = length(aws_scheduler_schedule.work_hours) == 0 && length(aws_iam_role.schedules) == 0
    error_message = "There is no schedule, and no role for one."
  }

  assert {
    condition     = length(aws_budgets_budget.this) == 0 && !contains(keys(aws_cloudwatch_metric_alarm.this), "over-budget")
    error_message = "There is no budget, and no alarm of one."
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "spot-interruption")
    error_message = "What is not spot is not interrupted."
  }
}

run "without_the_archive_it_is_said_how_it_is_made" {
  command = plan

  variables {
    functions_archive = "./no-such.zip"
  }

  expect_failures = [aws_lambda_function.this]
}

run "all_functions_have_the_same_environment" {
  assert {
    condition     = length(distinct([for function in aws_lambda_function.this : one(function.environment).variables])) == 1
    error_message = "They share their code, and what it is told."
  }

  assert {
    condition     = one(aws_lambda_function.this["start"].environment).variables.INSTANCE_ID == aws_instance.machine[0].id && !contains(keys(one(aws_lambda_function.this["start"].environment).variables), "ASG_NAME")
    error_message = "They are told of the instance, and of no group."
  }

  assert {
    condition     = one(aws_lambda_function.this["start"].environment).variables.GPU_FITS_TWO == "false"
    error_message = "A T4 has no memory for two places."
  }
}

run "a_fleet_is_told_as_a_group_and_its_refusals_are_listened_to" {
  variables {
    capacity       = "fleet"
    spot           = true
    instance_types = ["g6.xlarge", "g5.xlarge"]
  }

  assert {
    condition     = one(aws_lambda_function.this["start"].environment).variables.ASG_NAME == "skylark-speech" && !contains(keys(one(aws_lambda_function.this["start"].environment).variables), "INSTANCE_ID")
    error_message = "They are told of the group, and of no instance."
  }

  assert {
    condition     = one(aws_lambda_function.this["start"].environment).variables.INSTANCE_TYPES == "g6.xlarge,g5.xlarge"
    error_message = "A fleet takes any of its types."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_event_rule.change["group"].event_pattern, "EC2 Instance Launch Unsuccessful")
    error_message = "A group that gets no machine is told to the start function."
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.this), "spot-interruption")
    error_message = "An interruption is told."
  }
}

run "a_spot_instance_is_of_one_type" {
  command = plan

  variables {
    spot           = true
    instance_types = ["g6.xlarge", "g5.xlarge"]
  }

  assert {
    condition     = local.environment.INSTANCE_TYPES == "g6.xlarge"
    error_message = "No other type is tried."
  }
}

run "an_instance_on_demand_is_of_any" {
  command = plan

  variables {
    instance_types = ["g6.xlarge", "g5.xlarge"]
  }

  assert {
    condition     = local.environment.INSTANCE_TYPES == "g6.xlarge,g5.xlarge"
    error_message = "The types are tried in their order."
  }
}

run "two_places_fit_where_they_fit_on_every_type" {
  command = plan

  variables {
    instance_types = ["g6e.xlarge", "p5.4xlarge"]
  }

  assert {
    condition     = local.fits_two
    error_message = "An L40S and an H100 have memory for two places."
  }
}

run "two_places_do_not_fit_where_one_type_is_too_small" {
  command = plan

  variables {
    instance_types = ["g6e.xlarge", "g5.xlarge"]
  }

  assert {
    condition     = !local.fits_two
    error_message = "An A10G has no memory for two places."
  }
}

run "work_hours_start_it_for_so_long" {
  variables {
    work_hours     = { morning = { schedule = "cron(0 9 ? * MON-FRI *)", timezone = "Europe/Berlin", hold_s = 7200 } }
    monthly_budget = 50
    alarm_emails   = ["people@example.com"]
  }

  assert {
    condition     = one(aws_scheduler_schedule.work_hours["morning"].target).input == jsonencode({ do = "start", by = "schedule", why = "work hours: morning", hold_s = 7200 })
    error_message = "The schedule asks for a start, and says why and for how long."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["over-budget"].threshold == 50 && length(aws_budgets_budget.this) == 1
    error_message = "The budget has an alarm by the ledger, and one of AWS's own."
  }

  assert {
    condition     = one(aws_budgets_budget.this[0].cost_filter).values == tolist(["user:Appliance$speech"])
    error_message = "The budget counts what has the appliance's tag."
  }

  assert {
    condition     = [for one in aws_sns_topic_subscription.people : one.endpoint] == ["people@example.com"]
    error_message = "People are told by e-mail."
  }
}
