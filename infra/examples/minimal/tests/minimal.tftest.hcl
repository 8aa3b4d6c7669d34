mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  domain_name   = "speech.example.com"
  dns_zone_name = "example.com"
}

run "one_machine_behind_a_public_load_balancer" {
  assert {
    condition     = output.url == "https://speech.example.com"
    error_message = "Clients are told the name."
  }

  assert {
    condition     = module.skylark.instance_id != null && module.skylark.group_name == null
    error_message = "The machine is one instance."
  }
}
