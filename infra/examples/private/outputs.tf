output "balancer_dns_name" {
  description = "What the name is to lead to."
  value       = module.skylark.balancer_dns_name
}

output "repository_url" {
  description = "Where the image is pushed to."
  value       = module.skylark.repository_url
}
