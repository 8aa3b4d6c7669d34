mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  domain_name   = "batch.example.com"
  dns_zone_name = "example.com"
}

run "a_fleet_of_none_or_one" {
  assert {
    condition     = module.skylark.group_name == "skylark-batch" && module.skylark.instance_id == null
    error_message = "The machine is of a group."
  }
}
