mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  domain_name             = "speech.internal.example.com"
  certificate_arn         = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  vpc_id                  = "vpc-1"
  private_subnet_ids      = ["subnet-1", "subnet-2"]
  private_route_table_ids = ["rtb-1"]
}

run "an_existing_vpc_and_an_internal_load_balancer" {
  assert {
    condition     = module.skylark.instance_id != null && module.skylark.vpc_id == "vpc-1"
    error_message = "The machine is one instance, in the VPC that there is."
  }

  assert {
    condition     = output.balancer_dns_name != null
    error_message = "People are told what the name is to lead to."
  }
}
