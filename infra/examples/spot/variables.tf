variable "region" {
  description = "Where it runs."
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

variable "timezone" {
  description = "The zone of the working hours."
  type        = string
  default     = "Europe/Berlin"
}

variable "monthly_budget" {
  description = "Dollars a month."
  type        = number
  default     = 30
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}
