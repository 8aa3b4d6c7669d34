# The fullest configuration, for the tests: an appliance with one instance and one with a fleet, each of which has what
# the other has not.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6"
    }
  }
}

variable "ami_id" {
  type = string
}

provider "aws" {
  region            = "eu-central-1"
  max_retries       = 2 # or an error of 500 looks as if it hung
  s3_use_path_style = true
}

resource "aws_route53_zone" "this" {
  name = "example.com"
}

module "speech" {
  source = "../infra"

  domain_name    = "speech.example.com"
  dns_zone       = { id = aws_route53_zone.this.zone_id }
  ami_id         = var.ami_id
  instance_types = ["g4dn.xlarge", "g5.xlarge"]
  force_destroy  = true
  api_keys       = { maria = "cd42404d52ad55ccfa9aca4adc828aa5800ad9d385a0671fbcbf724118320619" } # of "value"
  monthly_budget = 50
  alarm_emails   = ["people@example.com"]
  work_hours     = { working_days = { schedule = "cron(0 9 ? * MON-FRI *)", timezone = "Europe/Berlin", hold_s = 3600 } }
}

module "batch" {
  source = "../infra"

  name           = "batch"
  domain_name    = "batch.example.com"
  dns_zone       = { id = aws_route53_zone.this.zone_id }
  ami_id         = var.ami_id
  capacity       = "fleet"
  spot           = true
  instance_types = ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"]
  egress         = "endpoints"
  vpc_cidr       = "10.74.0.0/16"
  force_destroy  = true
}

output "speech" {
  value = module.speech
}

output "batch" {
  value = module.batch
}
