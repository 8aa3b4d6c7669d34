output "url" {
  description = "Where clients reach the appliance."
  value       = "https://${var.domain_name}"
}

output "name" {
  description = "The appliance's name."
  value       = var.name
}

output "region" {
  description = "The region that all of it is in."
  value       = local.region
}

output "balancer_dns_name" {
  description = "The load balancer's own name, for a CNAME where there is no Route 53 zone."
  value       = aws_lb.this.dns_name
}

output "listener_arn" {
  description = "The HTTPS listener."
  value       = aws_lb_listener.https.arn
}

output "routes" {
  description = "The rules that are switched, and the target groups of their service, as the functions' `ROUTES`."
  value       = jsonencode(local.routes)
}

output "reception_target_group_arn" {
  description = "The target group that the rules lead to while the machine is off."
  value       = aws_lb_target_group.function["reception"].arn
}

output "vpc_id" {
  description = "The VPC, its own or the one that was given."
  value       = local.vpc_id
}

output "machine_security_group_id" {
  description = "The machine's security group, for whatever else it is to reach, or is to be reached by."
  value       = aws_security_group.machine.id
}

output "machine_role_name" {
  description = "The machine's role, for whatever else it is to be allowed."
  value       = aws_iam_role.machine.name
}

output "instance_id" {
  description = "The machine, with the capacity `instance`; else null."
  value       = one(aws_instance.machine[*].id)
}

output "spot_request_id" {
  description = "The spot request of an instance, which has to be cancelled before the instance is replaced or destroyed; null where there is none."
  value       = var.spot ? one(aws_instance.machine[*].spot_instance_request_id) : null
}

output "group_name" {
  description = "The Auto Scaling group, with the capacity `fleet`; else null."
  value       = one(aws_autoscaling_group.machine[*].name)
}

output "bucket" {
  description = "The bucket."
  value       = aws_s3_bucket.this.bucket
}

output "table" {
  description = "The DynamoDB table."
  value       = aws_dynamodb_table.this.name
}

output "repository_url" {
  description = "The ECR repository that images are pushed to."
  value       = aws_ecr_repository.this.repository_url
}

output "release_parameter" {
  description = "The SSM parameter that names the image of each place."
  value       = aws_ssm_parameter.release.name
}

output "api_keys_parameter" {
  description = "The SSM parameter with the hashes of the API keys."
  value       = local.api_keys_parameter
}

output "holds_path" {
  description = "The path of SSM below which holds are."
  value       = local.holds_path
}

output "topic_arn" {
  description = "The SNS topic that tells people."
  value       = aws_sns_topic.people.arn
}
