variable "region" {
  description = "Where the VPC is."
  type        = string
  default     = "eu-central-1"
}

variable "domain_name" {
  description = "The name that clients use; the private zone, or whatever else resolves it, leads it to the output `balancer_dns_name`."
  type        = string
}

variable "certificate_arn" {
  description = "A certificate of ACM for the name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "private_subnet_ids" {
  description = "Its subnets without a way to the internet, in two zones or more; the first has the machine."
  type        = list(string)
}

variable "private_route_table_ids" {
  description = "The route tables of these subnets."
  type        = list(string)
}

variable "client_cidrs" {
  description = "Who may reach the load balancer."
  type        = list(string)
  default     = ["10.0.0.0/8"]
}
