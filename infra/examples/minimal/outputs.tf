output "url" {
  description = "Where clients reach the appliance."
  value       = module.skylark.url
}

output "repository_url" {
  description = "Where the image is pushed to."
  value       = module.skylark.repository_url
}
