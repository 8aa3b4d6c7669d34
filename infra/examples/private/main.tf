# Inside of an existing VPC: an internal load balancer, and a machine that has no way to the internet at all. Clients
# come from the VPC, or from what is connected to it.
#
#   terraform init
#   terraform apply -var-file mine.tfvars

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6"
    }
  }
}

provider "aws" {
  region = var.region
}

module "skylark" {
  source = "../.."

  domain_name  = var.domain_name
  certificate  = { arn = var.certificate_arn }
  internal     = true
  client_cidrs = var.client_cidrs

  vpc = {
    id                      = var.vpc_id
    balancer_subnet_ids     = var.private_subnet_ids
    machine_subnet_ids      = var.private_subnet_ids
    machine_route_table_ids = var.private_route_table_ids
  }
  egress = "endpoints"

  instance_types      = ["g5.xlarge", "g6.xlarge"]
  deletion_protection = true
}
