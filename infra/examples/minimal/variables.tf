variable "region" {
  description = "Where it runs. Not every region has g4dn."
  type        = string
  default     = "eu-central-1"
}

variable "domain_name" {
  description = "The name that clients use, in `dns_zone_name`."
  type        = string
}

variable "dns_zone_name" {
  description = "A public Route 53 zone of this account."
  type        = string
}

variable "api_keys" {
  description = "API keys as id = SHA-256; null: people set them in SSM."
  type        = map(string)
  default     = null
  sensitive   = true
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}
