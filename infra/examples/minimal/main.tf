# One machine behind a public load balancer, in a VPC of its own: stopped when nobody uses it, started when somebody does.
#
#   terraform init
#   terraform apply -var domain_name=speech.example.com -var dns_zone_name=example.com

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

data "aws_route53_zone" "this" {
  name = var.dns_zone_name
}

module "skylark" {
  source = "../.."

  domain_name  = var.domain_name
  dns_zone     = { id = data.aws_route53_zone.this.zone_id }
  api_keys     = var.api_keys
  alarm_emails = var.alarm_emails
}
