# What it is called

variable "name" {
  description = "The appliance's name. Everything of it in AWS is called `skylark-<name>`, and its metrics have the dimension `Appliance=<name>`."
  type        = string
  default     = "speech"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,7}[a-z0-9]$", var.name))
    error_message = "name has 2 to 9 lower-case letters, digits and hyphens, and begins with a letter: with it a target group's name has the 32 characters that AWS allows."
  }
}

variable "tags" {
  description = "Tags of everything that can have some, beside `Appliance`."
  type        = map(string)
  default     = {}
}

# Where clients reach it

variable "domain_name" {
  description = "The name that clients use, such as `speech.example.com`."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "domain_name is a full host name in lower case, such as speech.example.com."
  }
}

variable "dns_zone" {
  description = "The Route 53 zone in which the name is made, and the certificate proved. Without one, `certificate` is needed, and the name is yours to lead to the output `balancer_dns_name`."
  type        = object({ id = string })
  default     = null
}

variable "certificate" {
  description = "A certificate of ACM for the name, in the same region. Without one it is made, and proved in `dns_zone`."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.certificate != null || var.dns_zone != null
    error_message = "Either certificate or dns_zone is needed: without a zone no certificate can be proved."
  }

  validation {
    condition     = var.certificate == null || can(regex("^arn:[a-z-]+:acm:", var.certificate.arn))
    error_message = "certificate.arn is the ARN of a certificate of ACM: arn:aws:acm:…"
  }
}

variable "internal" {
  description = "Whether only the VPC, and what is connected to it, can reach the load balancer."
  type        = bool
  default     = false
}

variable "client_cidrs" {
  description = "Who can reach the load balancer's ports 80 and 443. Whoever does still needs an API key."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "client_cidrs are networks such as 203.0.113.0/24, one at least."
  }
}

variable "tls_policy" {
  description = "The load balancer's security policy: TLS 1.2 and 1.3 by default."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.tls_policy))
    error_message = "tls_policy is one of ELBSecurityPolicy-TLS13-1-2-… and ELBSecurityPolicy-TLS13-1-3-…: nothing older than TLS 1.2."
  }
}

variable "longest_request_s" {
  description = "How long a request may take: `limits.request_timeout_s` of the appliance is set to it, and the load balancer waits a minute longer."
  type        = number
  default     = 1800

  validation {
    condition     = var.longest_request_s >= 60 && var.longest_request_s <= 3940
    error_message = "longest_request_s is 60 to 3940: a load balancer waits for 4000 s at most."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer and the table refuse to be destroyed."
  type        = bool
  default     = false
}

# The network

variable "vpc" {
  description = "An existing VPC: subnets for the load balancer, in two zones at least, and for the machine, the preferred first, in zones of the former. With the capacity `instance` it is in the first one; a fleet takes any. The route tables of the machine's subnets are needed where `egress` is `endpoints`. Without a VPC one is made."
  type = object({
    id                      = string
    balancer_subnet_ids     = list(string)
    machine_subnet_ids      = list(string)
    machine_route_table_ids = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.vpc == null || try(length(var.vpc.balancer_subnet_ids) >= 2 && length(var.vpc.machine_subnet_ids) >= 1, false)
    error_message = "vpc has two or more balancer_subnet_ids, and one or more machine_subnet_ids."
  }
}

variable "vpc_cidr" {
  description = "The network of the VPC that is made."
  type        = string
  default     = "10.73.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) <= 22, false)
    error_message = "vpc_cidr is a network of /16 to /22, such as 10.73.0.0/16."
  }
}

variable "availability_zones" {
  description = "Zones of the VPC that is made; null is two for an instance and up to three for a fleet, first those that have the machine's type. In each the load balancer has a public address, $3.65 a month."
  type        = list(string)
  default     = null

  validation {
    condition     = var.availability_zones == null || try(length(var.availability_zones) >= 2 && length(var.availability_zones) <= 8, false)
    error_message = "availability_zones are 2 to 8: a load balancer is in two at least."
  }
}

variable "egress" {
  description = "How the machine reaches AWS. `public_ip`: by a public address of its own, which nobody can connect to; it costs $0.005 an hour, and only while the machine runs. In an existing VPC the machine's subnets have to give it. `endpoints`: it has no way to the internet, but VPC endpoints in one zone, six that cost some $7 a month each, whether it runs or not. `existing`: the subnets of `vpc` have a way, such as a NAT gateway. None is made here: it would cost $32 a month and $0.045 for each GB."
  type        = string
  default     = "public_ip"

  validation {
    condition     = contains(["public_ip", "endpoints", "existing"], var.egress)
    error_message = "egress is public_ip, endpoints or existing."
  }

  validation {
    condition     = var.egress != "endpoints" || try(length(var.vpc.machine_route_table_ids) > 0, true)
    error_message = "vpc.machine_route_table_ids are needed where egress is endpoints in an existing VPC: by them S3 and DynamoDB are reached."
  }

  validation {
    condition     = var.egress != "existing" || var.vpc != null
    error_message = "egress is existing only with vpc: the VPC that is made has public_ip or endpoints."
  }
}

# The machine

variable "capacity" {
  description = "`instance`: one machine, which is stopped and started and keeps its volume; its zone may have none when it is wanted. `fleet`: an Auto Scaling group of none or one, with several types and zones; each start is a new machine, and begins with an empty queue."
  type        = string
  default     = "instance"

  validation {
    condition     = contains(["instance", "fleet"], var.capacity)
    error_message = "capacity is instance or fleet."
  }
}

variable "instance_types" {
  description = "Types of the machine, the preferred first. A fleet takes the first that there is; an instance is changed to the next where a start finds no capacity. g4dn, g5, g6, g6e and p5 are known, with settings that fit them."
  type        = list(string)
  default     = ["g4dn.xlarge"]

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for type in var.instance_types : contains(keys(local.gpus), split(".", type)[0])])
    error_message = "instance_types are types of g4dn, g5, g6, g6e and p5, such as g5.xlarge; one at least."
  }
}

variable "spot" {
  description = "Whether the machine is a spot instance: some 70 % cheaper, and it can be taken away with two minutes' notice. With the capacity `instance` the request is persistent, so that it can be stopped and started, and its type cannot be changed. That request has to be cancelled before the instance is replaced or destroyed (output `spot_request_id`): the provider leaves it, and it would start a machine that Terraform does not know. A fleet has no such request."
  type        = bool
  default     = false
}

variable "ami_id" {
  description = "The machine's image. Null is AWS's Deep Learning Base GPU AMI as it is when the machine is made: it has Docker, NVIDIA's driver and container toolkit, and the AWS CLI. Another one needs these too, cloud-init, and `/dev/sda1` as its root."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "ami_id is an image's id, such as ami-0123456789abcdef0."
  }
}

variable "root_volume_gb" {
  description = "The machine's own volume, encrypted: the AMI, and the images of two releases."
  type        = number
  default     = 150

  validation {
    condition     = var.root_volume_gb >= 100
    error_message = "root_volume_gb is 100 or more: the AMI and two images have to fit."
  }
}

variable "data_volume_gb" {
  description = "The volume with the queue and its results, encrypted; it outlives the instance. A fleet has them on its root volume."
  type        = number
  default     = 50

  validation {
    condition     = var.data_volume_gb >= 10
    error_message = "data_volume_gb is 10 or more."
  }
}

variable "settings" {
  description = "More settings of the appliance, as variables of its environment, such as `SKYLARK_LIMITS__MAX_TEXTS`. They go before those of the GPU. No secrets: whoever may describe the machine can read them."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.settings : can(regex("^[A-Z][A-Z0-9_]*$", key)) && can(regex("^[ -~]*$", value))])
    error_message = "settings are names of environment variables, and values of one line of ASCII."
  }

  validation {
    condition     = length([for key in keys(var.settings) : key if can(regex("API_KEY|SECRET|PASSWORD|TOKEN|DATABASE_URL", key))]) == 0
    error_message = "settings are in user data and not secret. API keys belong into api_keys."
  }
}

variable "api_keys" {
  description = "API keys as id = SHA-256 (`printf %s \"$KEY\" | sha256sum`). Null: the parameter is made with `unset`, and people set it, as `id:sha256,id:sha256`."
  type        = map(string)
  default     = null
  sensitive   = true

  validation {
    condition = var.api_keys == null || try(length(var.api_keys) > 0 && alltrue([
      for id, hash in var.api_keys : can(regex("^[A-Za-z0-9._-]+$", id)) && can(regex("^[0-9a-f]{64}$", hash))
    ]), false)
    error_message = "api_keys are ids of letters, digits, dots, hyphens and underscores, each with 64 hexadecimal digits."
  }

  # As lambda/appliance/keys.py has them.
  validation {
    condition     = length(setintersection(try(keys(var.api_keys), []), ["auto-stop", "machine", "machine-monitor", "reception", "release", "schedule"])) == 0
    error_message = "api_keys have no id auto-stop, machine, machine-monitor, reception, release or schedule: so the appliance's own parts are called, and by such an id somebody would act as one."
  }
}

# What is kept

variable "accepted_days" {
  description = "How long the results of requests are kept that were accepted while it was off. The requests themselves wait for up to 90 days."
  type        = number
  default     = 7

  validation {
    condition     = var.accepted_days >= 1 && floor(var.accepted_days) == var.accepted_days
    error_message = "accepted_days is a whole number of days."
  }
}

variable "audio_days" {
  description = "How long the audio is kept that clients had put into the bucket."
  type        = number
  default     = 30

  validation {
    condition     = var.audio_days >= 1 && floor(var.audio_days) == var.audio_days
    error_message = "audio_days is a whole number of days."
  }
}

variable "kept_images" {
  description = "So many images are kept in the repository, the latest; and the latest three that served."
  type        = number
  default     = 5

  validation {
    condition     = var.kept_images >= 2 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images is 2 or more: the one that serves and the one to go back to."
  }
}

variable "force_destroy" {
  description = "Whether a bucket with objects and a repository with images can be destroyed."
  type        = bool
  default     = false
}

# When it runs, and who is told

variable "functions_archive" {
  description = "The archive of the functions, as `infra/archive` makes it. Null is infra/build/functions.zip."
  type        = string
  default     = null
}

variable "idle_s" {
  description = "So long without work, and the machine is stopped."
  type        = number
  default     = 900

  validation {
    condition     = var.idle_s >= 300
    error_message = "idle_s is 300 or more."
  }
}

variable "grace_s" {
  description = "So long after a start it stays."
  type        = number
  default     = 900

  validation {
    condition     = var.grace_s >= 300
    error_message = "grace_s is 300 or more: a start takes minutes."
  }
}

variable "fresh_s" {
  description = "Older news of the machine is none."
  type        = number
  default     = 300

  validation {
    condition     = var.fresh_s >= 180
    error_message = "fresh_s is 180 or more: CloudWatch shows metrics some minutes late."
  }
}

variable "blind_s" {
  description = "So long without news of a running machine is an alarm."
  type        = number
  default     = 3600

  validation {
    condition     = var.blind_s >= 600
    error_message = "blind_s is 600 or more."
  }
}

variable "dry_run" {
  description = "Whether what would stop the machine only says so."
  type        = bool
  default     = false
}

variable "longest_run_s" {
  description = "A machine that has run for longer is an alarm."
  type        = number
  default     = 43200

  validation {
    condition     = var.longest_run_s >= 3600
    error_message = "longest_run_s is 3600 or more."
  }
}

variable "monthly_budget" {
  description = "Dollars a month; people are told when 80 % are spent, and when all will be. 0 is no budget."
  type        = number
  default     = 0

  validation {
    condition     = var.monthly_budget >= 0
    error_message = "monthly_budget is 0 or more dollars."
  }
}

variable "work_hours" {
  description = "When the machine is started by itself: a name, and for it a cron or rate expression of EventBridge Scheduler, the zone of its time, and how long the machine is held."
  type = map(object({
    schedule = string
    timezone = optional(string, "UTC")
    hold_s   = optional(number, 900)
  }))
  default = {}

  validation {
    condition     = alltrue([for name, hours in var.work_hours : can(regex("^[A-Za-z0-9_-]{1,30}$", name)) && can(regex("^(cron|rate)\\(.+\\)$", hours.schedule))])
    error_message = "work_hours have names of letters, digits, hyphens and underscores, and schedules such as cron(0 9 ? * MON-FRI *)."
  }

  validation {
    condition     = alltrue([for hours in values(var.work_hours) : hours.hold_s >= 0 && hours.hold_s <= 43200])
    error_message = "hold_s of work_hours is 0 to 43200, twelve hours."
  }
}

variable "alarm_emails" {
  description = "Who is told by e-mail of alarms and faults. Each has to confirm it once."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+$", address))])
    error_message = "alarm_emails are e-mail addresses."
  }
}
